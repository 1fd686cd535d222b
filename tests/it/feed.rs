//! Feeds of the real process: kills, floods.

use std::time::Duration;

use futures::StreamExt;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::support::aerostream::{Aerostream, command};
use crate::support::{Servers, System, now_us, wait_for, wait_until};

const PATIENCE: Duration = Duration::from_secs(60);
const DRONE: &str = "watched-1";

type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn open(system: &System, query: &str, token: &str) -> Result<Stream, Error> {
    let url = format!("ws://127.0.0.1:{}/ws/v1/drones/{DRONE}{query}", system.http);
    let mut request = url.into_client_request().expect("a URL");
    let bearer = format!("Bearer {token}").parse().expect("a header");
    request.headers_mut().insert("authorization", bearer);
    connect_async(request).await.map(|(stream, _)| stream)
}

/// Opens a feed as soon as somebody serves it.
async fn insist(system: &System, query: &str) -> Stream {
    wait_for(PATIENCE, "a feed", async || {
        open(system, query, &system.token("viewer")).await.ok()
    })
    .await
}

/// The next frame; `None` at the end of the connection.
async fn frame(stream: &mut Stream) -> Option<Value> {
    loop {
        let next = tokio::time::timeout(PATIENCE, stream.next()).await;
        match next.expect("a frame or the end") {
            Some(Ok(Message::Text(text))) => {
                let frame: Value = serde_json::from_str(&text).expect("JSON");
                if frame["type"] != "heartbeat" {
                    return Some(frame);
                }
            }
            Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
            Some(Ok(_)) => {}
        }
    }
}

fn sample(boot: i64, seq: u64) -> Value {
    json!({ "drone_id": DRONE, "boot": boot, "seq": seq, "utc_us": now_us(),
            "position": { "latitude_deg": 47.5, "longitude_deg": 8.25,
                          "relative_altitude_m": seq } })
}

/// Sends one sample until it is acknowledged, through any fault.
async fn send(system: &System, sample: &Value) {
    wait_for(PATIENCE, "an acknowledgement", async || {
        let request = crate::support::client()
            .post(system.url("/api/v1/telemetry"))
            .bearer_auth(system.token("relay"))
            .json(sample);
        let answer = request.send().await.ok()?;
        (answer.status() == 200).then_some(())
    })
    .await;
}

/// What a client was told, and where it is.
#[derive(Default)]
struct Told {
    seqs: Vec<u64>,
    cursor: String,
}

impl Told {
    fn take(&mut self, frame: &Value) {
        match frame["type"].as_str().expect("a type") {
            "update" => {
                if frame["recorded"] == false {
                    return;
                }
                let samples = frame["samples"].as_array().expect("samples");
                let seqs = samples.iter().map(|it| it["seq"].as_u64().expect("a seq"));
                self.seqs.extend(seqs);
            }
            "snapshot" => assert!(self.cursor.is_empty(), "only the first frame: {frame}"),
            "resumed" => {}
            _ => panic!("{frame}"),
        }
        frame["cursor"]
            .as_str()
            .expect("a cursor")
            .clone_into(&mut self.cursor);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_goes_on_over_kills_of_the_process_and_misses_and_doubles_no_frame() {
    let servers = Servers::shared().await;
    let database = servers.postgres().await.database().await;
    let system = System::embedded(&servers).await.database(&database);
    let mut up = system.start().await;
    let boot = now_us();
    let last = 120;
    let mut stream = insist(&system, "").await;
    let mut told = Told::default();
    let first = frame(&mut stream).await.expect("a snapshot");
    told.take(&first);
    let mut seq = 0;
    for round in 0..3 {
        let until = last * (round + 1) / 4;
        while seq < until {
            seq += 1;
            send(&system, &sample(boot, seq)).await;
            // The client lags behind, so that a kill finds frames that it has not taken.
            if seq % 3 != 0 {
                told.take(&frame(&mut stream).await.expect("the feed goes on"));
            }
        }
        up.kill9();
        while let Some(frame) = frame(&mut stream).await {
            told.take(&frame);
        }
        up = system.start().await;
        // Missed while nobody was connected.
        seq += 1;
        send(&system, &sample(boot, seq)).await;
        stream = insist(&system, &format!("?from={}", told.cursor)).await;
    }
    while seq < last {
        seq += 1;
        send(&system, &sample(boot, seq)).await;
    }
    while told.seqs.last() != Some(&last) {
        told.take(&frame(&mut stream).await.expect("the feed goes on"));
    }
    assert_eq!(told.seqs, (1..=last).collect::<Vec<_>>());
    assert!(up.drain().success(), "{}", up.output());
    assert!(frame(&mut stream).await.is_none(), "a drain ends feeds");
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_subscriptions_of_one_client_are_refused_and_nobody_else_notices() {
    let servers = Servers::shared().await;
    let database = servers.postgres().await.database().await;
    let system = System::embedded(&servers)
        .await
        .database(&database)
        .set("GATEWAY__LIMITS__PRINCIPAL_SOCKETS_MAX", 200);
    let mut up = system.start().await;
    let boot = now_us();
    send(&system, &sample(boot, 1)).await;
    let own = system.drone_token(DRONE);
    let mut calm = open(&system, "", &own).await.expect("a feed");
    assert_eq!(frame(&mut calm).await.expect("a frame")["type"], "snapshot");
    let flooding = system.token("viewer");
    let (mut kept, mut refused) = (Vec::new(), 0);
    for number in 0..10_000 {
        match open(&system, "", &flooding).await {
            Ok(stream) => kept.push(stream),
            Err(Error::Http(response)) => {
                assert_eq!(response.status(), 429);
                let body = response.body().as_deref().unwrap_or_default();
                let problem: Value = serde_json::from_slice(body).expect("a problem");
                assert_eq!(problem["code"], "overloaded", "{problem}");
                let detail = problem["detail"].as_str().expect("a reason");
                assert!(detail.contains("200"), "which limit was reached: {detail}");
                assert!(response.headers().contains_key("retry-after"));
                refused += 1;
            }
            Err(error) => panic!("connection {number}: {error}"),
        }
        if number % 1_000 == 0 {
            let seq = 2 + number / 1_000;
            send(&system, &sample(boot, seq)).await;
            let update = frame(&mut calm).await.expect("a frame");
            assert_eq!(update["samples"][0]["seq"], seq, "{update}");
        }
    }
    assert_eq!((kept.len(), refused), (200, 9_800));
    let limit: u64 = 400 << 20;
    assert!(up.resident_peak() < limit, "{} bytes", up.resident_peak());
    assert!(up.drain().success(), "{}", up.output());
}

/// The samples that a watch told as recorded, in the order in which it did.
fn seqs_told(output: &str) -> Vec<u64> {
    let frames = output
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let recorded = frames.filter(|frame| frame["type"] == "update" && frame["recorded"] == true);
    let samples =
        recorded.flat_map(|frame| frame["samples"].as_array().cloned().unwrap_or_default());
    samples
        .filter_map(|sample| sample["seq"].as_u64())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_tells_the_feed_and_goes_on_over_a_kill_of_the_gateway() {
    let servers = Servers::shared().await;
    let database = servers.postgres().await.database().await;
    let system = System::embedded(&servers).await.database(&database);
    let mut up = system.start().await;
    let boot = now_us();
    send(&system, &sample(boot, 1)).await;
    let url = system.url("");
    let watch = |environment: &[(&str, &str)]| {
        let mut watch = command(&["watch", "--url", &url, DRONE]);
        watch.envs(environment.iter().copied());
        watch
    };
    let refused = watch(&[]).output().expect("it starts");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && said.contains("AEROSTREAM_TOKEN"),
        "{said}"
    );
    let token = system.token("viewer");
    let mut told = Aerostream::start(watch(&[("AEROSTREAM_TOKEN", &token)]));
    told.says("\"type\":\"snapshot\"").await;
    send(&system, &sample(boot, 2)).await;
    up.kill9();
    let mut up = system.start().await;
    // Nobody may be connected yet.
    send(&system, &sample(boot, 3)).await;
    told.says("\"type\":\"resumed\"").await;
    send(&system, &sample(boot, 4)).await;
    wait_until(PATIENCE, "every sample behind the snapshot", async || {
        assert!(!told.has_ended(), "{}", told.output());
        seqs_told(&told.output()).last() == Some(&4)
    })
    .await;
    assert_eq!(seqs_told(&told.output()), [2, 3, 4], "{}", told.output());
    assert!(told.drain().success(), "{}", told.output());
    assert!(up.drain().success(), "{}", up.output());
}
