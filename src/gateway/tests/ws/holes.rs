//! No silent hole: what happens to those who watch when actors and shards end behind their feed.

use aerostream_log::Topic;
use serde_json::{Value, json};

use super::{Client, batch, seqs};
use crate::gateway::auth::Role;
use crate::gateway::tests::server::{Served, serve_http};
use crate::gateway::tests::support::{ACTOR_ENDS, SHARD_ENDS, eventually};

const ALPHA: &str = "/ws/v1/drones/alpha";

impl Served {
    /// Sends something of the drone alpha and does not wait for the answer, which is its status.
    fn begin(&self, batch: &Value) -> tokio::task::JoinHandle<u16> {
        let token = self.fixture.token(Role::Drone, &[]);
        let request = axum::http::Request::post("/api/v1/telemetry")
            .header("authorization", format!("Bearer {token}"))
            .body(axum::body::Body::from(batch.to_string()))
            .unwrap();
        let answer = tower::ServiceExt::oneshot(self.fixture.router.clone(), request);
        tokio::spawn(async move { answer.await.unwrap().status().as_u16() })
    }

    /// Sends a sample of the drone alpha until it is acknowledged, as a drone does.
    async fn insist(&self, seq: u64) {
        let text = batch([seq]).to_string();
        eventually("the sample is acknowledged", async || {
            self.fixture.post(&text).await.status == 200
        })
        .await;
    }
}

fn saying(words: &str) -> Value {
    let mut batch = batch([9_000]);
    batch["samples"][0]["text"] = json!({ "text": words });
    batch
}

impl Client {
    /// The next frame that is no update of what is not recorded.
    async fn recorded(&mut self) -> Value {
        loop {
            let frame = self.frame().await;
            if frame["recorded"] != false {
                return frame;
            }
        }
    }
}

/// On one thread what becomes durable together is handled in a known order: the append of the actor
/// that is gone takes the way over the shard.
#[tokio::test]
async fn a_record_that_comes_to_light_too_late_is_a_gap_and_then_in_the_snapshot() {
    let served = serve_http(|_| {}).await;
    let log = &served.fixture.log;
    served.record(batch([1])).await;
    let mut client = Client::open(&served, ALPHA, &served.viewer()).await;
    client.expect("snapshot").await;
    log.hold(Topic::Telemetry);
    let second = served.begin(&batch([2]));
    eventually("the append waits", async || log.held(Topic::Telemetry) == 1).await;
    assert_eq!(served.begin(&saying(ACTOR_ENDS)).await.unwrap(), 503);
    assert_eq!(client.recorded().await["type"], "resumed");
    let third = served.begin(&batch([3]));
    eventually("both wait", async || log.held(Topic::Telemetry) == 2).await;
    log.release(Topic::Telemetry);
    assert_eq!(third.await.unwrap(), 200);
    assert_eq!(second.await.unwrap(), 503, "whom it answered is gone");
    let update = client.recorded().await;
    assert_eq!(
        (&update["type"], seqs(&update)),
        (&json!("update"), vec![3])
    );
    let gap = client.recorded().await;
    assert_eq!(
        (&gap["type"], &gap["reason"]),
        (&json!("gap"), &json!("late"))
    );
    let snapshot = client.expect("snapshot").await;
    assert_eq!(
        snapshot["live"]["samples"], 3,
        "it is in the state: {snapshot}"
    );
    served.record(batch([4])).await;
    assert_eq!(seqs(&client.recorded().await), [4], "and the feed goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_that_starts_again_leaves_nothing_out_for_those_who_watch() {
    let served = serve_http(|_| {}).await;
    served.record(batch([1])).await;
    let mut clients = Vec::new();
    for _ in 0..2 {
        let mut client = Client::open(&served, ALPHA, &served.viewer()).await;
        client.expect("snapshot").await;
        clients.push(client);
    }
    let mut last = 1;
    for _ in 0..3 {
        served.insist(last + 1).await;
        assert_eq!(served.begin(&saying(SHARD_ENDS)).await.unwrap(), 503);
        served.insist(last + 2).await;
        last += 2;
    }
    for client in &mut clients {
        let (mut told, mut resumed) = (Vec::new(), 0);
        // Restarts in a row are one to a client that had not come to the first of them, which may
        // be told behind all updates: these were missed.
        while told.last() != Some(&last) || resumed == 0 {
            let frame = client.recorded().await;
            match frame["type"].as_str().unwrap() {
                "update" => told.extend(seqs(&frame)),
                "resumed" => resumed += 1,
                _ => panic!("{frame}"),
            }
        }
        assert_eq!(told, (2..=last).collect::<Vec<_>>(), "in order, and once");
    }
}
