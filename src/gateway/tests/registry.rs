//! The registry: its fold, races of writers, and what retiring and revoking do to callers.

use std::sync::Arc;

use aerostream_domain::{Offset, ShardCount, UtcMicros};
use aerostream_log::memory::{Fault, MemoryLog};
use aerostream_log::{Append, EventLog, Partition, Topic};
use axum::http::Method;
use bytes::Bytes;
use serde_json::json;

use super::support::{by, claims, drone, eventually, fleet, start};
use crate::gateway::auth::{Role, issue};
use crate::registry::{
    Change, Credential, Drone, Enrolment, Entity, Fleet, FleetPatch, Registry, RegistryConfig,
    Revocation, State, Verdict, WriteError,
};

fn red(drones_max: u32) -> Entity {
    let (id, name) = (fleet("red"), String::new());
    Entity::Fleet(Fleet {
        id,
        name,
        enrolment: Enrolment::Auto,
        drones_max,
    })
}

fn member(id: &str, credential: Credential) -> Entity {
    Entity::Drone(Drone {
        id: drone(id),
        fleet: fleet("red"),
        name: String::new(),
        kind: String::new(),
        credential,
    })
}

fn change(replaces: Option<u64>, entity: Entity) -> Option<Change> {
    let principal = "test".to_owned();
    Some(Change {
        replaces: replaces.map(Offset),
        at: UtcMicros(0),
        principal,
        entity,
    })
}

#[test]
fn a_record_counts_only_if_it_replaces_what_is_there() {
    let mut state = State::default();
    let active = |id| member(id, Credential::Active);
    let retired = |id| member(id, Credential::Retired);
    let records = [
        (change(None, active("a")), Verdict::FleetUnknown),
        (change(None, red(1)), Verdict::Taken),
        (change(None, red(5)), Verdict::Stale),
        (change(Some(7), red(5)), Verdict::Stale),
        (change(None, active("a")), Verdict::Taken),
        (change(None, active("b")), Verdict::FleetFull),
        (None, Verdict::Void),
        (change(Some(4), retired("a")), Verdict::Taken),
        (change(Some(4), active("a")), Verdict::Stale),
        (change(None, active("b")), Verdict::Taken),
        (change(Some(7), active("a")), Verdict::FleetFull),
        (change(Some(1), red(2)), Verdict::Taken),
        (change(Some(7), active("a")), Verdict::Taken),
    ];
    for (offset, (record, expected)) in (0..).zip(records) {
        let offset = Offset(offset);
        assert_eq!(
            state.apply(offset, UtcMicros(0), record),
            expected,
            "{offset}"
        );
        assert_eq!(state.verdict(offset), Some(expected));
    }
    assert_eq!(state.active_drones(&fleet("red")), 2);
    let red = fleet("red");
    let ids: Vec<_> = state
        .members(&red, Some(&drone("a")))
        .map(|one| &one.entity.id)
        .collect();
    assert_eq!(ids, [&drone("b")]);
}

#[test]
fn a_revocation_is_forgotten_when_its_token_is_over() {
    let mut state = State::default();
    let revocation = Revocation {
        token_id: "t".to_owned(),
        token_expires: UtcMicros(100),
        reason: String::new(),
    };
    let record = change(None, Entity::Revocation(revocation));
    state.apply(Offset(0), UtcMicros(1), record);
    assert!(state.is_revoked("t"));
    state.apply(Offset(1), UtcMicros(100), None);
    assert!(state.is_revoked("t"));
    state.apply(Offset(2), UtcMicros(101), None);
    assert!(!state.is_revoked("t"));
}

#[tokio::test]
async fn of_two_changes_at_once_one_is_told_that_it_lost() {
    let fixture = start().await;
    let rename = |name: &str| FleetPatch {
        name: Some(name.to_owned()),
        ..FleetPatch::default()
    };
    let red = fleet("red");
    let (one, two) = tokio::join!(
        fixture.registry.change_fleet(&red, rename("one"), by()),
        fixture.registry.change_fleet(&red, rename("two"), by()),
    );
    assert!(one.is_ok());
    assert_eq!(
        two,
        Err(WriteError::Conflict {
            entity: "fleet/red".to_owned()
        })
    );
    assert_eq!(
        fixture.registry.read().fleet(&red).unwrap().entity.name,
        "one"
    );

    fixture.log.fail_next(Topic::Registry, 1, Fault::Refused);
    let refused = fixture
        .registry
        .change_fleet(&red, rename("three"), by())
        .await;
    assert!(
        matches!(refused, Err(WriteError::LogDown { .. })),
        "{refused:?}"
    );
    fixture
        .log
        .fail_next(Topic::Registry, 1, Fault::UnknownWritten);
    let unknown = fixture
        .registry
        .change_fleet(&red, rename("four"), by())
        .await;
    assert!(
        matches!(unknown, Err(WriteError::Unknown { .. })),
        "{unknown:?}"
    );
}

#[tokio::test]
async fn a_second_gateway_sees_the_same_and_a_newer_record_stops_it() {
    let log = Arc::new(MemoryLog::new(ShardCount::DEFAULT));
    let (first, follower) = Registry::start(log.clone(), RegistryConfig::default());
    let unread = first.write(change(None, red(1)).unwrap()).await;
    assert_eq!(unread, Err(WriteError::NotCaughtUp));
    tokio::spawn(follower.run(std::future::pending()));
    first.caught_up().await;
    first.write(change(None, red(1)).unwrap()).await.unwrap();

    let (second, follower) = Registry::start(log.clone(), RegistryConfig::default());
    let running = tokio::spawn(follower.run(std::future::pending()));
    second.caught_up().await;
    assert!(second.read().fleet(&fleet("red")).is_some());
    assert_eq!(second.ready(), Ok(()));
    let newer = Append {
        topic: Topic::Registry,
        partition: Partition(0),
        key: Bytes::new(),
        payload: Bytes::from_static(&[99]),
    };
    log.append(newer).await.unwrap();
    assert!(running.await.unwrap().is_err(), "it cannot read on");
    assert!(second.ready().unwrap_err().contains("cannot read"));
}

#[tokio::test]
async fn rest_changes_are_read_back_and_end_what_they_end() {
    let fixture = start().await;
    let admin = fixture.token(Role::Admin, &["*"]);
    let post = async |path: &str, body: serde_json::Value| {
        fixture
            .send(Method::POST, path, &admin, &body.to_string())
            .await
    };
    let green = json!({ "fleet_id": "green", "enrolment": "closed", "drones_max": 2 });
    let made = post("/api/v1/fleets", green.clone()).await;
    assert_eq!((made.status, &made.json()["drones_max"]), (201, &json!(2)));
    assert_eq!(post("/api/v1/fleets", green).await.problem().1, "conflict");
    let echo = json!({ "drone_id": "echo", "fleet_id": "green", "type": "multirotor" });
    assert_eq!(post("/api/v1/drones", echo.clone()).await.status, 201);
    assert_eq!(post("/api/v1/drones", echo).await.status, 409);
    let nowhere = json!({ "drone_id": "fox", "fleet_id": "nowhere" });
    assert_eq!(post("/api/v1/drones", nowhere).await.status, 404);
    let stale = json!({ "name": "x", "version": 0 }).to_string();
    let path = "/api/v1/fleets/green";
    assert_eq!(
        fixture
            .send(Method::PATCH, path, &admin, &stale)
            .await
            .status,
        409
    );
    let listed = fixture
        .get("/api/v1/fleets/green/drones", &admin)
        .await
        .json();
    assert_eq!(listed["drones"][0]["type"], "multirotor");
    let unheard = fixture.get("/api/v1/drones/echo", &admin).await.json();
    assert_eq!(
        (&unheard["fleet_id"], &unheard["live"]),
        (&json!("green"), &json!(null))
    );

    // A retired drone's token works no more; its history stays readable.
    let sample = r#"{"drone_id":"alpha","wind":{"speed_m_s":1}}"#;
    assert_eq!(fixture.post(sample).await.status, 200);
    assert_eq!(
        post("/api/v1/drones/alpha/retire", json!({})).await.status,
        200
    );
    assert_eq!(fixture.post(sample).await.problem().1, "retired");
    assert_eq!(
        fixture.get("/api/v1/drones/alpha", &admin).await.status,
        200
    );

    let mut doomed = claims(Role::Viewer, &["red"]);
    doomed.jti = "doomed".to_owned();
    let token = issue(&fixture.key, &doomed).unwrap();
    assert_eq!(fixture.get("/api/v1/fleets", &token).await.status, 200);
    let end = json!({ "token_id": "doomed", "expires": doomed.exp });
    assert_eq!(post("/api/v1/tokens/revoke", end).await.status, 200);
    eventually("the token is over", async || {
        fixture.get("/api/v1/fleets", &token).await.status == 401
    })
    .await;
}
