//! Who did what: rows from the journal and the registry, and the pages that admins read.

use std::collections::BTreeMap;

use aerostream_domain::{DroneId, FleetId, Offset, UtcMicros};
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{Arguments, FromRow, PgConnection, Row};

use super::error::StoreError;
use super::history::Reader;
use super::offsets::{self, Source, Spans};
use super::session::execute;
use super::writer::Writer;

/// What was done, by whom, and how it went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    pub place: AuditPlace,
    pub principal: String,
    pub role: String,
    pub token_id: String,
    pub door: String,
    pub address: String,
    pub action: String,
    pub fleet: String,
    pub drone: String,
    pub subject: String,
    pub detail: String,
    pub result: String,
}

/// Where a row stands among all: by time, then by its record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AuditPlace {
    pub at: UtcMicros,
    /// `journal` or `registry`.
    pub topic: String,
    pub partition: u16,
    pub offset: Offset,
}

/// A change of the registry, and the version that it takes for the newest.
#[derive(Debug, Clone)]
pub struct ChangeRow {
    pub row: AuditRow,
    pub replaces: Replaces,
}

/// What a change takes for the newest version of its entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replaces {
    /// Whatever it is: the change is never refused for it.
    Any,
    /// None: the entity is to be new.
    Nothing,
    Version(Offset),
}

/// What is known of the newest version of an entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Newest {
    At(Offset),
    Removed,
}

impl Newest {
    fn of(action: &str, offset: Offset) -> Self {
        if action.starts_with(REMOVAL) {
            Self::Removed
        } else {
            Self::At(offset)
        }
    }
}

impl Replaces {
    fn fits(self, newest: Option<Newest>) -> bool {
        match (self, newest) {
            // An entity that is older than the audit is taken at its word.
            (Self::Any, _) | (_, None) => true,
            (Self::Nothing, Some(newest)) => newest == Newest::Removed,
            (Self::Version(taken), Some(newest)) => newest == Newest::At(taken),
        }
    }
}

/// How the actions begin behind which there is no entity any more.
const REMOVAL: &str = "delete_";

/// The result of what the fold took.
pub const TAKEN: &str = "taken";
/// The result of what folded to nothing.
pub const WITHOUT_EFFECT: &str = "without_effect";
/// The result of a change of a version that was not the newest.
pub const STALE: &str = "stale";

/// Changes of the registry that are stored in one transaction, in log order.
#[derive(Debug, Default)]
pub struct RegistryRun {
    pub changes: Vec<ChangeRow>,
    pub spans: Spans,
}

/// Stores a run and its offsets.
///
/// # Errors
/// As [`super::telemetry::write_run`].
pub async fn write_run(writer: &mut Writer, run: &RegistryRun) -> Result<(), StoreError> {
    let mut session = writer.session().await?;
    let connection = &mut session.connection;
    execute(connection, "BEGIN").await?;
    offsets::lock_expected(connection, writer.topic(), &run.spans).await?;
    let judged = judge(connection, &run.changes).await?;
    write(connection, &judged).await?;
    offsets::advance(connection, writer.topic(), &run.spans).await?;
    execute(connection, "COMMIT").await?;
    writer.put_back(session);
    Ok(())
}

/// Tells which changes were of the newest version, as the fold of the registry does.
async fn judge(
    connection: &mut PgConnection,
    changes: &[ChangeRow],
) -> Result<Vec<AuditRow>, StoreError> {
    let subjects: Vec<&str> = changes.iter().map(|it| it.row.subject.as_str()).collect();
    let rows = sqlx::query(
        "SELECT DISTINCT ON (subject) subject, log_offset, action FROM audit \
         WHERE topic = $1 AND subject = ANY($2) AND result = $3 \
         ORDER BY subject, log_offset DESC",
    )
    .bind(Source::Registry.as_str())
    .bind(subjects)
    .bind(TAKEN)
    .fetch_all(connection)
    .await
    .map_err(StoreError::on("read versions of the registry"))?;
    let mut newest = BTreeMap::new();
    for row in &rows {
        let (subject, offset, action): (String, i64, String) =
            FromRow::from_row(row).map_err(StoreError::on("read a version"))?;
        newest.insert(subject, Newest::of(&action, Offset(offset as u64)));
    }
    let judged = changes.iter().map(|change| {
        let mut row = change.row.clone();
        if change.replaces.fits(newest.get(&row.subject).copied()) {
            let now = Newest::of(&row.action, row.place.offset);
            newest.insert(row.subject.clone(), now);
        } else {
            STALE.clone_into(&mut row.result);
        }
        row
    });
    Ok(judged.collect())
}

/// A text may have a character that Postgres does not take.
fn storable(text: &str) -> String {
    text.replace('\0', "")
}

/// Stores rows; those that are there already stay.
pub(super) async fn write(
    connection: &mut PgConnection,
    rows: &[AuditRow],
) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    fn all<T>(rows: &[AuditRow], of: impl Fn(&AuditRow) -> T) -> Vec<T> {
        rows.iter().map(of).collect()
    }
    sqlx::query(
        "INSERT INTO audit (topic, partition, log_offset, at, principal, role, token_id, door, \
         address, action, fleet_id, drone_id, subject, detail, result) \
         SELECT topic, partition, log_offset, \
         'epoch'::timestamptz + at * interval '1 microsecond', principal, role, token_id, door, \
         address, action, fleet_id, drone_id, subject, detail, result \
         FROM unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], \
         $7::text[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], \
         $14::text[], $15::text[]) \
         AS new(topic, partition, log_offset, at, principal, role, token_id, door, address, \
         action, fleet_id, drone_id, subject, detail, result) ON CONFLICT DO NOTHING",
    )
    .bind(all(rows, |row| row.place.topic.clone()))
    .bind(all(rows, |row| i32::from(row.place.partition)))
    .bind(all(rows, |row| row.place.offset.0 as i64))
    .bind(all(rows, |row| row.place.at.0))
    .bind(all(rows, |row| storable(&row.principal)))
    .bind(all(rows, |row| storable(&row.role)))
    .bind(all(rows, |row| storable(&row.token_id)))
    .bind(all(rows, |row| storable(&row.door)))
    .bind(all(rows, |row| storable(&row.address)))
    .bind(all(rows, |row| storable(&row.action)))
    .bind(all(rows, |row| storable(&row.fleet)))
    .bind(all(rows, |row| storable(&row.drone)))
    .bind(all(rows, |row| storable(&row.subject)))
    .bind(all(rows, |row| storable(&row.detail)))
    .bind(all(rows, |row| storable(&row.result)))
    .execute(connection)
    .await
    .map_err(StoreError::on("store audit rows"))?;
    Ok(())
}

/// Which rows; the newest first.
#[derive(Debug, Clone)]
pub struct AuditQuestion {
    pub from: Option<UtcMicros>,
    /// The moment behind the last.
    pub to: Option<UtcMicros>,
    /// These fleets only; `None` for all, and for what is about none.
    pub fleets: Option<Vec<FleetId>>,
    pub drone: Option<DroneId>,
    pub principal: Option<String>,
    /// The row that the page before ended with.
    pub after: Option<AuditPlace>,
    pub limit: u32,
}

const MICROS: &str = "'epoch'::timestamptz + {} * interval '1 microsecond'";

impl AuditQuestion {
    fn statement(&self) -> String {
        let moment = |parameter: &str| MICROS.replace("{}", parameter);
        format!(
            "SELECT (extract(epoch FROM at) * 1000000)::bigint, topic, partition, log_offset, \
             principal, role, token_id, door, address, action, fleet_id, drone_id, subject, \
             detail, result FROM audit \
             WHERE ($1::bigint IS NULL OR at >= {}) AND ($2::bigint IS NULL OR at < {}) \
             AND ($3::text[] IS NULL OR fleet_id = ANY($3)) \
             AND ($4::text IS NULL OR drone_id = $4) AND ($5::text IS NULL OR principal = $5) \
             AND ($6::bigint IS NULL OR (at, topic, partition, log_offset) < ({}, $7, $8, $9)) \
             ORDER BY at DESC, topic DESC, partition DESC, log_offset DESC LIMIT $10",
            moment("$1"),
            moment("$2"),
            moment("$6"),
        )
    }

    fn arguments(&self) -> Result<PgArguments, BoxDynError> {
        let mut arguments = PgArguments::default();
        let fleets = self.fleets.as_ref();
        let fleets: Option<Vec<String>> =
            fleets.map(|fleets| fleets.iter().map(ToString::to_string).collect());
        arguments.add(self.from.map(|at| at.0))?;
        arguments.add(self.to.map(|at| at.0))?;
        arguments.add(fleets)?;
        arguments.add(self.drone.as_ref().map(|drone| drone.as_str().to_owned()))?;
        arguments.add(self.principal.clone())?;
        let after = self.after.as_ref();
        arguments.add(after.map(|after| after.at.0))?;
        arguments.add(after.map(|after| after.topic.clone()))?;
        arguments.add(after.map(|after| i32::from(after.partition)))?;
        arguments.add(after.map(|after| after.offset.0 as i64))?;
        arguments.add(i64::from(self.limit))?;
        Ok(arguments)
    }
}

impl Reader {
    /// Rows of the audit, newest first.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn audit(&self, question: &AuditQuestion) -> Result<Vec<AuditRow>, StoreError> {
        let statement = question.statement();
        let rows = self.rows(&statement, || question.arguments()).await?;
        let rows = rows.iter().map(read);
        rows.collect::<Result<_, _>>()
            .map_err(StoreError::on("read an audit row"))
    }
}

fn read(row: &PgRow) -> Result<AuditRow, sqlx::Error> {
    let partition: i32 = row.try_get(2)?;
    let offset: i64 = row.try_get(3)?;
    Ok(AuditRow {
        place: AuditPlace {
            at: UtcMicros(row.try_get(0)?),
            topic: row.try_get(1)?,
            partition: partition as u16,
            offset: Offset(offset as u64),
        },
        principal: row.try_get(4)?,
        role: row.try_get(5)?,
        token_id: row.try_get(6)?,
        door: row.try_get(7)?,
        address: row.try_get(8)?,
        action: row.try_get(9)?,
        fleet: row.try_get(10)?,
        drone: row.try_get(11)?,
        subject: row.try_get(12)?,
        detail: row.try_get(13)?,
        result: row.try_get(14)?,
    })
}
