//! Whoever comes and goes: nobody has too many shards, none waits, and few move.

use aerostream_cluster::control_log::{HEARTBEAT_EVERY, RULES_KNOWN};
use aerostream_cluster::placement::{Held, Layout, Place, Proposal, propose, propose_standbys};
use aerostream_cluster::{ControlState, Effect, MemberId, Stamp};
use aerostream_domain::{Offset, ShardId, UtcMicros};
use aerostream_proto::v1;
use proptest::prelude::*;

use crate::records;
use crate::world::{
    self, VERSION, World, at_a_time, candidate, id, new_worlds, odd_worlds, settled_worlds,
};

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 300,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Moves that need not be: of shards whose owners do not drain.
fn voluntary(layout: &Layout, proposals: &[Proposal]) -> usize {
    let drains = |owner: &MemberId| {
        let mut members = layout.members.iter();
        members.any(|member| member.draining && member.id == *owner)
    };
    let is_voluntary = |proposal: &&Proposal| {
        let Proposal::Move { shard, .. } = proposal else {
            return false;
        };
        let held = &layout.shards[usize::from(shard.0)];
        !matches!(&held.place, Place::Serving(owner) if drains(owner))
    };
    proposals.iter().filter(is_voluntary).count()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn new_shards_are_assigned_at_once_and_within_the_bounds(mut world in new_worlds()) {
        let count = world.layout.shards.len();
        let has_no_warm = world.layout.shards.iter().all(|held| held.warm.is_empty());
        let proposals = propose(&world.layout, VERSION);
        prop_assert_eq!(proposals.len(), count);
        for proposal in proposals {
            let is_first = matches!(proposal, Proposal::Assign { expected: None, .. });
            prop_assert!(is_first, "{proposal:?}");
            world.carry_out(proposal);
        }
        for (floor, cap, load) in world.bounds().into_values() {
            prop_assert!(load <= cap, "{:?}", world.bounds());
            prop_assert!(load >= floor || !has_no_warm, "{:?}", world.bounds());
        }
        let moves_min = world.moves_min();
        prop_assert_eq!(world.settle().moved.len(), moves_min);
        prop_assert!(world.is_settled(), "{:?}", world.bounds());
    }

    #[test]
    fn a_join_moves_the_fewest_shards_that_settle_it(
        mut world in settled_worlds(),
        weight in 1..6_u32,
    ) {
        let number = world.layout.members.len();
        world.layout.members.push(candidate(number, weight));
        let moves_min = world.moves_min();
        let done = world.settle();
        prop_assert_eq!(done.assigned, vec![]);
        prop_assert_eq!(done.moved.len(), moves_min);
        prop_assert!(world.is_settled(), "{:?}", world.bounds());
        let (floor, ..) = world.bounds()[&id(number)];
        prop_assert!(world.load(&id(number)) >= floor);
    }

    #[test]
    fn an_end_moves_its_own_shards_and_the_fewest_others(
        mut world in settled_worlds(),
        which in any::<prop::sample::Index>(),
    ) {
        prop_assume!(world.layout.members.len() > 1);
        let gone = which.get(&world.layout.members).id.clone();
        let orphans = world.shards_of(&gone);
        world.end(&gone);
        let proposals = propose(&world.layout, VERSION);
        let assigned: Vec<_> = proposals
            .iter()
            .filter_map(|proposal| match proposal {
                Proposal::Assign { shard, .. } => Some(*shard),
                Proposal::Move { .. } => None,
            })
            .collect();
        prop_assert_eq!(&assigned, &orphans, "at once, and no other");
        for proposal in proposals {
            if let Proposal::Assign { .. } = proposal {
                world.carry_out(proposal);
            }
        }
        let bounds = world.bounds();
        prop_assert!(bounds.values().all(|(_, cap, load)| load <= cap), "{bounds:?}");
        let moves_min = world.moves_min();
        let done = world.settle();
        prop_assert_eq!(done.assigned, vec![]);
        prop_assert_eq!(done.moved.len(), moves_min);
        prop_assert!(world.is_settled(), "{:?}", world.bounds());
    }

    #[test]
    fn a_drain_empties_a_member_at_once(
        mut world in settled_worlds(),
        which in any::<prop::sample::Index>(),
    ) {
        prop_assume!(world.layout.members.len() > 1);
        let number = which.index(world.layout.members.len());
        world.layout.members[number].draining = true;
        let drained = id(number);
        let shards = world.shards_of(&drained);
        let proposals = propose(&world.layout, VERSION);
        for shard in &shards {
            let moves = |proposal: &Proposal| {
                matches!(proposal, Proposal::Move { shard: moved, .. } if moved == shard)
            };
            prop_assert!(proposals.iter().any(moves), "{shard} stays");
        }
        prop_assert!(proposals.len() <= shards.len().max(at_a_time(&world.layout)));
        for proposal in proposals {
            world.carry_out(proposal);
        }
        prop_assert_eq!(world.load(&drained), 0);
        let bounds = world.bounds();
        prop_assert!(bounds.values().all(|(_, cap, load)| load <= cap), "{bounds:?}");
        world.settle();
        prop_assert_eq!(world.load(&drained), 0);
    }

    #[test]
    fn moves_for_balance_are_few_and_wait_for_all_else(world in odd_worlds()) {
        let layout = &world.layout;
        let proposals = propose(layout, VERSION);
        let under_way = layout.shards.iter().filter(|held| held.is_under_way()).count();
        let drained = proposals
            .iter()
            .filter(|proposal| matches!(proposal, Proposal::Move { .. }))
            .count()
            - voluntary(layout, &proposals);
        let left = at_a_time(layout).saturating_sub(under_way + drained);
        prop_assert!(voluntary(layout, &proposals) <= left, "{proposals:?}");
    }

    #[test]
    fn nobody_waits_and_nothing_is_proposed_twice(world in odd_worlds()) {
        let layout = &world.layout;
        let proposals = propose(layout, VERSION);
        let mut shards = Vec::new();
        for proposal in &proposals {
            let (shard, to, expected) = match proposal {
                Proposal::Assign { shard, to, expected } => (shard, to, *expected),
                Proposal::Move { shard, to, expected } => (shard, to, Some(*expected)),
            };
            shards.push(*shard);
            let held = &layout.shards[usize::from(shard.0)];
            prop_assert_eq!(expected, held.epoch);
            let member = layout.members.iter().find(|member| member.id == *to);
            let all_drain = layout.members.iter().all(|member| member.draining);
            prop_assert!(member.is_some_and(|member| !member.draining || all_drain));
        }
        let needs = |held: &&Held| matches!(held.place, Place::Orphan | Place::Sealed { .. });
        for held in layout.shards.iter().filter(needs) {
            prop_assert!(shards.contains(&held.shard) || layout.members.is_empty());
        }
        shards.sort_unstable();
        let all = shards.len();
        shards.dedup();
        prop_assert_eq!(shards.len(), all);
    }

    #[test]
    fn while_two_versions_run_balance_moves_only_to_the_target(
        mut world in settled_worlds(),
        weights in prop::collection::vec(1..6_u32, 1..4),
    ) {
        let old = world.layout.members.len();
        for (number, weight) in (old..).zip(weights) {
            world.layout.members.push(candidate(number, weight));
            let added = world.layout.members.last_mut().expect("just added");
            added.version = VERSION + 1;
        }
        prop_assert_eq!(propose(&world.layout, VERSION), vec![], "the target is the old one");
        let mut to_the_target = 0;
        loop {
            let proposals = propose(&world.layout, VERSION + 1);
            if proposals.is_empty() {
                break;
            }
            for proposal in proposals {
                let Proposal::Move { shard, to, .. } = &proposal else {
                    panic!("{proposal:?}");
                };
                let held = &world.layout.shards[usize::from(shard.0)];
                let from_old = (0..old).any(|number| held.place == Place::Serving(id(number)));
                prop_assert!(from_old && (0..old).all(|number| id(number) != *to));
                to_the_target += 1;
                world.carry_out(proposal);
            }
        }
        let lacking = world.bounds().into_iter().any(|(member, (floor, _, load))| {
            load < floor && (0..old).all(|number| id(number) != member)
        });
        prop_assert!(!lacking, "{to_the_target} moved: {:?}", world.bounds());
        let first_old = id(0);
        world.end(&first_old);
        if world.layout.shards.iter().any(|held| held.place == Place::Orphan) {
            let proposals = propose(&world.layout, VERSION);
            prop_assert!(!proposals.is_empty(), "orphans wait for no version");
        }
    }

    #[test]
    fn an_orphan_goes_to_a_warm_copy_that_has_room(
        mut world in settled_worlds(),
        shard in any::<prop::sample::Index>(),
        warm in any::<prop::sample::Index>(),
    ) {
        let warm = which_has_room(&world, warm);
        prop_assume!(warm.is_some());
        let warm = warm.expect("assumed");
        let place = shard.index(world.layout.shards.len());
        let held = &mut world.layout.shards[place];
        held.place = Place::Orphan;
        held.warm = vec![warm.clone()];
        let proposals = propose(&world.layout, VERSION);
        let assign = Proposal::Assign {
            shard: ShardId(place as u16),
            to: warm,
            expected: world.layout.shards[place].epoch,
        };
        prop_assert!(proposals.contains(&assign), "{proposals:?}");
    }

    #[test]
    fn every_member_proposes_the_same(world in odd_worlds()) {
        let mut other = world.layout.clone();
        other.members.reverse();
        prop_assert_eq!(propose(&world.layout, VERSION), propose(&other, VERSION));
    }
}

/// Lists and removes what is proposed, and lets every standby catch up at once; gives what was
/// listed.
fn follow(layout: &mut Layout) -> usize {
    let mut listed = 0;
    for listing in propose_standbys(layout) {
        let held = &mut layout.shards[usize::from(listing.shard.0)];
        if listing.is_wanted {
            assert!(!held.warm.contains(&listing.member), "{listing:?}");
            held.warm.push(listing.member);
            listed += 1;
        } else {
            held.warm.retain(|member| *member != listing.member);
        }
    }
    listed
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_shard_has_one_standby_in_another_zone(
        mut world in settled_worlds(),
        zones in prop::collection::vec(0..3_u8, 8),
        drains in any::<prop::sample::Index>(),
    ) {
        for (member, zone) in world.layout.members.iter_mut().zip(zones) {
            member.zone = zone.to_string();
        }
        let drains = drains.index(world.layout.members.len());
        for round in 0..2 {
            follow(&mut world.layout);
            follow(&mut world.layout);
            prop_assert_eq!(propose_standbys(&world.layout), vec![]);
            let members = &world.layout.members;
            let zone_of = |id: &MemberId| {
                let member = members.iter().find(|member| member.id == *id);
                member.map(|member| member.zone.clone())
            };
            for held in &world.layout.shards {
                let Place::Serving(owner) = &held.place else {
                    panic!("settled, but {held:?}");
                };
                let mut may = members
                    .iter()
                    .filter(|member| !member.draining && member.id != *owner);
                let zone = zone_of(owner);
                let may_be_apart = may.clone().any(|member| Some(&member.zone) != zone.as_ref());
                if may.next().is_some() {
                    prop_assert_eq!(held.warm.len(), 1, "{:?}", held);
                    prop_assert_eq!(zone_of(&held.warm[0]) != zone, may_be_apart, "{:?}", held);
                    prop_assert!(held.warm[0] != *owner);
                }
            }
            if round == 0 {
                world.layout.members[drains].draining = true;
                world.settle();
            }
        }
    }
}

fn which_has_room(world: &World, which: prop::sample::Index) -> Option<MemberId> {
    let bounds = world.bounds().into_iter();
    let with_room: Vec<_> = bounds
        .filter(|(_, (_, cap, load))| load < cap)
        .map(|(member, _)| member)
        .collect();
    (!with_room.is_empty()).then(|| which.get(&with_room).clone())
}

#[test]
fn the_cap_is_that_of_the_decision() {
    let check = |weights: &[u32], shards: u16, expected: &[(u64, u64)]| {
        let members = (0..)
            .zip(weights)
            .map(|(number, weight)| candidate(number, *weight));
        let shards = world::new_shards(shards);
        let members = members.collect();
        let world = World::new(Layout { members, shards });
        let bounds: Vec<_> = world.bounds().into_values().collect();
        let bounds: Vec<_> = bounds
            .into_iter()
            .map(|(floor, cap, _)| (floor, cap))
            .collect();
        assert_eq!(bounds, expected);
    };
    check(&[1, 1, 1], 64, &[(21, 24), (21, 24), (21, 24)]);
    check(&[1, 1, 1], 4, &[(1, 2), (1, 2), (1, 2)]);
    check(&[1, 3], 64, &[(16, 18), (48, 55)]);
    check(&[1, 1], 40, &[(20, 23), (20, 23)]);
}

/// A log that owners answer at once.
struct Cluster {
    state: ControlState,
    offset: u64,
}

impl Cluster {
    fn write(&mut self, record: v1::ControlRecord) -> Effect {
        let at_us = self.offset as i64 * HEARTBEAT_EVERY.as_micros() as i64;
        let stamp = Stamp {
            offset: Offset(self.offset),
            at: UtcMicros(at_us),
        };
        self.offset += 1;
        self.state.fold(stamp, record)
    }

    /// Writes what is proposed, and what owners write to it, until nothing is; gives the most
    /// shards that moved at a time.
    fn settle(&mut self) -> usize {
        let mut most = 0;
        loop {
            let layout = Layout::of(&self.state).expect("heartbeats are known");
            let proposals = propose(&layout, RULES_KNOWN);
            if proposals.is_empty() {
                return most;
            }
            let mut moves = 0;
            for proposal in proposals {
                let effect = self.write(proposal.into());
                match effect {
                    Effect::Assigned { shard, owner } => {
                        let active = records::active(shard.0, Some(owner.epoch));
                        assert_ne!(self.write(active), Effect::Void);
                    }
                    Effect::Moving { shard, epoch, .. } => {
                        moves += 1;
                        let sealed = records::sealed(shard.0, Some(epoch));
                        assert_ne!(self.write(sealed), Effect::Void);
                    }
                    other => panic!("a proposal that does not count: {other:?}"),
                }
            }
            most = most.max(moves);
        }
    }

    fn count(&self, member: &MemberId) -> usize {
        let owns = |shard: &u16| {
            let owner = self.state.owner(ShardId(*shard));
            owner.is_some_and(|owner| owner.member == *member && self.state.is_up(member))
        };
        (0..64).filter(owns).count()
    }
}

#[test]
fn what_is_proposed_counts_in_the_log_from_the_first_shard_to_a_drain() {
    let [a, b, c] = ["a", "b", "c"].map(|node| records::member(node, "1"));
    let mut cluster = Cluster {
        state: ControlState::default(),
        offset: 0,
    };
    cluster.write(records::created(64));
    cluster.write(records::join(&a, RULES_KNOWN));
    assert_eq!(
        Layout::of(&cluster.state),
        None,
        "by the first rules nobody places"
    );
    cluster.write(records::version(RULES_KNOWN));
    assert_eq!(cluster.settle(), 0);
    assert_eq!(cluster.count(&a), 64);
    cluster.write(records::weighty_join(&b, RULES_KNOWN, 3));
    assert_eq!(cluster.settle(), 1, "2 % of 64 is one at a time");
    let (low, high) = (cluster.count(&a), cluster.count(&b));
    assert!(
        (16..=18).contains(&low) && low + high == 64,
        "{low} and {high}"
    );
    cluster.write(records::join(&c, RULES_KNOWN));
    cluster.settle();
    cluster.write(records::drain(&b));
    let at_once = cluster.count(&b);
    assert_eq!(cluster.settle(), at_once);
    assert_eq!(cluster.count(&b), 0);
    assert_eq!(cluster.count(&a) + cluster.count(&c), 64);
    // Its name is what counts: what was c's goes where c would have it again.
    let before: Vec<_> = (0..64)
        .map(|n| cluster.state.owner(ShardId(n)).cloned())
        .collect();
    let again = records::member("c", "2");
    cluster.write(records::join(&again, RULES_KNOWN));
    cluster.settle();
    for (number, owner) in (0..64).zip(before) {
        let now = cluster.state.owner(ShardId(number)).expect("all have one");
        let node = owner.expect("all had one").member.node;
        assert_eq!(now.member.node, node, "shard {number}");
    }
}
