//! Where webhooks go on.

use std::collections::BTreeMap;

use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row};

use super::error::StoreError;
use super::offsets::{self, Stored, numbers};

/// Where one shard of a target goes on, and where it may go on if that is not in the log any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    pub at: Stored,
    /// How far the journal is stored.
    pub stored: Stored,
}

/// Where a target goes on; a new one begins where the journal is stored up to, since what was told
/// before it was there is not for it.
///
/// # Errors
/// The database cannot be asked.
pub async fn starts(
    pool: &PgPool,
    target: &str,
    shards: &[u16],
) -> Result<BTreeMap<u16, Start>, StoreError> {
    sqlx::query(
        "INSERT INTO webhook_position \
         SELECT $1, partition, next_offset, claim_generation, claim_offset FROM ingest_offset \
         WHERE topic = 'journal' AND partition = ANY($2) ON CONFLICT DO NOTHING",
    )
    .bind(target)
    .bind(numbers(shards))
    .execute(pool)
    .await
    .map_err(StoreError::on("begin a webhook"))?;
    let rows = sqlx::query(
        "SELECT w.shard, w.next_offset, w.claim_generation, w.claim_offset, \
         i.next_offset, i.claim_generation, i.claim_offset \
         FROM webhook_position AS w JOIN ingest_offset AS i \
         ON i.topic = 'journal' AND i.partition = w.shard \
         WHERE w.target = $1 AND w.shard = ANY($2)",
    )
    .bind(target)
    .bind(numbers(shards))
    .fetch_all(pool)
    .await
    .map_err(StoreError::on("read where webhooks go on"))?;
    let start = |row: &PgRow| {
        let shard: i32 = row.try_get(0)?;
        let (at, stored) = (offsets::read(row, 1)?, offsets::read(row, 4)?);
        Ok((shard as u16, Start { at, stored }))
    };
    let starts = rows.iter().map(start);
    starts
        .collect::<Result<_, sqlx::Error>>()
        .map_err(StoreError::on("read where webhooks go on"))
}

/// Moves a target on; never back, since a process that lost a shard may come late.
///
/// # Errors
/// The database cannot be asked.
pub async fn advance(
    pool: &PgPool,
    target: &str,
    shards: &BTreeMap<u16, Stored>,
) -> Result<(), StoreError> {
    let numbers: Vec<i32> = shards.keys().map(|&shard| i32::from(shard)).collect();
    let [next, generation, claim] = offsets::columns(shards.values().copied());
    sqlx::query(
        "UPDATE webhook_position AS w SET next_offset = n.next, \
         claim_generation = n.generation, claim_offset = n.claim \
         FROM unnest($2::int[], $3::bigint[], $4::bigint[], $5::bigint[]) \
         AS n(shard, next, generation, claim) \
         WHERE w.target = $1 AND w.shard = n.shard \
         AND (w.next_offset IS NULL OR w.next_offset < n.next)",
    )
    .bind(target)
    .bind(numbers)
    .bind(next)
    .bind(generation)
    .bind(claim)
    .execute(pool)
    .await
    .map_err(StoreError::on("store how far webhooks are"))?;
    Ok(())
}
