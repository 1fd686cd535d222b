//! Upkeep of day partitions: the next days are made ahead, expired ones are dropped.

use std::sync::Arc;
use std::time::Duration;

use aerostream_domain::UtcMicros;
use sqlx::PgPool;

use super::{Config, StatusHandle, WorkerError, metrics};
use crate::clock::utc_now;
use crate::store::partition::{self, Day};
use crate::store::{StoreError, error_chain};

/// Days behind today that have a partition before any sample comes.
const AHEAD_DAYS: i32 = 2;

/// Looks after the partitions for ever.
pub async fn run(
    config: Arc<Config>,
    pool: PgPool,
    status: StatusHandle,
) -> Result<(), WorkerError> {
    let interval = Duration::from_secs(config.partitions_interval_s.max(1));
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match look_after(&pool, utc_now(), config.retention_days).await {
            Ok(()) => status.ready("partitions"),
            Err(error) if error.is_lock_timeout() => {
                tracing::info!("a long transaction holds partitions, looking again later");
            }
            Err(error) => {
                let reason = error_chain(&error);
                tracing::warn!(%reason, "upkeep of partitions failed, looking again later");
                status.not_ready("partitions", reason);
            }
        }
    }
}

/// Makes the partitions of today and the next days and drops those of expired days.
pub async fn look_after(
    pool: &PgPool,
    now: UtcMicros,
    retention_days: u32,
) -> Result<(), StoreError> {
    let today = Day::of(now);
    let ahead = (0..=AHEAD_DAYS).map(|days| today.plus(days)).collect();
    let oldest = partition::kept_from_at(now, retention_days);
    partition::ensure(pool, &ahead, oldest).await?;
    let dropped = partition::drop_before(pool, oldest).await?;
    if !dropped.is_empty() {
        tracing::info!(?dropped, "dropped expired partitions");
        metrics::partitions_dropped(dropped.len() as u64);
    }
    Ok(())
}
