//! An alert through the real process: from a drone whose battery runs low to a WebSocket, to
//! another service and to Postgres, over a kill -9, without a second alert.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aerostream_simulator::Config;
use aerostream_simulator::config::Physics;
use futures::StreamExt;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::support::aerostream::Aerostream;
use crate::support::{Load, Servers, System, ask, client, connect, fleet, wait_for, wait_until};

/// From 17 % to 15 % takes a while.
const PATIENCE: Duration = Duration::from_secs(240);

type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Another service: the URL that it takes messages at, and what it took.
async fn service() -> (String, Arc<Mutex<Vec<Value>>>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("a free port");
    let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
    let taken = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&taken);
    let take = async move |message: axum::body::Bytes| {
        let message: Value = serde_json::from_slice(&message).expect("JSON");
        kept.lock().expect("no panic").push(message);
    };
    let router = axum::Router::new().route("/hook", axum::routing::post(take));
    #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, taken)
}

/// The setting that names a service; its secret is written into the file.
fn target(url: &str, secret: &Path) -> String {
    std::fs::write(secret, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("written");
    let secret = secret.display();
    format!("[{{name=\"pager\", url=\"{url}\", secret_file=\"{secret}\"}}]")
}

/// What a service was told of an alert.
fn told_of(taken: &Mutex<Vec<Value>>, id: &str) -> Vec<String> {
    let taken = taken.lock().expect("no panic");
    let data = taken.iter().map(|message| &message["data"]);
    let of_it = data.filter(|data| data["alert_id"] == id);
    of_it
        .map(|data| data["what"].as_str().unwrap_or_default().to_owned())
        .collect()
}

async fn told_both(taken: &Mutex<Vec<Value>>, id: &str) {
    wait_until(PATIENCE, "both changes at the service", async || {
        let told = told_of(taken, id);
        ["raised", "acknowledged"]
            .iter()
            .all(|what| told.iter().any(|told| told == what))
    })
    .await;
}

async fn open(system: &System, query: &str) -> Option<Stream> {
    let url = format!("ws://127.0.0.1:{}/ws/v1/alerts{query}", system.http);
    let mut request = url.into_client_request().expect("a URL");
    let bearer = format!("Bearer {}", system.token("viewer"));
    let bearer = bearer.parse().expect("a header");
    request.headers_mut().insert("authorization", bearer);
    connect_async(request).await.ok().map(|(stream, _)| stream)
}

/// The next frame that is no heartbeat.
async fn frame(stream: &mut Stream) -> Value {
    loop {
        let next = tokio::time::timeout(PATIENCE, stream.next()).await;
        match next.expect("a frame in time") {
            Some(Ok(Message::Text(text))) => {
                let frame: Value = serde_json::from_str(&text).expect("JSON");
                if frame["type"] != "heartbeat" {
                    return frame;
                }
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            other => panic!("the feed ended: {other:?}"),
        }
    }
}

/// The first battery alert that is told, and the cursor behind it.
async fn battery_alert(stream: &mut Stream) -> (Value, String) {
    loop {
        let frame = frame(stream).await;
        let changes = frame["changes"].as_array().into_iter().flatten();
        let of_battery = |it: &&Value| it["alert"]["rule_id"] == "battery";
        if let Some(change) = changes.into_iter().find(of_battery) {
            assert_eq!(change["what"], "raised", "{change}");
            let cursor = frame["cursor"].as_str().expect("a cursor").to_owned();
            return (change["alert"].clone(), cursor);
        }
    }
}

async fn battery_alerts(system: &System) -> Vec<Value> {
    let mut answer = system.get("/api/v1/alerts?rule_id=battery").await.json;
    match answer["alerts"].take() {
        Value::Array(alerts) => alerts,
        other => panic!("no list: {other}"),
    }
}

async fn killed_and_back(system: &System, mut up: Aerostream) -> Aerostream {
    up.kill9();
    system.start().await
}

async fn acknowledge(system: &System, drone: &str, id: &str) {
    let path = format!("/api/v1/drones/{drone}/alerts/{id}/acknowledge");
    let request = client()
        .post(system.url(&path))
        .bearer_auth(system.token("operator"))
        .json(&json!({ "comment": "coming home" }));
    let seen = ask(request).await;
    assert_eq!(
        (seen.status, &seen.json["is_acknowledged"]),
        (200, &json!(true))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_low_battery_is_one_alert_at_every_door_and_behind_a_kill() {
    let servers = Servers::shared().await;
    let database = servers.postgres().await.database().await;
    let (url, taken) = service().await;
    let secret = tempfile::NamedTempFile::new().expect("a file");
    let system = System::embedded(&servers).await.database(&database);
    let system = system.set("WEBHOOKS__TARGETS", target(&url, secret.path()));
    let up = system.start().await;
    let mut stream = open(&system, "").await.expect("a feed");
    assert_eq!(frame(&mut stream).await["type"], "snapshot");
    let load = Load::start(
        &system,
        Config {
            drones: 1,
            rate_hz: 5.0,
            batch: 1,
            connections: 1,
            physics: Physics::Integrated,
            scenario: "low-battery".to_owned(),
            ..fleet()
        },
    );
    let (raised, cursor) = battery_alert(&mut stream).await;
    assert_eq!(
        (&raised["severity"], &raised["is_active"]),
        (&json!("warning"), &json!(true))
    );
    let value = raised["raised"]["value"].as_f64().expect("a value");
    assert!(value <= 15.0, "{raised}");

    let (drone, id) = (
        raised["drone_id"].as_str().unwrap(),
        raised["alert_id"].as_str().unwrap(),
    );
    acknowledge(&system, drone, id).await;

    // Killed with the battery still low: what the journal has goes on.
    let mut up = killed_and_back(&system, up).await;
    load.acknowledged_more(10).await;
    let alerts = battery_alerts(&system).await;
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    assert_eq!(alerts[0]["alert_id"], id);
    assert_eq!(alerts[0]["acknowledged"]["comment"], "coming home");

    // Whoever was away is told of the acknowledgement, not of the alert again.
    let missed = missed_behind(&system, &cursor, id).await;
    assert_eq!(
        missed.iter().filter(|what| *what == "acknowledged").count(),
        1,
        "{missed:?}"
    );
    assert!(!missed.contains(&"raised".to_owned()), "{missed:?}");

    told_both(&taken, id).await;
    drop(load);
    let history = "/api/v1/alerts?rule_id=battery&history=true";
    wait_until(PATIENCE, "the alert in Postgres", async || {
        let stored = system.get(history).await.json;
        stored["alerts"][0]["is_acknowledged"] == true
    })
    .await;
    assert!(up.drain().success());
    stored_once(connect(&database).await, id).await;
}

/// What happened to an alert behind a cursor.
async fn missed_behind(system: &System, cursor: &str, id: &str) -> Vec<String> {
    let query = format!("?from={cursor}");
    let mut back = wait_for(PATIENCE, "a feed", async || open(system, &query).await).await;
    let mut missed = Vec::new();
    loop {
        let frame = frame(&mut back).await;
        if frame["type"] == "resumed" {
            return missed;
        }
        assert_eq!(frame["type"], "alerts", "{frame}");
        let changes = frame["changes"].as_array().expect("changes").iter();
        let of_it = changes.filter(|it| it["alert_id"] == id);
        missed.extend(of_it.map(|it| it["what"].as_str().unwrap_or_default().to_owned()));
    }
}

/// The database has the one alert, once.
async fn stored_once(mut connection: sqlx::PgConnection, id: &str) {
    let rows: Vec<(String, String, Option<String>)> = sqlx::query_as(
        "SELECT alert_id, rule_id, acknowledged_by FROM alert WHERE rule_id = 'battery'",
    )
    .fetch_all(&mut connection)
    .await
    .expect("rows");
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!((rows[0].0.as_str(), rows[0].2.is_some()), (id, true));
    let events: Vec<(String,)> = sqlx::query_as(
        "SELECT what FROM alert_event WHERE alert_id = $1 AND what IN ('raised', 'acknowledged') \
         ORDER BY log_offset",
    )
    .bind(id)
    .fetch_all(&mut connection)
    .await
    .expect("rows");
    let events: Vec<&str> = events.iter().map(|(what,)| what.as_str()).collect();
    assert_eq!(events, ["raised", "acknowledged"]);
}
