//! What a worker tells about itself.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aerostream_domain::Offset;
use aerostream_log::{EventLog, Partition, Topic};
use tokio::sync::watch;

use super::{Config, WorkerError, metrics};
use crate::store::Source;
use crate::store::telemetry::Counts;

/// A worker's state.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct Status {
    /// Why it is not ready, by part; ready if empty.
    pub not_ready: BTreeMap<String, String>,
    /// New rows since its start.
    pub stored_samples: u64,
    /// Samples that were stored already, since its start.
    pub repeated_samples: u64,
    /// Samples of days that are not kept any more, since its start.
    pub expired_samples: u64,
    /// Dead letters that it wrote since its start.
    pub dead_letters: u64,
    /// Its partitions, by topic and number.
    pub partitions: BTreeMap<String, BTreeMap<u16, Progress>>,
}

/// How far a partition is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Progress {
    /// First offset that is not stored.
    pub next: u64,
    /// Records of the log that are not stored, at the last look.
    pub lag: u64,
}

impl Status {
    /// True if nothing is in its way.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.not_ready.is_empty()
    }

    /// Records that are not stored, over all of its partitions.
    #[must_use]
    pub fn lag(&self) -> u64 {
        let partitions = self.partitions.values().flat_map(BTreeMap::values);
        partitions.map(|progress| progress.lag).sum()
    }
}

/// Where the parts of a worker put what they have to tell. Clones are the same.
#[derive(Debug, Clone)]
pub struct StatusHandle {
    status: Arc<watch::Sender<Status>>,
}

impl Default for StatusHandle {
    fn default() -> Self {
        let mut status = Status::default();
        for topic in Source::ALL {
            let reason = "it has not got its partitions yet".to_owned();
            status.not_ready.insert(topic.to_string(), reason);
        }
        Self {
            status: Arc::new(watch::Sender::new(status)),
        }
    }
}

impl StatusHandle {
    pub(super) fn subscribe(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// Something is in the way of a part.
    pub(super) fn not_ready(&self, part: impl Into<String>, reason: String) {
        let part = part.into();
        self.status.send_if_modified(|status| {
            let before = status.not_ready.insert(part, reason.clone());
            before.as_ref() != Some(&reason)
        });
    }

    /// Nothing is in the way of a part any more.
    pub(super) fn ready(&self, part: &str) {
        self.status
            .send_if_modified(|status| status.not_ready.remove(part).is_some());
    }

    /// Which partitions it has now, with what is stored of them.
    pub(super) fn partitions(&self, topic: Source, next: impl Iterator<Item = (u16, u64)>) {
        let partitions = next.map(|(partition, next)| (partition, Progress { next, lag: 0 }));
        let partitions = partitions.collect();
        self.status.send_modify(|status| {
            status.partitions.insert(topic.to_string(), partitions);
            let prefix = format!("{topic}/");
            status
                .not_ready
                .retain(|part, _| !part.starts_with(&prefix));
        });
    }

    /// A run was stored.
    pub(super) fn stored(
        &self,
        topic: Source,
        counts: Counts,
        letters: u64,
        next: impl Iterator<Item = (u16, u64)>,
    ) {
        self.status.send_modify(|status| {
            status.stored_samples += counts.stored;
            status.repeated_samples += counts.repeated;
            status.expired_samples += counts.expired;
            status.dead_letters += letters;
            if let Some(partitions) = status.partitions.get_mut(topic.as_str()) {
                for (partition, next) in next {
                    if let Some(progress) = partitions.get_mut(&partition) {
                        progress.lag = progress.lag.saturating_sub(next - progress.next.min(next));
                        progress.next = next;
                    }
                }
            }
        });
    }
}

/// The topic of the log behind a topic of the store.
pub(super) const fn log_topic(topic: Source) -> Topic {
    match topic {
        Source::Telemetry => Topic::Telemetry,
        Source::Journal => Topic::Journal,
        Source::Registry => Topic::Registry,
    }
}

/// Looks again and again how far the log is ahead.
pub(super) async fn follow_lag(
    config: Arc<Config>,
    log: Arc<dyn EventLog>,
    handle: StatusHandle,
) -> Result<(), WorkerError> {
    let mut ticks = tokio::time::interval(Duration::from_millis(config.lag_interval_ms.max(1)));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        for topic in Source::ALL {
            let partitions: Vec<u16> = {
                let status = handle.status.borrow();
                let held = status.partitions.get(topic.as_str());
                held.map(|held| held.keys().copied().collect())
                    .unwrap_or_default()
            };
            for partition in partitions {
                let bounds = log.bounds(log_topic(topic), Partition(partition)).await;
                // A log out of reach is told by whoever reads it.
                if let Ok(bounds) = bounds {
                    note_end(&handle, topic, partition, bounds.end);
                }
            }
        }
        metrics::lag(handle.status.borrow().lag());
    }
}

fn note_end(handle: &StatusHandle, topic: Source, partition: u16, end: Offset) {
    handle.status.send_if_modified(|status| {
        let held = status.partitions.get_mut(topic.as_str());
        let Some(progress) = held.and_then(|held| held.get_mut(&partition)) else {
            return false;
        };
        let lag = end.0.saturating_sub(progress.next);
        let changed = progress.lag != lag;
        progress.lag = lag;
        changed
    });
}
