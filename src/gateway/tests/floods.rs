//! Too much of one caller: refused with how long to wait, and nobody else notices.

use aerostream_proto::v1::StreamRequest;
use aerostream_proto::v1::telemetry_service_client::TelemetryServiceClient;
use axum::http::header::RETRY_AFTER;
use futures::stream::pending;
use tonic::Code;

use super::grpc::{open_over, with_token};
use super::server::serve_http;
use super::support::{eventually, start_with};
use super::ws::{Client, Token};
use crate::gateway::auth::Role;

const FEED: &str = "/ws/v1/drones/alpha";

#[tokio::test]
async fn a_flood_of_subscriptions_is_one_callers_own_problem() {
    let served = serve_http(|config| config.limits.principal_sockets_max = 4).await;
    let flooder = served.fixture.token(Role::Viewer, &["red"]);
    let other = served.fixture.token(Role::Operator, &["red"]);
    let mut open = Vec::new();
    let mut refused = 0;
    for _ in 0..40 {
        match Client::try_open(&served, FEED, Token::Header(&flooder)).await {
            Ok(client) => open.push(client),
            Err((status, problem)) => {
                assert_eq!((status, &problem["code"]), (429, &"overloaded".into()));
                assert!(problem["retry_after_ms"].as_u64() > Some(0), "{problem}");
                refused += 1;
            }
        }
    }
    assert_eq!((open.len(), refused), (4, 36));
    let mut neighbour = Client::open(&served, FEED, &other).await;
    neighbour.expect("snapshot").await;
    for client in &mut open {
        client.expect("snapshot").await;
    }
    open.pop();
    eventually("the place is free again", || async {
        Client::try_open(&served, FEED, Token::Header(&flooder))
            .await
            .is_ok()
    })
    .await;
}

#[tokio::test]
async fn requests_of_one_caller_have_a_rate() {
    let fixture = start_with(|config| {
        config.limits.principal_requests_burst = 3;
        config.limits.principal_requests_per_minute = 1;
    })
    .await;
    let token = fixture.token(Role::Viewer, &["red"]);
    for _ in 0..3 {
        assert_eq!(fixture.get("/api/v1/fleets", &token).await.status, 200);
    }
    let refused = fixture.get("/api/v1/fleets", &token).await;
    assert_eq!(refused.problem().0, 429);
    assert_eq!(refused.problem().1, "quota_exceeded");
    assert!(refused.response.headers().contains_key(RETRY_AFTER));
    let other = fixture.token(Role::Operator, &["red"]);
    assert_eq!(fixture.get("/api/v1/fleets", &other).await.status, 200);
}

#[tokio::test]
async fn samples_of_one_caller_have_a_rate_and_come_later() {
    let fixture = start_with(|config| {
        config.limits.principal_samples_burst = 2;
        config.limits.principal_samples_per_minute = 1;
    })
    .await;
    let sample = r#"{"drone_id":"alpha","wind":{"speed_m_s":1}}"#;
    assert_eq!(fixture.post(sample).await.status, 200);
    assert_eq!(fixture.post(sample).await.status, 200);
    let refused = fixture.post(sample).await;
    assert_eq!(refused.problem().0, 429);
    assert!(refused.response.headers().contains_key(RETRY_AFTER));
    assert_eq!(fixture.letters().len(), 0, "it is to be sent again");
}

#[tokio::test]
async fn streams_of_one_caller_are_counted() {
    let fixture = start_with(|config| config.limits.principal_streams_max = 1).await;
    let token = fixture.token(Role::Drone, &[]);
    let door = open_over(fixture).await;
    let open = async |token: &str| {
        let request = with_token(token, pending::<StreamRequest>());
        let mut client = TelemetryServiceClient::new(door.channel.clone());
        client.stream(request).await
    };
    let _first = open(&token).await.unwrap();
    let refused = open(&token).await.map(|_| ()).unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    let relay = door.fixture.token(Role::Relay, &["red"]);
    assert!(open(&relay).await.is_ok());
}

#[tokio::test]
async fn whoever_guesses_tokens_has_to_wait() {
    let served = serve_http(|config| {
        config.limits.bad_tokens_burst = 5;
        config.limits.bad_tokens_per_minute = 1;
    })
    .await;
    let known = served.fixture.token(Role::Viewer, &["red"]);
    let other = served.fixture.token(Role::Viewer, &["blue"]);
    Client::open(&served, FEED, &known).await;
    for turn in 0..10 {
        let guess = format!("guess.{turn}.none");
        let refused = Client::try_open(&served, FEED, Token::Header(&guess)).await;
        let (status, problem) = refused.map(|_| ()).unwrap_err();
        let expected = if turn < 5 { 401 } else { 429 };
        assert_eq!(status, expected, "{turn}: {problem}");
    }
    let refused = Client::try_open(&served, FEED, Token::Header(&other)).await;
    assert_eq!(refused.map(|_| ()).unwrap_err().0, 429);
    Client::open(&served, FEED, &known).await;
}
