//! Takes old summaries away, a few at a time.

use aerostream_domain::UtcMicros;
use sqlx::{AssertSqlSafe, PgPool, Row};

use crate::store::error::StoreError;
use crate::store::history::timestamp;

/// Drones that one statement looks at.
const DRONES: i64 = 50;
/// Buckets of a drone that one statement takes away, at most.
const BUCKETS: i64 = 200;

/// A table of summaries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    TenSeconds,
    Minute,
    Hour,
}

impl Table {
    const fn name(self) -> &'static str {
        match self {
            Self::TenSeconds => "rollup_10s",
            Self::Minute => "rollup_1m",
            Self::Hour => "rollup_1h",
        }
    }
}

/// Deletes the buckets that begin before a time; returns how many. Each statement is a transaction
/// of its own that goes along the key of some drones, takes away a bounded number of rows, and
/// leaves out what somebody else holds, so that nobody waits for it.
pub async fn expire(pool: &PgPool, table: Table, before: UtcMicros) -> Result<u64, StoreError> {
    let name = table.name();
    let delete = format!(
        "WITH drones AS (SELECT drone_ref FROM drone WHERE drone_ref > $1 \
         ORDER BY drone_ref LIMIT {DRONES}), \
         old AS (SELECT o.drone_ref, o.bucket FROM drones CROSS JOIN LATERAL \
         (SELECT r.drone_ref, r.bucket FROM {name} AS r WHERE r.drone_ref = drones.drone_ref \
         AND r.bucket < $2 ORDER BY r.bucket LIMIT {BUCKETS} FOR UPDATE SKIP LOCKED) AS o), \
         gone AS (DELETE FROM {name} AS r USING old \
         WHERE r.drone_ref = old.drone_ref AND r.bucket = old.bucket RETURNING 1) \
         SELECT (SELECT count(*) FROM gone), (SELECT max(drone_ref) FROM drones)"
    );
    let (mut behind, mut deleted) = (i32::MIN, 0);
    loop {
        let row = sqlx::query(AssertSqlSafe(delete.as_str()))
            .bind(behind)
            .bind(timestamp(before))
            .fetch_one(pool)
            .await
            .map_err(StoreError::on("take old summaries away"))?;
        let read = || StoreError::on("read how many summaries are gone");
        let gone: i64 = row.try_get(0).map_err(read())?;
        let last: Option<i32> = row.try_get(1).map_err(read())?;
        deleted += gone.max(0) as u64;
        match last {
            // There may be more of these drones.
            Some(_) if gone > 0 => {}
            Some(last) => behind = last,
            None => return Ok(deleted),
        }
    }
}
