//! A shard at a node is served by right only, whatever is told to it and in whatever order.

use std::collections::{BTreeMap, BTreeSet};

use aerostream_cluster::lease::{Lease, NodeMicros};
use aerostream_cluster::shard_state::{
    Claimed, Effect, Input, Refused, Restored, ShardState, Stage, Ticket, Work,
};
use aerostream_domain::{Epoch, Offset};
use proptest::prelude::*;

use crate::records;
use crate::rights::{REGISTRY, Rights};

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 5000,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

const RESTORED: Restored = Restored {
    telemetry: Offset(3),
    telemetry_claim: None,
    journal: Offset(4),
    journal_claim: None,
};

#[derive(Debug, Clone)]
enum Op {
    /// Time passes.
    Pass { ms: u64 },
    /// A heartbeat is sent and comes back at once.
    Renew,
    /// What the stage waits for happens.
    Go,
    /// Somebody asks, by the right epoch or another.
    Ask { rightly: bool, work: Work },
    /// An append that is unresolved is resolved.
    Resolve {
        which: prop::sample::Index,
        is_durable: bool,
    },
    /// Anything else.
    Tell(Input),
}

fn epoch() -> impl Strategy<Value = Epoch> {
    (1..5_u64).prop_map(|offset| records::epoch(1, offset))
}

fn work() -> impl Strategy<Value = Work> {
    prop_oneof![4 => Just(Work::Durable), 1 => Just(Work::Unrecorded), 1 => Just(Work::Emergency)]
}

fn input() -> impl Strategy<Value = Input> {
    let partition = prop_oneof![Just(Claimed::Telemetry), Just(Claimed::Journal)];
    prop_oneof![
        1 => Just(Input::Tick),
        1 => Just(Input::Listed),
        1 => Just(Input::Unlisted),
        2 => epoch().prop_map(Input::Assigned),
        2 => epoch().prop_map(Input::AssignedToOther),
        1 => epoch().prop_map(Input::Activated),
        3 => epoch().prop_map(Input::Moving),
        1 => epoch().prop_map(Input::Sealed),
        1 => Just(Input::Ended),
        2 => Just(Input::Joined),
        2 => (partition, epoch(), 0..9_u64).prop_map(|(partition, epoch, offset)| {
            let offset = Offset(offset);
            Input::Claim { partition, epoch, offset }
        }),
        1 => Just(Input::CaughtUp),
        1 => epoch().prop_map(|epoch| Input::Replayed {
            epoch,
            restored: RESTORED,
            registry: REGISTRY,
        }),
        1 => (0..9_u64).prop_map(|below| Input::Registry(Offset(below))),
        1 => epoch().prop_map(Input::Marked),
        1 => epoch().prop_map(Input::Snapshotted),
        2 => Just(Input::Failed),
    ]
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        4 => (0..1500_u64).prop_map(|ms| Op::Pass { ms }),
        6 => Just(Op::Renew),
        16 => Just(Op::Go),
        8 => (prop::bool::weighted(0.9), work()).prop_map(|(rightly, work)| {
            Op::Ask { rightly, work }
        }),
        5 => (any::<prop::sample::Index>(), prop::bool::weighted(0.8)).prop_map(
            |(which, is_durable)| Op::Resolve { which, is_durable },
        ),
        4 => input().prop_map(Op::Tell),
    ];
    prop::collection::vec(op, 0..80)
}

struct Run {
    now: NodeMicros,
    lease: Lease,
    shard: ShardState,
    rights: Rights,
    tickets: u64,
    next_epoch: u64,
    seen: BTreeSet<&'static str>,
}

impl Run {
    fn new() -> Self {
        Self {
            now: NodeMicros(1_000_000),
            lease: Lease::default(),
            shard: ShardState::default(),
            rights: Rights::new(),
            tickets: 0,
            next_epoch: 1,
            seen: BTreeSet::new(),
        }
    }

    fn apply(&mut self, op: &Op) {
        match op {
            Op::Pass { ms } => self.now.0 += ms * 1000,
            Op::Renew => {
                let sequence = self.lease.send(self.now);
                self.lease.read_back(sequence);
                self.tell(&Input::Tick);
            }
            Op::Go => {
                let input = self.awaited();
                self.tell(&input);
            }
            Op::Ask { rightly, work } => self.ask(*rightly, *work),
            Op::Resolve { which, is_durable } => {
                let unresolved: Vec<_> = self.rights.appended.keys().copied().collect();
                if !unresolved.is_empty() {
                    self.resolve(*which.get(&unresolved), *is_durable);
                }
            }
            Op::Tell(input) => self.tell(input),
        }
    }

    /// What a cluster in order would tell next.
    fn awaited(&mut self) -> Input {
        let claim = |partition, epoch| Input::Claim {
            partition,
            epoch,
            offset: Offset(8),
        };
        match *self.shard.stage() {
            Stage::Fenced => Input::Joined,
            Stage::Absent | Stage::Standby { .. } => {
                let highest = self.rights.highest.map_or(0, |epoch| epoch.offset.0);
                self.next_epoch = self.next_epoch.max(highest + 1);
                Input::Assigned(records::epoch(1, self.next_epoch))
            }
            Stage::Claiming {
                epoch,
                telemetry: None,
                ..
            } => claim(Claimed::Telemetry, epoch),
            Stage::Claiming { epoch, .. } => claim(Claimed::Journal, epoch),
            Stage::CatchingUp { epoch, .. } if !self.rights.replayed => Input::Replayed {
                epoch,
                restored: RESTORED,
                registry: REGISTRY,
            },
            Stage::CatchingUp { .. } if self.rights.registry < REGISTRY => {
                Input::Registry(REGISTRY)
            }
            Stage::CatchingUp { epoch, .. } if !self.rights.marked => Input::Marked(epoch),
            Stage::CatchingUp { epoch, .. } => Input::Activated(epoch),
            Stage::Sealing { epoch, .. } if !self.rights.snapshotted => Input::Snapshotted(epoch),
            Stage::Sealing { epoch, .. } => Input::Sealed(epoch),
            Stage::Active { .. } | Stage::Degraded { .. } => Input::Tick,
        }
    }

    fn tell(&mut self, input: &Input) {
        self.rights.told(input);
        let effects = self.shard.step(self.now, &self.lease, input.clone());
        for effect in &effects {
            self.check(effect, input);
        }
    }

    /// What an effect needs, by what was told and not by what the state believes.
    fn check(&mut self, effect: &Effect, input: &Input) {
        let has_lease = self.lease.is_valid(self.now);
        let rights = &self.rights;
        let name = match effect {
            Effect::AppendClaims(epoch) => {
                assert!(has_lease && rights.reign == Some(*epoch), "{effect:?}");
                "claims"
            }
            Effect::Replay { epoch, .. } => {
                assert_eq!(rights.reign, Some(*epoch));
                assert!(rights.claimed_telemetry && rights.claimed_journal);
                "replay"
            }
            Effect::WriteMark { epoch, restored } => {
                assert!(has_lease && rights.reign == Some(*epoch) && rights.replayed);
                assert_eq!(*restored, RESTORED);
                "mark"
            }
            Effect::AppendActive(epoch) => {
                assert!(
                    has_lease && rights.reign == Some(*epoch) && rights.marked,
                    "{rights:?}"
                );
                "active"
            }
            Effect::Serve(epoch) => {
                assert!(has_lease && rights.reign == Some(*epoch) && rights.may_serve());
                "serve"
            }
            Effect::Degrade(_) => {
                assert!(!has_lease);
                "degrade"
            }
            Effect::Snapshot(epoch) => {
                assert!(has_lease && rights.reign == Some(*epoch) && rights.moving);
                self.nothing_is_unresolved(*epoch);
                "snapshot"
            }
            Effect::AppendSealed(epoch) => {
                assert!(has_lease && rights.reign == Some(*epoch) && rights.snapshotted);
                self.nothing_is_unresolved(*epoch);
                "sealed"
            }
            Effect::Stop => {
                assert!(rights.ended || matches!(input, Input::Sealed(_)));
                "stop"
            }
            Effect::Retire(_) => "retire",
            _ => "other",
        };
        self.seen.insert(name);
    }

    fn nothing_is_unresolved(&self, epoch: Epoch) {
        let mut unresolved = self.rights.appended.values();
        assert!(!unresolved.any(|of| *of == epoch), "{:?}", self.rights);
    }

    fn ask(&mut self, rightly: bool, work: Work) {
        let wrong = records::epoch(1, 99);
        let epoch = self.shard.epoch().filter(|_| rightly).unwrap_or(wrong);
        let ticket = Ticket(self.tickets);
        self.tickets += 1;
        let input = Input::Asked {
            ticket,
            epoch,
            work,
        };
        let effects = self.shard.step(self.now, &self.lease, input);
        let has_lease = self.lease.is_valid(self.now);
        let serves = self.rights.reign == Some(epoch) && self.rights.may_serve();
        let answers: Vec<_> = effects
            .iter()
            .filter(|effect| is_answer(effect, ticket))
            .collect();
        assert_eq!(answers.len(), 1, "{effects:?}");
        match answers[0] {
            Effect::Append(_) => {
                assert_eq!(work, Work::Durable);
                assert!(
                    serves && has_lease && !self.rights.moving,
                    "{:?}",
                    self.rights
                );
                self.rights.appended.insert(ticket, epoch);
                self.seen.insert("append");
            }
            Effect::Pass(_) => {
                assert_ne!(work, Work::Durable);
                assert!(serves, "{:?}", self.rights);
                self.seen.insert("pass");
            }
            Effect::Refuse(_, Refused::NotOwner { .. }) => assert!(!serves, "{:?}", self.shard),
            other => assert!(serves, "{other:?}"),
        }
    }

    fn resolve(&mut self, ticket: Ticket, is_durable: bool) {
        let epoch = self.rights.appended.remove(&ticket);
        let input = Input::Resolved { ticket, is_durable };
        let effects = self.shard.step(self.now, &self.lease, input.clone());
        for effect in &effects {
            self.check(effect, &input);
        }
        let has_lease = self.lease.is_valid(self.now);
        let serves = epoch.is_some() && self.rights.reign == epoch && self.rights.may_serve();
        if effects.contains(&Effect::Release(ticket)) {
            assert!(is_durable && serves && has_lease, "{:?}", self.rights);
            self.seen.insert("release");
        } else {
            assert!(effects.contains(&Effect::Withhold(ticket)), "{effects:?}");
            self.seen.insert("withhold");
        }
    }
}

fn is_answer(effect: &Effect, to: Ticket) -> bool {
    match effect {
        Effect::Append(ticket) | Effect::Pass(ticket) | Effect::Refuse(ticket, _) => *ticket == to,
        _ => false,
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn nothing_is_done_without_claim_and_lease(ops in ops()) {
        let mut run = Run::new();
        for op in &ops {
            run.apply(op);
        }
    }
}

#[test]
fn random_news_try_everything() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let mut seen = BTreeMap::<&str, usize>::new();
    for _ in 0..500 {
        let mut run = Run::new();
        for op in ops().new_tree(&mut runner).unwrap().current() {
            run.apply(&op);
        }
        for name in run.seen {
            *seen.entry(name).or_default() += 1;
        }
    }
    let names = "active append claims degrade mark other pass release replay retire sealed serve \
                 snapshot stop withhold";
    let names: Vec<_> = names.split(' ').map(str::trim).collect();
    assert_eq!(seen.keys().copied().collect::<Vec<_>>(), names, "{seen:?}");
    assert!(seen.values().all(|runs| *runs >= 10), "{seen:?}");
}

/// A shard that serves, with a lease from now on.
fn serving() -> Run {
    let mut run = Run::new();
    run.apply(&Op::Renew);
    for _ in 0..10 {
        run.apply(&Op::Go);
    }
    assert!(matches!(run.shard.stage(), Stage::Active { .. }));
    run
}

#[test]
fn the_way_to_the_first_request_is_in_order() {
    let mut run = Run::new();
    run.apply(&Op::Renew);
    let mut effects = Vec::new();
    while !matches!(run.shard.stage(), Stage::Active { .. }) {
        let input = run.awaited();
        run.rights.told(&input);
        effects.extend(run.shard.step(run.now, &run.lease, input));
    }
    let epoch = run.shard.epoch().unwrap();
    let (telemetry, journal) = (Offset(8), Offset(8));
    let expected = [
        Effect::Follow,
        Effect::AppendClaims(epoch),
        Effect::Replay {
            epoch,
            telemetry,
            journal,
        },
        Effect::WriteMark {
            epoch,
            restored: RESTORED,
        },
        Effect::AppendActive(epoch),
        Effect::Serve(epoch),
    ];
    assert_eq!(effects, expected);
}

#[test]
fn a_move_waits_for_what_is_unresolved_and_leaves_a_standby() {
    let mut run = serving();
    let epoch = run.shard.epoch().unwrap();
    let work = Work::Durable;
    run.apply(&Op::Ask {
        rightly: true,
        work,
    });
    let ticket = Ticket(0);
    let mut step = |input| run.shard.step(run.now, &run.lease, input);
    assert_eq!(step(Input::Moving(epoch)), [Effect::CloseIntake(epoch)]);
    let asked = Input::Asked {
        ticket: Ticket(9),
        epoch,
        work,
    };
    assert_eq!(step(asked), [Effect::Refuse(Ticket(9), Refused::Sealing)]);
    let is_durable = true;
    let resolved = step(Input::Resolved { ticket, is_durable });
    assert_eq!(resolved, [Effect::Release(ticket), Effect::Snapshot(epoch)]);
    assert_eq!(
        step(Input::Snapshotted(epoch)),
        [Effect::AppendSealed(epoch)]
    );
    assert_eq!(
        step(Input::Failed),
        [Effect::AppendSealed(epoch)],
        "once more"
    );
    assert_eq!(step(Input::Sealed(epoch)), [Effect::Retire(epoch)]);
    assert_eq!(*run.shard.stage(), Stage::Standby { caught_up: true });
}

#[test]
fn without_a_lease_only_what_is_unrecorded_passes() {
    let mut run = serving();
    let epoch = run.shard.epoch().unwrap();
    run.now.0 += 2_150_000;
    let ask = |run: &mut Run, number: u64, work: Work| {
        let ticket = Ticket(number);
        let input = Input::Asked {
            ticket,
            epoch,
            work,
        };
        run.shard.step(run.now, &run.lease, input)
    };
    let refused = Effect::Refuse(Ticket(1), Refused::Degraded);
    assert_eq!(
        ask(&mut run, 1, Work::Durable),
        [Effect::Degrade(epoch), refused]
    );
    assert_eq!(
        ask(&mut run, 2, Work::Unrecorded),
        [Effect::Pass(Ticket(2))]
    );
    assert_eq!(ask(&mut run, 3, Work::Emergency), [Effect::Pass(Ticket(3))]);
    let none = run.shard.step(run.now, &run.lease, Input::Moving(epoch));
    assert_eq!(none, [], "it is told, and waits for the lease");
    let sequence = run.lease.send(run.now);
    run.lease.read_back(sequence);
    let back = run.shard.step(run.now, &run.lease, Input::Tick);
    let expected = [
        Effect::Serve(epoch),
        Effect::CloseIntake(epoch),
        Effect::Snapshot(epoch),
    ];
    assert_eq!(back, expected);
}

#[test]
fn a_log_that_hands_out_an_epoch_of_the_past_is_not_served() {
    let mut run = Run::new();
    run.apply(&Op::Renew);
    let claim = Input::Claim {
        partition: Claimed::Journal,
        epoch: records::epoch(1, 9),
        offset: Offset(0),
    };
    assert_eq!(run.shard.step(run.now, &run.lease, claim), []);
    let assigned = Input::Assigned(records::epoch(1, 8));
    assert_eq!(
        run.shard.step(run.now, &run.lease, assigned),
        [Effect::Rejoin]
    );
    assert_eq!(*run.shard.stage(), Stage::Fenced);
}
