//! The way of a sample, as its sender and its readers see it: posted, acknowledged, live, stored.

use std::time::Duration;

use aerostream_proto::v1;
use aerostream_proto::v1::telemetry_service_client::TelemetryServiceClient;
use aerostream_simulator::faults;
use serde_json::json;
use tonic::transport::Channel;

use crate::support::aerostream::run_to_end;
use crate::support::{Load, Servers, System, fleet, now_us, prove, wait_until};

const SOON: Duration = Duration::from_secs(60);

async fn grpc_client(system: &System) -> TelemetryServiceClient<Channel> {
    let channel = Channel::from_shared(system.grpc_url()).expect("a legal address");
    TelemetryServiceClient::new(channel.connect().await.expect("the gRPC door is open"))
}

async fn ingest(system: &System, token: &str, batch: v1::Batch) -> v1::BatchResult {
    let batches = vec![batch];
    let mut request = tonic::Request::new(v1::IngestRequest { batches });
    let bearer = format!("Bearer {token}").parse().expect("printable");
    request.metadata_mut().insert("authorization", bearer);
    let reply = grpc_client(system).await.ingest(request).await;
    let mut reply = reply.expect("an answer").into_inner();
    reply.results.remove(0)
}

fn batch(drone: &str, seq: u64, latitude_deg: f64) -> v1::Batch {
    v1::Batch {
        batch_id: 7,
        drone_id: drone.to_owned(),
        boot: Some(1),
        samples: vec![v1::Sample {
            seq: Some(seq),
            utc_us: Some(now_us()),
            position: Some(v1::Position {
                latitude_deg: Some(latitude_deg),
                longitude_deg: Some(8.0),
                ..v1::Position::default()
            }),
            ..v1::Sample::default()
        }],
        ..v1::Batch::default()
    }
}

async fn stored(system: &System, drone: &str, samples: usize) {
    let path = format!("/api/v1/drones/{drone}/telemetry");
    let what = format!("{samples} stored samples of {drone}");
    wait_until(SOON, &what, async || {
        let past = system.get(&path).await;
        let found = past.json["samples"].as_array().map_or(0, Vec::len);
        past.status == 200 && found >= samples
    })
    .await;
    let past = system.get(&path).await;
    let found = past.json["samples"].as_array().map_or(0, Vec::len);
    assert_eq!(found, samples, "{}", past.json);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sample_goes_from_both_doors_to_live_state_and_to_history_and_stays() {
    let servers = Servers::shared().await;
    let system = System::embedded(&servers).await;
    let mut up = system.start().await;
    let alpha = system.drone_token("alpha");

    let body = json!({
        "drone_id": "alpha", "boot": 1,
        "samples": [{"seq": 1, "utc_us": now_us(), "battery": [{"id": 0, "voltage_v": 15.25}]}],
    });
    let answer = system.post(&alpha, &body).await;
    assert_eq!(
        (answer.status, &answer.json["acknowledged"]),
        (200, &json!(1)),
        "{answer:?}"
    );
    let again = system.post(&alpha, &body).await;
    assert_eq!(
        (again.status, &again.json["repeated"]),
        (200, &json!(1)),
        "{again:?}"
    );
    let result = ingest(&system, &alpha, batch("alpha", 2, 47.0)).await;
    assert_eq!((result.batch_id, result.acknowledged), (7, 1), "{result:?}");

    // An acknowledged sample is in the live state when the answer is there.
    let live = system.get("/api/v1/drones/alpha").await.json["live"].clone();
    assert_eq!(live["groups"]["position"]["latitude_deg"], 47.0, "{live}");
    assert_eq!(live["groups"]["battery"][0]["voltage_v"], 15.25, "{live}");
    stored(&system, "alpha", 2).await;
    assert!(up.drain().success(), "{}", up.output());

    let mut up = system.start().await;
    stored(&system, "alpha", 2).await;
    let live = system.get("/api/v1/drones/alpha").await.json["live"].clone();
    assert_eq!(live["groups"]["position"]["latitude_deg"], 47.0, "{live}");
    let again = system.post(&alpha, &body).await;
    assert_eq!(again.json["acknowledged"], 1, "{again:?}");
    let result = ingest(&system, &alpha, batch("alpha", 3, 48.0)).await;
    assert_eq!(result.acknowledged, 1, "{result:?}");
    stored(&system, "alpha", 3).await;
    assert!(up.drain().success(), "{}", up.output());
}

/// `aerostream dlq` as the administrator: whether all went well, and what it said.
fn dlq(system: &System, arguments: &[&str]) -> (bool, String) {
    let (url, token) = (system.url(""), system.data.join("tokens/admin"));
    let token = token.display().to_string();
    let door = ["dlq", "--url", &url, "--token-file", &token];
    let made = run_to_end(&[&door[..], arguments].concat());
    let said = [made.stdout, made.stderr].concat();
    (
        made.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_sample_is_found_shown_and_taken_once_its_reason_is_gone() {
    let servers = Servers::shared().await;
    let system = System::embedded(&servers).await;
    let mut up = system.start().await;
    let alpha = system.drone_token("alpha");
    // Three seconds too far ahead of every clock: refused now, right in three seconds.
    let body = |utc_us: i64| {
        json!({"drone_id": "alpha", "boot": 1, "samples": [
            {"seq": 1, "utc_us": utc_us, "wind": {"speed_m_s": 2.5}},
        ]})
    };
    let answer = system.post(&alpha, &body(now_us() + 303_000_000)).await;
    assert_eq!(answer.status, 422, "{answer:?}");
    let (listed, said) = dlq(&system, &["list", "--drone", "alpha", "--limit", "5"]);
    assert!(listed, "{said}");
    let letter: serde_json::Value = serde_json::from_str(said.trim()).expect("one letter");
    let id = letter["id"].as_str().expect("an id");
    let (shown, page) = dlq(&system, &["show", id]);
    assert!(shown && page.contains("\"speed_m_s\": 2.5"), "{page}");
    wait_until(SOON, "the replay is taken", async || {
        dlq(&system, &["replay", id]).0
    })
    .await;
    let (taken, said) = dlq(&system, &["replay", id]);
    assert!(taken && said.contains("\"repeated\":1"), "{said}");
    let path = format!(
        "/api/v1/drones/alpha/telemetry?to={}",
        now_us() + 600_000_000
    );
    wait_until(SOON, "the row", async || {
        system.get(&path).await.json["samples"]
            .as_array()
            .map(Vec::len)
            == Some(1)
    })
    .await;
    let (there, said) = dlq(&system, &["list", "--drone", "alpha"]);
    assert!(there && said.contains(id), "{said}");
    let (wrong, said) = dlq(&system, &["show", "0-999"]);
    assert!(!wrong && said.contains("never written"), "{said}");
    assert!(up.drain().success(), "{}", up.output());
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_share_what_drones_on_bad_links_sent_through_kafka() {
    let servers = Servers::shared().await;
    let database = servers.postgres().await.database().await;
    let system = System::kafka(&servers, &database).await;
    let mut up = system.start().await;
    let mut workers = [system.start_worker(&[]), system.start_worker(&[])];
    let load = Load::start(
        &system,
        aerostream_simulator::Config {
            faults: faults::Config {
                profile: faults::Profile::Mild,
                ..faults::Config::default()
            },
            ..fleet()
        },
    );
    for worker in &workers {
        worker
            .says("partitions taken over topic=telemetry partitions=2")
            .await;
    }
    load.acknowledged_more(4_000).await;
    let (_, manifest) = load.finish().await;
    prove(&database, &manifest).await;
    for worker in &mut workers {
        assert!(worker.drain().success(), "{}", worker.output());
    }
    assert!(up.drain().success(), "{}", up.output());
}
