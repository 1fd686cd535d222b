//! A drone's feed while everything is well, while the log is down, and for clients that are slow.

use aerostream_log::Topic;
use serde_json::{Value, json};

use super::{Client, Token, batch, seqs};
use crate::gateway::auth::Role;
use crate::gateway::tests::server::serve_http;
use crate::gateway::tests::support::now_us;

const ALPHA: &str = "/ws/v1/drones/alpha";

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_then_each_record_once_with_its_values() {
    let served = serve_http(|_| {}).await;
    let mut client = Client::open(&served, ALPHA, &served.viewer()).await;
    let snapshot = client.expect("snapshot").await;
    assert_eq!(snapshot["live"], Value::Null, "never heard");
    for seq in 1..=3 {
        served.record(batch([seq])).await;
        let update = client.expect("update").await;
        assert_eq!(update["recorded"], true);
        assert_eq!(update["drone_id"], "alpha");
        assert_eq!(seqs(&update), [seq]);
        let sample = &update["samples"][0];
        assert_eq!(sample["position"]["relative_altitude_m"], json!(seq as f64));
        assert_eq!(sample["basis"], "utc");
        assert!(update["cursor"].as_str().unwrap().len() > 20);
    }
    let mut second = Client::open(&served, ALPHA, &served.viewer()).await;
    let snapshot = second.expect("snapshot").await;
    assert_eq!(snapshot["live"]["newest"]["seq"], 3);
    served.record(batch([4])).await;
    assert_eq!(seqs(&client.expect("update").await), [4]);
    assert_eq!(seqs(&second.expect("update").await), [4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_feed_says_that_it_is_alive_and_its_cursor_moves_on() {
    let served = serve_http(|config| config.ws.heartbeat_ms = 20).await;
    let mut client = Client::open(&served, ALPHA, &served.viewer()).await;
    let snapshot = client.expect("snapshot").await;
    let mut cursors = vec![snapshot["cursor"].clone()];
    // Another drone of the same shard moves the log on.
    let shards = aerostream_domain::ShardCount::new(4).unwrap();
    let shard_of = |id: &str| shards.shard_of(&super::super::support::drone(id));
    let other = (0..).map(|n| format!("other-{n}"));
    let other = { other }.find(|id| shard_of(id) == shard_of("alpha"));
    served.record(super::batch_of(&other.unwrap(), [1])).await;
    while cursors.len() < 2 {
        let super::Said::Json(frame) = client.hear().await else {
            panic!("the feed goes on")
        };
        assert_eq!(frame["type"], "heartbeat", "{frame}");
        if frame["cursor"] != cursors[0] {
            cursors.push(frame["cursor"].clone());
        }
    }
    let from = format!("{ALPHA}?from={}", cursors[1].as_str().unwrap());
    let mut resumed = Client::open(&served, &from, &served.viewer()).await;
    assert_eq!(resumed.expect("resumed").await["records"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_comes_as_header_subprotocol_or_first_message_and_never_in_the_url() {
    let served = serve_http(|config| config.ws.token_timeout_ms = 300).await;
    let token = served.viewer();
    let by_protocol = Client::try_open(&served, ALPHA, Token::Subprotocol(&token)).await;
    by_protocol.unwrap().expect("snapshot").await;
    let mut later = Client::try_open(&served, ALPHA, Token::Later)
        .await
        .unwrap();
    let introduction = json!({ "authorization": format!("Bearer {token}") });
    later.say(introduction.to_string()).await;
    later.expect("snapshot").await;
    let (status, problem) = Client::try_open(
        &served,
        &format!("{ALPHA}?access_token={token}"),
        Token::Header(&token),
    )
    .await
    .err()
    .unwrap();
    assert_eq!((status, &problem["code"]), (422, &json!("invalid")));
    for wrong in [Token::Header("nonsense"), Token::Subprotocol("nonsense")] {
        let (status, problem) = Client::try_open(&served, ALPHA, wrong).await.err().unwrap();
        assert_eq!((status, &problem["code"]), (401, &json!("unauthenticated")));
    }
    for wrong in [
        "{\"authorization\":\"Bearer nonsense\"}",
        "hello",
        "{\"token\":1}",
    ] {
        let mut client = Client::try_open(&served, ALPHA, Token::Later)
            .await
            .unwrap();
        client.say(wrong).await;
        assert_eq!(
            client.ending().await,
            ("unauthenticated".to_owned(), 1008),
            "{wrong}"
        );
    }
    let mut silent = Client::try_open(&served, ALPHA, Token::Later)
        .await
        .unwrap();
    assert_eq!(silent.ending().await, ("too_slow".to_owned(), 1008));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_not_see_a_drone_is_told_that_it_is_not_there() {
    let served = serve_http(|_| {}).await;
    let blue = served.fixture.token(Role::Viewer, &["blue"]);
    let relay = served.fixture.token(Role::Relay, &["*"]);
    let own = served.fixture.token(Role::Drone, &[]);
    let bravo = "/ws/v1/drones/bravo";
    for (path, token, expected) in [
        (ALPHA, &blue, 404),
        (ALPHA, &relay, 403),
        (bravo, &own, 404),
        ("/ws/v1/drones/not%20an%20id", &blue, 422),
    ] {
        let refused = Client::try_open(&served, path, Token::Header(token)).await;
        assert_eq!(refused.err().unwrap().0, expected, "{path}");
    }
    Client::open(&served, ALPHA, &own)
        .await
        .expect("snapshot")
        .await;
    let mut later = Client::try_open(&served, ALPHA, Token::Later)
        .await
        .unwrap();
    later
        .say(json!({ "authorization": format!("Bearer {blue}") }).to_string())
        .await;
    assert_eq!(later.ending().await, ("not_found".to_owned(), 1008));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_log_is_down_frames_are_marked_and_recorded_ones_follow() {
    let served = serve_http(|_| {}).await;
    served.record(batch([1])).await;
    let mut client = Client::open(&served, ALPHA, &served.viewer()).await;
    client.expect("snapshot").await;
    served.fixture.log.set_out_of_reach(true);
    let text = batch([2]).to_string();
    let answer = served.fixture.post(&text).await;
    assert_eq!(answer.status, 503);
    let shown = client.expect("update").await;
    assert_eq!((&shown["recorded"], seqs(&shown)), (&json!(false), vec![2]));
    assert!(shown.get("cursor").is_none(), "there is nowhere to go on");
    served.fixture.log.set_out_of_reach(false);
    served.record(batch([2])).await;
    let recorded = client.expect("update").await;
    assert_eq!(
        (&recorded["recorded"], seqs(&recorded)),
        (&json!(true), vec![2])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_client_gets_the_newest_state_and_is_told_what_it_missed() {
    let served = serve_http(|_| {}).await;
    let mut slow = Client::open(&served, ALPHA, &served.viewer()).await;
    let mut fast = Client::open(&served, ALPHA, &served.viewer()).await;
    slow.expect("snapshot").await;
    fast.expect("snapshot").await;
    let (batches, each) = (100, 500);
    for number in 0..batches {
        let first = number * each;
        served.record(batch(first..first + each)).await;
        let update = fast.expect("update").await;
        assert_eq!(seqs(&update)[0], first, "nobody else is held up");
    }
    let last = batches * each - 1;
    let (mut told, mut skipped, mut newest) = (0, 0, 0);
    while newest < last {
        let frame = slow.frame().await;
        match frame["type"].as_str().unwrap() {
            "update" => {
                let seqs = seqs(&frame);
                assert!(
                    seqs[0] > newest || newest == 0,
                    "never backwards, never again"
                );
                newest = *seqs.last().unwrap();
                told += 1;
            }
            "conflated" => {
                skipped += frame["skipped"].as_u64().unwrap();
                newest = frame["live"]["newest"]["seq"].as_u64().unwrap();
            }
            _ => panic!("{frame}"),
        }
    }
    assert!(skipped > 0, "it could not keep up");
    assert!(told + skipped <= batches, "{told} told, {skipped} skipped");
    served.record(batch([last + 1])).await;
    assert_eq!(seqs(&slow.expect("update").await), [last + 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_held_append_shows_is_not_shown_again_behind_its_snapshot() {
    let served = serve_http(|_| {}).await;
    served.record(batch([1])).await;
    served.fixture.log.hold(Topic::Telemetry);
    let router = served.fixture.router.clone();
    let token = served.fixture.token(Role::Drone, &[]);
    let request = axum::http::Request::post("/api/v1/telemetry")
        .header("authorization", format!("Bearer {token}"))
        .body(axum::body::Body::from(batch([2]).to_string()))
        .unwrap();
    let sent = tokio::spawn(tower::ServiceExt::oneshot(router, request));
    super::super::support::eventually("the append waits", async || {
        served.fixture.log.held(Topic::Telemetry) == 1
    })
    .await;
    let mut client = Client::open(&served, ALPHA, &served.viewer()).await;
    let snapshot = client.expect("snapshot").await;
    assert_eq!(snapshot["live"]["newest"]["seq"], 1);
    served.fixture.log.release(Topic::Telemetry);
    sent.await.unwrap().unwrap();
    let update = client.expect("update").await;
    assert_eq!(seqs(&update), [2]);
    assert!(update["received_us"].as_i64().unwrap() <= now_us());
}
