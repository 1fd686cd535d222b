//! A log in memory, for tests: it keeps the contract, and fails in every way that a log can.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::UNIX_EPOCH;

use aerostream_domain::{Offset, ShardCount, UtcMicros};
use async_trait::async_trait;
use tokio::sync::{oneshot, watch};

use crate::local::{self, FetchLimits, Fetched, Groups, LocalStore, Position};
use crate::port::{
    Append, AppendError, Appended, Bounds, EventLog, GroupReader, LogError, PendingAppend, Reader,
    Record,
};
use crate::topic::{Partition, Topic};

/// Most appends that [`MemoryLog::hold`] keeps back; more are refused, as by any full queue.
pub const HELD_APPENDS_MAX: usize = 100_000;

/// How an append fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Not written, and the caller is told so.
    Refused,
    /// Written, but the caller is told that this is unknown.
    UnknownWritten,
    /// Not written, and the caller is told that this is unknown.
    UnknownNotWritten,
    /// Written right before the partition's next record, long after the caller was told that this
    /// is unknown: so late as a log can be.
    UnknownWrittenLate,
}

type Clock = Box<dyn Fn() -> UtcMicros + Send + Sync>;
type Outcome = Result<Appended, AppendError>;

/// A log in memory. Clones are the same log.
#[derive(Clone)]
pub struct MemoryLog {
    store: Arc<Store>,
    groups: Groups,
}

struct Store {
    shards: ShardCount,
    clock: Clock,
    inner: Mutex<Inner>,
    changes: watch::Sender<u64>,
}

#[derive(Default)]
struct Inner {
    partitions: HashMap<(Topic, Partition), Kept>,
    faults: HashMap<Topic, VecDeque<(Fault, usize)>>,
    held: HashMap<Topic, VecDeque<(Append, oneshot::Sender<Outcome>)>>,
    out_of_reach: bool,
    unreadable: bool,
}

#[derive(Default)]
struct Kept {
    records: VecDeque<Record>,
    start: u64,
    end: u64,
    newest_at: i64,
    late: Vec<Append>,
}

impl MemoryLog {
    /// An empty log that stamps records with the system's time.
    #[must_use]
    pub fn new(shards: ShardCount) -> Self {
        Self::with_clock(shards, || {
            let since = UNIX_EPOCH.elapsed().unwrap_or_default();
            UtcMicros(since.as_micros() as i64)
        })
    }

    /// An empty log that stamps records by the given clock, never backwards within a partition.
    #[must_use]
    pub fn with_clock(
        shards: ShardCount,
        clock: impl Fn() -> UtcMicros + Send + Sync + 'static,
    ) -> Self {
        Self {
            store: Arc::new(Store {
                shards,
                clock: Box::new(clock),
                inner: Mutex::default(),
                changes: watch::Sender::new(0),
            }),
            groups: Groups::default(),
        }
    }

    /// Makes the next `count` appends to the topic fail, behind those already told to.
    pub fn fail_next(&self, topic: Topic, count: usize, fault: Fault) {
        let mut inner = self.store.inner();
        inner
            .faults
            .entry(topic)
            .or_default()
            .push_back((fault, count));
    }

    /// Takes back what [`Self::fail_next`] has left.
    pub fn heal(&self, topic: Topic) {
        self.store.inner().faults.remove(&topic);
    }

    /// Keeps appends to the topic back: neither durable nor answered until [`Self::release`].
    pub fn hold(&self, topic: Topic) {
        self.store.inner().held.entry(topic).or_default();
    }

    /// How many appends to the topic are kept back.
    #[must_use]
    pub fn held(&self, topic: Topic) -> usize {
        self.store.inner().held.get(&topic).map_or(0, VecDeque::len)
    }

    /// Lets the oldest `count` appends through that are kept back; later ones still wait.
    pub fn release_next(&self, topic: Topic, count: usize) {
        let mut inner = self.store.inner();
        let released: Vec<_> = inner
            .held
            .get_mut(&topic)
            .map(|held| held.drain(..count.min(held.len())).collect())
            .unwrap_or_default();
        for (append, reply) in released {
            let outcome = self.store.settle(&mut inner, append);
            // A caller that went away has no use for the outcome.
            let _gone = reply.send(outcome);
        }
        drop(inner);
        self.store.announce();
    }

    /// Lets everything through that is kept back, and keeps nothing back any more.
    pub fn release(&self, topic: Topic) {
        self.release_next(topic, usize::MAX);
        self.store.inner().held.remove(&topic);
    }

    /// With `true`, appends are refused and reads are `Unavailable`, as with a broker that is down.
    pub fn set_out_of_reach(&self, out_of_reach: bool) {
        self.store.inner().out_of_reach = out_of_reach;
        self.store.announce();
    }

    /// With `true`, reads alone are `Unavailable`: appends go on.
    pub fn set_unreadable(&self, unreadable: bool) {
        self.store.inner().unreadable = unreadable;
        self.store.announce();
    }

    /// Drops the records below `start`, as retention does.
    pub fn drop_below(&self, topic: Topic, partition: Partition, start: Offset) {
        let mut inner = self.store.inner();
        let kept = inner.partitions.entry((topic, partition)).or_default();
        kept.start = start.0.clamp(kept.start, kept.end);
        let start = kept.start;
        kept.records.retain(|record| record.offset.0 >= start);
    }

    /// Leaves the newest record of each key of a compacted topic, and none of deleted keys.
    pub fn compact(&self, topic: Topic) {
        assert!(topic.is_compacted(), "{topic} is not compacted");
        let mut inner = self.store.inner();
        for (_, kept) in inner
            .partitions
            .iter_mut()
            .filter(|((t, _), _)| *t == topic)
        {
            let newest: HashMap<_, _> = kept
                .records
                .iter()
                .map(|record| (record.key.clone(), record.offset))
                .collect();
            kept.records.retain(|record| {
                !record.payload.is_empty() && newest.get(&record.key) == Some(&record.offset)
            });
        }
    }

    /// All records that a partition holds.
    #[must_use]
    pub fn records(&self, topic: Topic, partition: Partition) -> Vec<Record> {
        let inner = self.store.inner();
        let kept = inner.partitions.get(&(topic, partition));
        kept.map(|kept| kept.records.iter().cloned().collect())
            .unwrap_or_default()
    }

    /// How far the members of a group said that they are.
    #[must_use]
    pub fn reported(&self, group: &str, topic: Topic, partition: Partition) -> Option<Offset> {
        self.groups.reported(group, topic, partition)
    }
}

impl Store {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        // A panic elsewhere leaves records that are still whole: every change is one step.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn announce(&self) {
        self.changes.send_modify(|version| *version += 1);
    }

    fn settle(&self, inner: &mut Inner, append: Append) -> Outcome {
        let (topic, partition) = (append.topic, append.partition);
        let reason = "told to by the test".to_owned();
        match inner.next_fault(topic) {
            None => Ok(self.write(inner, append)),
            Some(Fault::Refused) => Err(AppendError::Refused {
                topic,
                partition,
                reason,
            }),
            Some(fault) => {
                match fault {
                    Fault::UnknownWritten => drop(self.write(inner, append)),
                    Fault::UnknownWrittenLate => {
                        let kept = inner.partitions.entry((topic, partition)).or_default();
                        kept.late.push(append);
                    }
                    Fault::Refused | Fault::UnknownNotWritten => {}
                }
                Err(AppendError::Unknown {
                    topic,
                    partition,
                    reason,
                })
            }
        }
    }

    fn write(&self, inner: &mut Inner, append: Append) -> Appended {
        let place = (append.topic, append.partition);
        let late = std::mem::take(&mut inner.partitions.entry(place).or_default().late);
        for append in late {
            self.put(inner, append);
        }
        self.put(inner, append)
    }

    fn put(&self, inner: &mut Inner, append: Append) -> Appended {
        let kept = inner
            .partitions
            .entry((append.topic, append.partition))
            .or_default();
        kept.newest_at = kept.newest_at.max((self.clock)().0);
        let appended = Appended {
            offset: Offset(kept.end),
            at: UtcMicros(kept.newest_at),
        };
        kept.end += 1;
        kept.records.push_back(Record {
            topic: append.topic,
            partition: append.partition,
            offset: appended.offset,
            at: appended.at,
            key: append.key,
            payload: append.payload,
        });
        appended
    }

    fn check_partition(&self, topic: Topic, partition: Partition) -> Result<(), String> {
        let partitions = topic.partitions(self.shards);
        if partition.0 < partitions {
            return Ok(());
        }
        Err(format!("{topic} has {partitions} partitions"))
    }

    fn check_reach(&self, doing: &str) -> Result<(), LogError> {
        let inner = self.inner();
        if !inner.out_of_reach && !inner.unreadable {
            return Ok(());
        }
        Err(LogError::Unavailable {
            doing: doing.to_owned(),
            reason: "told to by the test".to_owned(),
        })
    }

    fn append(&self, append: Append) -> PendingAppend {
        let (topic, partition) = (append.topic, append.partition);
        let refused = move |reason: String| AppendError::Refused {
            topic,
            partition,
            reason,
        };
        if let Err(reason) = self.check_partition(topic, partition) {
            return Box::pin(std::future::ready(Err(refused(reason))));
        }
        let mut inner = self.inner();
        if inner.out_of_reach {
            let reason = "told to by the test".to_owned();
            return Box::pin(std::future::ready(Err(refused(reason))));
        }
        if let Some(held) = inner.held.get_mut(&topic) {
            if held.len() >= HELD_APPENDS_MAX {
                let reason = "its queue is full".to_owned();
                return Box::pin(std::future::ready(Err(refused(reason))));
            }
            let (reply, outcome) = oneshot::channel();
            held.push_back((append, reply));
            return Box::pin(async move {
                outcome.await.unwrap_or_else(|_| {
                    Err(AppendError::Unknown {
                        topic,
                        partition,
                        reason: "the log was closed".to_owned(),
                    })
                })
            });
        }
        let outcome = self.settle(&mut inner, append);
        drop(inner);
        self.announce();
        Box::pin(std::future::ready(outcome))
    }
}

impl Inner {
    fn next_fault(&mut self, topic: Topic) -> Option<Fault> {
        let faults = self.faults.get_mut(&topic)?;
        while let Some((fault, left)) = faults.front_mut() {
            if *left > 0 {
                *left -= 1;
                return Some(*fault);
            }
            faults.pop_front();
        }
        None
    }
}

#[async_trait]
impl LocalStore for Store {
    fn partitions(&self, topic: Topic) -> u16 {
        topic.partitions(self.shards)
    }

    fn bounds(&self, topic: Topic, partition: Partition) -> Result<Bounds, LogError> {
        let doing = format!("asking for the bounds of {topic}/{partition}");
        self.check_reach(&doing)?;
        self.check_partition(topic, partition)
            .map_err(|reason| LogError::Failed { doing, reason })?;
        let inner = self.inner();
        let kept = inner.partitions.get(&(topic, partition));
        Ok(Bounds {
            start: Offset(kept.map_or(0, |kept| kept.start)),
            end: Offset(kept.map_or(0, |kept| kept.end)),
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
        let inner = self.inner();
        let mut fetched = Fetched::default();
        let mut bytes = 0;
        for mut position in positions {
            let Some(kept) = inner.partitions.get(&(position.topic, position.partition)) else {
                continue;
            };
            let from = kept.records.partition_point(|r| r.offset < position.next);
            let mut full = false;
            for record in kept.records.range(from..) {
                let size = record.key.len() + record.payload.len();
                let room = bytes + size <= limits.bytes_max || fetched.records.is_empty();
                full = fetched.records.len() >= limits.records_max || !room;
                if full {
                    break;
                }
                bytes += size;
                position.next = Offset(record.offset.0 + 1);
                fetched.records.push(record.clone());
            }
            if !full {
                // What compaction took from the end is read, too.
                position.next = Offset(kept.end);
            }
            fetched.positions.push(position);
        }
        Ok(fetched)
    }
}

#[async_trait]
impl EventLog for MemoryLog {
    fn append(&self, append: Append) -> PendingAppend {
        self.store.append(append)
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
        self.store.check_reach("joining a group")?;
        Ok(local::join(&self.store, &self.groups, &topics, group))
    }
}
