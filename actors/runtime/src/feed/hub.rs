//! Who watches which drone of this node.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use aerostream_domain::{BootId, DroneId, Seq, ShardCount, ShardId, TelemetryRecord, UtcMicros};
use dashmap::DashMap;
use tokio::sync::broadcast;

use super::{Cursor, Frame};
use crate::config::Config;
use crate::handle::Unavailable;
use crate::metrics;

/// What goes to every subscriber of a drone.
#[derive(Debug, Clone)]
pub(super) enum Told {
    Frame(Arc<Frame>),
    Interrupted,
    Late,
    Fenced,
}

/// Newest sample that was shown: later boots and higher seqs are newer.
type Shown = (UtcMicros, BootId, Seq);

/// A drone that somebody watches.
#[derive(Debug)]
struct Watched {
    sender: broadcast::Sender<Told>,
    shown: Mutex<Option<Shown>>,
}

/// Every watched drone of this node.
#[derive(Debug)]
pub(crate) struct Hub {
    drones: DashMap<DroneId, Watched>,
    subscribers: AtomicUsize,
    shards: ShardCount,
    frames_kept: usize,
    subscribers_max: usize,
    drone_subscribers_max: usize,
}

impl Hub {
    pub fn new(config: &Config, shards: ShardCount) -> Self {
        Self {
            drones: DashMap::new(),
            subscribers: AtomicUsize::new(0),
            shards,
            frames_kept: config.feed_frames_max.max(1),
            subscribers_max: config.feed_subscribers_max,
            drone_subscribers_max: config.feed_drone_subscribers_max,
        }
    }

    fn overloaded(&self, what: &'static str, limit: usize) -> Unavailable {
        Unavailable::Overloaded {
            what,
            limit,
            retry_after: std::time::Duration::from_secs(1),
        }
    }

    pub(super) fn join(&self, drone: &DroneId) -> Result<broadcast::Receiver<Told>, Unavailable> {
        let limit = self.subscribers_max;
        let joined = self
            .subscribers
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |count| {
                (count < limit).then_some(count + 1)
            });
        if joined.is_err() {
            return Err(self.overloaded("subscriptions of the node", limit));
        }
        // The entry is locked while the receiver is made, so that nobody removes it meanwhile.
        let watched = self.drones.entry(drone.clone()).or_insert_with(|| Watched {
            sender: broadcast::Sender::new(self.frames_kept),
            shown: Mutex::new(None),
        });
        if watched.sender.receiver_count() >= self.drone_subscribers_max {
            drop(watched);
            self.subscribers.fetch_sub(1, Ordering::AcqRel);
            let limit = self.drone_subscribers_max;
            return Err(self.overloaded("subscriptions of the drone", limit));
        }
        let receiver = watched.sender.subscribe();
        drop(watched);
        self.count();
        Ok(receiver)
    }

    /// The receiver is gone by now.
    pub(super) fn leave(&self, drone: &DroneId) {
        self.subscribers.fetch_sub(1, Ordering::AcqRel);
        self.drones
            .remove_if(drone, |_, watched| watched.sender.receiver_count() == 0);
        self.count();
    }

    fn count(&self) {
        metrics::feeds(self.subscribers.load(Ordering::Acquire), self.drones.len());
    }

    /// True if somebody watches the drone.
    pub fn watches(&self, drone: &DroneId) -> bool {
        self.subscribers.load(Ordering::Acquire) > 0 && self.drones.contains_key(drone)
    }

    fn with(&self, drone: &DroneId, tell: impl FnOnce(&Watched)) {
        if self.subscribers.load(Ordering::Acquire) > 0
            && let Some(watched) = self.drones.get(drone)
        {
            tell(&watched);
        }
    }

    /// Tells a record that is durable.
    pub fn tell(&self, record: &Arc<TelemetryRecord>, cursor: Cursor) {
        self.with(&record.drone, |watched| {
            watched.newer_than_shown(record);
            watched.send(Told::Frame(Arc::new(Frame::new(
                Arc::clone(record),
                Some(cursor),
            ))));
        });
    }

    /// Shows a record of which it is not known whether it is durable; only what is newer than all
    /// that was shown, so that the view moves on while a drone sends the same again.
    pub fn show(&self, record: &Arc<TelemetryRecord>) {
        self.with(&record.drone, |watched| {
            if let Some(newer) = watched.newer_than_shown(record) {
                watched.send(Told::Frame(Arc::new(Frame::new(newer, None))));
            }
        });
    }

    /// Says that records of the drone may be missing.
    pub fn interrupt(&self, drone: &DroneId) {
        self.with(drone, |watched| watched.send(Told::Interrupted));
    }

    /// Says that a record of the drone is missing.
    pub fn late(&self, drone: &DroneId) {
        self.with(drone, |watched| watched.send(Told::Late));
    }

    /// Says that records may be missing to all who watch a drone of the shard.
    pub fn interrupt_shard(&self, shard: ShardId) {
        for watched in &self.drones {
            if self.shards.shard_of(watched.key()) == shard {
                watched.send(Told::Interrupted);
            }
        }
    }

    /// Says that the drone is not served here any more.
    pub fn fenced(&self, drone: &DroneId) {
        self.with(drone, |watched| watched.send(Told::Fenced));
    }
}

impl Watched {
    fn send(&self, told: Told) {
        // Without a subscriber there is nobody to tell.
        let _ = self.sender.send(told);
    }

    /// The samples that are newer than all that was shown, which now are shown; `None` if none is.
    fn newer_than_shown(&self, record: &Arc<TelemetryRecord>) -> Option<Arc<TelemetryRecord>> {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let before = *shown;
        let key = |seq: Seq| Some((record.power_up, record.boot, seq));
        let newer = |seq: Seq| key(seq) > before;
        let highest = record.samples.iter().map(|sample| sample.seq).max()?;
        if !newer(highest) {
            return None;
        }
        *shown = key(highest);
        drop(shown);
        if record.samples.iter().all(|sample| newer(sample.seq)) {
            return Some(Arc::clone(record));
        }
        let mut part = TelemetryRecord::clone(record);
        part.samples.retain(|sample| newer(sample.seq));
        Some(Arc::new(part))
    }
}
