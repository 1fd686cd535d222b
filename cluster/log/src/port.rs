//! The port: what a log must do for AeroStream.

use std::time::Duration;

use aerostream_domain::{Offset, UtcMicros};
use async_trait::async_trait;
use bytes::Bytes;
use futures::future::BoxFuture;

use crate::topic::{Partition, Topic};

/// A record to be written.
#[derive(Debug, Clone)]
pub struct Append {
    pub topic: Topic,
    pub partition: Partition,
    /// What compaction keeps the newest record of; otherwise for people who look.
    pub key: Bytes,
    pub payload: Bytes,
}

/// Where a durable record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    pub offset: Offset,
    /// The log's own time of the append.
    pub at: UtcMicros,
}

/// Why an append is not known to be durable.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AppendError {
    /// It was not written and never will be.
    #[error("the event log did not take the record for {topic}/{partition}: {reason}")]
    Refused {
        topic: Topic,
        partition: Partition,
        reason: String,
    },
    /// It may have been written, or may still be.
    #[error("whether the event log took the record for {topic}/{partition} is unknown: {reason}")]
    Unknown {
        topic: Topic,
        partition: Partition,
        reason: String,
    },
}

/// Resolves when the record is durable, or is not known to be.
pub type PendingAppend = BoxFuture<'static, Result<Appended, AppendError>>;

/// A record read back; only durable records are ever read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub topic: Topic,
    pub partition: Partition,
    pub offset: Offset,
    /// The log's own time of the append.
    pub at: UtcMicros,
    pub key: Bytes,
    /// Empty in a compacted topic: the key is deleted.
    pub payload: Bytes,
}

/// What a partition holds: offsets `start..end`, some of which may be compacted away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// First offset that is kept.
    pub start: Offset,
    /// Offset that the next record gets.
    pub end: Offset,
}

/// How much one read may bring and how long it may wait for the first record.
#[derive(Debug, Clone, Copy)]
pub struct ReadLimits {
    pub records_max: usize,
    pub bytes_max: usize,
    pub wait_max: Duration,
}

/// Why the log could not be read or asked.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Out of reach for now; the caller may try again.
    #[error("the event log is out of reach while {doing}: {reason}")]
    Unavailable { doing: String, reason: String },
    /// The asked offset is not in the partition; it never becomes another one silently.
    #[error("offset {asked} is outside {topic}/{partition}, which holds {start} to {end}")]
    OutOfRange {
        topic: Topic,
        partition: Partition,
        asked: Offset,
        start: Offset,
        end: Offset,
    },
    /// The log's settings do not keep the promises.
    #[error("the event log is not safe to use: {reason}")]
    Unsafe { reason: String },
    /// Anything that trying again does not mend.
    #[error("the event log failed while {doing}: {reason}")]
    Failed { doing: String, reason: String },
}

/// An event log.
///
/// Within one partition the records appended by one process are in the order of the `append` calls.
#[async_trait]
pub trait EventLog: Send + Sync + 'static {
    /// Queues a record before it returns; the future tells when it is durable.
    /// A full queue is a future that is `Refused` at once.
    fn append(&self, append: Append) -> PendingAppend;

    /// What a partition holds now.
    async fn bounds(&self, topic: Topic, partition: Partition) -> Result<Bounds, LogError>;

    /// Reads partitions from the given offsets on, and follows them.
    async fn read(
        &self,
        topic: Topic,
        from: Vec<(Partition, Offset)>,
    ) -> Result<Box<dyn Reader>, LogError>;

    /// Joins a group whose members share the partitions of the topics.
    async fn join(&self, topics: Vec<Topic>, group: &str)
    -> Result<Box<dyn GroupReader>, LogError>;
}

/// Follows some partitions.
#[async_trait]
pub trait Reader: Send {
    /// The next records, in offset order within a partition; empty after `wait_max` without any.
    async fn next(&mut self, limits: ReadLimits) -> Result<Vec<Record>, LogError>;
}

/// What a member of a group is told.
#[derive(Debug)]
pub enum GroupEvent {
    /// These partitions are this member's now. It gets their records once it has called
    /// [`GroupReader::start`] for each.
    Assigned(Vec<(Topic, Partition)>),
    /// These are not this member's any more.
    Revoked(Vec<(Topic, Partition)>),
    /// Records of started partitions, in offset order within each; empty after `wait_max`.
    Records(Vec<Record>),
}

/// A member of a group.
#[async_trait]
pub trait GroupReader: Send {
    /// What happens next.
    async fn next(&mut self, limits: ReadLimits) -> Result<GroupEvent, LogError>;

    /// Begins, or begins again, at `offset`, which must lie inside the partition.
    async fn start(
        &mut self,
        topic: Topic,
        partition: Partition,
        offset: Offset,
    ) -> Result<(), LogError>;

    /// Tells the log how far this member is, for people who watch lag; nothing depends on it.
    fn report(&mut self, topic: Topic, partition: Partition, next: Offset);
}
