//! Samples in over a WebSocket.

use aerostream_log::Topic;
use aerostream_proto::v1;
use aerostream_proto::v1::{stream_reply, stream_request};
use axum::http::Method;
use prost::Message as _;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::{Client, Said, Token, batch, batch_of};
use crate::gateway::auth::Role;
use crate::gateway::tests::server::{Served, serve_http};
use crate::gateway::tests::support::eventually;

const INGEST: &str = "/ws/v1/ingest";

async fn sender(served: &Served) -> Client {
    let token = served.fixture.token(Role::Relay, &["*"]);
    Client::open(served, INGEST, &token).await
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_answered_as_the_rest_door_answers_bodies() {
    let served = serve_http(|_| {}).await;
    let mut client = sender(&served).await;
    client.say(batch([1, 2]).to_string()).await;
    let answer = client.expect("result").await;
    assert_eq!(answer["results"][0]["acknowledged"], 2, "{answer}");
    assert_eq!(answer["results"][0]["batch_id"], 1);
    let token = served.fixture.token(Role::Relay, &["*"]);
    let mut wrong = batch([3, 4]);
    wrong["samples"][1]["position"]["latitude_deg"] = json!(91);
    client.say(wrong.to_string()).await;
    let mut answer = client.expect("result").await;
    let text = wrong.to_string();
    let rest = served
        .fixture
        .send(Method::POST, "/api/v1/telemetry", &token, &text)
        .await;
    let mut rest = rest.json();
    let result = answer["results"][0].as_object_mut().unwrap();
    assert_eq!(result.remove("repeated"), Some(json!(0)));
    assert_eq!(
        rest.as_object_mut().unwrap().remove("repeated"),
        Some(json!(1))
    );
    assert_eq!(answer["results"][0], rest, "word by word");
    let both = json!({ "batches": [batch([5]), batch_of("other-1", [1])] });
    client.say(both.to_string()).await;
    let answer = client.expect("result").await;
    let acknowledged = |at: usize| answer["results"][at]["acknowledged"].as_u64();
    assert_eq!((acknowledged(0), acknowledged(1)), (Some(1), Some(1)));
    let lone =
        json!({ "drone_id": "alpha", "position": { "latitude_deg": 1, "longitude_deg": 2 } });
    client.say(lone.to_string()).await;
    let answer = client.expect("result").await;
    assert!(answer["results"][0]["note"].is_string(), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn binary_messages_are_the_grpc_stream() {
    let served = serve_http(|_| {}).await;
    let mut client = sender(&served).await;
    let sample = v1::Sample {
        seq: Some(1),
        utc_us: Some(super::now_us()),
        position: Some(v1::Position {
            latitude_deg: Some(47.0),
            longitude_deg: Some(8.0),
            ..v1::Position::default()
        }),
        ..v1::Sample::default()
    };
    let batch = v1::Batch {
        batch_id: 42,
        drone_id: "alpha".to_owned(),
        boot: Some(7),
        samples: vec![sample],
        ..v1::Batch::default()
    };
    let request = v1::StreamRequest {
        kind: Some(stream_request::Kind::Batch(batch)),
    };
    client
        .say(Message::Binary(request.encode_to_vec().into()))
        .await;
    let Said::Binary(reply) = client.hear().await else {
        panic!("a binary answer")
    };
    let reply = v1::StreamReply::decode(&reply[..]).unwrap();
    let Some(stream_reply::Kind::Result(result)) = reply.kind else {
        panic!("{reply:?}")
    };
    assert_eq!((result.batch_id, result.acknowledged), (42, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_ends_the_stream_behind_all_answers_and_is_kept() {
    let served = serve_http(|config| config.ws.message_bytes_max = 10_000).await;
    let garbage = Message::Binary(vec![0xff; 100].into());
    let empty = Message::Binary(Vec::new().into());
    for (place, (message, letters)) in [
        (Message::text("{\"drone_id\":"), 1),
        (Message::text("[]"), 1),
        (garbage, 1),
        (empty, 1),
        (Message::text("x".repeat(20_000)), 0),
    ]
    .into_iter()
    .enumerate()
    {
        let before = served.fixture.letters().len();
        let mut client = sender(&served).await;
        client.say(batch([place as u64 + 1]).to_string()).await;
        let too_large = letters == 0;
        client.say(message).await;
        let answer = client.expect("result").await;
        assert_eq!(answer["results"][0]["acknowledged"], 1);
        let expected = if too_large {
            ("too_large".to_owned(), 1009)
        } else {
            ("malformed".to_owned(), 1007)
        };
        assert_eq!(client.ending().await, expected, "message {place}");
        assert_eq!(served.fixture.letters().len() - before, letters);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_send_is_told_so_and_scopes_hold_for_each_batch() {
    let served = serve_http(|_| {}).await;
    let viewer = served.viewer();
    let refused = Client::try_open(&served, INGEST, Token::Header(&viewer)).await;
    assert_eq!(refused.err().unwrap().0, 403);
    let mut later = Client::try_open(&served, INGEST, Token::Later)
        .await
        .unwrap();
    let introduction = json!({ "authorization": format!("Bearer {viewer}") });
    later.say(introduction.to_string()).await;
    assert_eq!(later.ending().await, ("forbidden".to_owned(), 1008));
    let own = served.fixture.token(Role::Drone, &[]);
    let mut client = Client::open(&served, INGEST, &own).await;
    client.say(batch_of("bravo", [1]).to_string()).await;
    let answer = client.expect("result").await;
    assert_eq!(
        answer["results"][0]["rejected"]["code"], "forbidden",
        "{answer}"
    );
    client.say(batch([1]).to_string()).await;
    assert_eq!(
        client.expect("result").await["results"][0]["acknowledged"],
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_is_read_than_may_be_without_answer_and_shutdown_answers_first() {
    let served = serve_http(|config| config.ws.messages_in_flight_max = 2).await;
    served.record(batch([1])).await;
    let mut client = sender(&served).await;
    served.fixture.log.hold(Topic::Telemetry);
    for seq in 2..=6 {
        client.say(batch([seq]).to_string()).await;
    }
    let held = || served.fixture.log.held(Topic::Telemetry);
    eventually("two are under way", async || held() == 2).await;
    served.fixture.log.release_next(Topic::Telemetry, 1);
    client.expect("result").await;
    eventually("one more is read for each answer", async || held() == 2).await;
    served.stop.send(()).unwrap();
    served.fixture.log.release(Topic::Telemetry);
    let mut answered: Vec<Value> = Vec::new();
    loop {
        match client.hear().await {
            Said::Json(answer) => answered.push(answer),
            Said::Closed { code, .. } => {
                assert_eq!(code, 1001);
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(answered.len() >= 2, "what is under way is answered first");
}
