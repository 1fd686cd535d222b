//! Going on where a client was: nothing lost, nothing twice, and gaps that say so.

use std::sync::Arc;

use aerostream_domain::{Offset, ShardCount};
use aerostream_log::Topic;
use serde_json::{Value, json};

use super::{Client, Token, batch, batch_of, seqs};
use crate::gateway::tests::server::{Served, serve_http};
use crate::gateway::tests::support::drone;

const ALPHA: &str = "/ws/v1/drones/alpha";

fn from(frame: &Value) -> String {
    format!("{ALPHA}?from={}", frame["cursor"].as_str().unwrap())
}

/// Records 1 to 3 and gives the frame of 1.
async fn first_of_three(served: &Served) -> Value {
    let mut client = Client::open(served, ALPHA, &served.viewer()).await;
    client.expect("snapshot").await;
    served.record(batch([1])).await;
    let first = client.expect("update").await;
    served.record(batch([2])).await;
    served.record(batch([3])).await;
    first
}

/// Connects and expects a gap for this reason, then a snapshot, then live updates.
async fn expect_gap(served: &Served, path: &str, reason: &str) {
    let mut client = Client::open(served, path, &served.viewer()).await;
    let gap = client.expect("gap").await;
    assert_eq!(gap["reason"], reason, "{gap}");
    assert!(!gap["detail"].as_str().unwrap().is_empty());
    let snapshot = client.expect("snapshot").await;
    let next = snapshot["live"]["newest"]["seq"].as_u64().unwrap_or(0) + 1;
    served.record(batch([next])).await;
    assert_eq!(seqs(&client.expect("update").await), [next]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_missed_comes_once_and_then_what_is_new() {
    let served = serve_http(|_| {}).await;
    let first = first_of_three(&served).await;
    for name in ["other-1", "other-2"] {
        served.record(batch_of(name, 1..20)).await;
    }
    let mut client = Client::open(&served, &from(&first), &served.viewer()).await;
    let second = client.expect("update").await;
    assert_eq!(
        (seqs(&second), &second["recorded"]),
        (vec![2], &json!(true))
    );
    let third = client.expect("update").await;
    assert_eq!(seqs(&third), [3]);
    let resumed = client.expect("resumed").await;
    assert_eq!(resumed["records"], 2);
    served.record(batch([4])).await;
    assert_eq!(seqs(&client.expect("update").await), [4]);
    // The frame of a record has one cursor, whichever way it came.
    let mut again = Client::open(&served, &from(&second), &served.viewer()).await;
    assert_eq!(again.expect("update").await, third);
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_come_and_go_while_samples_come_lose_and_double_none() {
    let served = Arc::new(serve_http(|_| {}).await);
    let last = 400;
    let sender = Arc::clone(&served);
    let sending = tokio::spawn(async move {
        for seq in 1..=last {
            sender.record(batch([seq])).await;
        }
    });
    let mut path = ALPHA.to_owned();
    let mut told: Vec<u64> = Vec::new();
    let mut connections = 0;
    while told.last() != Some(&last) {
        let mut client = Client::open(&served, &path, &served.viewer()).await;
        connections += 1;
        let mut taken = 0;
        while taken < 7 && told.last() != Some(&last) {
            let frame = client.frame().await;
            path = from(&frame);
            match frame["type"].as_str().unwrap() {
                "update" => {
                    told.extend(seqs(&frame));
                    taken += 1;
                }
                "snapshot" => {
                    assert!(told.is_empty(), "a snapshot stands only at the beginning");
                    let newest = frame["live"]["newest"]["seq"].as_u64().unwrap_or(0);
                    told.extend(1..=newest);
                }
                "resumed" => {}
                _ => panic!("{frame}"),
            }
        }
    }
    sending.await.unwrap();
    assert_eq!(told, (1..=last).collect::<Vec<_>>());
    assert!(connections > 10, "{connections}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_told_is_a_gap_with_its_reason() {
    let served = serve_http(|config| config.ws.replay_records_max = 1).await;
    let first = first_of_three(&served).await;
    let mut client = Client::open(&served, &from(&first), &served.viewer()).await;
    assert_eq!(
        seqs(&client.expect("update").await),
        [2],
        "as far as it goes"
    );
    assert_eq!(client.expect("gap").await["reason"], "over_limit");
    client.expect("snapshot").await;

    let cursor = first["cursor"].as_str().unwrap();
    let bravo = format!("/ws/v1/drones/bravo?from={cursor}");
    let mut client = Client::open(&served, &bravo, &served.viewer()).await;
    assert_eq!(client.expect("gap").await["reason"], "other_drone");
    client.expect("snapshot").await;

    let log = &served.fixture.log;
    let shards = ShardCount::new(4).unwrap();
    let partition = shards.shard_of(&drone("alpha")).into();
    let end = log.records(Topic::Telemetry, partition).len() as u64;
    log.drop_below(Topic::Telemetry, partition, Offset(end - 1));
    expect_gap(&served, &from(&first), "trimmed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_of_bytes_and_a_log_that_is_down_are_gaps_too() {
    let served = serve_http(|config| config.ws.replay_bytes_max = 0).await;
    let first = first_of_three(&served).await;
    let mut client = Client::open(&served, &from(&first), &served.viewer()).await;
    let gap = client.expect("gap").await;
    assert_eq!(gap["reason"], "over_limit");
    assert!(gap["detail"].as_str().unwrap().contains("bytes"), "{gap}");
    client.expect("snapshot").await;
    served.fixture.log.set_out_of_reach(true);
    let mut client = Client::open(&served, &from(&first), &served.viewer()).await;
    assert_eq!(client.expect("gap").await["reason"], "log_unavailable");
    let snapshot = client.expect("snapshot").await;
    assert_eq!(snapshot["live"]["newest"]["seq"], 3, "live reads go on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_ahead_of_the_log_is_of_another_log() {
    let (served, other) = (serve_http(|_| {}).await, serve_http(|_| {}).await);
    let mut client = Client::open(&other, ALPHA, &other.viewer()).await;
    client.expect("snapshot").await;
    for seq in 1..5 {
        other.record(batch([seq])).await;
        client.expect("update").await;
    }
    other.record(batch([5])).await;
    let ahead = client.expect("update").await;
    expect_gap(&served, &from(&ahead), "other_log").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_cursor_is_an_error() {
    let served = serve_http(|_| {}).await;
    let first = first_of_three(&served).await;
    let mut changed = first["cursor"].as_str().unwrap().to_owned();
    let end = changed.pop().unwrap();
    for cursor in ["", "1", "%00", &changed, &format!("{changed}{end}{end}")] {
        let path = format!("{ALPHA}?from={cursor}");
        let token = served.viewer();
        let refused = Client::try_open(&served, &path, Token::Header(&token)).await;
        let (status, problem) = refused.err().unwrap();
        assert_eq!(
            (status, &problem["field"]),
            (422, &json!("from")),
            "{cursor}"
        );
    }
}
