//! The newest position of every drone, as far as this gateway has heard.

use std::sync::{OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use aerostream_actors::{Known, Move, Moves};
use aerostream_domain::{Brief, DroneId, FleetId, ShardCount, UtcMicros};
use tokio::sync::watch;

use super::view::parts;
use crate::registry::{Credential, Registry};

/// Which drone: its shard and its place there. It is another drone's in another run of the shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    pub shard: u16,
    pub place: u32,
}

/// How far the mirror is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Tick {
    /// 0 before anything was gathered.
    pub number: u32,
    /// Shards that could not be asked this time.
    pub unanswered: u16,
}

/// Whether a drone is shown, and why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Here,
    /// It never told where it is.
    Nowhere,
    /// It was not heard for long.
    Silent,
    /// Nobody hears it any more.
    Retired,
}

/// What is looked at of every drone at every update, and so kept small and together.
#[derive(Debug, Clone, Copy)]
pub struct Spot {
    pub latitude_e7: i32,
    pub longitude_e7: i32,
    pub standing: Standing,
    /// Tick of the last change; 0 for a place of which nothing was heard.
    pub(super) stamp: u32,
    /// Number of its fleet here.
    pub(super) fleet: u32,
    heard_s: u32,
}

/// The rest of a drone.
#[derive(Debug)]
pub struct Drone {
    pub id: DroneId,
    pub brief: Brief,
    text: OnceLock<Box<str>>,
}

impl Drone {
    /// What a door writes of the drone; the first that asks writes it for all.
    pub fn text(&self, write: impl FnOnce(&Self) -> String) -> &str {
        self.text.get_or_init(|| write(self).into_boxed_str())
    }
}

/// A shard as this gateway has heard of it.
#[derive(Debug, Default)]
pub(super) struct Shard {
    pub known: Known,
    pub spots: Vec<Spot>,
    /// `None` for a place of which nothing was heard.
    pub drones: Vec<Option<Drone>>,
}

/// Everything that watchers share.
#[derive(Debug)]
pub(super) struct Mirror {
    shards: Box<[RwLock<Shard>]>,
    /// By number; the first is none at all.
    fleets: RwLock<Vec<Option<FleetId>>>,
    pub tick: watch::Sender<Tick>,
}

/// When a tick is, and when a drone counts as silent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub tick: u32,
    /// Whoever was heard before is silent.
    pub silent_before: UtcMicros,
}

impl Mirror {
    pub fn new(shards: ShardCount) -> Self {
        Self {
            shards: shards.all().map(|_| RwLock::default()).collect(),
            fleets: RwLock::new(vec![None]),
            tick: watch::Sender::default(),
        }
    }

    /// How far each shard is known.
    pub fn known(&self) -> Vec<Known> {
        let shards = self.shards.iter();
        shards.map(|shard| read(shard).known).collect()
    }

    /// Shards in all.
    pub fn shards(&self) -> u16 {
        u16::try_from(self.shards.len()).unwrap_or(u16::MAX)
    }

    pub fn shard(&self, shard: u16) -> RwLockReadGuard<'_, Shard> {
        read(&self.shards[usize::from(shard)])
    }

    /// Fleets by their numbers, from this one on; numbers are kept.
    pub fn fleets_from(&self, number: usize) -> Vec<Option<FleetId>> {
        let fleets = self.fleets.read().unwrap_or_else(PoisonError::into_inner);
        fleets.get(number..).unwrap_or_default().to_vec()
    }

    /// Takes what a shard told; the shard's fleets and standings are renewed by [`Mirror::look`].
    pub fn take(&self, shard: u16, moves: Moves, moment: Moment) {
        let Moves { known, moves } = moves;
        let mut shard = write(&self.shards[usize::from(shard)]);
        if shard.known.run != known.run {
            *shard = Shard::default();
        }
        shard.known = known;
        for moved in moves {
            shard.put(moved, moment.tick);
        }
    }

    /// Looks whose standing has changed. With the registry, looks up all drones again; without it
    /// only those that are new.
    pub fn look(&self, shard: u16, moment: Moment, (registry, is_news): (&Registry, bool)) {
        let mut shard = write(&self.shards[usize::from(shard)]);
        let Shard { spots, drones, .. } = &mut *shard;
        let silent_before_s = seconds(moment.silent_before);
        for (spot, drone) in spots.iter_mut().zip(drones) {
            let Some(drone) = drone else { continue };
            let (mut fleet, mut is_retired) = (spot.fleet, spot.standing == Standing::Retired);
            if is_news || fleet == UNKNOWN {
                let state = registry.read();
                let entry = state.drone(&drone.id).map(|it| &it.entity);
                fleet = self.number_of(entry.map(|it| &it.fleet));
                is_retired = entry.is_some_and(|it| it.credential == Credential::Retired);
            }
            let standing = if is_retired {
                Standing::Retired
            } else if spot.heard_s < silent_before_s {
                Standing::Silent
            } else if spot.latitude_e7 == NOWHERE {
                Standing::Nowhere
            } else {
                Standing::Here
            };
            if (fleet, standing) != (spot.fleet, spot.standing) {
                (spot.fleet, spot.standing) = (fleet, standing);
                spot.stamp = moment.tick;
            }
        }
    }

    fn number_of(&self, fleet: Option<&FleetId>) -> u32 {
        let place = |fleets: &[Option<FleetId>]| {
            let place = fleets.iter().position(|known| known.as_ref() == fleet);
            place.map(|place| u32::try_from(place).unwrap_or(UNKNOWN))
        };
        let known = place(&self.fleets.read().unwrap_or_else(PoisonError::into_inner));
        known.unwrap_or_else(|| {
            let mut fleets = self.fleets.write().unwrap_or_else(PoisonError::into_inner);
            fleets.push(fleet.cloned());
            u32::try_from(fleets.len() - 1).unwrap_or(UNKNOWN)
        })
    }
}

impl Shard {
    fn put(&mut self, moved: Move, tick: u32) {
        let place = moved.place as usize;
        if place >= self.spots.len() {
            self.spots.resize(place + 1, Spot::EMPTY);
            self.drones.resize_with(place + 1, || None);
        }
        let spot = &mut self.spots[place];
        let position = moved.brief.position();
        *spot = Spot {
            latitude_e7: position.map_or(NOWHERE, |(latitude_deg, _)| parts(latitude_deg)),
            longitude_e7: position.map_or(NOWHERE, |(_, longitude_deg)| parts(longitude_deg)),
            heard_s: moved.brief.received().map_or(0, seconds),
            stamp: tick,
            ..*spot
        };
        self.drones[place] = Some(Drone {
            id: moved.drone,
            brief: moved.brief,
            text: OnceLock::new(),
        });
    }
}

/// Stands for no position.
const NOWHERE: i32 = i32::MIN;
/// Stands for a fleet that was not looked up yet.
const UNKNOWN: u32 = u32::MAX;

impl Spot {
    const EMPTY: Self = Self {
        latitude_e7: NOWHERE,
        longitude_e7: NOWHERE,
        standing: Standing::Nowhere,
        stamp: 0,
        fleet: UNKNOWN,
        heard_s: 0,
    };
}

fn seconds(at: UtcMicros) -> u32 {
    u32::try_from(at.0 / 1_000_000).unwrap_or(0)
}

fn read(shard: &RwLock<Shard>) -> RwLockReadGuard<'_, Shard> {
    shard.read().unwrap_or_else(PoisonError::into_inner)
}

fn write(shard: &RwLock<Shard>) -> RwLockWriteGuard<'_, Shard> {
    shard.write().unwrap_or_else(PoisonError::into_inner)
}
