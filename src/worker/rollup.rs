//! Keeps the summaries behind the rows that they sum up.

use std::sync::Arc;
use std::time::Duration;

use aerostream_domain::UtcMicros;
use sqlx::PgPool;

use super::{Config, WorkerError, metrics};
use crate::clock::utc_now;
use crate::store::error_chain;
use crate::store::partition::{Day, kept_from_at};
use crate::store::rollup::retention::{Table, expire};
use crate::store::rollup::{Step, recompute};

/// How long one statement of a step may take.
const STATEMENT_MAX: Duration = Duration::from_secs(30);

/// Makes summaries for ever.
pub async fn run(config: Arc<Config>, pool: PgPool) -> Result<(), WorkerError> {
    let interval = Duration::from_millis(config.rollup_interval_ms.max(1));
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut looked = None;
    loop {
        ticks.tick().await;
        let today = Day::of(utc_now());
        // Summaries expire by days, so a look a day is enough.
        if looked != Some(today) && expire_all(&config, &pool).await {
            looked = Some(today);
        }
        let step = Step {
            until: utc_now() - Duration::from_secs(config.rollup_delay_s),
            marks_max: config.rollup_marks_max,
            statement_max: STATEMENT_MAX,
        };
        loop {
            match recompute(&pool, step).await {
                Ok(0) => break,
                Ok(minutes) => metrics::minutes_rolled_up(minutes),
                Err(error) => {
                    // The marks are still there; summaries are late, nothing else.
                    let reason = error_chain(&error);
                    tracing::warn!(%reason, "making rollups failed, trying again later");
                    break;
                }
            }
        }
    }
}

/// First moment of which summaries are kept. Those of samples that are still taken in stay, since
/// hours are made again of their minutes.
fn kept_from(now: UtcMicros, days: u32, retention_days: u32) -> UtcMicros {
    kept_from_at(now, days.max(retention_days)).start()
}

/// Takes expired summaries away; false if that is to be tried again.
async fn expire_all(config: &Config, pool: &PgPool) -> bool {
    let tables = [
        (Table::TenSeconds, config.rollup_10s_days),
        (Table::Minute, config.rollup_1m_days),
        (Table::Hour, config.rollup_1h_days),
    ];
    for (table, days) in tables {
        let before = kept_from(utc_now(), days, config.retention_days);
        match expire(pool, table, before).await {
            Ok(0) => {}
            Ok(buckets) => tracing::info!(?table, buckets, "dropped expired summaries"),
            Err(error) => {
                let reason = error_chain(&error);
                tracing::warn!(%reason, "expired summaries stay, trying again later");
                return false;
            }
        }
    }
    true
}
