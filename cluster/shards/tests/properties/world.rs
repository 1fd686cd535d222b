//! A cluster in which what is proposed happens at once.

use std::collections::BTreeMap;

use aerostream_cluster::MemberId;
use aerostream_cluster::placement::{Candidate, Held, Layout, Place, Proposal, propose};
use aerostream_domain::{Epoch, Offset, ShardId};
use proptest::prelude::*;

pub const VERSION: u32 = 2;

pub fn id(number: usize) -> MemberId {
    MemberId {
        node: format!("node-{number}"),
        incarnation: "1".to_owned(),
    }
}

pub fn candidate(number: usize, weight: u32) -> Candidate {
    Candidate {
        id: id(number),
        weight,
        version: VERSION,
        draining: false,
        zone: String::new(),
    }
}

/// Shards that nobody ever had.
pub fn new_shards(count: u16) -> Vec<Held> {
    let held = |shard| Held {
        shard: ShardId(shard),
        epoch: None,
        place: Place::Orphan,
        warm: Vec::new(),
        cold: Vec::new(),
    };
    (0..count).map(held).collect()
}

pub fn at_a_time(layout: &Layout) -> usize {
    (layout.shards.len() * 2 / 100).max(1)
}

/// What was done until nothing more was proposed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Done {
    pub assigned: Vec<ShardId>,
    pub moved: Vec<ShardId>,
}

#[derive(Debug, Clone)]
pub struct World {
    pub layout: Layout,
    records: u64,
}

impl World {
    pub fn new(layout: Layout) -> Self {
        Self { layout, records: 0 }
    }

    /// Every member's shards, at least and at most, and those that it has.
    pub fn bounds(&self) -> BTreeMap<MemberId, (u64, u64, u64)> {
        let staying = || self.layout.members.iter().filter(|member| !member.draining);
        let weights: f64 = staying().map(|member| f64::from(member.weight)).sum();
        let bounds = |member: &Candidate| {
            let share = self.layout.shards.len() as f64 * f64::from(member.weight) / weights;
            // A hair, so that 115 hundredths of a whole number are not just below themselves.
            let cap = share.ceil().max((share * 1.15 + 1e-9).floor());
            let load = self.load(&member.id);
            (member.id.clone(), (share.floor() as u64, cap as u64, load))
        };
        staying().map(bounds).collect()
    }

    pub fn load(&self, id: &MemberId) -> u64 {
        let serves = |held: &&Held| held.place == Place::Serving(id.clone());
        self.layout.shards.iter().filter(serves).count() as u64
    }

    pub fn is_settled(&self) -> bool {
        let mut bounds = self.bounds().into_values();
        bounds.all(|(floor, cap, load)| (floor..=cap).contains(&load))
    }

    /// The fewest moves that could settle it: one takes a shard too many from one member at most,
    /// and gives one that is lacking to one at most.
    pub fn moves_min(&self) -> usize {
        let bounds = || self.bounds().into_values();
        let over: u64 = bounds()
            .map(|(_, cap, load)| load.saturating_sub(cap))
            .sum();
        let lacking: u64 = bounds()
            .map(|(floor, _, load)| floor.saturating_sub(load))
            .sum();
        over.max(lacking) as usize
    }

    pub fn carry_out(&mut self, proposal: Proposal) {
        let (shard, to, expected) = match proposal {
            Proposal::Assign {
                shard,
                to,
                expected,
            } => (shard, to, expected),
            Proposal::Move {
                shard,
                to,
                expected,
            } => (shard, to, Some(expected)),
        };
        self.records += 1;
        let held = &mut self.layout.shards[usize::from(shard.0)];
        assert_eq!(held.epoch, expected);
        held.epoch = Some(Epoch {
            generation: 1,
            offset: Offset(self.records),
        });
        held.warm.retain(|warm| *warm != to);
        if let Place::Serving(before) = std::mem::replace(&mut held.place, Place::Serving(to)) {
            held.warm.push(before);
        }
    }

    /// Does what is proposed until nothing is.
    pub fn settle(&mut self) -> Done {
        let mut done = Done::default();
        for _ in 0..10_000 {
            let proposals = propose(&self.layout, VERSION);
            if proposals.is_empty() {
                return done;
            }
            for proposal in proposals {
                match &proposal {
                    Proposal::Assign { shard, .. } => done.assigned.push(*shard),
                    Proposal::Move { shard, .. } => done.moved.push(*shard),
                }
                self.carry_out(proposal);
            }
        }
        panic!("never settled: {:?}", self.bounds());
    }

    pub fn shards_of(&self, id: &MemberId) -> Vec<ShardId> {
        let serves = |held: &&Held| held.place == Place::Serving(id.clone());
        let held = self.layout.shards.iter().filter(serves);
        held.map(|held| held.shard).collect()
    }

    pub fn end(&mut self, id: &MemberId) {
        self.layout.members.retain(|member| member.id != *id);
        for held in &mut self.layout.shards {
            held.warm.retain(|warm| warm != id);
            if held.place == Place::Serving(id.clone()) {
                held.place = Place::Orphan;
            }
        }
    }
}

/// Members of all weights, and shards of which some have warm copies.
pub fn new_worlds() -> impl Strategy<Value = World> {
    let weights = proptest::collection::vec(prop_oneof![2 => Just(1_u32), 1 => 1..6_u32], 1..8);
    (weights, 1..200_u16, any::<u64>()).prop_map(|(weights, count, seed)| {
        let members = (0..)
            .zip(&weights)
            .map(|(number, weight)| candidate(number, *weight));
        let mut shards = new_shards(count);
        for held in &mut shards {
            // Every third has a copy somewhere.
            let place = seed.rotate_left(u32::from(held.shard.0)) as usize % (3 * weights.len());
            held.warm = (0..weights.len()).filter(|n| *n == place).map(id).collect();
        }
        let members = members.collect();
        World::new(Layout { members, shards })
    })
}

/// Clusters that were served for a while.
pub fn settled_worlds() -> impl Strategy<Value = World> {
    new_worlds().prop_map(|mut world| {
        world.settle();
        world
    })
}

/// Anything: nobody's plan, shards under way, members that drain or are of another version.
pub fn odd_worlds() -> impl Strategy<Value = World> {
    let place = prop_oneof![
        1 => Just(0..12_u8),
        // Nothing is under way.
        2 => Just(5..12_u8),
    ];
    let places =
        place.prop_flat_map(|kinds| proptest::collection::vec((kinds, 0..6_usize), 1..200));
    let member = (1..6_u32, 0..4_u8, VERSION..VERSION + 2);
    let members = proptest::collection::vec(member, 0..6);
    (members, places).prop_map(|(members, places)| {
        let members = (0..)
            .zip(members)
            .map(|(number, (weight, drains, version))| Candidate {
                draining: drains == 0,
                version,
                ..candidate(number, weight)
            });
        let members: Vec<_> = members.collect();
        let mut shards = new_shards(places.len() as u16);
        for (held, (kind, owner)) in shards.iter_mut().zip(places) {
            let is_up = !members.is_empty();
            let is_member = kind == 1 || kind >= 5;
            let members_count = members.len().max(1);
            let owner = id(if is_member {
                owner % members_count
            } else {
                owner
            });
            held.place = match kind {
                1 if is_up => Place::Settling(owner),
                2 => Place::Moving { to: owner },
                3 => Place::Sealed { to: Some(owner) },
                4 => Place::Sealed { to: None },
                5.. if is_up => Place::Serving(owner),
                _ => Place::Orphan,
            };
            if held.place != Place::Orphan || kind > 6 {
                held.epoch = Some(Epoch {
                    generation: 1,
                    offset: Offset(u64::from(held.shard.0)),
                });
            }
        }
        World::new(Layout { members, shards })
    })
}
