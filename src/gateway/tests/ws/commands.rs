//! Commands down a WebSocket, and what the drone says of them.

use axum::body::Body;
use axum::http::Request;
use serde_json::json;

use super::Client;
use crate::gateway::auth::Role;
use crate::gateway::tests::server::serve_http;
use crate::gateway::tests::support::now_us;

#[tokio::test(flavor = "multi_thread")]
async fn a_drone_that_speaks_json_is_commanded_in_json() {
    let served = serve_http(|_| {}).await;
    let fixture = &served.fixture;
    let own = fixture.token(Role::Drone, &[]);
    let mut client = Client::open(&served, "/ws/v1/ingest", &own).await;
    let sample = json!({ "seq": 1, "utc_us": now_us(), "since_boot_us": 5_000_000,
                         "state": { "armed": true } });
    let batch = json!({ "drone_id": "alpha", "boot": 1, "sent_at_boot_us": 5_000_000,
                        "samples": [sample] });
    client.say(batch.to_string()).await;
    client.expect("result").await;
    let operator = fixture.token(Role::Operator, &["red"]);
    let request = Request::post("/api/v1/drones/alpha/commands")
        .header("authorization", format!("Bearer {operator}"))
        .header("content-type", "application/json")
        .body(Body::from(r#"{"command":"hold"}"#))
        .unwrap();
    let given = fixture.call(request).await.json();
    let command = client.expect("command").await["command"].clone();
    assert_eq!(command["command_id"], given["command_id"], "{given}");
    assert_eq!(
        (&command["command"], &command["boot"]),
        (&json!("hold"), &json!("1"))
    );
    assert!(command["valid_until_boot_us"].as_u64() > Some(5_000_000));
    let answer = json!({ "command_answer": {
        "drone_id": "alpha", "command_id": command["command_id"], "outcome": "denied"
    } });
    client.say(answer.to_string()).await;
    let id = given["command_id"].as_str().unwrap();
    let path = format!("/api/v1/commands/{id}?wait_ms=20000");
    assert_eq!(
        fixture.get(&path, &operator).await.json()["state"],
        "rejected"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_answers_for_a_drone_that_does_not_speak_here() {
    let served = serve_http(|_| {}).await;
    let own = served.fixture.token(Role::Drone, &[]);
    let mut client = Client::open(&served, "/ws/v1/ingest", &own).await;
    let answer = json!({ "command_answer": {
        "drone_id": "bravo", "outcome": "accepted",
        "command_id": "0000-00000000000000000000000000000000"
    } });
    client.say(answer.to_string()).await;
    assert_eq!(client.expect("error").await["code"], "forbidden");
}
