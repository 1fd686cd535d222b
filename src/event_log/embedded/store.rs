//! What readers see: segments, and how far each partition is durable.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use aerostream_domain::{Offset, ShardCount, UtcMicros};
use aerostream_log::local::{FetchLimits, Fetched, LocalStore, Position};
use aerostream_log::{Bounds, LogError, Partition, Topic};
use async_trait::async_trait;
use fjall::{Database, Keyspace};
use tokio::sync::watch;

use super::layout;
use super::lock::DirectoryLock;

/// A run of a topic's records, dropped as a whole.
pub(super) struct Segment {
    pub(super) topic: Topic,
    pub(super) number: u64,
    pub(super) created_at: UtcMicros,
    /// Offset of its first record in each partition.
    pub(super) base: Vec<u64>,
    /// When its last record was written; unset while it grows.
    pub(super) closed_at: OnceLock<UtcMicros>,
    /// Bytes of its keys and payloads.
    pub(super) bytes: AtomicU64,
    pub(super) keyspace: Keyspace,
}

/// Which appends the log has no room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pressure {
    None = 0,
    /// The limit is reached: telemetry waits, the rest goes on within the reserve.
    Telemetry = 1,
    /// The reserve is used up, too.
    Reserve = 2,
    /// The disk is nearly full.
    Disk = 3,
}

#[derive(Default)]
struct Published {
    start: AtomicU64,
    end: AtomicU64,
}

/// The log as its readers see it. Only the writer changes it.
pub(super) struct Store {
    shards: ShardCount,
    published: HashMap<Topic, Vec<Published>>,
    segments: RwLock<HashMap<Topic, VecDeque<Arc<Segment>>>>,
    changes: watch::Sender<u64>,
    pressure: AtomicU8,
    // Fields are dropped in this order: the directory is free only when the engine is closed.
    pub(super) db: Database,
    _lock: DirectoryLock,
}

impl Store {
    pub(super) fn new(db: Database, lock: DirectoryLock, shards: ShardCount) -> Self {
        let published = Topic::ALL.into_iter().map(|topic| {
            let partitions = (0..topic.partitions(shards)).map(|_| Published::default());
            (topic, partitions.collect())
        });
        Self {
            shards,
            published: published.collect(),
            segments: RwLock::default(),
            changes: watch::Sender::new(0),
            pressure: AtomicU8::new(Pressure::None as u8),
            db,
            _lock: lock,
        }
    }

    fn published(&self, topic: Topic, partition: Partition) -> Option<&Published> {
        self.published.get(&topic)?.get(usize::from(partition.0))
    }

    /// Lets readers see a partition up to `end`. They wake with [`Self::announce`].
    pub(super) fn publish(&self, topic: Topic, partition: Partition, end: u64) {
        if let Some(published) = self.published(topic, partition) {
            published.end.store(end, Ordering::Release);
        }
    }

    pub(super) fn announce(&self) {
        self.changes.send_modify(|version| *version += 1);
    }

    pub(super) fn pressure(&self) -> Pressure {
        match self.pressure.load(Ordering::Relaxed) {
            0 => Pressure::None,
            1 => Pressure::Telemetry,
            2 => Pressure::Reserve,
            _ => Pressure::Disk,
        }
    }

    pub(super) fn set_pressure(&self, pressure: Pressure) {
        self.pressure.store(pressure as u8, Ordering::Relaxed);
    }

    fn segments(&self) -> RwLockReadGuard<'_, HashMap<Topic, VecDeque<Arc<Segment>>>> {
        // A panic elsewhere leaves lists that are still whole: every change is one step.
        self.segments.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn segments_mut(&self) -> RwLockWriteGuard<'_, HashMap<Topic, VecDeque<Arc<Segment>>>> {
        self.segments
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// A topic's segments, oldest first.
    pub(super) fn segments_of(&self, topic: Topic) -> Vec<Arc<Segment>> {
        let segments = self.segments();
        segments
            .get(&topic)
            .map(|list| list.iter().cloned().collect())
            .unwrap_or_default()
    }

    /// The segment that a topic grows in.
    pub(super) fn active(&self, topic: Topic) -> Option<Arc<Segment>> {
        self.segments().get(&topic)?.back().cloned()
    }

    pub(super) fn push_segment(&self, segment: Segment) {
        let topic = segment.topic;
        let mut segments = self.segments_mut();
        let list = segments.entry(topic).or_default();
        list.push_back(Arc::new(segment));
        self.move_starts(topic, list);
    }

    /// Takes a topic's oldest segment away, never its only one.
    pub(super) fn pop_segment(&self, topic: Topic) -> Option<Arc<Segment>> {
        let mut segments = self.segments_mut();
        let list = segments.get_mut(&topic).filter(|list| list.len() > 1)?;
        let oldest = list.pop_front();
        self.move_starts(topic, list);
        oldest
    }

    fn move_starts(&self, topic: Topic, list: &VecDeque<Arc<Segment>>) {
        let (Some(oldest), Some(published)) = (list.front(), self.published.get(&topic)) else {
            return;
        };
        for (published, &base) in published.iter().zip(&oldest.base) {
            published.start.store(base, Ordering::Release);
        }
    }

    /// Bytes of keys and payloads in all segments.
    pub(super) fn bytes(&self) -> u64 {
        let segments = self.segments();
        let all = segments.values().flatten();
        all.map(|segment| segment.bytes.load(Ordering::Relaxed))
            .sum()
    }

    /// What has to be read for a position, of what is published now.
    fn span(&self, position: Position) -> Result<Span, LogError> {
        let Position {
            topic,
            partition,
            next,
        } = position;
        let index = usize::from(partition.0);
        let segments = self.segments();
        let list = segments.get(&topic);
        let bounds = self.bounds(topic, partition)?;
        // Under the lock no segment can go: what the bounds promise is in the list.
        aerostream_log::local::check_inside(position, bounds)?;
        let holding = list.into_iter().flatten().rev();
        let mut holding: Vec<_> = holding
            .scan(false, |done, segment| {
                let wanted = !*done;
                *done = segment.base.get(index).is_some_and(|&base| base <= next.0);
                wanted.then(|| Arc::clone(segment))
            })
            .collect();
        holding.reverse();
        Ok(Span {
            position,
            end: bounds.end.0,
            segments: holding,
        })
    }
}

/// Offsets of one partition and the segments that have them.
struct Span {
    position: Position,
    end: u64,
    segments: Vec<Arc<Segment>>,
}

fn failed(position: Position, reason: String) -> LogError {
    LogError::Failed {
        doing: format!("reading {}/{}", position.topic, position.partition),
        reason,
    }
}

/// How much of a fetch is still free.
struct Room {
    limits: FetchLimits,
    bytes: usize,
}

impl Span {
    /// Adds its records until it is read or the room is used up; the new position.
    fn read(self, room: &mut Room, fetched: &mut Fetched) -> Result<Position, LogError> {
        let mut at = self.position;
        for segment in &self.segments {
            let range =
                layout::place(at.partition, at.next.0)..layout::place(at.partition, self.end);
            for guard in segment.keyspace.range(range) {
                let (place, value) = guard
                    .into_inner()
                    .map_err(|error| failed(at, error.to_string()))?;
                let full = fetched.records.len() >= room.limits.records_max
                    || room.bytes + value.len() > room.limits.bytes_max;
                if full && !fetched.records.is_empty() {
                    return Ok(at);
                }
                let record = layout::record(at.topic, &place, &value)
                    .ok_or_else(|| failed(at, "a record's bytes are damaged".to_owned()))?;
                if !at.topic.is_compacted() && record.offset != at.next {
                    return Err(failed(at, format!("offset {} is missing", at.next)));
                }
                room.bytes += value.len();
                at.next = Offset(record.offset.0 + 1);
                fetched.records.push(record);
            }
        }
        if !at.topic.is_compacted() && at.next.0 != self.end {
            return Err(failed(at, format!("offset {} is missing", at.next)));
        }
        at.next = Offset(self.end);
        Ok(at)
    }
}

#[async_trait]
impl LocalStore for Store {
    fn partitions(&self, topic: Topic) -> u16 {
        topic.partitions(self.shards)
    }

    fn bounds(&self, topic: Topic, partition: Partition) -> Result<Bounds, LogError> {
        let published = self
            .published(topic, partition)
            .ok_or_else(|| LogError::Failed {
                doing: format!("asking for the bounds of {topic}/{partition}"),
                reason: format!("{topic} has {} partitions", self.partitions(topic)),
            })?;
        Ok(Bounds {
            start: Offset(published.start.load(Ordering::Acquire)),
            end: Offset(published.end.load(Ordering::Acquire)),
        })
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    async fn fetch(
        &self,
        positions: Vec<Position>,
        limits: FetchLimits,
    ) -> Result<Fetched, LogError> {
        let spans: Result<Vec<_>, _> = positions.into_iter().map(|at| self.span(at)).collect();
        let spans = spans?;
        let read = move || {
            let mut fetched = Fetched::default();
            let mut room = Room { limits, bytes: 0 };
            for span in spans {
                let position = span.read(&mut room, &mut fetched)?;
                fetched.positions.push(position);
            }
            Ok(fetched)
        };
        let read = tokio::task::spawn_blocking(read);
        read.await.unwrap_or_else(|error| {
            Err(LogError::Failed {
                doing: "reading segments".to_owned(),
                reason: error.to_string(),
            })
        })
    }
}
