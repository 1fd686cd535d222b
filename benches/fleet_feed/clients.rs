//! Clients that see every drone. One of them reads what it is told; the others only count bytes,
//! so that the machine is the server's.

use std::net::SocketAddr;
use std::time::Duration;

use aerostream::clock;
use aerostream_proto::v1::FleetUpdate;
use anyhow::Context;
use futures::StreamExt;
use hdrhistogram::Histogram;
use prost::Message as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::cpu::Processes;

/// Until every client has seen every drone once.
const WARM_UP: Duration = Duration::from_secs(5);
/// Frames that are kept for the reference.
const KEPT: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Json,
    Binary,
}

pub struct Clients {
    pub address: SocketAddr,
    pub token: String,
    pub count: usize,
}

/// What was seen within the measured time.
pub struct Seen {
    /// Of all clients.
    pub bytes: u64,
    /// Of one client.
    pub rows: u64,
    pub conflated: u64,
    pub age_ms: Histogram<u64>,
    /// Sizes of frames of one client and the time from the first to each.
    pub frames: Vec<(Duration, usize)>,
}

impl Seen {
    fn new() -> anyhow::Result<Self> {
        Ok(Self {
            bytes: 0,
            rows: 0,
            conflated: 0,
            age_ms: Histogram::new(3)?,
            frames: Vec::new(),
        })
    }
}

pub struct Watching<'a> {
    clients: &'a Clients,
    format: Format,
    measured: Duration,
}

impl Clients {
    pub fn watch(&self, format: Format, measured: Duration) -> Watching<'_> {
        Watching {
            clients: self,
            format,
            measured,
        }
    }

    async fn open(&self, format: Format) -> anyhow::Result<WebSocketStream<TcpStream>> {
        let stream = TcpStream::connect(self.address).await?;
        let format = if format == Format::Json {
            "json"
        } else {
            "binary"
        };
        let url = format!("ws://{}/ws/v1/fleet?format={format}", self.address);
        let mut request = url.into_client_request()?;
        let bearer = format!("Bearer {}", self.token).parse()?;
        request.headers_mut().insert("authorization", bearer);
        Ok(client_async(request, stream).await?.0)
    }
}

impl Watching<'_> {
    /// What was seen, and the processor seconds of the server meanwhile.
    pub async fn until_measured(self, server: u32) -> anyhow::Result<(Seen, f64)> {
        let mut streams = Vec::new();
        for _ in 0..self.clients.count {
            streams.push(self.clients.open(self.format).await?);
        }
        let from = clock::monotonic_now() + WARM_UP;
        let to = from + self.measured;
        let mut watching = JoinSet::new();
        for (place, stream) in streams.into_iter().enumerate() {
            watching.spawn(watch(stream, (from, to), place == 0));
        }
        tokio::time::sleep_until(from).await;
        let before = Processes::now()?.own(server);
        tokio::time::sleep_until(to).await;
        let used = Processes::now()?.own(server) - before;
        let mut all = Seen::new()?;
        while let Some(seen) = watching.join_next().await {
            let seen = seen??;
            all.bytes += seen.bytes;
            if seen.rows > 0 {
                let bytes = all.bytes;
                all = seen;
                all.bytes = bytes;
            }
        }
        Ok((all, used))
    }
}

async fn watch(
    mut stream: WebSocketStream<TcpStream>,
    (from, to): (tokio::time::Instant, tokio::time::Instant),
    reads: bool,
) -> anyhow::Result<Seen> {
    let mut seen = Seen::new()?;
    let mut first = None;
    while let Ok(next) = tokio::time::timeout_at(to, stream.next()).await {
        let message = next.context("the feed ended")??;
        let now = clock::monotonic_now();
        if let Message::Close(frame) = &message {
            anyhow::bail!("the feed was closed: {frame:?}");
        }
        if now < from || !(message.is_text() || message.is_binary()) {
            continue;
        }
        seen.bytes += message.len() as u64;
        if !reads {
            continue;
        }
        let first = *first.get_or_insert(now);
        if seen.frames.len() < KEPT {
            seen.frames.push((now - first, message.len()));
        }
        match message {
            Message::Text(text) => read_text(&mut seen, &text)?,
            Message::Binary(bytes) => read_columns(&mut seen, &bytes)?,
            _ => {}
        }
    }
    Ok(seen)
}

fn read_text(seen: &mut Seen, text: &str) -> anyhow::Result<()> {
    let now_us = clock::utc_now().0;
    let frame: serde_json::Value = serde_json::from_str(text)?;
    seen.conflated += frame["conflated"].as_u64().unwrap_or_default();
    for row in frame["drones"].as_array().into_iter().flatten() {
        let received_us = row[8].as_i64().context("a row without its time")?;
        let age_ms = u64::try_from((now_us - received_us) / 1000).unwrap_or(0);
        seen.age_ms.record(age_ms)?;
        seen.rows += 1;
    }
    Ok(())
}

fn read_columns(seen: &mut Seen, bytes: &[u8]) -> anyhow::Result<()> {
    let now_us = clock::utc_now().0;
    let update = FleetUpdate::decode(bytes)?;
    seen.conflated += update.conflated;
    let since_ms = u64::try_from((now_us - update.at_us) / 1000).unwrap_or(0);
    for age_ms in &update.age_ms {
        seen.age_ms.record(since_ms + u64::from(*age_ms))?;
        seen.rows += 1;
    }
    Ok(())
}
