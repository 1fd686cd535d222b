//! Stores alerts, and every change of them that counts.

mod read;

use std::collections::HashMap;

use aerostream_domain::alert::{Alert, Evidence, Severity};
use aerostream_domain::{DroneId, Offset, ShardId, UtcMicros};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use super::audit::{self, AuditRow};
use super::command::storable;
use super::error::StoreError;

pub use read::{AlertKey, AlertQuestion};

/// An alert with its drone.
#[derive(Debug, Clone)]
pub struct AlertRow {
    pub drone: DroneId,
    pub alert: Alert,
    /// The fold's own state.
    pub entry: Vec<u8>,
}

/// A change of an alert.
#[derive(Debug, Clone)]
pub struct AlertEvent {
    pub shard: ShardId,
    pub log_offset: Offset,
    /// Which of the changes that the record tells.
    pub place: usize,
    pub id: String,
    pub drone: DroneId,
    pub at: UtcMicros,
    pub who: String,
    pub what: &'static str,
    pub detail: String,
    pub severity: Severity,
    /// What the owner judged by; `None` for what somebody said.
    pub evidence: Option<Evidence>,
}

/// What a run makes of the alerts that it is about.
#[derive(Debug, Default)]
pub struct FoldedAlerts {
    /// Alerts that changed, as they are behind the run.
    pub rows: Vec<AlertRow>,
    pub events: Vec<AlertEvent>,
    /// What people said, as the audit tells it.
    pub audit: Vec<AuditRow>,
}

/// An alert's drone and the fold's own state, as they are stored.
pub type StoredAlert = (DroneId, Vec<u8>);

/// The alerts' part of a run, which goes on from what is stored.
pub trait AlertFold: Send + Sync {
    /// Drones and ids of the alerts that it is about.
    fn about(&self) -> (Vec<DroneId>, Vec<String>);

    /// Goes on from the alerts that are stored: those of the ids, and those of the drones that are
    /// active.
    ///
    /// # Errors
    /// A stored state cannot be read; the text says why.
    fn fold(&self, stored: Vec<StoredAlert>) -> Result<FoldedAlerts, String>;
}

/// Folds and stores; `refs` are those of the drones that the fold is about, in its order.
pub(super) async fn write(
    connection: &mut PgConnection,
    fold: &dyn AlertFold,
    refs: &[i32],
) -> Result<(), StoreError> {
    let (drones, ids) = fold.about();
    if ids.is_empty() {
        return Ok(());
    }
    let stored = load(connection, refs, &ids).await?;
    let folded = fold.fold(stored).map_err(StoreError::Row)?;
    let refs: HashMap<&DroneId, i32> = drones.iter().zip(refs.iter().copied()).collect();
    let of = |drone: &DroneId| {
        let known = refs.get(drone).copied();
        known.ok_or_else(|| StoreError::Row(format!("{drone} was not named by its run")))
    };
    let row_refs: Result<Vec<_>, _> = folded.rows.iter().map(|row| of(&row.drone)).collect();
    write_rows(connection, &folded.rows, row_refs?).await?;
    let events = folded.events.iter();
    let event_refs: Result<Vec<_>, _> = events.map(|event| of(&event.drone)).collect();
    write_events(connection, &folded.events, event_refs?).await?;
    audit::write(connection, &folded.audit).await
}

async fn load(
    connection: &mut PgConnection,
    refs: &[i32],
    ids: &[String],
) -> Result<Vec<StoredAlert>, StoreError> {
    let rows = sqlx::query(
        "SELECT drone_id, entry FROM alert JOIN drone USING (drone_ref) \
         WHERE alert_id = ANY($2) OR (drone_ref = ANY($1) AND is_active)",
    )
    .bind(refs)
    .bind(ids)
    .fetch_all(connection)
    .await
    .map_err(StoreError::on("read alerts"))?;
    rows.iter().map(decode).collect()
}

/// A row of `drone_id, entry`.
fn decode(row: &PgRow) -> Result<StoredAlert, StoreError> {
    let read = || Ok((row.try_get("drone_id")?, row.try_get("entry")?));
    let (drone, entry): (String, Vec<u8>) = read().map_err(StoreError::on("read an alert"))?;
    let drone = DroneId::parse(&drone).map_err(|error| StoreError::Row(error.to_string()))?;
    Ok((drone, entry))
}

async fn write_rows(
    connection: &mut PgConnection,
    rows: &[AlertRow],
    refs: Vec<i32>,
) -> Result<(), StoreError> {
    fn all<T>(rows: &[AlertRow], of: impl Fn(&Alert) -> T) -> Vec<T> {
        rows.iter().map(|row| of(&row.alert)).collect()
    }
    let entries: Vec<&[u8]> = rows.iter().map(|row| row.entry.as_slice()).collect();
    sqlx::query(
        "INSERT INTO alert (alert_id, drone_ref, rule_id, rule_version, instance, title, \
         severity, raised_at, field, value, is_active, changed_at, turns, cleared_at, \
         cleared_reason, acknowledged_at, acknowledged_by, entry) \
         SELECT id, drone_ref, rule_id, rule_version, instance, title, severity, \
         'epoch'::timestamptz + raised * interval '1 microsecond', field, value, is_active, \
         'epoch'::timestamptz + changed * interval '1 microsecond', turns, \
         'epoch'::timestamptz + cleared * interval '1 microsecond', reason, \
         'epoch'::timestamptz + acknowledged * interval '1 microsecond', acknowledged_by, entry \
         FROM unnest($1::text[], $2::int[], $3::text[], $4::bigint[], $5::text[], $6::text[], \
         $7::smallint[], $8::bigint[], $9::text[], $10::double precision[], $11::boolean[], \
         $12::bigint[], $13::bigint[], $14::bigint[], $15::text[], $16::bigint[], $17::text[], \
         $18::bytea[]) AS new(id, drone_ref, rule_id, rule_version, instance, title, severity, \
         raised, field, value, is_active, changed, turns, cleared, reason, acknowledged, \
         acknowledged_by, entry) \
         ON CONFLICT (alert_id) DO UPDATE SET severity = excluded.severity, \
         is_active = excluded.is_active, changed_at = excluded.changed_at, \
         turns = excluded.turns, cleared_at = excluded.cleared_at, \
         cleared_reason = excluded.cleared_reason, acknowledged_at = excluded.acknowledged_at, \
         acknowledged_by = excluded.acknowledged_by, entry = excluded.entry",
    )
    .bind(all(rows, |alert| alert.id.to_string()))
    .bind(refs)
    .bind(all(rows, |alert| alert.rule.to_string()))
    .bind(all(rows, |alert| alert.rule_version.map(|it| it.0 as i64)))
    .bind(all(rows, |alert| alert.instance.to_string()))
    .bind(all(rows, |alert| storable(&alert.title)))
    .bind(all(rows, |alert| i16::from(alert.severity.number())))
    .bind(all(rows, |alert| alert.raised.time.0))
    .bind(all(rows, |alert| storable(&alert.raised.field)))
    .bind(all(rows, |alert| alert.raised.value))
    .bind(all(rows, Alert::is_active))
    .bind(all(rows, |alert| alert.changed.0))
    .bind(all(rows, |alert| i64::from(alert.turns)))
    .bind(all(rows, |alert| Some(alert.cleared.as_ref()?.1.0)))
    .bind(all(rows, |alert| {
        Some(storable(&alert.cleared.as_ref()?.0))
    }))
    .bind(all(rows, |alert| {
        Some(alert.acknowledged.as_ref()?.received.0)
    }))
    .bind(all(rows, |alert| {
        Some(storable(&alert.acknowledged.as_ref()?.principal))
    }))
    .bind(entries)
    .execute(connection)
    .await
    .map_err(StoreError::on("store alerts"))?;
    Ok(())
}

async fn write_events(
    connection: &mut PgConnection,
    events: &[AlertEvent],
    refs: Vec<i32>,
) -> Result<(), StoreError> {
    fn all<T>(events: &[AlertEvent], of: impl Fn(&AlertEvent) -> T) -> Vec<T> {
        events.iter().map(of).collect()
    }
    fn seen<T>(events: &[AlertEvent], of: impl Fn(&Evidence) -> T) -> Vec<Option<T>> {
        let evidences = events.iter().map(|event| event.evidence.as_ref());
        evidences.map(|evidence| evidence.map(&of)).collect()
    }
    let values = seen(events, |evidence| evidence.value).into_iter();
    sqlx::query(
        "INSERT INTO alert_event (shard, log_offset, place, alert_id, drone_ref, at, who, what, \
         detail, severity, sample_at, boot, seq, field, value, note) \
         SELECT shard, log_offset, place, id, drone_ref, \
         'epoch'::timestamptz + at * interval '1 microsecond', who, what, detail, severity, \
         'epoch'::timestamptz + sample * interval '1 microsecond', boot, seq, field, value, note \
         FROM unnest($1::int[], $2::bigint[], $3::int[], $4::text[], $5::int[], $6::bigint[], \
         $7::text[], $8::text[], $9::text[], $10::smallint[], $11::bigint[], $12::bigint[], \
         $13::bigint[], $14::text[], $15::double precision[], $16::text[]) \
         AS new(shard, log_offset, place, id, drone_ref, at, who, what, detail, severity, sample, \
         boot, seq, field, value, note) ON CONFLICT DO NOTHING",
    )
    .bind(all(events, |event| i32::from(event.shard.0)))
    .bind(all(events, |event| event.log_offset.0 as i64))
    .bind(all(events, |event| event.place as i32))
    .bind(all(events, |event| event.id.clone()))
    .bind(refs)
    .bind(all(events, |event| event.at.0))
    .bind(all(events, |event| storable(&event.who)))
    .bind(all(events, |event| event.what))
    .bind(all(events, |event| storable(&event.detail)))
    .bind(all(events, |event| i16::from(event.severity.number())))
    .bind(seen(events, |evidence| evidence.time.0))
    .bind(seen(events, |evidence| evidence.boot.0 as i64))
    .bind(seen(events, |evidence| evidence.seq.0 as i64))
    .bind(seen(events, |evidence| storable(&evidence.field)))
    .bind(values.map(Option::flatten).collect::<Vec<_>>())
    .bind(seen(events, |evidence| storable(&evidence.note)))
    .execute(connection)
    .await
    .map_err(StoreError::on("store changes of alerts"))?;
    Ok(())
}
