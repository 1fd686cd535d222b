//! The drones of one shard, hot and passive.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use aerostream_domain::{DroneId, Epoch};
use bytes::Bytes;
use ractor::{ActorId, ActorRef};
use tokio::time::Instant;

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

/// The drones of one shard in id order.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    by_id: BTreeMap<DroneId, Slot>,
    by_actor: HashMap<ActorId, DroneId>,
    failures: HashMap<DroneId, Failures>,
    /// Failed drones that rest.
    resting: BTreeMap<DroneId, Instant>,
    /// Epochs of snapshots to be deleted once this epoch's are durable.
    older_snapshots: HashMap<DroneId, Epoch>,
}

impl Slots {
    pub fn get(&self, drone: &DroneId) -> Option<&Slot> {
        self.by_id.get(drone)
    }

    pub fn get_mut(&mut self, drone: &DroneId) -> Option<&mut Slot> {
        self.by_id.get_mut(drone)
    }

    pub fn insert_passive(&mut self, drone: DroneId, state: Bytes) {
        self.by_id.insert(drone, Slot::Passive { state });
    }

    pub fn insert_hot(&mut self, drone: DroneId, actor: ActorRef<DroneMsg>) {
        self.by_actor.insert(actor.get_id(), drone.clone());
        self.by_id.insert(
            drone,
            Slot::Hot {
                actor,
                used: Instant::now(),
            },
        );
    }

    pub fn insert_failed(&mut self, drone: DroneId, due: Instant, queue: Vec<DroneMsg>) {
        self.resting.insert(drone.clone(), due);
        self.by_id.insert(drone, Slot::Failed { queue });
    }

    /// Takes a drone out, to be put back in another state.
    pub fn take(&mut self, drone: &DroneId) -> Option<Slot> {
        self.by_id.remove(drone)
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

    /// Ids behind `after`, ascending.
    pub fn ids(&self, after: Option<&DroneId>, limit: usize) -> Vec<DroneId> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let range = self.by_id.range::<DroneId, _>((from, Bound::Unbounded));
        range.map(|(id, _)| id.clone()).take(limit).collect()
    }

    /// Hot drones without a message since `before`, at most `limit`.
    pub fn idle_since(&self, before: Instant, limit: usize) -> Vec<DroneId> {
        let idle = self
            .by_id
            .iter()
            .filter(|(_, slot)| matches!(slot, Slot::Hot { used, .. } if *used <= before));
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
            .fold((0, 0, 0), |(hot, passive, failed), slot| match slot {
                Slot::Hot { .. } | Slot::Leaving { .. } => (hot + 1, passive, failed),
                Slot::Passive { .. } => (hot, passive + 1, failed),
                Slot::Failed { .. } => (hot, passive, failed + 1),
            })
    }
}
