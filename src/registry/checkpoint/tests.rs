//! A checkpoint changes nothing: whoever begins at one has what the others have.
#![expect(
    clippy::disallowed_methods,
    reason = "a test's tasks end with its runtime"
)]

use std::sync::Arc;
use std::time::Duration;

use aerostream_domain::alert::{Fence, FenceKind, Ground, Height, builtin};
use aerostream_domain::{DroneId, FenceId, FleetId, Offset, ShardCount, UtcMicros};
use aerostream_log::{EventLog, MemoryLog, Topic};
use aerostream_proto::v1;
use proptest::prelude::*;

use super::{Collector, Due, parts, restore};
use crate::registry::fold::State;
use crate::registry::follow::PARTITION;
use crate::registry::{
    Change, Credential, Drone, Enrolment, Entity, FenceEntry, FenceRemoval, Fleet, Registry,
    RegistryConfig, Request, Revocation, RuleEntry, RuleRemoval, RuleScope, WriteError,
};

const PATIENCE: Duration = Duration::from_secs(20);

/// What a generated change names as the version that it replaces.
#[derive(Debug, Clone, Copy)]
enum Replaces {
    Nothing,
    Current,
    Stale,
}

#[derive(Debug, Clone)]
enum Step {
    Fleet(u8, u32, Replaces),
    Drone(u8, u8, bool, Replaces),
    Revocation(u8, i64),
    Rule(u8, Option<u8>, bool, Replaces),
    Fence(u8, bool, Replaces),
    Void,
}

fn fleet(number: u8) -> FleetId {
    FleetId::parse(&format!("fleet-{number}")).unwrap()
}

fn drone(number: u8) -> DroneId {
    DroneId::parse(&format!("drone-{number}")).unwrap()
}

impl Step {
    fn change(&self, state: &State) -> Option<Change> {
        let pick = |replaces: Replaces, known: Option<Offset>| match replaces {
            Replaces::Nothing => None,
            Replaces::Current => known,
            Replaces::Stale => known.map(|known| Offset(known.0.saturating_sub(1))),
        };
        let (replaces, entity) = match *self {
            Self::Fleet(number, drones_max, replaces) => {
                let id = fleet(number);
                let known = state.fleet(&id).map(|known| known.version);
                let fleet = Fleet {
                    id,
                    name: String::new(),
                    enrolment: Enrolment::Auto,
                    drones_max,
                };
                (pick(replaces, known), Entity::Fleet(fleet))
            }
            Self::Drone(number, of, active, replaces) => {
                let id = drone(number);
                let known = state.drone(&id).map(|known| known.version);
                let drone = Drone {
                    id,
                    fleet: fleet(of),
                    name: format!("n{of}"),
                    kind: String::new(),
                    credential: if active {
                        Credential::Active
                    } else {
                        Credential::Retired
                    },
                };
                (pick(replaces, known), Entity::Drone(drone))
            }
            Self::Revocation(number, expires) => {
                let revocation = Revocation {
                    token_id: format!("token-{number}"),
                    token_expires: UtcMicros(expires),
                    reason: String::new(),
                };
                (None, Entity::Revocation(revocation))
            }
            Self::Rule(of, drone, removes, replaces) => {
                rule(state, (of, drone), removes, |known| pick(replaces, known))
            }
            Self::Fence(of, removes, replaces) => {
                fence(state, of, removes, |known| pick(replaces, known))
            }
            Self::Void => return None,
        };
        Some(Change {
            replaces,
            at: UtcMicros(0),
            principal: "test".to_owned(),
            entity,
        })
    }
}

/// A rule of a fleet or a drone, put or removed.
fn rule(
    state: &State,
    (of, of_drone): (u8, Option<u8>),
    removes: bool,
    pick: impl FnOnce(Option<Offset>) -> Option<Offset>,
) -> (Option<Offset>, Entity) {
    let scope = match of_drone {
        Some(number) => RuleScope::Drone(drone(number)),
        None => RuleScope::Fleet(fleet(of)),
    };
    let rule = builtin::rules().remove(usize::from(of));
    let known = state.rules().rule(&scope, &rule.id);
    let replaces = pick(known.and_then(|known| known.version));
    let entity = if removes {
        let rule = rule.id;
        Entity::RuleRemoval(RuleRemoval { scope, rule })
    } else {
        Entity::Rule(Box::new(RuleEntry {
            scope,
            rule,
            scope_max: 2,
        }))
    };
    (replaces, entity)
}

/// A fence of a fleet, put or removed.
fn fence(
    state: &State,
    of: u8,
    removes: bool,
    pick: impl FnOnce(Option<Offset>) -> Option<Offset>,
) -> (Option<Offset>, Entity) {
    let (id, of) = (FenceId::parse("f").unwrap(), fleet(of));
    let known = state.rules().fence(&of, &id).map(|known| known.version);
    let entity = if removes {
        let (fleet, fence) = (of, id);
        Entity::FenceRemoval(FenceRemoval { fleet, fence })
    } else {
        Entity::Fence(Box::new(FenceEntry {
            fleet: of,
            drones: [drone(1)].into(),
            fence: Fence {
                id,
                name: String::new(),
                enabled: true,
                kind: FenceKind::KeepIn,
                ground: Ground::Everywhere,
                height: Height::Relative,
                floor_m: None,
                ceiling_m: Some(100.0),
            },
            fleet_max: 2,
        }))
    };
    (pick(known), entity)
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let replaces = prop_oneof![
        2 => Just(Replaces::Nothing),
        3 => Just(Replaces::Current),
        1 => Just(Replaces::Stale),
    ];
    let step = prop_oneof![
        2 => (0..3u8, 0..4u32, replaces.clone()).prop_map(|(id, max, replaces)| {
            Step::Fleet(id, max, replaces)
        }),
        6 => (0..6u8, 0..4u8, any::<bool>(), replaces.clone())
            .prop_map(|(id, of, active, replaces)| Step::Drone(id, of, active, replaces)),
        1 => (0..3u8, 0..200i64).prop_map(|(id, expires)| Step::Revocation(id, expires)),
        4 => (0..3u8, proptest::option::of(0..6u8), any::<bool>(), replaces.clone())
            .prop_map(|(of, drone, removes, replaces)| Step::Rule(of, drone, removes, replaces)),
        2 => (0..3u8, any::<bool>(), replaces)
            .prop_map(|(of, removes, replaces)| Step::Fence(of, removes, replaces)),
        1 => Just(Step::Void),
    ];
    proptest::collection::vec(step, 1..80)
}

/// What the state says, without the verdicts of the past.
fn told(state: &State) -> (Vec<v1::RegistryCheckpoint>, Vec<u32>) {
    let active = (0..4).map(|number| state.active_drones(&fleet(number)));
    (parts(state, 0, Offset(0)), active.collect())
}

proptest! {
    #[test]
    fn folding_from_a_checkpoint_is_folding_from_the_beginning(
        steps in steps(),
        at in any::<prop::sample::Index>(),
    ) {
        let at = at.index(steps.len());
        let mut whole = State::default();
        let mut begun = None;
        for (place, step) in steps.iter().enumerate() {
            if place == at {
                let made = parts(&whole, 7, Offset(place as u64));
                let state = restore(&made).unwrap();
                prop_assert_eq!(told(&state), told(&whole));
                begun = Some(state);
            }
            let change = step.change(&whole);
            let offset = Offset(3 * place as u64 + 1);
            let now = UtcMicros(2 * place as i64);
            let verdict = whole.apply(offset, now, change.clone());
            if let Some(state) = &mut begun {
                prop_assert_eq!(state.apply(offset, now, change), verdict);
                prop_assert_eq!(state.verdict(offset), Some(verdict));
            }
        }
        prop_assert_eq!(told(&begun.unwrap()), told(&whole));
    }
}

fn crowd(drones: usize) -> State {
    let mut state = State::default();
    let step = Step::Fleet(0, u32::MAX, Replaces::Nothing);
    state.apply(Offset(0), UtcMicros(0), step.change(&state));
    for number in 1..=drones {
        let drone = Drone {
            id: DroneId::parse(&format!("drone-{number}")).unwrap(),
            fleet: fleet(0),
            name: "n".repeat(200),
            kind: String::new(),
            credential: Credential::Active,
        };
        let change = Change {
            replaces: None,
            at: UtcMicros(0),
            principal: String::new(),
            entity: Entity::Drone(drone),
        };
        state.apply(Offset(number as u64), UtcMicros(0), Some(change));
    }
    state
}

#[test]
fn parts_of_several_checkpoints_may_come_in_any_order_and_half_a_one_is_none() {
    let state = crowd(4_000);
    let (first, second) = (parts(&state, 1, Offset(10)), parts(&state, 2, Offset(20)));
    assert!(first.len() > 2, "{} parts", first.len());
    let mut collector = Collector::default();
    let (last, others) = first.split_last().unwrap();
    for (one, other) in others.iter().rev().zip(&second) {
        assert!(collector.add(one.clone()).is_none());
        assert!(collector.add(other.clone()).is_none());
        // Twice the same is not two.
        assert!(collector.add(one.clone()).is_none());
    }
    let complete = collector.add(last.clone()).unwrap();
    assert_eq!(complete.folded_below, Offset(10));
    assert_eq!(told(&restore(&complete.parts).unwrap()), told(&state));
    // Writers that died leave halves behind; they do not pile up.
    for id in 100..200 {
        assert!(
            collector
                .add(parts(&state, id, Offset(id))[0].clone())
                .is_none()
        );
    }
    assert!(collector.open.len() <= super::COLLECTED_MAX + 1);
    let mut broken = first[0].clone();
    broken.drones[0].drone = None;
    assert!(restore(&[broken]).is_err());
}

#[test]
fn a_checkpoint_is_due_by_number_or_by_time_and_never_without_a_change() {
    let due = |changes, waited, entities| {
        let waited = Duration::from_secs(waited);
        Due { changes, waited }.is_due(1000, Duration::from_secs(300), entities)
    };
    assert!(!due(999, 0, 10) && due(1000, 0, 10));
    assert!(!due(1000, 0, 50_000) && due(5000, 0, 50_000));
    assert!(!due(1, 299, 10) && due(1, 300, 10));
    assert!(!due(0, 100_000, 10));
}

fn by() -> Request<'static> {
    Request {
        principal: "test",
        at: UtcMicros(0),
    }
}

fn often() -> RegistryConfig {
    RegistryConfig {
        checkpoint_changes: 10,
        ..RegistryConfig::default()
    }
}

async fn start(log: &Arc<MemoryLog>) -> Registry {
    let (registry, follower) = Registry::start(log.clone(), often());
    tokio::spawn(follower.run(std::future::pending()));
    let caught_up = tokio::time::timeout(PATIENCE, registry.caught_up());
    caught_up.await.expect("it reads to the end");
    registry
}

async fn enrol(registry: &Registry, name: &str) -> Result<Offset, WriteError> {
    let drone = Drone {
        id: DroneId::parse(name).unwrap(),
        fleet: fleet(0),
        name: String::new(),
        kind: String::new(),
        credential: Credential::Active,
    };
    registry.enrol(drone, by()).await.map(|drone| drone.version)
}

#[tokio::test]
async fn two_gateways_write_checkpoints_and_a_third_begins_at_one() {
    let log = Arc::new(MemoryLog::new(ShardCount::new(4).unwrap()));
    let (first, second) = (start(&log).await, start(&log).await);
    let step = Step::Fleet(0, 100, Replaces::Nothing);
    let change = step.change(&first.read()).unwrap();
    first.write(change).await.unwrap();
    for number in 0..25 {
        let names = [format!("first-{number}"), format!("second-{number}")];
        let (one, other) = tokio::join!(enrol(&first, &names[0]), enrol(&second, &names[1]));
        one.unwrap();
        other.unwrap();
    }
    let checkpoint = async |registry: &Registry| {
        let mut position = registry.position();
        let known = position.wait_for(|position| position.checkpoint > Some(Offset(20)));
        let known = tokio::time::timeout(PATIENCE, known)
            .await
            .expect("one is written");
        known.unwrap().checkpoint.unwrap()
    };
    let floor = checkpoint(&first).await.min(checkpoint(&second).await);
    log.drop_below(Topic::Registry, PARTITION, floor);
    let third = start(&log).await;
    assert_eq!(told(&third.read()), told(&first.read()));
    // It knows the versions of what is no longer in the log, and whose change came first.
    let retired = third
        .retire(&DroneId::parse("first-0").unwrap(), by())
        .await;
    assert_eq!(retired.unwrap().entity.credential, Credential::Retired);
    let again = enrol(&third, "second-0").await;
    assert!(
        matches!(again, Err(WriteError::Conflict { .. })),
        "{again:?}"
    );
    enrol(&third, "newcomer").await.unwrap();
}

#[tokio::test]
async fn what_was_dropped_above_every_checkpoint_is_told_not_passed_over() {
    let log = Arc::new(MemoryLog::new(ShardCount::new(4).unwrap()));
    let first = start(&log).await;
    let step = Step::Fleet(0, 100, Replaces::Nothing);
    let change = step.change(&first.read()).unwrap();
    first.write(change).await.unwrap();
    enrol(&first, "alpha").await.unwrap();
    log.drop_below(Topic::Registry, PARTITION, Offset(1));
    let (registry, follower) = Registry::start(log.clone() as Arc<dyn EventLog>, often());
    let ended = tokio::time::timeout(PATIENCE, follower.run(std::future::pending()));
    let error = ended.await.expect("it ends").unwrap_err().to_string();
    assert!(error.contains("below offset 1 are gone"), "{error}");
    assert!(registry.ready().unwrap_err().contains("gone"));
}
