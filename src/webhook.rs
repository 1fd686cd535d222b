//! Webhooks: what happens to alerts, posted to other services.
//!
//! Each target follows the journal by itself, as a group of the event log, so that a service that
//! is down holds up nobody else, and any number of processes share its shards. How far it is lies
//! in Postgres; a database that is down stops no delivery, only starts. A message comes at least
//! once and says by its id when it comes again; those of one drone come in their order.

mod courier;
mod follow;
mod message;
mod metrics;
mod shard;
mod signature;
mod target;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aerostream_domain::Offset;
use aerostream_log::{EventLog, LogError};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use tokio::task::JoinSet;

use crate::gateway::ports::History;
use crate::registry::Registry;
use crate::shutdown::Shutdown;
use courier::Courier;
use follow::Follow;
pub use target::{TargetConfig, TargetError};

/// Webhooks: to whom, and their limits.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Services that are told. Default: none.
    pub targets: Vec<TargetConfig>,
    /// Beginning of the name of the group in which processes share a target's shards. Default
    /// `aerostream-webhook`.
    pub group: String,
    /// Messages of a target that may wait in this process; the journal is not read on behind them.
    /// Default 1000.
    pub messages_max: usize,
    /// Requests under way to a target. Default 16.
    pub requests_max: usize,
    /// Drones whose alerts are remembered per shard; those without an active one are forgotten
    /// first. Default 20000.
    pub drones_max: usize,
    /// Milliseconds to wait after the first failure; doubled after each. Default 500.
    pub retry_min_ms: u64,
    /// Milliseconds to wait between tries, at most. Default 30000.
    pub retry_max_ms: u64,
    /// Seconds after which a message becomes a dead letter; each is tried once at least.
    /// Default 86400.
    pub give_up_after_s: u64,
    /// Milliseconds between two times of writing down how far each target is. Default 1000.
    pub position_interval_ms: u64,
    /// Milliseconds that the database may take to say what an alert is that was raised before this
    /// process began. Default 2000.
    pub look_up_timeout_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            targets: Vec::new(),
            group: "aerostream-webhook".to_owned(),
            messages_max: 1_000,
            requests_max: 16,
            drones_max: 20_000,
            retry_min_ms: 500,
            retry_max_ms: 30_000,
            give_up_after_s: 86_400,
            position_interval_ms: 1_000,
            look_up_timeout_ms: 2_000,
        }
    }
}

impl Config {
    fn retry_min(&self) -> Duration {
        Duration::from_millis(self.retry_min_ms)
    }

    /// The next wait after one that did not help, with some chance in it, so that not all come
    /// again in step.
    fn retry_after(&self, waited: Duration) -> Duration {
        let most = Duration::from_millis(self.retry_max_ms);
        let doubled = waited.saturating_mul(2).min(most);
        doubled.mul_f64(rand::random_range(0.8..1.0))
    }
}

/// Why webhooks stopped. They never go on by guessing.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// The log is not the one whose offsets the database has.
    #[error(
        "webhook {target} is at offset {next} of the journal of shard {shard}, which holds {start} \
         to {end}: it is not the log of this database"
    )]
    OffsetOutside {
        target: String,
        shard: u16,
        next: Offset,
        start: Offset,
        end: Offset,
    },
    /// The log cannot be used.
    #[error("the journal cannot be followed for webhook {target}")]
    Log { target: String, source: LogError },
    /// A part of it panicked.
    #[error("a webhook died: {0}")]
    Died(String),
}

/// First offset of each shard that a target may still need; no entry while that is not known.
type Needs = Arc<Mutex<BTreeMap<String, BTreeMap<u16, Offset>>>>;

/// What webhooks need of what is around them.
#[derive(Clone)]
pub struct Around {
    pub log: Arc<dyn EventLog>,
    /// Of the positions.
    pub pool: PgPool,
    /// Knows alerts that were raised before this process began.
    pub history: Arc<dyn History>,
    /// Knows the drones' fleets; read to its end.
    pub registry: Registry,
}

/// Webhooks that are ready to run.
pub struct Webhooks {
    couriers: Vec<Arc<Courier>>,
    around: Around,
    config: Arc<Config>,
    needs: Needs,
}

/// Tells what the webhooks still need of the journal.
#[derive(Debug, Clone)]
pub struct Floors {
    targets: usize,
    needs: Needs,
}

impl Floors {
    /// First journal offset that some target still needs; `None` while that is not known.
    #[must_use]
    pub fn journal(&self, shard: u16) -> Option<Offset> {
        let needs = self.needs.lock().unwrap_or_else(PoisonError::into_inner);
        let known = needs.values().filter_map(|shards| shards.get(&shard));
        let known: Vec<Offset> = known.copied().collect();
        let lowest = known.iter().min().copied();
        lowest.filter(|_| known.len() == self.targets)
    }
}

impl Webhooks {
    /// Checks the targets and puts the parts together; nothing happens before [`Self::run`].
    ///
    /// # Errors
    /// A target is not one; the text says which and why.
    pub fn build(config: Config, around: Around) -> Result<Self, TargetError> {
        let targets = target::check(&config.targets)?;
        let config = Arc::new(config);
        let couriers = targets.into_iter().map(|target| {
            let courier = Courier::new(target, Arc::clone(&config), around.clone());
            Arc::new(courier)
        });
        Ok(Self {
            couriers: couriers.collect(),
            around,
            config,
            needs: Needs::default(),
        })
    }

    /// What they still need of the journal, now and later.
    #[must_use]
    pub fn floors(&self) -> Floors {
        Floors {
            targets: self.couriers.len(),
            needs: Arc::clone(&self.needs),
        }
    }

    /// Posts until `stop` begins or something is wrong that waiting does not mend. What was not
    /// taken then is posted by whoever comes next.
    ///
    /// # Errors
    /// See [`WebhookError`].
    pub async fn run(self, stop: Shutdown) -> Result<(), WebhookError> {
        let mut targets = JoinSet::new();
        for courier in self.couriers {
            let follow = Follow::new(
                courier,
                Arc::clone(&self.config),
                self.around.clone(),
                Arc::clone(&self.needs),
            );
            targets.spawn(follow.run(stop.clone()));
        }
        while let Some(ended) = targets.join_next().await {
            ended.map_err(|error| WebhookError::Died(error.to_string()))??;
        }
        Ok(())
    }
}
