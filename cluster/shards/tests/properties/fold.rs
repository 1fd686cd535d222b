//! Whatever is written to the control log, in whatever order and at whatever times: every reader
//! has the same state, and no shard has two owners.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aerostream_cluster::control_log::{RULES_LIFE, TTL};
use aerostream_cluster::{ControlState, Effect, MemberId};
use aerostream_domain::{Epoch, Offset, ShardId, UtcMicros};
use aerostream_log::{decode, encode};
use aerostream_proto::v1;
use aerostream_proto::v1::control_record::Kind;
use proptest::prelude::*;

use crate::history::{History, Step, histories};
use crate::records;

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// All but what passes with every record: where the fold is and what its clock shows.
fn lasting(state: &ControlState) -> v1::ControlCheckpoint {
    v1::ControlCheckpoint {
        folded_below: 0,
        clock: None,
        last_checkpoint: None,
        ..state.checkpoint()
    }
}

fn fold_all(mut state: ControlState, steps: &[Step]) -> (ControlState, Vec<Effect>) {
    let effects = steps
        .iter()
        .map(|step| {
            let read = decode(&encode(&step.record)).expect("it was just written");
            state.fold(step.stamp, read)
        })
        .collect();
    (state, effects)
}

/// What a checkpoint of a build that knew only the first rules held.
fn as_it_was(checkpoint: v1::ControlCheckpoint) -> v1::ControlCheckpoint {
    v1::ControlCheckpoint {
        folded_below: checkpoint.folded_below,
        created: checkpoint.created,
        members: checkpoint.members,
        owners: checkpoint.owners,
        ..Default::default()
    }
}

/// Owners and members as the changes told them, kept apart from the fold.
#[derive(Debug, Default)]
struct Ledger {
    life: bool,
    members: BTreeMap<String, MemberId>,
    ended: BTreeSet<MemberId>,
    reigns: BTreeMap<ShardId, Reign>,
    epochs: BTreeMap<(ShardId, Epoch), MemberId>,
}

#[derive(Debug)]
struct Reign {
    owner: MemberId,
    epoch: Epoch,
    active: bool,
    sealed: bool,
}

impl Ledger {
    fn is_up(&self, id: &MemberId) -> bool {
        self.members.get(&id.node) == Some(id)
    }

    fn end(&mut self, id: &MemberId) {
        assert!(self.is_up(id), "{id} ended twice");
        self.members.remove(&id.node);
        self.ended.insert(id.clone());
    }

    fn take(&mut self, step: &Step) {
        match &step.effect {
            Effect::RulesRaised(_) => self.life = true,
            Effect::Joined(id) => {
                let older = self.members.insert(id.node.clone(), id.clone());
                if self.life {
                    assert!(!self.ended.contains(id), "{id} came back");
                    self.ended.extend(older);
                }
            }
            Effect::Left(id) | Effect::Expired(id) => self.end(id),
            Effect::GenerationRaised(_) => {
                self.ended
                    .extend(std::mem::take(&mut self.members).into_values());
            }
            Effect::Assigned { shard, owner } => self.assign(step, *shard, owner),
            Effect::Activated { shard, epoch } => {
                let reign = self.reign(*shard, *epoch);
                assert!(!reign.sealed && !reign.active, "{step:?}");
                reign.active = true;
            }
            Effect::Moving { shard, epoch, to } => {
                assert!(self.is_up(to), "{step:?}");
                let reign = self.reign(*shard, *epoch);
                assert!(
                    !reign.sealed && reign.active && reign.owner != *to,
                    "{step:?}"
                );
            }
            Effect::Sealed { shard, epoch } => {
                let reign = self.reign(*shard, *epoch);
                assert!(!reign.sealed, "{step:?}");
                reign.sealed = true;
            }
            _ => {}
        }
    }

    /// The reign that a record is about, of an owner that is up.
    fn reign(&mut self, shard: ShardId, epoch: Epoch) -> &mut Reign {
        let members = &self.members;
        let reign = self.reigns.get_mut(&shard).expect("a shard with an owner");
        assert_eq!(reign.epoch, epoch);
        assert_eq!(members.get(&reign.owner.node), Some(&reign.owner));
        reign
    }

    fn assign(&mut self, step: &Step, shard: ShardId, owner: &aerostream_cluster::ShardOwner) {
        let Some(Kind::Assign(assign)) = &step.record.kind else {
            panic!("assigned by {step:?}");
        };
        assert!(self.is_up(&owner.member), "{step:?}");
        assert_eq!(owner.epoch.offset, step.stamp.offset);
        assert_eq!(Some(owner.epoch.generation), step.before.generation());
        let before = self.reigns.get(&shard);
        assert_eq!(
            assign.expected.map(Epoch::from),
            before.map(|reign| reign.epoch)
        );
        if let Some(before) = before {
            assert!(before.sealed || !self.is_up(&before.owner), "{step:?}");
            assert!(before.epoch < owner.epoch, "{step:?}");
        }
        let reign = Reign {
            owner: owner.member.clone(),
            epoch: owner.epoch,
            active: false,
            sealed: false,
        };
        self.reigns.insert(shard, reign);
        let other = self
            .epochs
            .insert((shard, owner.epoch), owner.member.clone());
        assert_eq!(other, None, "two owners of one epoch: {step:?}");
    }
}

/// Each member's time since its heartbeat, counted again from the times of the records.
#[derive(Debug, Default)]
struct Clock {
    runs: bool,
    last: Option<UtcMicros>,
    live_us: i64,
    heard_us: BTreeMap<MemberId, i64>,
}

impl Clock {
    /// Whether an `Expire` of somebody at this record would be in time.
    fn is_over(&self, id: &MemberId) -> bool {
        self.heard_us
            .get(id)
            .is_some_and(|heard| Duration::from_micros((self.live_us - heard) as u64) >= TTL)
    }

    fn reach(&mut self, at: UtcMicros) {
        if let (true, Some(last)) = (self.runs, self.last) {
            self.live_us += (at.0 - last.0).clamp(0, 750_000);
        }
        self.last = Some(at);
    }

    fn take(&mut self, effect: &Effect, state: &ControlState) {
        match effect {
            Effect::RulesRaised(_) => {
                self.runs = true;
                let members = state.members();
                self.heard_us = members.map(|member| (member.id.clone(), 0)).collect();
            }
            Effect::Joined(id) | Effect::Heard { member: id, .. } if self.runs => {
                self.heard_us.retain(|other, _| other.node != id.node);
                self.heard_us.insert(id.clone(), self.live_us);
            }
            Effect::Left(id) | Effect::Expired(id) => {
                self.heard_us.remove(id);
            }
            Effect::GenerationRaised(_) => self.heard_us.clear(),
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_checkpoint_anywhere_is_as_good_as_the_beginning(history in histories()) {
        let effects: Vec<_> = history.steps.iter().map(|step| step.effect.clone()).collect();
        for (place, step) in history.steps.iter().enumerate() {
            if let Effect::RulesUnknown(_) = step.effect {
                break;
            }
            let written = encode(&step.before.checkpoint());
            let written: v1::ControlCheckpoint = decode(&written).unwrap();
            let restored = ControlState::restore(written.clone());
            prop_assert_eq!(restored.as_ref(), Some(&step.before));
            let (end, rest) = fold_all(restored.unwrap(), &history.steps[place..]);
            prop_assert_eq!(&end, &history.end, "from {}", place);
            prop_assert_eq!(&rest[..], &effects[place..], "from {}", place);
            if step.before.rules() < RULES_LIFE {
                let old = ControlState::restore(as_it_was(written)).unwrap();
                prop_assert_eq!(fold_all(old, &history.steps[place..]).0, end);
            }
        }
    }

    #[test]
    fn a_shard_has_one_owner_until_it_gave_up(history in histories()) {
        let mut ledger = Ledger::default();
        for step in &history.steps {
            ledger.take(step);
        }
        for (shard, reign) in &ledger.reigns {
            let owner = history.end.owner(*shard).unwrap();
            prop_assert_eq!((&owner.member, owner.epoch), (&reign.owner, reign.epoch));
        }
        let members: Vec<_> = history.end.members().map(|member| &member.id).collect();
        prop_assert_eq!(members, ledger.members.values().collect::<Vec<_>>());
    }

    #[test]
    fn what_does_not_count_changes_nothing(history in histories()) {
        let mut ends = history.steps.iter().skip(1).map(|step| &step.before).collect::<Vec<_>>();
        ends.push(&history.end);
        for (step, after) in history.steps.iter().zip(ends) {
            if step.effect == Effect::Void {
                prop_assert_eq!(lasting(&step.before), lasting(after), "{:?}", step.record);
            } else if !matches!(
                step.effect,
                Effect::Heard { .. } | Effect::Joined(_) | Effect::RulesUnknown(_)
            ) {
                prop_assert_ne!(lasting(&step.before), lasting(after), "{:?}", step.record);
            }
            let believed = match &step.record.kind {
                Some(Kind::Assign(assign)) => Some((assign.shard, assign.expected)),
                Some(Kind::Active(active)) => Some((active.shard, active.epoch)),
                Some(Kind::Move(wish)) => Some((wish.shard, wish.expected)),
                Some(Kind::Sealed(sealed)) => Some((sealed.shard, sealed.epoch)),
                _ => None,
            };
            if let Some((shard, epoch)) = believed {
                let in_force = records::epoch_of(&step.before, shard as u16);
                if epoch.map(Epoch::from) != in_force {
                    prop_assert!(step.effect == Effect::Void || step.before.rules() > 2);
                }
            }
        }
    }

    #[test]
    fn the_second_of_two_equal_records_counts_for_nothing(history in histories()) {
        for (place, step) in history.steps.iter().enumerate() {
            let mut state = history.steps.get(place + 1).map_or(&history.end, |next| &next.before)
                .clone();
            let mut stamp = step.stamp;
            stamp.offset.0 += 1;
            let again = state.fold(stamp, step.record.clone());
            let may_again = match &step.effect {
                Effect::Heard { .. } | Effect::RulesUnknown(_) => true,
                Effect::Joined(_) => step.before.rules() < RULES_LIFE,
                _ => false,
            };
            prop_assert!(again == Effect::Void || may_again, "{:?}: {again:?}", step.record);
        }
    }

    #[test]
    fn a_member_expires_by_the_rule_alone(history in histories()) {
        let mut clock = Clock::default();
        for step in &history.steps {
            clock.reach(step.stamp.at);
            if let Some(Kind::Expire(expire)) = &step.record.kind {
                let id = records::member(&expire.node, &expire.incarnation);
                let expired = step.effect == Effect::Expired(id.clone());
                let is_known = !matches!(step.effect, Effect::RulesUnknown(_));
                prop_assert_eq!(expired, is_known && clock.is_over(&id), "{:?}", step);
            }
            clock.take(&step.effect, &step.before);
        }
    }

    #[test]
    fn by_the_first_rules_only_the_first_records_count(history in histories()) {
        let first = |step: &&Step| step.before.rules() < RULES_LIFE;
        for step in history.steps.iter().take_while(first) {
            let counts = matches!(
                step.effect,
                Effect::Void | Effect::Created | Effect::Joined(_) | Effect::Assigned { .. }
                    | Effect::RulesRaised(_) | Effect::RulesUnknown(_)
            );
            prop_assert!(counts, "{step:?}");
            if let Effect::RulesRaised(rules) = step.effect {
                prop_assert!(step.before.members().all(|member| member.rules_known >= rules));
            }
        }
    }

    #[test]
    fn a_log_that_goes_back_is_told_and_not_folded(history in histories()) {
        let mut state = history.end.clone();
        if let Some(last) = history.steps.last() {
            let effect = state.fold(last.stamp, last.record.clone());
            let expected = Offset(history.steps.len() as u64);
            let unknown = matches!(last.effect, Effect::RulesUnknown(_));
            prop_assert!(effect == Effect::Regressed { expected } || unknown, "{effect:?}");
            prop_assert_eq!(state, history.end);
        }
    }
}

#[test]
fn random_logs_try_everything() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let mut seen = BTreeMap::<String, usize>::new();
    for _ in 0..400 {
        let history: History = histories().new_tree(&mut runner).unwrap().current();
        for step in history.steps {
            let name = format!("{:?}", step.effect);
            let end = name.find(['(', ' ', '{']).unwrap_or(name.len());
            *seen.entry(name[..end].to_owned()).or_default() += 1;
        }
    }
    let names = "Activated Assigned Created Draining Expired GenerationRaised Heard Joined Left \
                 Moving RulesRaised RulesUnknown Sealed StandbyChanged Void";
    let names: Vec<_> = names.split(' ').collect();
    assert_eq!(seen.keys().collect::<Vec<_>>(), names, "{seen:?}");
    assert!(seen.values().all(|count| *count >= 20), "{seen:?}");
}
