//! Good samples through the REST door, in each of its forms.

use std::io::Write;

use aerostream_log::Topic;
use aerostream_log::memory::Fault;
use aerostream_proto::v1;
use axum::body::Body;
use axum::http::Request;
use prost::Message;
use serde_json::json;

use super::support::{Fixture, eventually, now_us, start};
use crate::gateway::auth::Role;

fn batch(drone: &str, seqs: &[u64]) -> serde_json::Value {
    let sample = |seq: &u64| {
        json!({
            "seq": seq, "utc_us": now_us(), "since_boot_us": 5_000_000 + seq,
            "position": { "latitude_deg": 47.0, "longitude_deg": 8.5 },
            "battery": [{ "id": 0, "remaining_percent": 80.5, "cells_v": [3.9, 3.8] }],
            "gnss": [{ "id": 0, "fix_type": "rtk_fixed" }],
            "state": { "armed": true, "flight_mode": "return_to_launch" },
        })
    };
    let samples: Vec<_> = seqs.iter().map(sample).collect();
    json!({ "drone_id": drone, "boot": "7", "sent_at_boot_us": 6_000_000, "samples": samples })
}

#[tokio::test]
async fn a_batch_is_acknowledged_and_a_repeat_is_told() {
    let fixture = start().await;
    let body = batch("alpha", &[1, 2]).to_string();
    let first = fixture.post(&body).await;
    assert_eq!(first.status, 200, "{first:?}");
    let told = json!({ "drone_id": "alpha", "acknowledged": 2, "repeated": 0, "refused": [] });
    assert_eq!(first.json(), told);
    // The same content again: the same clocks, so that it is the same sample.
    let again = fixture.post(&body).await;
    assert_eq!(again.json()["repeated"], 2, "{again:?}");
    assert!(fixture.letters().is_empty());

    let token = fixture.token(Role::Drone, &[]);
    let live = fixture.get("/api/v1/drones/alpha", &token).await.json();
    assert_eq!(live["fleet_id"], "red");
    let live = &live["live"];
    assert_eq!(live["boot"], "7");
    assert_eq!(live["newest"]["seq"], 2);
    assert_eq!(live["newest"]["basis"], "utc");
    assert_eq!(live["groups"]["position"]["latitude_deg"], 47.0);
    assert_eq!(live["groups"]["state"]["flight_mode"], "return_to_launch");
    assert_eq!(live["groups"]["gnss"][0]["fix_type"], "rtk_fixed");
    assert_eq!(live["stamps"]["position"]["seq"], 2);
    assert_eq!(live["stamps"]["battery"]["0"]["seq"], 2);
    let viewer = fixture.token(Role::Viewer, &["red"]);
    let list = fixture.get("/api/v1/drones?limit=1", &viewer).await.json();
    assert_eq!(list["drones"][0]["drone_id"], "alpha");
    assert_eq!(list["drones"][0]["battery_percent"], 80.5);
}

#[tokio::test]
async fn a_plain_curl_gets_identity_and_time_and_is_told_so() {
    let fixture = start().await;
    let body = r#"{"drone_id":"alpha","position":{"latitude_deg":1,"longitude_deg":2}}"#;
    for sent in 1..=2 {
        let answer = fixture.post(body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let json = answer.json();
        assert_eq!(
            (&json["acknowledged"], &json["repeated"]),
            (&json!(1), &json!(0)),
            "{sent}"
        );
        assert!(json["note"].as_str().unwrap().contains("new sample"));
    }
    let token = fixture.token(Role::Viewer, &["red"]);
    let live = fixture.get("/api/v1/drones/alpha", &token).await.json();
    assert_eq!(live["live"]["newest"]["basis"], "received");
    assert_eq!(live["live"]["samples"], 2);
}

#[tokio::test]
async fn one_lone_sample_with_identity_and_a_time_for_people() {
    let fixture = start().await;
    let time = crate::gateway::json::shape::Time(now_us());
    let body = json!({
        "drone_id": "alpha", "boot": 9, "seq": 1, "time": time,
        "extras": [{ "name": "payload_kg", "number": 1.5 }], "raw": "AQID",
    });
    let answer = fixture.post(&body.to_string()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["acknowledged"], 1);
}

#[tokio::test]
async fn a_relay_sends_for_many_and_newcomers_are_enrolled_up_to_the_limit() {
    let fixture = start().await;
    let relay = fixture.token(Role::Relay, &["red"]);
    let drones = ["alpha", "new-1", "new-2", "new-3", "bravo"];
    let mut answers = Vec::new();
    for drone in drones {
        let body = json!({ "batches": [batch(drone, &[1])] }).to_string();
        let path = "/api/v1/telemetry";
        let answer = fixture
            .send(axum::http::Method::POST, path, &relay, &body)
            .await;
        answers.push(answer.problem());
    }
    let ok = || (200, String::new(), String::new());
    let no = |code: &str| (403, code.to_owned(), "batches[0].drone_id".to_owned());
    let expected = [ok(), ok(), ok(), no("not_enrolled"), no("forbidden")];
    assert_eq!(answers, expected);

    // One batch that may not costs the others nothing.
    let body = json!({ "batches": [batch("bravo", &[2]), batch("alpha", &[2])] }).to_string();
    let path = "/api/v1/telemetry";
    let mixed = fixture
        .send(axum::http::Method::POST, path, &relay, &body)
        .await;
    assert_eq!(mixed.status, 200);
    let results = &mixed.json()["results"];
    assert_eq!(results[0]["rejected"]["code"], "forbidden");
    assert_eq!(results[1]["acknowledged"], 1);
}

fn protobuf_body() -> Vec<u8> {
    let sample = |seq: u64| v1::Sample {
        seq: Some(seq),
        utc_us: Some(now_us()),
        wind: Some(v1::Wind {
            speed_m_s: Some(3.0),
            ..v1::Wind::default()
        }),
        ..v1::Sample::default()
    };
    let batch = v1::Batch {
        batch_id: 77,
        drone_id: "alpha".to_owned(),
        boot: Some(u64::MAX),
        samples: vec![sample(1), sample(2)],
        ..v1::Batch::default()
    };
    v1::IngestRequest {
        batches: vec![batch],
    }
    .encode_to_vec()
}

async fn post_encoded(fixture: &Fixture, encoding: &str, body: Vec<u8>) -> (u16, Vec<u8>) {
    let request = Request::post("/api/v1/telemetry")
        .header(
            "authorization",
            format!("Bearer {}", fixture.token(Role::Drone, &[])),
        )
        .header("content-type", "application/x-protobuf")
        .header("content-encoding", encoding)
        .body(Body::from(body))
        .unwrap();
    let answer = fixture.call(request).await;
    (answer.status, answer.body)
}

#[tokio::test]
async fn protobuf_plain_gzip_and_zstd() {
    let fixture = start().await;
    let plain = protobuf_body();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&plain).unwrap();
    let bodies = [
        ("identity", plain.clone()),
        ("gzip", gzip.finish().unwrap()),
        ("zstd", zstd::encode_all(&plain[..], 1).unwrap()),
    ];
    for (place, (encoding, body)) in bodies.into_iter().enumerate() {
        let (status, body) = post_encoded(&fixture, encoding, body).await;
        assert_eq!(status, 200, "{encoding}");
        let reply = v1::IngestReply::decode(&body[..]).unwrap();
        assert_eq!(reply.results[0].batch_id, 77);
        assert_eq!(reply.results[0].acknowledged, 2);
        assert_eq!(
            reply.results[0].repeated_samples,
            if place == 0 { 0 } else { 2 }
        );
    }
}

#[tokio::test]
async fn while_the_log_is_down_nothing_is_acknowledged() {
    let fixture = start().await;
    let good = batch("alpha", &[1]).to_string();
    assert_eq!(fixture.post(&good).await.status, 200);
    fixture.log.fail_next(Topic::Telemetry, 1, Fault::Refused);
    let answer = fixture.post(&batch("alpha", &[2]).to_string()).await;
    assert_eq!(answer.problem().0, 503, "{answer:?}");
    assert!(answer.response.headers().contains_key("retry-after"));
    // What is refused is said to be refused only once that is durable.
    fixture.log.fail_next(Topic::DeadLetters, 1, Fault::Refused);
    let bad = good.replace("47.0", "91.0");
    let answer = fixture.post(&bad).await;
    assert_eq!(
        (answer.status, fixture.letters().len()),
        (503, 0),
        "{answer:?}"
    );
    let answer = fixture.post(&bad).await;
    assert_eq!(
        (answer.status, fixture.letters().len()),
        (422, 1),
        "{answer:?}"
    );
}

#[tokio::test]
async fn readiness_names_what_is_wrong() {
    let fixture = start().await;
    assert_eq!(fixture.get("/readyz", "").await.status, 200);
    assert_eq!(fixture.get("/healthz", "").await.status, 200);
    fixture.log.set_out_of_reach(true);
    eventually("the log is out of reach", async || {
        fixture.get("/readyz", "").await.status == 503
    })
    .await;
    assert_eq!(fixture.get("/healthz", "").await.status, 200);
}
