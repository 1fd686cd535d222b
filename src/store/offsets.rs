//! How far each partition of the event log is stored, and which backend may go on.

use std::collections::BTreeMap;
use std::fmt;

use aerostream_domain::{Epoch, Offset, ShardCount};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use super::error::StoreError;

/// A topic whose records are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    Telemetry,
    Journal,
    Registry,
}

impl Source {
    /// Every topic with offset rows.
    pub const ALL: [Self; 3] = [Self::Telemetry, Self::Journal, Self::Registry];

    /// How many partitions the topic has.
    #[must_use]
    pub const fn partitions(self, shards: ShardCount) -> u16 {
        match self {
            Self::Telemetry | Self::Journal => shards.get(),
            Self::Registry => 1,
        }
    }

    /// The name in the offset rows.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Telemetry => "telemetry",
            Self::Journal => "journal",
            Self::Registry => "registry",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How far a partition is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stored {
    /// First offset that is not stored; `None` before the first record.
    pub next: Option<Offset>,
    /// Highest claim below it.
    pub claim: Option<Epoch>,
}

/// What a run takes for granted about a partition, and what it leaves there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// What must be stored when the run begins.
    pub from: Stored,
    /// What is stored when it is committed.
    pub to: Stored,
}

/// Partitions with their spans, in the order in which they are locked.
pub type Spans = BTreeMap<u16, Span>;

const LOCK: &str = "SELECT partition, next_offset, claim_generation, claim_offset, \
     holder_pid IS NOT DISTINCT FROM pg_backend_pid() AND holder_started IS NOT DISTINCT FROM \
     (SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()) AS ours \
     FROM ingest_offset WHERE topic = $1 AND partition = ANY($2) ORDER BY partition FOR UPDATE";

/// Makes this backend the only one that may write the partitions, and tells how far they are.
///
/// The row keeps who holds it in a transaction of its own, so that others can read it while a run
/// is written. A run of another backend still holds the row's lock: this waits until the lock
/// timeout, then fails with a lock timeout.
pub async fn take(
    connection: &mut PgConnection,
    topic: Source,
    partitions: &[u16],
) -> Result<BTreeMap<u16, Stored>, StoreError> {
    execute(connection, "BEGIN").await?;
    let rows = lock(connection, topic, partitions).await?;
    sqlx::query(
        "UPDATE ingest_offset SET holder_pid = pg_backend_pid(), holder_started = \
         (SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()) \
         WHERE topic = $1 AND partition = ANY($2)",
    )
    .bind(topic.as_str())
    .bind(numbers(partitions))
    .execute(&mut *connection)
    .await
    .map_err(StoreError::on("take partitions over"))?;
    execute(connection, "COMMIT").await?;
    Ok(rows
        .into_iter()
        .map(|(p, (stored, _))| (p, stored))
        .collect())
}

/// Ends the backends that other writers left holding these partitions, and waits until they are
/// gone. A number that a later backend has got is left alone.
pub async fn end_holders(
    connection: &mut PgConnection,
    topic: Source,
    partitions: &[u16],
) -> Result<u64, StoreError> {
    let ended = sqlx::query(
        "SELECT pg_terminate_backend(activity.pid, 5000) FROM pg_stat_activity AS activity \
         WHERE activity.pid <> pg_backend_pid() AND EXISTS \
         (SELECT 1 FROM ingest_offset AS held WHERE held.topic = $1 \
         AND held.partition = ANY($2) AND held.holder_pid = activity.pid \
         AND held.holder_started = activity.backend_start)",
    )
    .bind(topic.as_str())
    .bind(numbers(partitions))
    .execute(connection)
    .await
    .map_err(StoreError::on("end a stopped writer"))?;
    Ok(ended.rows_affected())
}

/// Locks the rows of a run in partition order and checks that they are as it expects.
pub async fn lock_expected(
    connection: &mut PgConnection,
    topic: Source,
    spans: &Spans,
) -> Result<(), StoreError> {
    let partitions: Vec<u16> = spans.keys().copied().collect();
    let rows = lock(connection, topic, &partitions).await?;
    for (&partition, span) in spans {
        let moved = |detail: String| StoreError::OffsetsMoved {
            topic,
            partition,
            detail,
        };
        let Some((stored, ours)) = rows.get(&partition) else {
            return Err(moved("it has no offset row".to_owned()));
        };
        if *stored != span.from {
            return Err(moved(format!("{stored:?}, expected {:?}", span.from)));
        }
        if !ours {
            return Err(moved("another writer took it over".to_owned()));
        }
    }
    Ok(())
}

/// Moves the locked rows of a run.
pub async fn advance(
    connection: &mut PgConnection,
    topic: Source,
    spans: &Spans,
) -> Result<(), StoreError> {
    let partitions: Vec<i32> = spans.keys().map(|&p| i32::from(p)).collect();
    let [next, generation, claim] = columns(spans.values().map(|span| span.to));
    sqlx::query(
        "UPDATE ingest_offset AS o SET next_offset = n.next, claim_generation = n.generation, \
         claim_offset = n.claim \
         FROM unnest($2::int[], $3::bigint[], $4::bigint[], $5::bigint[]) \
         AS n(partition, next, generation, claim) \
         WHERE o.topic = $1 AND o.partition = n.partition",
    )
    .bind(topic.as_str())
    .bind(partitions)
    .bind(next)
    .bind(generation)
    .bind(claim)
    .execute(connection)
    .await
    .map_err(StoreError::on("store new offsets"))?;
    Ok(())
}

async fn lock(
    connection: &mut PgConnection,
    topic: Source,
    partitions: &[u16],
) -> Result<BTreeMap<u16, (Stored, bool)>, StoreError> {
    let rows = sqlx::query(LOCK)
        .bind(topic.as_str())
        .bind(numbers(partitions))
        .fetch_all(connection)
        .await
        .map_err(StoreError::on("lock offset rows"))?;
    rows.iter()
        .map(|row| {
            let partition: i32 = row.try_get(0)?;
            Ok((partition as u16, (read(row, 1)?, row.try_get(4)?)))
        })
        .collect::<Result<_, sqlx::Error>>()
        .map_err(StoreError::on("read offset rows"))
}

/// Next offset and claim in three columns of a row.
pub(super) fn read(row: &PgRow, from: usize) -> Result<Stored, sqlx::Error> {
    let next: Option<i64> = row.try_get(from)?;
    let generation: Option<i64> = row.try_get(from + 1)?;
    let claim: Option<i64> = row.try_get(from + 2)?;
    Ok(Stored {
        next: next.map(|next| Offset(next as u64)),
        claim: generation.zip(claim).map(|(generation, offset)| Epoch {
            generation: generation as u32,
            offset: Offset(offset as u64),
        }),
    })
}

/// Next offset, generation and offset of the claim, as columns.
pub(super) fn columns(places: impl Iterator<Item = Stored> + Clone) -> [Vec<Option<i64>>; 3] {
    let picks: [fn(Stored) -> Option<i64>; 3] = [
        |at| at.next.map(|next| next.0 as i64),
        |at| at.claim.map(|claim| i64::from(claim.generation)),
        |at| at.claim.map(|claim| claim.offset.0 as i64),
    ];
    picks.map(|pick| places.clone().map(pick).collect())
}

/// Numbers as SQL has them.
pub(super) fn numbers(partitions: &[u16]) -> Vec<i32> {
    partitions.iter().map(|&p| i32::from(p)).collect()
}

async fn execute(connection: &mut PgConnection, statement: &'static str) -> Result<(), StoreError> {
    super::session::execute(connection, statement).await
}
