//! How far the durable snapshots of a shard reach.

use std::collections::BTreeSet;
use std::sync::Mutex;

use aerostream_domain::{DroneId, Offset};

use crate::message::MarkToken;

/// Shared by a shard and its drones: which appends are not in live state yet, and which drones
/// changed since their last snapshot.
#[derive(Debug)]
pub(crate) struct MarkTracker {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// One behind the highest offset known to be durable.
    end: Offset,
    next_id: u64,
    open: BTreeSet<MarkToken>,
    dirty: Vec<DroneId>,
}

impl MarkTracker {
    /// `end` is the offset behind what was restored.
    pub fn new(end: Offset) -> Self {
        let inner = Inner {
            end,
            next_id: 0,
            open: BTreeSet::new(),
            dirty: Vec::new(),
        };
        Self {
            inner: Mutex::new(inner),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Before an append: its offset will be at or behind the token's bound.
    pub fn begin(&self) -> MarkToken {
        let mut inner = self.lock();
        let token = MarkToken {
            bound: inner.end,
            id: inner.next_id,
        };
        inner.next_id += 1;
        inner.open.insert(token);
        token
    }

    /// The append became durable at `offset`.
    pub fn durable(&self, offset: Offset) {
        let mut inner = self.lock();
        inner.end = inner.end.max(Offset(offset.0 + 1));
    }

    /// The append is in live state, or is known never to come.
    pub fn end(&self, token: MarkToken) {
        self.lock().open.remove(&token);
    }

    /// Every record below this offset is in live state.
    pub fn applied_below(&self) -> Offset {
        let inner = self.lock();
        inner.open.first().map_or(inner.end, |token| token.bound)
    }

    /// One behind the highest offset known to be durable.
    pub fn end_known(&self) -> Offset {
        self.lock().end
    }

    /// A drone changed for the first time since its last snapshot.
    pub fn mark_dirty(&self, drone: DroneId) {
        self.lock().dirty.push(drone);
    }

    /// The drones that changed, to be snapshotted.
    pub fn take_dirty(&self) -> Vec<DroneId> {
        std::mem::take(&mut self.lock().dirty)
    }

    /// Appends that are not in live state yet.
    pub fn open(&self) -> usize {
        self.lock().open.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_never_passes_an_append_that_is_not_applied() {
        let tracker = MarkTracker::new(Offset(10));
        let first = tracker.begin();
        let second = tracker.begin();
        tracker.durable(Offset(11));
        tracker.end(second);
        assert_eq!(tracker.applied_below(), Offset(10));
        let third = tracker.begin();
        tracker.end(first);
        assert_eq!(tracker.applied_below(), Offset(12));
        tracker.end(third);
        assert_eq!(tracker.applied_below(), Offset(12));
    }
}
