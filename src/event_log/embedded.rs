//! The event log of one machine: it keeps the contract of Kafka without a broker.
//!
//! One thread writes. It takes what waits in a bounded queue as a group, writes it, syncs it, lets
//! readers see it and only then answers. After a failed write or sync it writes nothing more until
//! a restart, because nobody knows what the disk holds.

mod compaction;
mod hook;
mod layout;
mod lock;
mod open;
mod queue;
mod retention;
mod store;
#[cfg(test)]
mod tests;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use aerostream_domain::{Offset, ShardCount, UtcMicros};
use aerostream_log::local::{self, Groups, LocalStore};
use aerostream_log::{
    Append, AppendError, Bounds, EventLog, GroupReader, LogError, Partition, PendingAppend, Reader,
    Topic,
};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

pub use hook::{DiskHook, PlainDisk};
pub use retention::FloorHolder;

use self::queue::Queue;
use self::retention::Floors;
use self::store::{Pressure, Store};
use super::Retention;
use super::metrics::{self, AppendResult};

const MIB: u64 = 1024 * 1024;

/// Settings of the embedded log.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where it keeps its files; `aerostream-data/log` unless set. One process at a time.
    pub directory: PathBuf,
    /// Most records that wait to be written; 65,536 unless set. More are refused.
    pub queue_records_max: usize,
    /// Most bytes that wait to be written; 64 MiB unless set. More are refused.
    pub queue_bytes_max: usize,
    /// Most records that are written and synced at once; 16,384 unless set.
    pub group_records_max: usize,
    /// Most bytes that are written and synced at once; 8 MiB unless set.
    pub group_bytes_max: usize,
    /// Most bytes of one record's key and payload; 1 MiB unless set. Larger ones are refused.
    pub record_bytes_max: usize,
    /// A segment ends when it has this many bytes; 256 MiB unless set.
    pub segment_bytes: u64,
    /// A segment ends when it is this old, in hours; 24 unless set.
    pub segment_hours: u32,
    /// Most bytes of all records; 2 GiB unless set. At the limit the oldest segments that nobody
    /// needs are dropped whatever their age, and if there are none, telemetry is refused.
    pub kept_bytes_max: u64,
    /// What the other topics may still write when telemetry is refused, in bytes; 256 MiB unless
    /// set.
    pub reserve_bytes: u64,
    /// Everything is refused while the disk has fewer free bytes; 256 MiB unless set.
    pub free_bytes_min: u64,
    /// Memory for blocks that were read from disk, in bytes; 32 MiB unless set.
    pub cache_bytes: u64,
    /// How long records are kept.
    pub retention: Retention,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            directory: PathBuf::from("aerostream-data/log"),
            queue_records_max: 65_536,
            queue_bytes_max: 64 * MIB as usize,
            group_records_max: 16_384,
            group_bytes_max: 8 * MIB as usize,
            record_bytes_max: MIB as usize,
            segment_bytes: 256 * MIB,
            segment_hours: 24,
            kept_bytes_max: 2048 * MIB,
            reserve_bytes: 256 * MIB,
            free_bytes_min: 256 * MIB,
            cache_bytes: 32 * MIB,
            retention: Retention::default(),
        }
    }
}

/// Why the embedded log could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A setting makes no sense.
    #[error("the embedded event log's setting {setting} must be {must}")]
    Setting { setting: &'static str, must: String },
    /// The directory cannot be used.
    #[error("the event log's directory {path} cannot be used")]
    Directory {
        path: PathBuf,
        source: std::io::Error,
    },
    /// Another process has it.
    #[error("the event log in {path} is in use by {holder}; stop it or choose another directory")]
    InUse { path: PathBuf, holder: String },
    /// It was made for another number of shards.
    #[error("the event log in {path} has {kept} shards, not {asked}; their number is fixed")]
    Shards {
        path: PathBuf,
        kept: u16,
        asked: u16,
    },
    /// It was written by a newer build, or by something else.
    #[error("the event log in {path} cannot be understood: {reason}")]
    Format { path: PathBuf, reason: String },
    /// The storage engine failed.
    #[error("the event log's storage failed while {doing}")]
    Storage { doing: String, source: fjall::Error },
    /// The writer could not be started.
    #[error("the event log's writer could not be started")]
    Writer { source: std::io::Error },
}

/// What the writer has done since the log was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriterStats {
    /// Groups that were acknowledged.
    pub groups: u64,
    /// Records in them.
    pub records: u64,
    /// Syncs that succeeded.
    pub syncs: u64,
}

#[derive(Default)]
struct WriterCounters {
    groups: AtomicU64,
    records: AtomicU64,
    syncs: AtomicU64,
}

/// Outside parts that tests replace.
pub struct Surroundings {
    /// The clock that stamps records and that retention goes by.
    pub clock: Box<dyn Fn() -> UtcMicros + Send + Sync>,
    /// What stands between the log and its disk.
    pub disk: Arc<dyn DiskHook>,
}

impl Default for Surroundings {
    fn default() -> Self {
        Self {
            clock: Box::new(crate::clock::utc_now),
            disk: Arc::new(PlainDisk),
        }
    }
}

/// The embedded event log. Dropping it writes what waits and closes it, which blocks shortly; its
/// directory is free once its readers are dropped, too.
pub struct EmbeddedLog {
    config: Config,
    store: Arc<Store>,
    queue: Arc<Queue>,
    groups: Groups,
    floors: Arc<Floors>,
    counters: Arc<WriterCounters>,
    writer: Option<JoinHandle<()>>,
}

impl EmbeddedLog {
    /// Opens the log in the configured directory, or makes one there. Blocks while it reads what
    /// was written last.
    pub fn open(config: Config, shards: ShardCount) -> Result<Self, OpenError> {
        Self::open_in(config, shards, Surroundings::default())
    }

    /// [`Self::open`] with another clock or disk.
    pub fn open_in(
        config: Config,
        shards: ShardCount,
        surroundings: Surroundings,
    ) -> Result<Self, OpenError> {
        open::check(&config)?;
        open::open(config, shards, surroundings)
    }

    /// Tells that `holder` needs no record below `offset` any more. A segment of telemetry or
    /// journal is dropped only when worker and owner are past it; one of the cluster or registry
    /// topic only when a checkpoint is.
    pub fn set_retention_floor(
        &self,
        holder: FloorHolder,
        topic: Topic,
        partition: Partition,
        offset: Offset,
    ) {
        self.floors.raise(holder, topic, partition, offset);
    }

    /// What the writer has done so far.
    #[must_use]
    pub fn stats(&self) -> WriterStats {
        WriterStats {
            groups: self.counters.groups.load(Ordering::Acquire),
            records: self.counters.records.load(Ordering::Acquire),
            syncs: self.counters.syncs.load(Ordering::Acquire),
        }
    }

    /// Bytes of all records that are kept.
    #[must_use]
    pub fn kept_bytes(&self) -> u64 {
        self.store.bytes()
    }

    /// How far the members of a group said that they are.
    #[must_use]
    pub fn reported(&self, group: &str, topic: Topic, partition: Partition) -> Option<Offset> {
        self.groups.reported(group, topic, partition)
    }

    fn check(&self, append: &Append) -> Result<(), String> {
        let topic = append.topic;
        let partitions = self.store.partitions(topic);
        if append.partition.0 >= partitions {
            return Err(format!("{topic} has {partitions} partitions"));
        }
        let size = queue::size_of(append);
        if size > self.config.record_bytes_max {
            let most = self.config.record_bytes_max;
            return Err(format!(
                "the record has {size} bytes, at most {most} may be"
            ));
        }
        if append.key.len() > layout::KEY_BYTES_MAX {
            let most = layout::KEY_BYTES_MAX;
            return Err(format!("the key has more than {most} bytes"));
        }
        let kept_bytes_max = self.config.kept_bytes_max;
        match self.store.pressure() {
            Pressure::Telemetry if topic == Topic::Telemetry => Err(format!(
                "it holds its {kept_bytes_max} bytes of records that are still needed"
            )),
            Pressure::Reserve => Err(format!(
                "it holds its {kept_bytes_max} bytes and its reserve of {} bytes",
                self.config.reserve_bytes
            )),
            Pressure::Disk => Err(format!(
                "its disk has less than {} bytes left",
                self.config.free_bytes_min
            )),
            Pressure::None | Pressure::Telemetry => Ok(()),
        }
    }
}

#[async_trait]
impl EventLog for EmbeddedLog {
    fn append(&self, append: Append) -> PendingAppend {
        let (topic, partition) = (append.topic, append.partition);
        let taken = self.check(&append).and_then(|()| self.queue.push(append));
        match taken {
            Ok(outcome) => Box::pin(async move {
                outcome.await.unwrap_or_else(|_| {
                    Err(AppendError::Unknown {
                        topic,
                        partition,
                        reason: "its writer ended".to_owned(),
                    })
                })
            }),
            Err(reason) => {
                metrics::appends(topic, AppendResult::Refused, 1);
                Box::pin(std::future::ready(Err(AppendError::Refused {
                    topic,
                    partition,
                    reason,
                })))
            }
        }
    }

    async fn bounds(&self, topic: Topic, partition: Partition) -> Result<Bounds, LogError> {
        self.store.bounds(topic, partition)
    }

    async fn read(
        &self,
        topic: Topic,
        from: Vec<(Partition, Offset)>,
    ) -> Result<Box<dyn Reader>, LogError> {
        local::read(&self.store, topic, &from)
    }

    async fn join(
        &self,
        topics: Vec<Topic>,
        group: &str,
    ) -> Result<Box<dyn GroupReader>, LogError> {
        Ok(local::join(&self.store, &self.groups, &topics, group))
    }
}

impl Drop for EmbeddedLog {
    fn drop(&mut self) {
        self.queue.shut("it was closed");
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!("event log writer panicked");
        }
    }
}
