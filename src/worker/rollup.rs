//! Keeps the summaries behind the rows that they sum up.

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;

use super::{Config, WorkerError, metrics};
use crate::clock::utc_now;
use crate::store::error_chain;
use crate::store::rollup::{Step, recompute};

/// How long one statement of a step may take.
const STATEMENT_MAX: Duration = Duration::from_secs(30);

/// Makes summaries for ever.
pub async fn run(config: Arc<Config>, pool: PgPool) -> Result<(), WorkerError> {
    let interval = Duration::from_millis(config.rollup_interval_ms.max(1));
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
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
