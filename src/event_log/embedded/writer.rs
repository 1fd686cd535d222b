//! The one thread that writes: group by group, then sync, then show, then answer.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use aerostream_domain::{Offset, UtcMicros};
use aerostream_log::{AppendError, Appended, Partition, Topic};
use fjall::{Keyspace, OwnedWriteBatch, PersistMode};

use super::compaction::{Compaction, StateRecord};
use super::layout::{self, SegmentHead};
use super::queue::{self, Next, Queue, Queued};
use super::retention::{self, Floors};
use super::store::{Segment, Store};
use super::{Config, Surroundings, WriterCounters, open};
use crate::event_log::metrics::{self, AppendResult};

/// How often the writer looks after segments when there is nothing to write, and at least.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// Most superseded records that go with one group.
const EXPIRED_PER_GROUP: usize = 4_096;

/// Where a partition goes on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor {
    pub(super) next: u64,
    pub(super) newest_at: UtcMicros,
}

pub(super) struct Writer {
    pub(super) config: Config,
    pub(super) store: Arc<Store>,
    pub(super) queue: Arc<Queue>,
    pub(super) heads: Keyspace,
    pub(super) floors: Arc<Floors>,
    pub(super) counters: Arc<WriterCounters>,
    pub(super) cursors: HashMap<Topic, Vec<Cursor>>,
    pub(super) compaction: Compaction,
    pub(super) surroundings: Surroundings,
}

/// Why a group may not be on disk.
#[derive(Debug, thiserror::Error)]
enum WriteError {
    #[error("writing failed")]
    Write(#[source] std::io::Error),
    #[error("the storage engine failed")]
    Engine(#[source] fjall::Error),
    #[error("syncing failed")]
    Sync(#[source] std::io::Error),
}

impl From<fjall::Error> for WriteError {
    fn from(error: fjall::Error) -> Self {
        Self::Engine(error)
    }
}

/// Leaves nobody waiting when the thread panics.
struct Abandon(Arc<Queue>);

impl Drop for Abandon {
    fn drop(&mut self) {
        refuse(self.0.abandon("its writer ended"), "its writer ended");
    }
}

fn refuse(queued: Vec<Queued>, reason: &str) {
    for Queued { append, reply } in queued {
        metrics::appends(append.topic, AppendResult::Refused, 1);
        // A caller that went away has no use for the outcome.
        let _gone = reply.send(Err(AppendError::Refused {
            topic: append.topic,
            partition: append.partition,
            reason: reason.to_owned(),
        }));
    }
}

/// A group that lies in a batch but not yet on disk.
struct Prepared {
    batch: OwnedWriteBatch,
    placed: Vec<(Queued, Appended)>,
    removed_bytes: u64,
}

impl Writer {
    pub(super) fn run(mut self) {
        let _abandon = Abandon(Arc::clone(&self.queue));
        let mut swept_at: Option<Instant> = None;
        loop {
            if swept_at.is_none_or(|at| at.elapsed() >= SWEEP_EVERY) {
                if let Err(error) = self.sweep() {
                    return self.fail(&error, Vec::new());
                }
                swept_at = Some(Instant::now());
            }
            match self.queue.next(SWEEP_EVERY) {
                Next::Idle => {}
                Next::Shut => return,
                Next::Group(group) => {
                    let full = self.grown_segments();
                    if let Err((error, group)) = self.write(group) {
                        return self.fail(&error, group);
                    }
                    if full {
                        swept_at = None;
                    }
                }
            }
        }
    }

    /// Writes nothing more: what the disk holds is unknown until it is read again.
    fn fail(&self, error: &WriteError, group: Vec<Queued>) {
        let source = std::error::Error::source(error);
        let cause = source.map_or_else(String::new, |source| format!(": {source}"));
        let reason = format!("{error}{cause}; it takes nothing until a restart");
        tracing::error!(error = %reason, "event log stopped writing");
        let queued = self.queue.abandon(&reason);
        for Queued { append, reply } in group {
            metrics::appends(append.topic, AppendResult::Unknown, 1);
            // A caller that went away has no use for the outcome.
            let _gone = reply.send(Err(AppendError::Unknown {
                topic: append.topic,
                partition: append.partition,
                reason: reason.clone(),
            }));
        }
        refuse(queued, &reason);
    }

    /// True if some segment has reached its size.
    fn grown_segments(&self) -> bool {
        Topic::ALL.into_iter().any(|topic| {
            let active = self.store.active(topic);
            active.is_some_and(|active| self.is_full(&active))
        })
    }

    fn is_full(&self, active: &Segment) -> bool {
        let bytes = active.bytes.load(Ordering::Relaxed);
        !active.topic.is_compacted() && bytes >= self.config.segment_bytes
    }

    fn write(&mut self, group: Vec<Queued>) -> Result<(), (WriteError, Vec<Queued>)> {
        let begun = Instant::now();
        let Prepared {
            batch,
            placed,
            removed_bytes,
        } = self.prepare(group);
        if let Err(error) = self.commit(batch, placed.len()) {
            return Err((error, placed.into_iter().map(|(q, _)| q).collect()));
        }
        self.show(&placed, removed_bytes);
        self.answer(placed);
        metrics::group_seconds(begun.elapsed().as_secs_f64());
        Ok(())
    }

    /// Gives every record of a group its offset and time.
    fn prepare(&mut self, group: Vec<Queued>) -> Prepared {
        let now = (self.surroundings.clock)();
        let db = &self.store.db;
        let mut batch = OwnedWriteBatch::with_capacity(db.clone(), group.len());
        let mut active: HashMap<Topic, Arc<Segment>> = HashMap::new();
        let mut newest: HashMap<(Partition, bytes::Bytes), usize> = HashMap::new();
        let mut placed: Vec<(Queued, Appended)> = Vec::with_capacity(group.len());
        for queued in group {
            let append = &queued.append;
            let cursor = self
                .cursors
                .get_mut(&append.topic)
                .and_then(|cursors| cursors.get_mut(usize::from(append.partition.0)))
                .expect("append() refuses partitions that the topic does not have");
            cursor.newest_at = cursor.newest_at.max(now);
            let appended = Appended {
                offset: Offset(cursor.next),
                at: cursor.newest_at,
            };
            cursor.next += 1;
            if append.topic.is_compacted() {
                newest.insert((append.partition, append.key.clone()), placed.len());
            }
            placed.push((queued, appended));
        }
        let mut removed_bytes = 0;
        for (index, (Queued { append, .. }, appended)) in placed.iter().enumerate() {
            let compacted = append.topic.is_compacted();
            if compacted && newest.get(&(append.partition, append.key.clone())) != Some(&index) {
                // Superseded before anybody could see it.
                removed_bytes += queue::size_of(append) as u64;
                continue;
            }
            let segment = active.entry(append.topic).or_insert_with(|| {
                let active = self.store.active(append.topic);
                active.expect("every topic has a segment from the start on")
            });
            batch.insert(
                &segment.keyspace,
                layout::place(append.partition, appended.offset.0),
                layout::value(append, appended.at),
            );
            if compacted {
                self.compaction.note(StateRecord {
                    partition: append.partition,
                    offset: appended.offset.0,
                    at: appended.at,
                    key: append.key.clone(),
                    bytes: queue::size_of(append) as u64,
                    deletes: append.payload.is_empty(),
                });
            }
        }
        removed_bytes += self.remove_expired(&mut batch, now);
        Prepared {
            batch,
            placed,
            removed_bytes,
        }
    }

    fn remove_expired(&mut self, batch: &mut OwnedWriteBatch, now: UtcMicros) -> u64 {
        let state = Topic::State;
        let (Some(cursors), Some(active)) = (self.cursors.get(&state), self.store.active(state))
        else {
            return 0;
        };
        let ends: Vec<u64> = cursors.iter().map(|cursor| cursor.next).collect();
        let expired = self.compaction.take_expired(now, EXPIRED_PER_GROUP, &ends);
        for gone in &expired {
            batch.remove(&active.keyspace, layout::place(gone.partition, gone.offset));
        }
        expired.iter().map(|gone| gone.bytes).sum()
    }

    fn commit(&self, batch: OwnedWriteBatch, records: usize) -> Result<(), WriteError> {
        let disk = &self.surroundings.disk;
        disk.before_write(records).map_err(WriteError::Write)?;
        batch.commit()?;
        disk.before_sync().map_err(WriteError::Sync)?;
        self.store.db.persist(PersistMode::SyncAll)?;
        self.counters.syncs.fetch_add(1, Ordering::Release);
        metrics::synced();
        disk.after_sync();
        Ok(())
    }

    fn show(&self, placed: &[(Queued, Appended)], removed_bytes: u64) {
        let mut ends: HashMap<(Topic, Partition), u64> = HashMap::new();
        let mut sizes: HashMap<Topic, (u64, u64)> = HashMap::new();
        for (Queued { append, .. }, appended) in placed {
            ends.insert((append.topic, append.partition), appended.offset.0 + 1);
            let (records, bytes) = sizes.entry(append.topic).or_default();
            *records += 1;
            *bytes += queue::size_of(append) as u64;
        }
        for (topic, (records, bytes)) in sizes {
            if let Some(active) = self.store.active(topic) {
                active.bytes.fetch_add(bytes, Ordering::Relaxed);
            }
            metrics::appends(topic, AppendResult::Durable, records);
            metrics::appended_bytes(topic, bytes);
        }
        if let Some(state) = self.store.active(Topic::State) {
            let left = |bytes: u64| Some(bytes.saturating_sub(removed_bytes));
            let update = (Ordering::Relaxed, Ordering::Relaxed);
            let _before = state.bytes.fetch_update(update.0, update.1, left);
        }
        for ((topic, partition), end) in ends {
            self.store.publish(topic, partition, end);
        }
        self.store.announce();
    }

    fn answer(&self, placed: Vec<(Queued, Appended)>) {
        self.counters.groups.fetch_add(1, Ordering::Release);
        let records = placed.len() as u64;
        self.counters.records.fetch_add(records, Ordering::Release);
        for (Queued { reply, .. }, appended) in placed {
            // A caller that went away has no use for the outcome.
            let _gone = reply.send(Ok(appended));
        }
    }

    /// Ends segments that are full or old, drops those that may go, and sees how much room is left.
    fn sweep(&mut self) -> Result<(), WriteError> {
        let now = (self.surroundings.clock)();
        let age = Duration::from_secs(3600) * self.config.segment_hours;
        for topic in Topic::ALL {
            let Some(active) = self.store.active(topic) else {
                continue;
            };
            let empty = active.bytes.load(Ordering::Relaxed) == 0;
            let old = !topic.is_compacted() && !empty && active.created_at + age <= now;
            if self.is_full(&active) || old {
                self.end_segment(&active, now)?;
            }
        }
        while let Some(segment) =
            retention::next_to_drop(&self.store, &self.floors, &self.config, now)
        {
            self.drop_segment(&segment)?;
        }
        let free = rustix::fs::statvfs(&self.config.directory)
            .map(|disk| disk.f_bavail * disk.f_frsize)
            .map_err(|errno| WriteError::Write(errno.into()))?;
        let free = self.surroundings.disk.free_bytes(free);
        let bytes = self.store.bytes();
        metrics::held_bytes(bytes);
        let pressure = retention::pressure(bytes, free, &self.config);
        if pressure != self.store.pressure() {
            tracing::warn!(log.pressure = ?pressure, log.bytes = bytes, "event log's room changed");
        }
        self.store.set_pressure(pressure);
        Ok(())
    }

    /// Lets a topic go on in a new segment.
    fn end_segment(&self, old: &Segment, now: UtcMicros) -> Result<(), WriteError> {
        let topic = old.topic;
        let Some(cursors) = self.cursors.get(&topic) else {
            return Ok(());
        };
        // Times stay in order even if the clock went back.
        let newest_at = cursors.iter().map(|cursor| cursor.newest_at).max();
        let now = newest_at.map_or(now, |newest_at| newest_at.max(now));
        let ended = SegmentHead {
            created_at: old.created_at,
            closed: Some((now, old.bytes.load(Ordering::Relaxed))),
            base: old.base.clone(),
        };
        let head = SegmentHead {
            created_at: now,
            closed: None,
            base: cursors.iter().map(|cursor| cursor.next).collect(),
        };
        let db = &self.store.db;
        let name = layout::segment_name(topic, old.number + 1);
        let keyspace = db.keyspace(&name, || open::segment_options(topic))?;
        let mut batch = db.batch();
        let old_name = layout::segment_name(topic, old.number);
        batch.insert(&self.heads, old_name, ended.encode());
        batch.insert(&self.heads, name, head.encode());
        batch.durability(Some(PersistMode::SyncAll)).commit()?;
        old.closed_at.get_or_init(|| now);
        let segment = open::segment(topic, old.number + 1, head, keyspace);
        self.store.push_segment(segment);
        Ok(())
    }

    /// Drops a topic's oldest segment: first for readers, then from the list, then from the disk.
    fn drop_segment(&self, segment: &Segment) -> Result<(), WriteError> {
        let db = &self.store.db;
        let name = layout::segment_name(segment.topic, segment.number);
        self.store.pop_segment(segment.topic);
        let mut batch = db.batch();
        batch.remove(&self.heads, name.as_str());
        batch.durability(Some(PersistMode::SyncAll)).commit()?;
        db.delete_keyspace(segment.keyspace.clone())?;
        metrics::segment_dropped(segment.topic);
        tracing::info!(log.segment = name, "event log dropped a segment");
        Ok(())
    }
}
