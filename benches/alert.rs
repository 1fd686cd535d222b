//! Alerts: from the gateway's receipt of the raising sample to the frame at a WebSocket client,
//! beside a bare append and read of the same kind of log.
//!
//! Drones fly recordings beside it. One more drone says again and again that its battery is low,
//! and that it is full; each time its alert begins, and ends ten seconds of its own time later.

use std::time::Duration;

use aerostream::clock;
use anyhow::Context;
use futures::StreamExt;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::cpu::Processes;
use crate::feed::{fly, heard, reference};
use crate::http::Connection;
use crate::settings::{logs, setting};
use crate::stack::{Database, Stack};
use crate::table;

/// Longest wait for a frame.
const PATIENCE: Duration = Duration::from_secs(60);
/// The rule's clear condition must hold so long, by the drone's time.
const CLEARS_US: i64 = 10_500_000;

pub async fn run() -> anyhow::Result<()> {
    for log in logs()? {
        over(log).await?;
    }
    Ok(())
}

async fn over(log: &'static str) -> anyhow::Result<()> {
    let measured = Duration::from_secs(setting("TIME_S", 15)?);
    let drones: usize = setting("DRONES", 2_000)?;
    let pause = Duration::from_millis(setting("EVERY_MS", 20)?);
    let database = Database::start()?;
    let mut stack = Stack::start_with(log, &database, &[]).await?;
    let simulator = fly(&stack, drones)?;
    heard(&stack, drones).await?;
    table::head(&format!(
        "{log} log, {drones} drones at 2 Hz; reference: bare append and read"
    ));
    let bare = reference::run(log, measured / 3).await?;
    let mut drone = Drone {
        connection: Connection::open(stack.http).await?,
        token: stack.token("relay")?,
        number: 0,
        // Its clock is a day behind, so that it may run ahead of this one's.
        time_us: clock::utc_now().0 - 86_400_000_000,
    };
    let mut channel = Channel::open(&stack).await?;
    let before = Processes::now()?.own(stack.pid);
    let began = clock::monotonic_now();
    let mut took_ms = Vec::new();
    while began.elapsed() < measured {
        let sent = clock::utc_now().0;
        let (answered, raised) = tokio::join!(drone.says(10), channel.until("raised"));
        answered?;
        took_ms.push((raised? - sent) as f64 / 1e3);
        drone.says(90).await?;
        drone.time_us += CLEARS_US;
        let (answered, cleared) = tokio::join!(drone.says(90), channel.until("cleared"));
        answered?;
        cleared?;
        tokio::time::sleep(pause).await;
    }
    let used = Processes::now()?.own(stack.pid) - before;
    for percent in [50.0, 99.0, 100.0] {
        let bare_ms = bare.value_at_percentile(percent) as f64 / 1000.0;
        let figure = table::percentile(&mut took_ms, percent);
        table::row(
            &format!("raising sample to frame: p{percent} ms"),
            figure,
            bare_ms,
        );
    }
    table::alone("alerts", took_ms.len() as f64);
    table::alone("aerostream, cores", used / began.elapsed().as_secs_f64());
    drop(simulator);
    stack.drain()
}

/// A drone with a battery and nothing else.
struct Drone {
    connection: Connection,
    token: String,
    number: u64,
    time_us: i64,
}

impl Drone {
    async fn says(&mut self, percent: u32) -> anyhow::Result<()> {
        self.number += 1;
        self.time_us += 1_000;
        let body = json!({
            "drone_id": "bench-alert", "boot": 1, "seq": self.number, "utc_us": self.time_us,
            "battery": [{ "id": 0, "remaining_percent": percent }]
        })
        .to_string();
        let request = format!(
            "POST /api/v1/telemetry HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.token,
            body.len()
        );
        let (status, answer) = self.connection.exchange(request.as_bytes()).await?;
        let answer = String::from_utf8_lossy(answer);
        anyhow::ensure!(status == 200, "a sample was answered {status}: {answer}");
        Ok(())
    }
}

/// The alerts of that drone at a client.
struct Channel {
    stream: WebSocketStream<TcpStream>,
}

impl Channel {
    async fn open(stack: &Stack) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(stack.http).await?;
        let url = format!("ws://{}/ws/v1/alerts?rule_id=battery", stack.http);
        let mut request = url.into_client_request()?;
        let bearer = format!("Bearer {}", stack.token("viewer")?).parse()?;
        request.headers_mut().insert("authorization", bearer);
        let (stream, _) = client_async(request, stream).await?;
        Ok(Self { stream })
    }

    /// When the frame came that says so, microseconds.
    async fn until(&mut self, what: &str) -> anyhow::Result<i64> {
        loop {
            let next = tokio::time::timeout(PATIENCE, self.stream.next()).await;
            let message = next?.context("the feed ended")??;
            let at = clock::utc_now().0;
            let Message::Text(text) = message else {
                continue;
            };
            let frame: Value = serde_json::from_str(&text)?;
            anyhow::ensure!(frame["type"] != "error", "the feed ended: {frame}");
            let changes = frame["changes"].as_array().into_iter().flatten();
            let mut own = changes.filter(|it| it["alert"]["drone_id"] == "bench-alert");
            if own.any(|it| it["what"] == what) {
                return Ok(at);
            }
        }
    }
}
