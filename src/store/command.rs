//! Stores commands: their states, and every record about them.

use aerostream_domain::{DroneId, Epoch, ShardId, UtcMicros};
use sqlx::{PgConnection, Row};

use super::error::StoreError;

/// A command as it is behind a run.
#[derive(Debug, Clone)]
pub struct CommandRow {
    pub id: String,
    pub drone: DroneId,
    pub name: &'static str,
    /// As JSON.
    pub parameters: String,
    pub principal: String,
    pub received: UtcMicros,
    pub expires: UtcMicros,
    pub emergency: bool,
    pub group: Option<Vec<u8>>,
    pub log_offset: u64,
    pub state: &'static str,
    pub is_over: bool,
    pub reason: String,
    pub attempts: u32,
    pub changed: UtcMicros,
    /// The fold's own state.
    pub entry: Vec<u8>,
}

/// A record about a command.
#[derive(Debug, Clone)]
pub struct CommandEvent {
    pub shard: ShardId,
    pub log_offset: u64,
    pub id: String,
    pub drone: DroneId,
    pub at: UtcMicros,
    pub epoch: Option<Epoch>,
    pub who: String,
    pub what: &'static str,
    pub detail: String,
    pub counts: bool,
    pub state: &'static str,
}

/// What a run makes of the commands that it is about.
#[derive(Debug, Default)]
pub struct FoldedCommands {
    pub rows: Vec<CommandRow>,
    pub events: Vec<CommandEvent>,
}

/// The commands' part of a run, which goes on from what is stored.
pub trait CommandFold: Send + Sync {
    /// Drones and ids of the commands that it is about.
    fn about(&self) -> (Vec<DroneId>, Vec<String>);

    /// Goes on from the states that are stored: those of the ids, and those of the drones that are
    /// not over.
    ///
    /// # Errors
    /// A stored state cannot be read; the text says why.
    fn fold(&self, stored: &[Vec<u8>]) -> Result<FoldedCommands, String>;
}

/// Folds and stores; `refs` are those of the drones that the fold is about, in its order.
pub(super) async fn write(
    connection: &mut PgConnection,
    fold: &dyn CommandFold,
    refs: &[i32],
) -> Result<(), StoreError> {
    let (drones, ids) = fold.about();
    if ids.is_empty() {
        return Ok(());
    }
    let stored = load(connection, refs, &ids).await?;
    let folded = fold.fold(&stored).map_err(StoreError::Row)?;
    let refs: std::collections::HashMap<&DroneId, i32> =
        drones.iter().zip(refs.iter().copied()).collect();
    let of = |drone: &DroneId| {
        let known = refs.get(drone).copied();
        known.ok_or_else(|| StoreError::Row(format!("{drone} was not named by its run")))
    };
    let row_refs: Result<Vec<_>, _> = folded.rows.iter().map(|row| of(&row.drone)).collect();
    write_rows(connection, &folded.rows, row_refs?).await?;
    let events = folded.events.iter();
    let event_refs: Result<Vec<_>, _> = events.map(|event| of(&event.drone)).collect();
    write_events(connection, &folded.events, event_refs?).await
}

async fn load(
    connection: &mut PgConnection,
    refs: &[i32],
    ids: &[String],
) -> Result<Vec<Vec<u8>>, StoreError> {
    let rows = sqlx::query(
        "SELECT entry FROM command WHERE command_id = ANY($2) \
         OR (drone_ref = ANY($1) AND NOT is_over) ORDER BY log_offset",
    )
    .bind(refs)
    .bind(ids)
    .fetch_all(connection)
    .await
    .map_err(StoreError::on("read commands"))?;
    let entry = |row: sqlx::postgres::PgRow| row.try_get("entry");
    let entries: Result<_, _> = rows.into_iter().map(entry).collect();
    entries.map_err(StoreError::on("read a command"))
}

/// A text may have a character that Postgres does not take.
pub(super) fn storable(text: &str) -> String {
    text.replace('\0', "")
}

async fn write_rows(
    connection: &mut PgConnection,
    rows: &[CommandRow],
    refs: Vec<i32>,
) -> Result<(), StoreError> {
    fn all<T>(rows: &[CommandRow], of: impl Fn(&CommandRow) -> T) -> Vec<T> {
        rows.iter().map(of).collect()
    }
    sqlx::query(
        "INSERT INTO command (command_id, drone_ref, name, parameters, principal, received_at, \
         expires_at, emergency, command_group, log_offset, state, is_over, reason, attempts, \
         changed_at, entry) \
         SELECT id, drone_ref, name, parameters::jsonb, principal, \
         'epoch'::timestamptz + received * interval '1 microsecond', \
         'epoch'::timestamptz + expires * interval '1 microsecond', emergency, command_group, \
         log_offset, state, is_over, reason, attempts, \
         'epoch'::timestamptz + changed * interval '1 microsecond', entry \
         FROM unnest($1::text[], $2::int[], $3::text[], $4::text[], $5::text[], $6::bigint[], \
         $7::bigint[], $8::boolean[], $9::bytea[], $10::bigint[], $11::text[], $12::boolean[], \
         $13::text[], $14::bigint[], $15::bigint[], $16::bytea[]) \
         AS new(id, drone_ref, name, parameters, principal, received, expires, emergency, \
         command_group, log_offset, state, is_over, reason, attempts, changed, entry) \
         ON CONFLICT (command_id) DO UPDATE SET name = excluded.name, \
         parameters = excluded.parameters, received_at = excluded.received_at, \
         expires_at = excluded.expires_at, emergency = excluded.emergency, \
         command_group = excluded.command_group, log_offset = excluded.log_offset, \
         state = excluded.state, is_over = excluded.is_over, reason = excluded.reason, \
         attempts = excluded.attempts, changed_at = excluded.changed_at, entry = excluded.entry",
    )
    .bind(all(rows, |row| row.id.clone()))
    .bind(refs)
    .bind(all(rows, |row| row.name))
    .bind(all(rows, |row| row.parameters.clone()))
    .bind(all(rows, |row| storable(&row.principal)))
    .bind(all(rows, |row| row.received.0))
    .bind(all(rows, |row| row.expires.0))
    .bind(all(rows, |row| row.emergency))
    .bind(all(rows, |row| row.group.clone()))
    .bind(all(rows, |row| row.log_offset as i64))
    .bind(all(rows, |row| row.state))
    .bind(all(rows, |row| row.is_over))
    .bind(all(rows, |row| storable(&row.reason)))
    .bind(all(rows, |row| i64::from(row.attempts)))
    .bind(all(rows, |row| row.changed.0))
    .bind(all(rows, |row| row.entry.clone()))
    .execute(connection)
    .await
    .map_err(StoreError::on("store commands"))?;
    Ok(())
}

async fn write_events(
    connection: &mut PgConnection,
    events: &[CommandEvent],
    refs: Vec<i32>,
) -> Result<(), StoreError> {
    fn all<T>(events: &[CommandEvent], of: impl Fn(&CommandEvent) -> T) -> Vec<T> {
        events.iter().map(of).collect()
    }
    sqlx::query(
        "INSERT INTO command_event (shard, log_offset, command_id, drone_ref, at, generation, \
         epoch_offset, who, what, detail, counts, state) \
         SELECT shard, log_offset, id, drone_ref, \
         'epoch'::timestamptz + at * interval '1 microsecond', generation, epoch_offset, who, \
         what, detail, counts, state \
         FROM unnest($1::int[], $2::bigint[], $3::text[], $4::int[], $5::bigint[], $6::bigint[], \
         $7::bigint[], $8::text[], $9::text[], $10::text[], $11::boolean[], $12::text[]) \
         AS new(shard, log_offset, id, drone_ref, at, generation, epoch_offset, who, what, \
         detail, counts, state) ON CONFLICT DO NOTHING",
    )
    .bind(all(events, |event| i32::from(event.shard.0)))
    .bind(all(events, |event| event.log_offset as i64))
    .bind(all(events, |event| event.id.clone()))
    .bind(refs)
    .bind(all(events, |event| event.at.0))
    .bind(all(events, |event| {
        event.epoch.map(|epoch| i64::from(epoch.generation))
    }))
    .bind(all(events, |event| {
        event.epoch.map(|epoch| epoch.offset.0 as i64)
    }))
    .bind(all(events, |event| storable(&event.who)))
    .bind(all(events, |event| event.what))
    .bind(all(events, |event| storable(&event.detail)))
    .bind(all(events, |event| event.counts))
    .bind(all(events, |event| event.state))
    .execute(connection)
    .await
    .map_err(StoreError::on("store records about commands"))?;
    Ok(())
}
