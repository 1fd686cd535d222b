//! Stores runs of samples: each in one transaction together with the offsets behind it.

use std::fmt::Write as _;

use aerostream_domain::UtcMicros;
use bytes::{BufMut, BytesMut};
use sqlx::{AssertSqlSafe, PgConnection, Row};
use time::OffsetDateTime;

use super::error::StoreError;
use super::offsets;
use super::partition::Day;
use super::row::columns::{COLUMNS, IDENTITY, list};
use super::row::encode;
use super::run::{Arranged, Place, Run};
use super::session::execute;
use super::writer::{Session, Writer};

/// Bytes of rows that are handed to the connection at once.
const CHUNK_BYTES: usize = 256 * 1024;

/// A run that is written and waits for its commit. Dropped, nothing of it is stored.
#[must_use = "a run is stored only when it is committed"]
pub struct Written<'a> {
    writer: &'a mut Writer,
    session: Session,
    /// Samples whose identity is stored already with other content, or twice in the run.
    pub conflicts: Vec<Place>,
    pub counts: Counts,
}

/// What became of the samples of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// New rows.
    pub stored: u64,
    /// Samples that were stored already.
    pub repeated: u64,
    /// Samples of days that are not kept any more.
    pub expired: u64,
}

/// Writes a run, up to its commit. Dead letters for its conflicts must be durable before that.
///
/// # Errors
/// [`StoreError::OffsetsMoved`] if the run is void; anything else leaves it as good as before, and
/// [`Writer::take_over`] tells whether it is stored.
pub async fn write_run<'a>(
    writer: &'a mut Writer,
    run: &mut Run,
) -> Result<Written<'a>, StoreError> {
    let mut session = writer.session().await?;
    let connection = &mut session.connection;
    let refs = writer.refs.resolve(connection, run.drones()).await?;

    execute(connection, "BEGIN").await?;
    let spans = run.spans().clone();
    offsets::lock_expected(connection, writer.topic(), &spans).await?;
    let kept_from = super::partition::kept_from(connection).await?;
    let arranged = run.arrange(&refs, kept_from);
    let mut counts = Counts {
        stored: arranged.len() as u64,
        repeated: arranged.repeated,
        expired: arranged.expired.values().sum(),
    };
    let mut conflicts = arranged.conflicts.clone();
    execute(connection, "SAVEPOINT rows").await?;
    match copy(connection, "telemetry", &arranged, &mut writer.buffer).await {
        Ok(()) => {}
        Err(error) if error.is_unique_violation() => {
            execute(connection, "ROLLBACK TO SAVEPOINT rows").await?;
            counts.stored = add_new(&mut session, &arranged, &mut writer.buffer).await?;
            let known = conflicting(&mut session.connection, &arranged).await?;
            counts.repeated += arranged.len() as u64 - counts.stored - known.len() as u64;
            conflicts.extend(known);
        }
        Err(error) => return Err(error),
    }
    let connection = &mut session.connection;
    mark_dirty(connection, &arranged).await?;
    count_expired(connection, &arranged).await?;
    offsets::advance(connection, writer.topic(), &spans).await?;
    Ok(Written {
        writer,
        session,
        conflicts,
        counts,
    })
}

impl Written<'_> {
    /// Makes the run durable. An error leaves open whether it is.
    pub async fn commit(mut self) -> Result<Counts, StoreError> {
        execute(&mut self.session.connection, "COMMIT").await?;
        self.writer.put_back(self.session);
        Ok(self.counts)
    }
}

/// Copies the rows into a table that has the columns of `telemetry`.
async fn copy(
    connection: &mut PgConnection,
    table: &str,
    arranged: &Arranged<'_>,
    buffer: &mut BytesMut,
) -> Result<(), StoreError> {
    if arranged.len() == 0 {
        return Ok(());
    }
    let columns = list(&COLUMNS, "");
    let statement = format!("COPY {table} ({columns}) FROM STDIN (FORMAT binary)");
    let mut copy = connection
        .copy_in_raw(&statement)
        .await
        .map_err(StoreError::on("begin a copy"))?;
    buffer.clear();
    buffer.put_slice(encode::HEADER);
    for row in arranged.rows() {
        buffer.put_slice(row);
        if buffer.len() >= CHUNK_BYTES {
            copy.send(&buffer[..])
                .await
                .map_err(StoreError::on("take rows"))?;
            buffer.clear();
        }
    }
    buffer.put_slice(&encode::TRAILER);
    copy.send(&buffer[..])
        .await
        .map_err(StoreError::on("take rows"))?;
    copy.finish()
        .await
        .map(|_| ())
        .map_err(StoreError::on("copy rows"))
}

/// Adds the rows that are not there yet, by way of a temporary table.
async fn add_new(
    session: &mut Session,
    arranged: &Arranged<'_>,
    buffer: &mut BytesMut,
) -> Result<u64, StoreError> {
    if !session.has_repeats_table {
        execute(
            &mut session.connection,
            "CREATE TEMPORARY TABLE IF NOT EXISTS repeats (LIKE telemetry) ON COMMIT DELETE ROWS",
        )
        .await?;
        session.has_repeats_table = true;
    }
    copy(&mut session.connection, "pg_temp.repeats", arranged, buffer).await?;
    let columns = list(&COLUMNS, "");
    let statement = format!(
        "INSERT INTO telemetry ({columns}) SELECT {columns} FROM pg_temp.repeats \
         ORDER BY drone_ref, ts, boot, seq ON CONFLICT (drone_ref, ts, boot, seq) DO NOTHING"
    );
    let inserted = sqlx::query(AssertSqlSafe(statement))
        .execute(&mut session.connection)
        .await
        .map_err(StoreError::on("add the rows that are new"))?;
    Ok(inserted.rows_affected())
}

/// Rows whose identity is stored with other content. The OFFSET keeps the planner, which knows
/// nothing of the temporary table, at one index look-up per row.
async fn conflicting(
    connection: &mut PgConnection,
    arranged: &Arranged<'_>,
) -> Result<Vec<Place>, StoreError> {
    let content = &COLUMNS[IDENTITY..];
    let statement = format!(
        "SELECT r.drone_ref, r.ts, r.boot, r.seq FROM pg_temp.repeats AS r CROSS JOIN LATERAL \
         (SELECT * FROM telemetry WHERE drone_ref = r.drone_ref AND ts = r.ts \
         AND boot = r.boot AND seq = r.seq OFFSET 0) AS t \
         WHERE ROW({}) IS DISTINCT FROM ROW({})",
        list(content, "r."),
        list(content, "t."),
    );
    let rows = sqlx::query(AssertSqlSafe(statement))
        .fetch_all(connection)
        .await
        .map_err(StoreError::on("compare repeats"))?;
    rows.iter()
        .map(|row| {
            let read = StoreError::on("read a conflict");
            let identity = identity(row).map_err(read)?;
            let lost = || StoreError::Row("a conflict is not of this run".to_owned());
            arranged.place_of(identity).ok_or_else(lost)
        })
        .collect()
}

fn identity(row: &sqlx::postgres::PgRow) -> Result<(i32, i64, i64, i64), sqlx::Error> {
    let time: OffsetDateTime = row.try_get(1)?;
    let micros = UtcMicros((time.unix_timestamp_nanos() / 1000) as i64);
    let timestamp = encode::timestamp(micros);
    Ok((row.try_get(0)?, timestamp, row.try_get(2)?, row.try_get(3)?))
}

/// Notes the minutes whose summaries this run makes wrong.
async fn mark_dirty(
    connection: &mut PgConnection,
    arranged: &Arranged<'_>,
) -> Result<(), StoreError> {
    let minutes = arranged.minutes();
    if minutes.is_empty() {
        return Ok(());
    }
    let mut starts = Vec::with_capacity(minutes.len());
    let mut drones = Vec::with_capacity(minutes.len());
    for (minute, refs) in minutes {
        let mut array = String::with_capacity(8 * refs.len() + 2);
        array.push('{');
        for (index, drone) in refs.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(array, "{comma}{drone}").expect("a string is always writable");
        }
        array.push('}');
        starts.push(minute.0);
        drones.push(array);
    }
    sqlx::query(
        "INSERT INTO rollup_dirty (minute, drone_refs) \
         SELECT to_timestamp(minute / 1000000), drones::int[] \
         FROM unnest($1::bigint[], $2::text[]) AS marks(minute, drones)",
    )
    .bind(starts)
    .bind(drones)
    .execute(connection)
    .await
    .map(|_| ())
    .map_err(StoreError::on("mark minutes for rollups"))
}

async fn count_expired(
    connection: &mut PgConnection,
    arranged: &Arranged<'_>,
) -> Result<(), StoreError> {
    if arranged.expired.is_empty() {
        return Ok(());
    }
    let days: Vec<time::Date> = arranged
        .expired
        .keys()
        .map(|day: &Day| day.date())
        .collect();
    let counts: Vec<i64> = arranged
        .expired
        .values()
        .map(|&count| count as i64)
        .collect();
    sqlx::query(
        "INSERT INTO expired_rows AS e (day, row_count) \
         SELECT * FROM unnest($1::date[], $2::bigint[]) \
         ON CONFLICT (day) DO UPDATE SET row_count = e.row_count + excluded.row_count",
    )
    .bind(days)
    .bind(counts)
    .execute(connection)
    .await
    .map(|_| ())
    .map_err(StoreError::on("count expired rows"))
}
