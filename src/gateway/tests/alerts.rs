//! Alerts by gRPC and as server-sent events: the frames of the WebSocket.

use aerostream_proto::v1;
use aerostream_proto::v1::alert_frame::Kind;
use aerostream_proto::v1::alert_service_client::AlertServiceClient;
use serde_json::{Value, json};
use tonic::Code;

use super::grpc::{open_over, problem, with_token};
use super::server::serve_http;
use super::support::{Fixture, PATIENCE, now_us, start};
use crate::gateway::auth::Role;

async fn says(fixture: &Fixture, seq: u64, percent: u64) {
    let sample = json!({ "drone_id": "alpha", "boot": 7, "seq": seq, "utc_us": now_us(),
                         "battery": [{ "id": 0, "remaining_percent": percent }] });
    let answer = fixture.post(&sample.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.json());
}

#[tokio::test]
async fn a_stream_of_alerts_tells_goes_on_and_takes_answers() {
    let door = open_over(start().await).await;
    let fixture = &door.fixture;
    let operator = fixture.token(Role::Operator, &["red"]);
    let mut client = AlertServiceClient::new(door.channel.clone());
    let request = |from: &str| v1::WatchAlertsRequest {
        rule_id: Some("battery".to_owned()),
        severity_min: v1::AlertSeverity::Warning.into(),
        from_cursor: from.to_owned(),
        ..v1::WatchAlertsRequest::default()
    };
    let watched = client.watch_alerts(with_token(&operator, request("")));
    let mut frames = watched.await.unwrap().into_inner();
    let first = frames.message().await.unwrap().unwrap();
    let Some(Kind::Snapshot(snapshot)) = first.kind else {
        panic!("a snapshot first")
    };
    assert!(snapshot.is_complete && snapshot.alerts.is_empty());
    says(fixture, 1, 14).await;
    let news = tokio::time::timeout(PATIENCE, frames.message()).await;
    let Some(Kind::News(news)) = news.unwrap().unwrap().unwrap().kind else {
        panic!("news")
    };
    let change = &news.changes[0];
    assert_eq!(change.happened(), v1::AlertHappened::Raised);

    let answer = |alert_id: &str, comment: &str| v1::AnswerAlertRequest {
        drone_id: "alpha".to_owned(),
        alert_id: alert_id.to_owned(),
        comment: comment.to_owned(),
    };
    let viewer = fixture.token(Role::Viewer, &["red"]);
    let said = answer(&change.alert_id, "");
    let refused = client.acknowledge_alert(with_token(&viewer, said.clone()));
    assert_eq!(refused.await.unwrap_err().code(), Code::PermissionDenied);
    let seen = client.acknowledge_alert(with_token(&operator, said)).await;
    let seen = seen.unwrap().into_inner().alert.unwrap();
    assert_eq!(seen.acknowledged.unwrap().principal, "operator-red");
    let said = answer(&change.alert_id, "on it");
    let seen = client.comment_alert(with_token(&operator, said)).await;
    assert_eq!(seen.unwrap().into_inner().alert.unwrap().comments.len(), 1);
    let unknown = answer(&"0".repeat(32), "");
    let unknown = client.acknowledge_alert(with_token(&operator, unknown));
    assert_eq!(unknown.await.unwrap_err().code(), Code::NotFound);

    let watched = client.watch_alerts(with_token(&operator, request(&first.cursor)));
    let mut frames = watched.await.unwrap().into_inner();
    let mut told = Vec::new();
    loop {
        match frames.message().await.unwrap().unwrap().kind {
            Some(Kind::News(news)) => told.extend(news.changes.iter().map(|it| it.happened())),
            Some(Kind::Resumed(_)) => break,
            other => panic!("{other:?}"),
        }
    }
    use v1::AlertHappened::{Acknowledged, Commented, Raised};
    assert_eq!(told, [Raised, Acknowledged, Commented]);
    let wrong = client.watch_alerts(with_token(&operator, request("nonsense")));
    let wrong = problem(&wrong.await.unwrap_err());
    assert_eq!(wrong["field"], "from_cursor", "{wrong}");
}

fn client() -> reqwest::Client {
    let tls = aerostream_tls::Trust::Machine.client();
    let client = reqwest::Client::builder().tls_backend_preconfigured(tls.expect("roots"));
    client.build().expect("a client")
}

/// The next event: its type, its id and its data.
async fn event(response: &mut reqwest::Response, rest: &mut String) -> (String, String, Value) {
    loop {
        if let Some((event, behind)) = rest.split_once("\n\n") {
            let field = |name: &str| {
                let mut lines = event.lines();
                let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
                value.unwrap_or_default().to_owned()
            };
            let told = (field("event"), field("id"), field("data"));
            *rest = behind.to_owned();
            let data = serde_json::from_str(&told.2).expect("JSON");
            return (told.0, told.1, data);
        }
        let chunk = tokio::time::timeout(PATIENCE, response.chunk()).await;
        let chunk = chunk.expect("an event in time").unwrap();
        rest.push_str(std::str::from_utf8(&chunk.expect("it goes on")).unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_carry_their_cursors_and_go_on_behind_the_last_one() {
    let served = serve_http(|_| {}).await;
    let url = format!("http://{}/events/v1/alerts?rule_id=battery", served.address);
    let ask = async |last: Option<&str>| {
        let request = client().get(&url);
        let mut request = request.bearer_auth(served.viewer());
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        request.send().await.unwrap()
    };
    let mut response = ask(None).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut rest = String::new();
    let (kind, first, _) = event(&mut response, &mut rest).await;
    assert_eq!(kind, "snapshot");
    says(&served.fixture, 1, 14).await;
    let (kind, _, data) = event(&mut response, &mut rest).await;
    assert_eq!((kind.as_str(), &data["type"]), ("alerts", &json!("alerts")));
    assert_eq!(data["changes"][0]["what"], "raised");
    let mut response = ask(Some(&first)).await;
    let mut rest = String::new();
    let (kind, _, again) = event(&mut response, &mut rest).await;
    assert_eq!(
        (kind.as_str(), &again["changes"]),
        ("alerts", &data["changes"])
    );
    assert_eq!(event(&mut response, &mut rest).await.0, "resumed");
    let wrong = ask(Some("nonsense")).await;
    assert_eq!(wrong.status(), 422);
    let relay = served.fixture.token(Role::Relay, &["*"]);
    for (token, status) in [(relay.as_str(), 403), ("nobody", 401)] {
        let refused = client().get(&url).bearer_auth(token).send();
        assert_eq!(refused.await.unwrap().status(), status);
    }
}
