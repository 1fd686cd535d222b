//! What the adapters that live inside one process share: readers that follow a store's tail, and
//! groups whose members divide its partitions.

mod group;
mod reader;

use std::sync::Arc;

use aerostream_domain::Offset;
use async_trait::async_trait;
use tokio::sync::watch;

pub use group::Groups;

use crate::port::{Bounds, GroupReader, LogError, Reader, Record};
use crate::topic::{Partition, Topic};

/// Where a reader is in one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    pub topic: Topic,
    pub partition: Partition,
    /// Offset of the next record to be read.
    pub next: Offset,
}

/// What one look into a store may bring.
#[derive(Debug, Clone, Copy)]
pub struct FetchLimits {
    /// Most records; at least 1.
    pub records_max: usize,
    /// Most bytes of keys and payloads; one record always fits.
    pub bytes_max: usize,
}

/// What a look into a store brought.
#[derive(Debug, Default)]
pub struct Fetched {
    /// Records in offset order within a partition.
    pub records: Vec<Record>,
    /// New places of the partitions that were looked at.
    pub positions: Vec<Position>,
}

/// Durable records of this process.
#[async_trait]
pub trait LocalStore: Send + Sync + 'static {
    /// How many partitions a topic has.
    fn partitions(&self, topic: Topic) -> u16;

    /// What readers may see of a partition; cheap.
    fn bounds(&self, topic: Topic, partition: Partition) -> Result<Bounds, LogError>;

    /// Changes whenever readers may see more.
    fn changes(&self) -> watch::Receiver<u64>;

    /// Records from the positions on, taken in their order until a limit is reached.
    async fn fetch(
        &self,
        positions: Vec<Position>,
        limits: FetchLimits,
    ) -> Result<Fetched, LogError>;
}

/// Follows the given partitions of a topic.
pub fn read<S: LocalStore>(
    store: &Arc<S>,
    topic: Topic,
    from: &[(Partition, Offset)],
) -> Result<Box<dyn Reader>, LogError> {
    let mut tail = reader::Tail::new(Arc::clone(store));
    for &(partition, next) in from {
        tail.place(Position {
            topic,
            partition,
            next,
        })?;
    }
    Ok(Box::new(reader::TailReader::new(tail)))
}

/// Joins a group over all partitions of the topics.
pub fn join<S: LocalStore>(
    store: &Arc<S>,
    groups: &Groups,
    topics: &[Topic],
    group: &str,
) -> Box<dyn GroupReader> {
    let mut partitions = Vec::new();
    for &topic in topics {
        partitions.extend((0..store.partitions(topic)).map(|p| (topic, Partition(p))));
    }
    let member = groups.join(group, partitions);
    Box::new(reader::MemberReader::new(
        reader::Tail::new(Arc::clone(store)),
        member,
    ))
}

/// Checks that a read may begin at an offset.
pub fn check_inside(position: Position, bounds: Bounds) -> Result<(), LogError> {
    if (bounds.start..=bounds.end).contains(&position.next) {
        return Ok(());
    }
    Err(LogError::OutOfRange {
        topic: position.topic,
        partition: position.partition,
        asked: position.next,
        start: bounds.start,
        end: bounds.end,
    })
}
