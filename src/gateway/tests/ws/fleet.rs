//! The feed of a fleet: who sees whom, where, and how often.

use std::collections::BTreeMap;

use aerostream_proto::v1::FleetUpdate;
use prost::Message as _;
use serde_json::{Value, json};

use super::{Client, Said, Token};
use crate::gateway::GatewayConfig;
use crate::gateway::auth::Role;
use crate::gateway::tests::server::{Served, serve_http};
use crate::gateway::tests::support::{SHARD_ENDS, by, drone, eventually, fleet, now_us};
use crate::registry::{Enrolment, Fleet};

const FLEET: &str = "/ws/v1/fleet?rate_hz=20";

async fn serve(change: impl FnOnce(&mut GatewayConfig)) -> Served {
    serve_http(|config| {
        config.fleet_feed.rate_hz_max = 20.0;
        config.fleet_feed.view_change_ms = 1;
        change(config);
    })
    .await
}

fn at(id: &str, seq: u64, (latitude_deg, longitude_deg): (f64, f64)) -> Value {
    json!({ "drone_id": id, "boot": 7, "batch_id": 1, "samples": [{
        "seq": seq, "utc_us": now_us(),
        "position": { "latitude_deg": latitude_deg, "longitude_deg": longitude_deg,
                      "relative_altitude_m": 12.34 },
        "velocity": { "heading_deg": 271.5, "ground_speed_m_s": 5.05 },
        "battery": [{ "id": 0, "remaining_percent": 81.0 }],
        "state": { "armed": true } }] })
}

/// What a client knows after some frames.
#[derive(Default)]
struct Map {
    shown: BTreeMap<String, Value>,
    left: BTreeMap<String, String>,
    conflated: u64,
    seq: u64,
}

impl Map {
    fn take(&mut self, frame: &Value) {
        let seq = frame["seq"].as_u64().unwrap();
        assert!(
            self.seq == 0 || seq == self.seq + 1,
            "no frame is left out: {frame}"
        );
        self.seq = seq;
        match frame["type"].as_str().unwrap() {
            "update" => {}
            "resync" => self.shown.clear(),
            _ => return,
        }
        self.conflated += frame["conflated"].as_u64().unwrap_or_default();
        for row in frame["drones"].as_array().into_iter().flatten() {
            let id = row[0].as_str().unwrap().to_owned();
            self.left.remove(&id);
            self.shown.insert(id, row.clone());
        }
        for left in frame["left"].as_array().into_iter().flatten() {
            let id = left["drone_id"].as_str().unwrap().to_owned();
            assert!(
                self.shown.remove(&id).is_some(),
                "only who was shown leaves"
            );
            let reason = left["reason"].as_str().unwrap();
            self.left.insert(id, reason.to_owned());
        }
    }

    /// Takes frames until it is so.
    async fn until(&mut self, client: &mut Client, holds: impl Fn(&Self) -> bool) {
        while !holds(self) {
            let Said::Json(frame) = client.hear().await else {
                panic!("the feed goes on");
            };
            self.take(&frame);
        }
    }

    fn ids(&self) -> Vec<&str> {
        self.shown.keys().map(String::as_str).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn drones_in_view_are_told_as_they_move_enter_and_leave() {
    let served = serve(|_| {}).await;
    served.record(at("alpha", 1, (47.5, 8.5))).await;
    let path = format!("{FLEET}&bbox=8,47,9,48");
    let mut client = Client::open(&served, &path, &served.viewer()).await;
    let view = client.expect("view").await;
    assert_eq!((&view["seq"], &view["rate_hz"]), (&json!(1), &json!(20.0)));
    assert_eq!(view["columns"][1], "latitude_deg");
    let mut map = Map::default();
    map.take(&view);
    map.until(&mut client, |map| map.ids() == ["alpha"]).await;
    let row = &map.shown["alpha"];
    let told = (
        &row[1], &row[2], &row[3], &row[4], &row[5], &row[6], &row[7],
    );
    let expected = json!([47.5, 8.5, 12.3, 271.5, 5.1, 81, true]);
    let numbers = json!([told.0, told.1, told.2, told.3, told.4, told.5, told.6]);
    assert_eq!(numbers, expected);
    assert!((now_us() - row[8].as_i64().unwrap()) < 60_000_000);

    served.record(at("bravo", 1, (47.9, 8.9))).await;
    map.until(&mut client, |map| map.ids() == ["alpha", "bravo"])
        .await;
    served.record(at("alpha", 2, (47.6, 8.5))).await;
    map.until(&mut client, |map| map.shown["alpha"][1] == 47.6)
        .await;
    served.record(at("bravo", 2, (48.1, 8.9))).await;
    map.until(&mut client, |map| map.ids() == ["alpha"]).await;
    assert_eq!(map.left["bravo"], "out_of_view");

    // The client looks elsewhere: across the antimeridian.
    client
        .say(json!({ "bbox": [177, -20, -178, -16], "rate_hz": 10 }).to_string())
        .await;
    map.until(&mut client, |map| map.ids().is_empty()).await;
    served.record(at("alpha", 3, (-18.0, 179.9))).await;
    served.record(at("bravo", 3, (-18.0, -179.9))).await;
    map.until(&mut client, |map| map.ids() == ["alpha", "bravo"])
        .await;
    served.record(at("bravo", 4, (-18.0, -177.0))).await;
    map.until(&mut client, |map| map.left.contains_key("bravo"))
        .await;
    // And at everything again.
    client.say("{}").await;
    map.until(&mut client, |map| map.ids() == ["alpha", "bravo"])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_sees_a_fleet_that_is_not_theirs() {
    let served = serve(|_| {}).await;
    served.record(at("alpha", 1, (47.5, 8.5))).await;
    served.record(at("bravo", 1, (47.5, 8.5))).await;
    for role in [Role::Drone, Role::Relay] {
        let fleets: &[&str] = if role == Role::Drone { &[] } else { &["*"] };
        let token = served.fixture.token(role, fleets);
        let refused = Client::try_open(&served, FLEET, Token::Header(&token)).await;
        assert_eq!(refused.err().unwrap().0, 403, "{role}");
    }
    let red = served.fixture.token(Role::Viewer, &["red"]);
    for (path, status) in [
        ("/ws/v1/fleet?fleet_ids=blue", 404),
        ("/ws/v1/fleet?fleet_ids=nobody", 404),
        ("/ws/v1/fleet?drone_ids=bravo", 404),
        ("/ws/v1/fleet?bbox=1,2,3", 422),
        ("/ws/v1/fleet?bbox=1,2,3,x", 422),
        ("/ws/v1/fleet?rate_hz=21", 422),
        ("/ws/v1/fleet?rate_hz=0", 422),
        ("/ws/v1/fleet?format=xml", 422),
    ] {
        let refused = Client::try_open(&served, path, Token::Header(&red)).await;
        assert_eq!(refused.err().unwrap().0, status, "{path}");
    }
    let mut client = Client::open(&served, FLEET, &red).await;
    let mut map = Map::default();
    map.until(&mut client, |map| map.ids() == ["alpha"]).await;
    for seq in 2..6 {
        served.record(at("bravo", seq, (47.5, 8.5))).await;
        served
            .record(at("alpha", seq, (47.5, 8.0 + seq as f64)))
            .await;
        map.until(&mut client, |map| {
            map.shown["alpha"][2] == json!(8.0 + seq as f64)
        })
        .await;
        assert_eq!(map.ids(), ["alpha"], "bravo moved too");
    }
    // All that a caller sees may be narrowed to fleets and drones.
    for (view, expected) in [
        (json!({ "fleet_ids": ["blue"], "rate_hz": 20 }), "bravo"),
        (json!({ "drone_ids": ["alpha"], "rate_hz": 20 }), "alpha"),
    ] {
        let mut client = Client::open(&served, FLEET, &served.viewer()).await;
        let mut map = Map::default();
        map.until(&mut client, |map| map.ids().len() == 2).await;
        client.say(view.to_string()).await;
        map.until(&mut client, |map| map.ids() == [expected]).await;
    }
    // A foreign fleet cannot be looked at later either.
    client
        .say(json!({ "fleet_ids": ["blue"] }).to_string())
        .await;
    assert_eq!(client.ending().await, ("not_found".to_owned(), 1008));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_silent_or_retired_leaves() {
    let served = serve(|config| config.fleet_feed.silent_after_s = 1).await;
    served.record(at("bravo", 1, (47.5, 8.5))).await;
    let mut client = Client::open(&served, FLEET, &served.viewer()).await;
    let mut map = Map::default();
    map.until(&mut client, |map| map.left.contains_key("bravo"))
        .await;
    assert_eq!(map.left["bravo"], "silent");
    served.record(at("bravo", 2, (47.5, 8.5))).await;
    map.until(&mut client, |map| map.ids() == ["bravo"]).await;
    served
        .fixture
        .registry
        .retire(&drone("bravo"), by())
        .await
        .unwrap();
    map.until(&mut client, |map| map.left.contains_key("bravo"))
        .await;
    // It may have been silent first, on a slow machine.
    assert!(["retired", "silent"].contains(&map.left["bravo"].as_str()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drone_is_told_once_in_an_update_and_what_was_skipped_is_counted() {
    let served = serve(|_| {}).await;
    served.record(at("alpha", 1, (47.0, 8.0))).await;
    let mut client = Client::open(&served, "/ws/v1/fleet?rate_hz=2", &served.viewer()).await;
    let mut map = Map::default();
    map.until(&mut client, |map| map.ids() == ["alpha"]).await;
    let last = 40;
    for seq in 2..=last {
        served
            .record(at("alpha", seq, (47.0, 8.0 + seq as f64)))
            .await;
    }
    let mut updates = 0;
    while map.shown["alpha"][2] != json!(8.0 + last as f64) {
        let frame = client.frame().await;
        assert_eq!(frame["drones"].as_array().unwrap().len(), 1, "{frame}");
        map.take(&frame);
        updates += 1;
    }
    assert_eq!(updates + map.conflated, last - 1, "told or counted");
    assert!(map.conflated > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_that_begins_anew_is_told_and_so_is_all_that_is_in_view() {
    let served = serve(|_| {}).await;
    served.record(at("alpha", 1, (47.0, 8.0))).await;
    served.record(at("bravo", 1, (47.0, 8.0))).await;
    let mut client = Client::open(&served, FLEET, &served.viewer()).await;
    let mut map = Map::default();
    map.until(&mut client, |map| map.ids().len() == 2).await;
    let text = json!({ "drone_id": "alpha", "boot": 7, "batch_id": 1, "samples": [
        { "seq": 2, "utc_us": now_us(), "text": { "text": SHARD_ENDS } }] });
    served.fixture.post(&text.to_string()).await;
    loop {
        let frame = client.frame().await;
        map.take(&frame);
        if frame["type"] == "resync" {
            break;
        }
    }
    assert!(map.ids().is_empty());
    map.until(&mut client, |map| map.ids() == ["alpha", "bravo"])
        .await;
    // Whoever is heard afterwards moves on.
    eventually("the shard is back", async || {
        let token = served.fixture.token(Role::Relay, &["*"]);
        let body = at("alpha", 3, (47.0, 9.0)).to_string();
        let method = axum::http::Method::POST;
        let answer = served
            .fixture
            .send(method, "/api/v1/telemetry", &token, &body);
        answer.await.status == 200
    })
    .await;
    map.until(&mut client, |map| {
        map.shown.get("alpha").is_some_and(|it| it[2] == 9.0)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn binary_updates_say_the_same() {
    let served = serve(|_| {}).await;
    served.record(at("alpha", 1, (47.5, -8.25))).await;
    served
        .record(at("bravo", 1, (-47.123_456_7, 179.999_999_9)))
        .await;
    let path = format!("{FLEET}&format=binary");
    let mut client = Client::open(&served, &path, &served.viewer()).await;
    client.expect("view").await;
    let mut ids = BTreeMap::new();
    let mut places = BTreeMap::new();
    let sums = |deltas: &[i64]| -> Vec<i64> {
        let sum = |sum: &mut i64, delta: &i64| {
            *sum += delta;
            Some(*sum)
        };
        deltas.iter().scan(0, sum).collect()
    };
    while places.len() < 2 {
        let Said::Binary(bytes) = client.hear().await else {
            continue;
        };
        let update = FleetUpdate::decode(&bytes[..]).unwrap();
        let entered = sums(&update.entered_delta).into_iter();
        ids.extend(entered.zip(update.entered_ids.iter().cloned()));
        let indexes = sums(&update.index_delta);
        let latitudes = sums(&update.latitude_delta);
        let longitudes = sums(&update.longitude_delta);
        for row in 0..indexes.len() {
            let id = ids[&indexes[row]].clone();
            places.insert(id, (latitudes[row], longitudes[row]));
            assert_eq!(update.relative_altitude[row], 124, "12.3 m");
            assert_eq!(update.heading[row], 2716);
            assert_eq!(update.ground_speed[row], 52, "5.1 m/s");
            assert_eq!((update.battery[row], update.armed[row]), (82, 2));
            assert!(update.age_ms[row] < 60_000);
        }
    }
    assert_eq!(places["alpha"], (475_000_000, -82_500_000));
    assert_eq!(places["bravo"], (-471_234_567, 1_799_999_999));
    client
        .say(json!({ "drone_ids": ["alpha"], "rate_hz": 20 }).to_string())
        .await;
    loop {
        if let Said::Binary(bytes) = client.hear().await {
            let update = FleetUpdate::decode(&bytes[..]).unwrap();
            if let [left] = sums(&update.left_delta)[..] {
                assert_eq!((ids[&left].as_str(), update.left_reason[0]), ("bravo", 0));
                return;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_takes_nothing_is_ended_and_told_why() {
    let served = serve(|config| {
        config.ingest.enrolment_fleet = Some("green".to_owned());
        config.fleet_feed.update_timeout_ms = 300;
        config.fleet_feed.frame_drones_max = 100;
    })
    .await;
    let green = Fleet {
        id: fleet("green"),
        name: "green".to_owned(),
        enrolment: Enrolment::Auto,
        drones_max: 1000,
    };
    served
        .fixture
        .registry
        .create_fleet(green, by())
        .await
        .unwrap();
    for number in 0..500 {
        served
            .record(at(&format!("drone-{number}"), 1, (47.0, 8.0)))
            .await;
    }
    let mut slow = Client::open(&served, FLEET, &served.viewer()).await;
    let mut fast = Client::open(&served, FLEET, &served.viewer()).await;
    let mut map = Map::default();
    map.until(&mut fast, |map| map.shown.len() == 500).await;
    // Each look elsewhere takes all away, each look back brings all again.
    let mut looks = [json!([0, 0, 1, 1]), json!(null)].into_iter().cycle();
    let mut round = 0;
    while served.fixture.gateway.fleet_feed.watchers() == 2 {
        let view = json!({ "bbox": looks.next(), "rate_hz": 20 }).to_string();
        if futures::SinkExt::send(&mut slow.stream, view.into())
            .await
            .is_err()
        {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        round += 1;
        assert!(round < 2000, "it takes everything");
    }
    loop {
        match slow.hear().await {
            Said::Json(frame) if frame["type"] == "error" => {
                assert_eq!(frame["code"], "too_slow");
                break;
            }
            Said::Json(_) => {}
            other => panic!("{other:?}"),
        }
    }
    served.record(at("drone-1", 2, (47.5, 8.0))).await;
    map.until(&mut fast, |map| map.shown["drone-1"][1] == 47.5)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn watchers_are_limited_and_without_one_nobody_is_asked() {
    let served = serve(|config| config.fleet_feed.principal_watchers_max = 1).await;
    let feed = &served.fixture.gateway.fleet_feed;
    assert!(!feed.is_watched());
    let mut first = Client::open(&served, FLEET, &served.viewer()).await;
    first.expect("view").await;
    assert!(feed.is_watched());
    let mut second = Client::open(&served, FLEET, &served.viewer()).await;
    assert_eq!(second.ending().await, ("overloaded".to_owned(), 1013));
    drop(first);
    eventually("nobody watches", async || !feed.is_watched()).await;
    let mut again = Client::open(&served, FLEET, &served.viewer()).await;
    again.expect("view").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_ends_the_feed_and_so_does_nonsense() {
    let served = serve(|_| {}).await;
    let mut client = Client::open(&served, FLEET, &served.viewer()).await;
    client.expect("view").await;
    client.say("nonsense").await;
    assert_eq!(client.ending().await.0, "malformed");
    let mut client = Client::open(&served, FLEET, &served.viewer()).await;
    client.expect("view").await;
    let revocation = crate::registry::Revocation {
        token_id: "viewer-1-1".to_owned(),
        token_expires: aerostream_domain::UtcMicros(now_us() + 3_600_000_000),
        reason: String::new(),
    };
    served
        .fixture
        .registry
        .revoke(revocation, by())
        .await
        .unwrap();
    assert_eq!(client.ending().await, ("unauthenticated".to_owned(), 1008));
}
