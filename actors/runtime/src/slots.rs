//! The drones of one shard, hot and passive.

use std::collections::{BTreeMap, HashMap};
use std::ops::{Bound, ControlFlow};

use aerostream_domain::{DroneId, Epoch};
use bytes::Bytes;
use ractor::{ActorId, ActorRef};
use tokio::time::Instant;

use crate::briefs::Place;
use crate::message::DroneMsg;
use crate::restart::Failures;

/// One drone as its shard keeps it.
#[derive(Debug)]
pub(crate) enum Slot {
    /// An actor runs.
    Hot {
        actor: ActorRef<DroneMsg>,
        used: Instant,
    },
    /// No actor: the compact encoded state.
    Passive { state: Bytes },
    /// The actor was asked to become passive; what comes meanwhile waits here.
    Leaving {
        actor: ActorRef<DroneMsg>,
        queue: Vec<DroneMsg>,
    },
    /// The actor failed; it rests and is then restored from the log.
    Failed { queue: Vec<DroneMsg> },
}

/// A drone's slot and where its brief is.
#[derive(Debug)]
struct Entry {
    slot: Slot,
    place: Place,
}

/// The drones of one shard in id order.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    by_id: BTreeMap<DroneId, Entry>,
    by_actor: HashMap<ActorId, DroneId>,
    failures: HashMap<DroneId, Failures>,
    /// Failed drones that rest.
    resting: BTreeMap<DroneId, Instant>,
    /// Epochs of snapshots to be deleted once this epoch's are durable.
    older_snapshots: HashMap<DroneId, Epoch>,
}

impl Slots {
    pub fn get(&self, drone: &DroneId) -> Option<&Slot> {
        self.by_id.get(drone).map(|entry| &entry.slot)
    }

    pub fn get_mut(&mut self, drone: &DroneId) -> Option<&mut Slot> {
        self.by_id.get_mut(drone).map(|entry| &mut entry.slot)
    }

    /// Where a drone has its brief; `None` for a drone that is not known.
    pub fn place(&self, drone: &DroneId) -> Option<Place> {
        self.by_id.get(drone).map(|entry| entry.place)
    }

    pub fn insert_passive(&mut self, drone: DroneId, place: Place, state: Bytes) {
        let slot = Slot::Passive { state };
        self.by_id.insert(drone, Entry { slot, place });
    }

    pub fn insert_hot(&mut self, drone: DroneId, place: Place, actor: ActorRef<DroneMsg>) {
        self.by_actor.insert(actor.get_id(), drone.clone());
        let slot = Slot::Hot {
            actor,
            used: Instant::now(),
        };
        self.by_id.insert(drone, Entry { slot, place });
    }

    pub fn insert_failed(
        &mut self,
        drone: DroneId,
        place: Place,
        (due, queue): (Instant, Vec<DroneMsg>),
    ) {
        self.resting.insert(drone.clone(), due);
        let slot = Slot::Failed { queue };
        self.by_id.insert(drone, Entry { slot, place });
    }

    /// Takes a drone out, to be put back in another state and the same place.
    pub fn take(&mut self, drone: &DroneId) -> Option<(Slot, Place)> {
        let entry = self.by_id.remove(drone)?;
        Some((entry.slot, entry.place))
    }

    /// The drone of an actor that ended; forgets the actor.
    pub fn actor_ended(&mut self, actor: ActorId) -> Option<DroneId> {
        self.by_actor.remove(&actor)
    }

    pub fn failures(&mut self, drone: &DroneId) -> &mut Failures {
        self.failures.entry(drone.clone()).or_default()
    }

    pub fn note_older_snapshot(&mut self, drone: DroneId, epoch: Epoch) {
        self.older_snapshots.insert(drone, epoch);
    }

    pub fn take_older_snapshot(&mut self, drone: &DroneId) -> Option<Epoch> {
        self.older_snapshots.remove(drone)
    }

    /// Shows the drones behind `after`, ascending, until it is told to break.
    pub fn walk<B>(
        &self,
        after: Option<&DroneId>,
        mut visit: impl FnMut(&DroneId, &Slot, Place) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut range = self.by_id.range::<DroneId, _>((from, Bound::Unbounded));
        range.try_for_each(|(id, entry)| visit(id, &entry.slot, entry.place))
    }

    /// Ids behind `after`, ascending, and where each drone has its brief.
    pub fn places(&self, after: Option<&DroneId>, limit: usize) -> Vec<(DroneId, Place)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let range = self.by_id.range::<DroneId, _>((from, Bound::Unbounded));
        let places = range.map(|(id, entry)| (id.clone(), entry.place));
        places.take(limit).collect()
    }

    /// Hot drones without a message since `before`, at most `limit`.
    pub fn idle_since(&self, before: Instant, limit: usize) -> Vec<DroneId> {
        let idle = self
            .by_id
            .iter()
            .filter(|(_, it)| matches!(it.slot, Slot::Hot { used, .. } if used <= before));
        idle.map(|(id, _)| id.clone()).take(limit).collect()
    }

    /// Failed drones whose rest is over; each is given once.
    pub fn restarts_due(&mut self, now: Instant) -> Vec<DroneId> {
        let due = self.resting.extract_if(.., |_, due| *due <= now);
        due.map(|(drone, _)| drone).collect()
    }

    /// (hot, passive, failed).
    pub fn count(&self) -> (usize, usize, usize) {
        self.by_id
            .values()
            .fold((0, 0, 0), |(hot, passive, failed), entry| {
                match entry.slot {
                    Slot::Hot { .. } | Slot::Leaving { .. } => (hot + 1, passive, failed),
                    Slot::Passive { .. } => (hot, passive + 1, failed),
                    Slot::Failed { .. } => (hot, passive, failed + 1),
                }
            })
    }
}
