//! Alerts at a WebSocket: from the sample to the frame, and back over a broken connection.

use axum::http::Method;
use serde_json::{Value, json};

use super::{Client, Token};
use crate::gateway::auth::Role;
use crate::gateway::tests::server::{Served, serve_http};
use crate::gateway::tests::support::now_us;

const ALERTS: &str = "/ws/v1/alerts";
const LISTED: &str = "/api/v1/alerts";

/// The drone says how full its battery is.
async fn says(served: &Served, drone: &str, seq: u64, percent: u64) {
    let sample = json!({
        "seq": seq, "utc_us": now_us(),
        "battery": [{ "id": 0, "remaining_percent": percent }]
    });
    let batch = json!({ "drone_id": drone, "boot": 7, "batch_id": seq, "samples": [sample] });
    served.record(batch).await;
}

/// The next change of a battery's alert.
async fn change(client: &mut Client) -> (String, Value, String) {
    loop {
        let frame = client.expect("alerts").await;
        let changes = frame["changes"].as_array().unwrap();
        let battery = changes
            .iter()
            .find(|it| it["alert"]["rule_id"] == "battery");
        if let Some(change) = battery {
            let what = change["what"].as_str().unwrap().to_owned();
            let cursor = frame["cursor"].as_str().unwrap().to_owned();
            return (what, change["alert"].clone(), cursor);
        }
    }
}

fn battery(snapshot: &Value) -> Vec<&Value> {
    let alerts = snapshot["alerts"].as_array().unwrap().iter();
    alerts.filter(|it| it["rule_id"] == "battery").collect()
}

async fn answer(served: &Served, alert: &Value, how: &str, body: &Value) -> (u16, Value) {
    let operator = served.fixture.token(Role::Operator, &["red"]);
    let id = alert["alert_id"].as_str().unwrap();
    let path = format!("/api/v1/drones/alpha/alerts/{id}/{how}");
    let body = body.to_string();
    let answer = served
        .fixture
        .send(Method::POST, &path, &operator, &body)
        .await;
    (answer.status, answer.json())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_is_told_as_it_begins_gets_worse_is_seen_and_commented() {
    let served = serve_http(|_| {}).await;
    let mut client = Client::open(&served, ALERTS, &served.viewer()).await;
    let snapshot = client.expect("snapshot").await;
    assert_eq!(snapshot["alerts"], json!([]));
    says(&served, "alpha", 1, 14).await;
    let (what, raised, first) = change(&mut client).await;
    assert_eq!(
        (what.as_str(), &raised["severity"]),
        ("raised", &json!("warning"))
    );
    assert_eq!(
        (&raised["drone_id"], &raised["fleet_id"]),
        (&json!("alpha"), &json!("red"))
    );
    assert_eq!(raised["raised"]["value"], 14.0);
    says(&served, "alpha", 2, 4).await;
    let (what, worse, _) = change(&mut client).await;
    assert_eq!(
        (what.as_str(), &worse["severity"]),
        ("escalated", &json!("emergency"))
    );
    assert_eq!(
        (&worse["alert_id"], &worse["turns"]),
        (&raised["alert_id"], &json!(2))
    );

    let said = json!({ "comment": "calling the pilot" });
    let (status, seen) = answer(&served, &raised, "acknowledge", &said).await;
    assert_eq!(
        (status, &seen["is_acknowledged"], &seen["is_active"]),
        (200, &json!(true), &json!(true))
    );
    let (_, again) = answer(&served, &raised, "acknowledge", &json!({})).await;
    assert_eq!(
        again["acknowledged"], seen["acknowledged"],
        "the first one stays"
    );
    let (what, seen, _) = change(&mut client).await;
    assert_eq!(
        (what.as_str(), &seen["acknowledged"]["comment"]),
        ("acknowledged", &said["comment"])
    );
    let (status, _) = answer(&served, &raised, "comments", &json!({ "comment": " " })).await;
    assert_eq!(status, 422);
    let (status, commented) = answer(&served, &raised, "comments", &said).await;
    assert_eq!(
        (status, commented["comments"].as_array().unwrap().len()),
        (200, 1)
    );
    assert_eq!(change(&mut client).await.0, "commented");

    late_comers_are_told(&served, &raised, &first).await;
}

/// Whoever comes now sees it as it is; whoever comes back is told all of it, once.
async fn late_comers_are_told(served: &Served, raised: &Value, first: &str) {
    let mut later = Client::open(served, ALERTS, &served.viewer()).await;
    let snapshot = later.expect("snapshot").await;
    assert_eq!(battery(&snapshot).len(), 1);
    let from = format!("{ALERTS}?from={first}");
    let mut back = Client::open(served, &from, &served.viewer()).await;
    for expected in ["escalated", "acknowledged", "commented"] {
        let (what, missed, _) = change(&mut back).await;
        assert_eq!(
            (what.as_str(), &missed["alert_id"]),
            (expected, &raised["alert_id"])
        );
    }
    back.expect("resumed").await;
    says(served, "alpha", 3, 3).await;
    says(served, "bravo", 1, 3).await;
    assert_eq!(
        change(&mut back).await.1["drone_id"],
        "bravo",
        "no news of the same severity"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_and_a_scope_leave_out_and_lists_agree() {
    let served = serve_http(|_| {}).await;
    let red = served.fixture.token(Role::Viewer, &["red"]);
    let mut of_red = Client::open(&served, ALERTS, &red).await;
    of_red.expect("snapshot").await;
    let critical = format!("{ALERTS}?severity=critical&fleet_id=blue");
    let mut bad = Client::open(&served, &critical, &served.viewer()).await;
    bad.expect("snapshot").await;
    says(&served, "bravo", 1, 14).await;
    says(&served, "bravo", 2, 6).await;
    says(&served, "alpha", 1, 14).await;
    assert_eq!(change(&mut of_red).await.1["drone_id"], "alpha");
    let (what, alert, _) = change(&mut bad).await;
    assert_eq!(
        (what.as_str(), &alert["drone_id"]),
        ("escalated", &json!("bravo"))
    );

    let list = async |query: &str, token: &str| {
        let answer = served.fixture.get(&format!("{LISTED}{query}"), token).await;
        assert_eq!(answer.status, 200, "{}", answer.json());
        answer.json()
    };
    let all = list("?rule_id=battery", &served.viewer()).await;
    assert_eq!(all["alerts"].as_array().unwrap().len(), 2);
    assert_eq!(
        list("?rule_id=battery", &red).await["alerts"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let first = list("?rule_id=battery&limit=1", &served.viewer()).await;
    assert_eq!(first["alerts"][0], all["alerts"][0]);
    let after = first["next_after"].as_str().unwrap();
    let second = list(
        &format!("?rule_id=battery&limit=1&after={after}"),
        &served.viewer(),
    )
    .await;
    assert_eq!(second["alerts"][0], all["alerts"][1]);
    assert_eq!(second["next_after"], Value::Null);
    for (query, field) in [
        ("?severity=bad", "severity"),
        ("?after=1", "after"),
        ("?from=2&to=1", "from"),
        ("?history=false&from=1", "history"),
    ] {
        let answer = served
            .fixture
            .get(&format!("{LISTED}{query}"), &served.viewer())
            .await;
        assert_eq!(
            answer.problem(),
            (422, "invalid".to_owned(), field.to_owned())
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_told_again_is_a_gap_and_a_drone_hears_of_itself_only() {
    let served = serve_http(|config| config.ws.replay_records_max = 1).await;
    let mut client = Client::open(&served, ALERTS, &served.viewer()).await;
    let snapshot = client.expect("snapshot").await;
    says(&served, "alpha", 1, 14).await;
    says(&served, "alpha", 2, 4).await;
    change(&mut client).await;
    change(&mut client).await;
    let from = format!("{ALERTS}?from={}", snapshot["cursor"].as_str().unwrap());
    let mut back = Client::open(&served, &from, &served.viewer()).await;
    assert_eq!(back.expect("gap").await["reason"], "over_limit");
    assert_eq!(battery(&back.expect("snapshot").await).len(), 1);

    let own = served.fixture.token(Role::Drone, &[]);
    let refused = Client::try_open(&served, ALERTS, Token::Header(&own)).await;
    assert_eq!(refused.err().unwrap().0, 403);
    let of_own = format!("{ALERTS}?drone_id=alpha");
    let mut own = Client::open(&served, &of_own, &own).await;
    assert_eq!(battery(&own.expect("snapshot").await).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_feed_says_that_it_is_alive_and_goes_on_from_there() {
    let served = serve_http(|config| config.ws.heartbeat_ms = 20).await;
    let mut client = Client::open(&served, ALERTS, &served.viewer()).await;
    client.expect("snapshot").await;
    let super::Said::Json(beat) = client.hear().await else {
        panic!("a heartbeat")
    };
    assert_eq!(beat["type"], "heartbeat");
    let resumed = format!("{ALERTS}?from={}", beat["cursor"].as_str().unwrap());
    let mut client = Client::open(&served, &resumed, &served.viewer()).await;
    assert_eq!(client.expect("resumed").await["records"], 0);
    let super::Said::Json(beat) = client.hear().await else {
        panic!("another heartbeat")
    };
    assert_eq!(beat["type"], "heartbeat");
}
