//! Follows the registry's partition and folds it.

use std::future::Future;
use std::pin::pin;
use std::sync::{PoisonError, RwLockWriteGuard};
use std::time::Duration;

use aerostream_domain::Offset;
use aerostream_log::{Append, Bounds, DecodeError, LogError, Partition, ReadLimits, Record, Topic};
use aerostream_proto::v1;
use bytes::Bytes;

use super::change::Change;
use super::checkpoint::{self, Collector, Due};
use super::fold::State;
use super::{Position, Registry};
use crate::clock;

/// The registry's one partition.
pub(super) const PARTITION: Partition = Partition(0);

/// Keeps a registry up to date while it runs.
#[derive(Debug)]
pub struct Follower {
    registry: Registry,
}

/// Why the follower stopped before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// A record of a newer build: this one must be updated first.
    #[error("the registry has a record at offset {offset} that this build cannot read")]
    Newer { offset: Offset, source: DecodeError },
    /// What was dropped is in no checkpoint that is kept.
    #[error(
        "the registry's records from offset {next} on and below offset {start} are gone, and no \
         checkpoint holds them: restore the topic"
    )]
    Gone { next: Offset, start: Offset },
}

impl Follower {
    pub(super) fn new(registry: Registry) -> Self {
        Self { registry }
    }

    /// Folds the log until `shutdown`. While the log is out of reach it tries again.
    ///
    /// # Errors
    /// A record of a newer version; the registry stays as it is and says so in its position.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), FollowError> {
        let mut shutdown = pin!(shutdown);
        loop {
            let failure = tokio::select! {
                () = &mut shutdown => return Ok(()),
                failure = self.follow() => failure,
            };
            let (reason, ended) = match failure {
                Failure::Log(error) => (error.to_string(), None),
                Failure::Stopped(error) => (error.to_string(), Some(error)),
            };
            tracing::warn!(reason, "registry fold interrupted");
            self.publish(|position| position.failure = Some(reason));
            if let Some(error) = ended {
                return Err(error);
            }
            let pause = Duration::from_millis(self.registry.shared.config.retry_ms);
            tokio::select! {
                () = &mut shutdown => return Ok(()),
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    fn publish(&self, change: impl FnOnce(&mut Position)) {
        self.registry.shared.position.send_modify(change);
    }

    async fn follow(&self) -> Failure {
        match self.try_follow().await {
            Err(failure) => failure,
            Ok(never) => match never {},
        }
    }

    fn limits(&self) -> ReadLimits {
        let config = &self.registry.shared.config;
        ReadLimits {
            records_max: config.read_records_max,
            bytes_max: config.read_bytes_max,
            wait_max: Duration::from_millis(config.retry_ms),
        }
    }

    async fn try_follow(&self) -> Result<std::convert::Infallible, Failure> {
        let shared = &self.registry.shared;
        let bounds = shared.log.bounds(Topic::Registry, PARTITION).await?;
        let next = self.begin(bounds).await?;
        let mut reader = shared
            .log
            .read(Topic::Registry, vec![(PARTITION, next)])
            .await?;
        let end = bounds.end;
        self.publish(|position| {
            position.failure = None;
            position.caught_up |= position.next >= end;
        });
        let mut tail = Tail::default();
        let mut checked = clock::monotonic_now();
        loop {
            let records = reader.next(self.limits()).await?;
            if let Some(last) = records.last() {
                let next = Offset(last.offset.0 + 1);
                let folded = self.fold(records, &mut tail);
                if tail.newest.is_some() {
                    checked = clock::monotonic_now();
                }
                let newest = tail.newest.take();
                self.publish(|position| {
                    position.next = folded
                        .as_ref()
                        .map_or_else(|error| error.offset(), |()| next);
                    position.caught_up |= position.next >= end;
                    position.checkpoint = position.checkpoint.max(newest);
                });
                folded.map_err(Failure::Stopped)?;
            }
            let due = Due {
                changes: tail.changes,
                waited: checked.elapsed(),
            };
            if self.is_due(due) {
                self.write_checkpoint().await;
                // Whether it worked or not: the next one after as many changes or as long a time.
                tail.changes = 0;
                checked = clock::monotonic_now();
            }
        }
    }

    /// Where to begin: where the fold is, or at the newest checkpoint if the fold is at nothing or
    /// at what is not kept any more.
    async fn begin(&self, bounds: Bounds) -> Result<Offset, Failure> {
        let shared = &self.registry.shared;
        let next = shared.position.borrow().next;
        if next > Offset(0) && next >= bounds.start {
            return Ok(next);
        }
        let found = checkpoint::newest(&*shared.log, bounds, self.limits()).await?;
        match found {
            Some((folded_below, state)) if folded_below >= bounds.start.max(next) => {
                self.replace(state);
                tracing::info!(
                    checkpoint.folded_below = folded_below.0,
                    "registry begins at a checkpoint"
                );
                self.publish(|position| {
                    position.next = folded_below;
                    position.checkpoint = Some(folded_below);
                });
                Ok(folded_below)
            }
            _ if next < bounds.start => {
                let start = bounds.start;
                Err(Failure::Stopped(FollowError::Gone { next, start }))
            }
            _ => Ok(next),
        }
    }

    fn is_due(&self, due: Due) -> bool {
        let shared = &self.registry.shared;
        let config = &shared.config;
        let longest = Duration::from_secs(config.checkpoint_interval_s);
        shared.position.borrow().caught_up && {
            let entities = self.registry.read().entities();
            due.is_due(config.checkpoint_changes, longest, entities)
        }
    }

    /// Writes the fold down. That it is there is known when it is read back; if the log does not
    /// take it, a later one will be.
    async fn write_checkpoint(&self) {
        let shared = &self.registry.shared;
        let folded_below = shared.position.borrow().next;
        let parts = checkpoint::parts(&self.registry.read(), rand::random(), folded_below);
        let appends = parts.into_iter().map(|part| {
            let record = v1::RegistryRecord {
                entity: Some(v1::registry_record::Entity::Checkpoint(part)),
                ..v1::RegistryRecord::default()
            };
            shared.log.append(Append {
                topic: Topic::Registry,
                partition: PARTITION,
                key: Bytes::from_static(b"checkpoint"),
                payload: aerostream_log::encode(&record),
            })
        });
        let written = futures::future::try_join_all(appends);
        let reason = match tokio::time::timeout(self.registry.write_timeout(), written).await {
            Ok(Ok(_)) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer in time".to_owned(),
        };
        tracing::warn!(reason, "registry checkpoint not written");
    }

    fn state(&self) -> RwLockWriteGuard<'_, State> {
        let state = &self.registry.shared.state;
        state.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn fold(&self, records: Vec<Record>, tail: &mut Tail) -> Result<(), FollowError> {
        let mut state = self.state();
        for record in records {
            let change = match aerostream_log::decode::<v1::RegistryRecord>(&record.payload) {
                Ok(v1::RegistryRecord {
                    entity: Some(v1::registry_record::Entity::Checkpoint(part)),
                    ..
                }) => {
                    tail.checkpoint(part);
                    continue;
                }
                Ok(wire) => Change::try_from(wire).map_err(|error| error.to_string()),
                Err(source @ DecodeError::Newer { .. }) => {
                    let offset = record.offset;
                    return Err(FollowError::Newer { offset, source });
                }
                Err(error) => Err(error.to_string()),
            };
            let change = change
                .inspect_err(|reason| {
                    tracing::warn!(
                        record.offset = record.offset.0,
                        reason,
                        "void registry record"
                    );
                })
                .ok();
            state.apply(record.offset, record.at, change);
            self.registry.shared.publish_rules(&state);
            tail.changes += 1;
        }
        Ok(())
    }

    fn replace(&self, restored: State) {
        let mut state = self.state();
        *state = restored;
        self.registry.shared.publish_rules(&state);
    }
}

/// What came since the newest checkpoint.
#[derive(Default)]
struct Tail {
    changes: usize,
    collector: Collector,
    newest: Option<Offset>,
}

impl Tail {
    fn checkpoint(&mut self, part: v1::RegistryCheckpoint) {
        // Only that it is whole counts here, not what it holds.
        let part = v1::RegistryCheckpoint {
            fleets: Vec::new(),
            drones: Vec::new(),
            revocations: Vec::new(),
            rules: Vec::new(),
            fences: Vec::new(),
            ..part
        };
        if let Some(complete) = self.collector.add(part) {
            self.newest = self.newest.max(Some(complete.folded_below));
            self.changes = 0;
        }
    }
}

impl FollowError {
    fn offset(&self) -> Offset {
        match self {
            Self::Newer { offset, .. } => *offset,
            Self::Gone { next, .. } => *next,
        }
    }
}

enum Failure {
    Log(LogError),
    Stopped(FollowError),
}

impl From<LogError> for Failure {
    fn from(error: LogError) -> Self {
        Self::Log(error)
    }
}
