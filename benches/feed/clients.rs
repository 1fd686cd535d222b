//! Clients of feeds: they take every frame and look only at its time of receipt.

use std::net::SocketAddr;
use std::time::Duration;

use aerostream::clock;
use anyhow::Context;
use futures::StreamExt;
use hdrhistogram::Histogram;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async};

use super::PRECISION;
use crate::stack::Stack;

/// Longest wait for a frame.
const PATIENCE: Duration = Duration::from_secs(60);

/// Who watches where.
pub struct Watching {
    address: SocketAddr,
    token: String,
}

/// One feed.
pub struct Client {
    stream: WebSocketStream<TcpStream>,
}

impl Watching {
    pub fn new(stack: &Stack) -> anyhow::Result<Self> {
        Ok(Self {
            address: stack.http,
            token: stack.token("viewer")?,
        })
    }

    /// Opens a feed and takes its snapshot.
    pub async fn open(&self, drone: &str) -> anyhow::Result<Client> {
        let mut client = self.connect(drone, "").await?;
        client.frame_with("\"type\":\"snapshot\"").await?;
        Ok(client)
    }

    async fn connect(&self, drone: &str, query: &str) -> anyhow::Result<Client> {
        let stream = TcpStream::connect(self.address).await?;
        let url = format!("ws://{}/ws/v1/drones/{drone}{query}", self.address);
        let mut request = url.into_client_request()?;
        let bearer = format!("Bearer {}", self.token).parse()?;
        request.headers_mut().insert("authorization", bearer);
        let (stream, _) = client_async(request, stream).await?;
        Ok(Client { stream })
    }

    /// Where a client is that connects now and goes away again.
    pub async fn cursor(&self, drone: &str) -> anyhow::Result<String> {
        let mut client = self.connect(drone, "").await?;
        let snapshot = client.frame_with("\"type\":\"snapshot\"").await?;
        let snapshot: serde_json::Value = serde_json::from_str(&snapshot)?;
        let cursor = snapshot["cursor"].as_str().context("no cursor")?;
        Ok(cursor.to_owned())
    }

    /// Takes everything that was missed; how many records that are.
    pub async fn resume(&self, drone: &str, cursor: &str) -> anyhow::Result<u64> {
        let mut client = self.connect(drone, &format!("?from={cursor}")).await?;
        let resumed = client.frame_with("\"type\":\"resumed\"").await?;
        let resumed: serde_json::Value = serde_json::from_str(&resumed)?;
        resumed["records"].as_u64().context("no count")
    }
}

impl Client {
    async fn text(&mut self) -> anyhow::Result<String> {
        loop {
            let next = tokio::time::timeout(PATIENCE, self.stream.next()).await;
            match next?.context("the feed ended")?? {
                Message::Text(text) => return Ok(text.to_string()),
                Message::Close(frame) => anyhow::bail!("the feed was closed: {frame:?}"),
                _ => {}
            }
        }
    }

    async fn frame_with(&mut self, part: &str) -> anyhow::Result<String> {
        loop {
            let text = self.text().await?;
            if text.contains(part) {
                return Ok(text);
            }
            anyhow::ensure!(text.contains("\"type\":\"update\""), "unexpected: {text}");
        }
    }

    /// All clients on a thread of their own, as long as said; from receipt to here, microseconds.
    pub async fn watch_all(clients: Vec<Self>, time: Duration) -> anyhow::Result<Histogram<u64>> {
        let mut watching = JoinSet::new();
        let end = clock::monotonic_now() + time;
        for client in clients {
            watching.spawn(client.watch(end));
        }
        let mut latency_us = Histogram::new(PRECISION)?;
        while let Some(ended) = watching.join_next().await {
            for latency in ended?? {
                latency_us.record(latency)?;
            }
        }
        Ok(latency_us)
    }

    async fn watch(mut self, end: tokio::time::Instant) -> anyhow::Result<Vec<u64>> {
        let began = clock::utc_now().0;
        let mut latencies = Vec::new();
        while let Ok(text) = tokio::time::timeout_at(end, self.text()).await {
            let (text, now) = (text?, clock::utc_now().0);
            anyhow::ensure!(!text.contains("\"type\":\"conflated\""), "too slow: {text}");
            // What came while other clients were still connecting has waited for nobody but them.
            if let Some(received) = received_us(&text).filter(|&received| received >= began) {
                latencies.push(u64::try_from(now - received).unwrap_or(0));
            }
        }
        Ok(latencies)
    }
}

/// Receipt of an update that is recorded, without reading all of it.
fn received_us(text: &str) -> Option<i64> {
    text.contains("\"recorded\":true").then_some(())?;
    let (_, rest) = text.split_once("\"received_us\":")?;
    rest.split_once([',', '}'])?.0.parse().ok()
}
