//! Rules of the registry: what counts for whom, and what is the same after a checkpoint.
#![expect(
    clippy::disallowed_methods,
    reason = "a test's tasks end with its runtime"
)]

use std::sync::Arc;

use aerostream_actors::RuleSource;
use aerostream_domain::alert::{Fence, FenceKind, Ground, Height, Point, Rule, builtin};
use aerostream_domain::{DroneId, FenceId, FleetId, Offset, RuleId, ShardCount, UtcMicros};
use aerostream_log::MemoryLog;

use super::{Origin, RegistryRules, effective};
use crate::registry::checkpoint::{parts, restore};
use crate::registry::{
    Credential, Drone, Enrolment, Fleet, Registry, RegistryConfig, Replaces, Request, RuleScope,
    WriteError,
};

fn by() -> Request<'static> {
    Request {
        principal: "test",
        at: UtcMicros(0),
    }
}

fn fleet(id: &str) -> FleetId {
    FleetId::parse(id).unwrap()
}

fn drone(id: &str) -> DroneId {
    DroneId::parse(id).unwrap()
}

fn of_fleet(id: &str) -> RuleScope {
    RuleScope::Fleet(fleet(id))
}

fn of_drone(id: &str) -> RuleScope {
    RuleScope::Drone(drone(id))
}

/// A rule of this id that begins as the built-in one of wind.
fn rule(id: &str, title: &str) -> Rule {
    let wind = builtin::rules().into_iter();
    let mut wind = wind.filter(|rule| rule.id.as_str() == "wind");
    Rule {
        id: RuleId::parse(id).unwrap(),
        title: title.to_owned(),
        ..wind.next().unwrap()
    }
}

fn circle(id: &str) -> Fence {
    Fence {
        id: FenceId::parse(id).unwrap(),
        name: String::new(),
        enabled: true,
        kind: FenceKind::KeepIn,
        ground: Ground::Circle {
            center: Point {
                latitude_deg: 47.0,
                longitude_deg: 8.0,
            },
            radius_m: 500.0,
        },
        height: Height::Absolute,
        floor_m: None,
        ceiling_m: None,
    }
}

/// Fleets red and blue; a1 and a2 are of red, b1 is of blue.
async fn start() -> Registry {
    let log = Arc::new(MemoryLog::new(ShardCount::new(1).unwrap()));
    let config = RegistryConfig {
        rules_max: 2,
        fences_max: 2,
        ..RegistryConfig::default()
    };
    let (registry, follower) = Registry::start(log, config);
    tokio::spawn(follower.run(std::future::pending()));
    registry.caught_up().await;
    for id in ["red", "blue"] {
        let fleet = Fleet {
            id: fleet(id),
            name: String::new(),
            enrolment: Enrolment::Closed,
            drones_max: 10,
        };
        registry.create_fleet(fleet, by()).await.unwrap();
    }
    for (id, of) in [("a1", "red"), ("a2", "red"), ("b1", "blue")] {
        registry.enrol(member(id, of), by()).await.unwrap();
    }
    registry
}

fn member(id: &str, of: &str) -> Drone {
    Drone {
        id: drone(id),
        fleet: fleet(of),
        name: String::new(),
        kind: String::new(),
        credential: Credential::Active,
    }
}

async fn put(registry: &Registry, scope: RuleScope, rule: Rule) -> Result<Offset, WriteError> {
    registry
        .put_rule((scope, rule), Replaces::Anything, by())
        .await
}

/// Title of the rule `wind` that the drone is judged by; `None` if it is switched off.
fn wind(rules: &RegistryRules, of: &str) -> Option<String> {
    let set = rules.rules_of(&drone(of));
    let mut named = set.rules().iter();
    let found = named.find(|judged| judged.rule.id.as_str() == "wind")?;
    Some(found.rule.title.clone())
}

#[tokio::test]
async fn the_nearest_rule_counts_and_what_is_below_counts_again_without_it() {
    let registry = start().await;
    let rules = RegistryRules::new(registry.clone());
    let built_in = wind(&rules, "a1");
    assert_eq!(built_in.as_deref(), Some("Strong wind"));
    assert_eq!(wind(&rules, "nobody"), built_in);
    let before = rules.version();
    put(&registry, of_fleet("red"), rule("wind", "fleet"))
        .await
        .unwrap();
    assert!(rules.version() > before);
    put(&registry, of_drone("a1"), rule("wind", "own"))
        .await
        .unwrap();
    assert_eq!(wind(&rules, "a1").as_deref(), Some("own"));
    assert_eq!(wind(&rules, "a2").as_deref(), Some("fleet"));
    assert_eq!(wind(&rules, "b1"), built_in);
    let mut off = rule("wind", "off");
    off.enabled = false;
    put(&registry, of_drone("a1"), off).await.unwrap();
    assert_eq!(wind(&rules, "a1"), None);
    {
        let state = registry.read();
        let told = effective(&state, Some(&fleet("red")), Some(&drone("a1")));
        let (origin, judged) = &told[&RuleId::parse("wind").unwrap()];
        assert_eq!((*origin, judged.rule.enabled), (Origin::Drone, false));
        assert_eq!(told.len(), builtin::rules().len());
    }
    let id = RuleId::parse("wind").unwrap();
    let remove = async |scope| {
        let removed = registry.remove_rule((scope, id.clone()), Replaces::Anything, by());
        removed.await
    };
    remove(of_drone("a1")).await.unwrap();
    assert_eq!(wind(&rules, "a1").as_deref(), Some("fleet"));
    remove(of_fleet("red")).await.unwrap();
    assert_eq!(wind(&rules, "a1"), built_in);
    let again = remove(of_fleet("red")).await;
    assert_eq!(again, Err(WriteError::RuleUnknown { rule: id.clone() }));
}

#[tokio::test]
async fn drones_without_rules_of_their_own_share_one_set() {
    let registry = start().await;
    let rules = RegistryRules::new(registry.clone());
    put(&registry, of_fleet("red"), rule("gusts", "fleet"))
        .await
        .unwrap();
    let (a1, a2) = (rules.rules_of(&drone("a1")), rules.rules_of(&drone("a2")));
    assert!(Arc::ptr_eq(&a1, &a2));
    let version = rules.version();
    assert_eq!(a1.registry, Some(Offset(version - 1)));
    // A newcomer of a fleet that says nothing changes no set; one of red gets red's.
    registry.enrol(member("b2", "blue"), by()).await.unwrap();
    assert_eq!(rules.version(), version);
    registry.enrol(member("a3", "red"), by()).await.unwrap();
    assert!(rules.version() > version);
    let newcomer = rules.rules_of(&drone("a3"));
    assert_eq!(newcomer.rules().len(), a1.rules().len());
}

#[tokio::test]
async fn a_fence_is_for_its_fleet_or_for_those_it_names() {
    let registry = start().await;
    let rules = RegistryRules::new(registry.clone());
    let put = async |id: &str, drones: Vec<DroneId>| {
        let put = registry.put_fence(
            (fleet("red"), circle(id)),
            drones,
            (Replaces::Nothing, by()),
        );
        put.await
    };
    put("field", Vec::new()).await.unwrap();
    put("pad", vec![drone("a1")]).await.unwrap();
    let fences = |of: &str| -> Vec<String> {
        let set = rules.rules_of(&drone(of));
        set.fences()
            .iter()
            .map(|fence| fence.id.to_string())
            .collect()
    };
    assert_eq!(fences("a1"), ["field", "pad"]);
    assert_eq!(fences("a2"), ["field"]);
    assert!(fences("b1").is_empty());
    let third = put("third", Vec::new()).await;
    assert!(
        matches!(third, Err(WriteError::TooMany { max: 2, .. })),
        "{third:?}"
    );
    let id = FenceId::parse("field").unwrap();
    let stale = Replaces::Version(Offset(0));
    let removed = registry.remove_fence((fleet("red"), id.clone()), stale, by());
    assert!(matches!(removed.await, Err(WriteError::Conflict { .. })));
    let removed = registry.remove_fence((fleet("red"), id), Replaces::Anything, by());
    removed.await.unwrap();
    assert_eq!(fences("a1"), ["pad"]);
    put("third", Vec::new()).await.unwrap();
}

#[tokio::test]
async fn of_two_changes_one_loses_and_owners_must_be_there() {
    let registry = start().await;
    let scope = of_fleet("red");
    let first = put(&registry, scope.clone(), rule("one", "first")).await;
    let first = first.unwrap();
    let write = async |replaces, title: &str| {
        let change = (scope.clone(), rule("one", title));
        registry.put_rule(change, replaces, by()).await
    };
    let again = write(Replaces::Nothing, "again").await;
    assert!(matches!(again, Err(WriteError::Conflict { .. })));
    let second = write(Replaces::Version(first), "second").await.unwrap();
    let stale = write(Replaces::Version(first), "stale").await;
    assert!(matches!(stale, Err(WriteError::Conflict { .. })));
    assert!(second > first);
    put(&registry, scope.clone(), rule("two", "t"))
        .await
        .unwrap();
    let third = put(&registry, scope.clone(), rule("three", "t")).await;
    assert!(matches!(third, Err(WriteError::TooMany { max: 2, .. })));
    // What is there may still be changed.
    put(&registry, scope.clone(), rule("two", "changed"))
        .await
        .unwrap();
    let nowhere = put(&registry, of_fleet("green"), rule("x", "t")).await;
    assert!(matches!(nowhere, Err(WriteError::FleetUnknown { .. })));
    let nobody = put(&registry, of_drone("nobody"), rule("x", "t")).await;
    assert!(matches!(nobody, Err(WriteError::DroneUnknown { .. })));
}

#[tokio::test]
async fn a_checkpoint_holds_rules_and_fences_with_their_versions() {
    let registry = start().await;
    for (scope, id) in [
        (of_fleet("red"), "one"),
        (of_drone("a1"), "one"),
        (of_drone("b1"), "two"),
    ] {
        put(&registry, scope, rule(id, "t")).await.unwrap();
    }
    let fence = (fleet("blue"), circle("pad"));
    let drones = [drone("b1")];
    let put = registry.put_fence(fence, drones, (Replaces::Nothing, by()));
    put.await.unwrap();
    let state = registry.read();
    let restored = restore(&parts(&state, 1, Offset(100))).unwrap();
    assert_eq!(restored.rules(), state.rules());
    assert_eq!(restored.entities(), state.entities());
}
