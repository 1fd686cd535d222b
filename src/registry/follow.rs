//! Follows the registry's partition and folds it.

use std::future::Future;
use std::pin::pin;
use std::sync::PoisonError;
use std::time::Duration;

use aerostream_domain::Offset;
use aerostream_log::{DecodeError, LogError, Partition, ReadLimits, Record, Topic};
use aerostream_proto::v1;

use super::change::Change;
use super::{Position, Registry};

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

    async fn try_follow(&self) -> Result<std::convert::Infallible, Failure> {
        let shared = &self.registry.shared;
        let config = &shared.config;
        let bounds = shared.log.bounds(Topic::Registry, PARTITION).await?;
        let next = shared.position.borrow().next.max(bounds.start);
        let mut reader = shared
            .log
            .read(Topic::Registry, vec![(PARTITION, next)])
            .await?;
        let limits = ReadLimits {
            records_max: config.read_records_max,
            bytes_max: config.read_bytes_max,
            wait_max: Duration::from_millis(config.retry_ms),
        };
        let end = bounds.end;
        self.publish(|position| {
            position.failure = None;
            position.caught_up |= position.next >= end;
        });
        loop {
            let records = reader.next(limits).await?;
            let Some(last) = records.last() else {
                continue;
            };
            let next = Offset(last.offset.0 + 1);
            let folded = self.fold(records);
            self.publish(|position| {
                position.next = folded
                    .as_ref()
                    .map_or_else(|error| error.offset(), |()| next);
                position.caught_up |= position.next >= end;
            });
            folded.map_err(Failure::Stopped)?;
        }
    }

    fn fold(&self, records: Vec<Record>) -> Result<(), FollowError> {
        let mut state = self
            .registry
            .shared
            .state
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        for record in records {
            let change = match aerostream_log::decode::<v1::RegistryRecord>(&record.payload) {
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
        }
        Ok(())
    }
}

impl FollowError {
    fn offset(&self) -> Offset {
        match self {
            Self::Newer { offset, .. } => *offset,
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
