//! Summaries of 10 seconds, a minute and an hour, made again whenever a minute got rows.

pub mod retention;

use std::time::Duration;

use aerostream_domain::UtcMicros;
use sqlx::{AssertSqlSafe, PgPool, Row};
use time::OffsetDateTime;

use super::error::StoreError;
use super::history::literal;
use super::partition::Day;

/// Number of the advisory lock of whoever makes rollups.
const ROLLUP_LOCK: i64 = 0x6165_726f_0002;
/// Fields that are summed up.
pub(super) const FIELDS: [&str; 5] = [
    "relative_altitude_m",
    "ground_speed_m_s",
    "battery_remaining_percent",
    "battery_voltage_v",
    "link_rssi_dbm",
];

/// How much one step does.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// Minutes that end after this are left for later.
    pub until: UtcMicros,
    /// Marks taken at most.
    pub marks_max: u32,
    /// How long its statements may take.
    pub statement_max: Duration,
}

/// Makes the buckets of the oldest marked minutes again. Returns how many minutes that were; 0 also
/// when another process is at it.
///
/// The marks are deleted first and the rows are read by later statements, which see everything
/// committed until then: a run that commits in between leaves its own mark behind.
pub async fn recompute(pool: &PgPool, step: Step) -> Result<u64, StoreError> {
    let mut transaction = pool
        .begin()
        .await
        .map_err(StoreError::on("begin a rollup"))?;
    let settings = format!(
        "SET LOCAL statement_timeout = {}; SET LOCAL lock_timeout = 1000",
        step.statement_max.as_millis()
    );
    sqlx::raw_sql(AssertSqlSafe(settings))
        .execute(&mut *transaction)
        .await
        .map_err(StoreError::on("limit the time of a rollup"))?;
    let alone: bool = sqlx::query_scalar("SELECT pg_try_advisory_xact_lock($1)")
        .bind(ROLLUP_LOCK)
        .fetch_one(&mut *transaction)
        .await
        .map_err(StoreError::on("take the rollup lock"))?;
    if !alone {
        return Ok(0);
    }
    let taken = sqlx::query(
        "WITH taken AS (DELETE FROM rollup_dirty WHERE ctid = ANY (ARRAY(SELECT ctid \
         FROM rollup_dirty WHERE minute < $1 ORDER BY minute LIMIT $2)) \
         RETURNING minute, drone_refs) \
         SELECT minute, array_agg(DISTINCT drone_ref) FROM taken, unnest(drone_refs) \
         AS drone_ref GROUP BY minute ORDER BY minute",
    )
    .bind(time_of(UtcMicros(step.until.0.saturating_sub(60_000_000)))?)
    .bind(i64::from(step.marks_max))
    .fetch_all(&mut *transaction)
    .await
    .map_err(StoreError::on("take marks of rollups"))?;
    let whole = super::partition::attached(&mut transaction).await?;
    for row in &taken {
        let read = || StoreError::on("read a mark of rollups");
        let minute: OffsetDateTime = row.try_get(0).map_err(read())?;
        let drones: Vec<i32> = row.try_get(1).map_err(read())?;
        let start = UtcMicros(minute.unix_timestamp() * 1_000_000);
        // A day whose raw rows are gone keeps the summaries that were made of them.
        if whole.contains(&Day::of(start)) {
            for statement in statements(start) {
                sqlx::query(AssertSqlSafe(statement))
                    .bind(&drones)
                    .execute(&mut *transaction)
                    .await
                    .map_err(StoreError::on("make a rollup"))?;
            }
        }
    }
    transaction
        .commit()
        .await
        .map_err(StoreError::on("commit a rollup"))?;
    Ok(taken.len() as u64)
}

fn time_of(time: UtcMicros) -> Result<OffsetDateTime, StoreError> {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(time.0) * 1000)
        .map_err(|error| StoreError::Row(error.to_string()))
}

/// What makes the buckets that a minute belongs to, for the drones bound as $1.
fn statements(minute: UtcMicros) -> [String; 3] {
    let hour = UtcMicros(minute.0 - minute.0.rem_euclid(3_600_000_000));
    let from_raw = Level {
        target: "rollup_10s",
        source: "telemetry",
        time: "ts",
        bucket: "'epoch'::timestamptz + floor(extract(epoch FROM ts) / 10) * interval '10 s'",
        start: minute,
        end: UtcMicros(minute.0 + 60_000_000),
    };
    let minute = Level {
        target: "rollup_1m",
        bucket: "date_trunc('minute', ts, 'UTC')",
        ..from_raw
    };
    let hour = Level {
        target: "rollup_1h",
        source: "rollup_1m",
        time: "bucket",
        bucket: "date_trunc('hour', bucket, 'UTC')",
        start: hour,
        end: UtcMicros(hour.0 + 3_600_000_000),
    };
    [from_raw.statement(), minute.statement(), hour.statement()]
}

/// One table of summaries and what it is made from.
#[derive(Clone, Copy)]
struct Level {
    target: &'static str,
    source: &'static str,
    time: &'static str,
    bucket: &'static str,
    start: UtcMicros,
    end: UtcMicros,
}

impl Level {
    fn statement(&self) -> String {
        let is_raw = self.source == "telemetry";
        let (mut names, mut values) = (String::new(), String::new());
        for field in FIELDS {
            for part in ["count", "sum", "min", "max"] {
                names.push_str(&format!(", {field}_{part}"));
            }
            values.push_str(&if is_raw {
                format!(
                    ", count({field}), sum({field}::double precision), min({field}), max({field})"
                )
            } else {
                format!(
                    ", sum({field}_count)::bigint, sum({field}_sum), min({field}_min), \
                     max({field}_max)"
                )
            });
        }
        let Self {
            target,
            source,
            time,
            bucket,
            ..
        } = self;
        let samples = if is_raw {
            "count(*)"
        } else {
            "sum(samples)::bigint"
        };
        let last = |field: &str| {
            format!(
                "(array_agg({field} ORDER BY {time} DESC) FILTER (WHERE {field} IS NOT NULL))[1]"
            )
        };
        let set: Vec<String> = format!("samples, latitude_deg, longitude_deg{names}")
            .split(", ")
            .map(|name| format!("{name} = excluded.{name}"))
            .collect();
        format!(
            "INSERT INTO {target} (drone_ref, bucket, samples, latitude_deg, longitude_deg{names}) \
             SELECT drone_ref, {bucket} AS b, {samples}, {}, {}{values} FROM {source} \
             WHERE drone_ref = ANY($1) AND {time} >= '{}'::timestamptz \
             AND {time} < '{}'::timestamptz GROUP BY drone_ref, b \
             ON CONFLICT (drone_ref, bucket) DO UPDATE SET {}",
            last("latitude_deg"),
            last("longitude_deg"),
            literal(self.start),
            literal(self.end),
            set.join(", "),
        )
    }
}
