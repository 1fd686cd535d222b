//! Drones that each post one sample at a time, on one thread, over raw sockets.

use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aerostream::clock;
use hdrhistogram::Histogram;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{AT_ONCE, Answers};
use crate::http::Connection;

/// Drones that share a connection.
const DRONES_PER_CONNECTION: u64 = 16;
/// Digits of latency that are kept.
pub const PRECISION: u8 = 3;

/// When a connection sends its next request.
#[derive(Debug, Clone, Copy)]
pub enum Pace {
    /// When the last one was answered.
    AsFastAsAnswered,
    /// When it is due, so many in all connections together; latency counts from then on.
    PerSecond(f64),
}

/// Who sends where.
#[derive(Clone)]
pub struct Load {
    address: SocketAddr,
    head: String,
    boot: i64,
    /// Numbers of samples, the same for all runs, so that none is a repeat.
    next_seq: Arc<AtomicU64>,
}

impl Load {
    pub fn new(address: SocketAddr, token: String) -> Self {
        let head = format!(
            "POST /api/v1/telemetry HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\
             \r\ncontent-type: application/json\r\ncontent-length: "
        );
        let boot = clock::utc_now().0;
        Self {
            address,
            head,
            boot,
            next_seq: Arc::new(AtomicU64::new(0)),
        }
    }

    /// Loads the server from a thread of its own.
    pub async fn run(self, pace: Pace, time: Duration) -> anyhow::Result<Answers> {
        let on_thread = move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(self.connections(pace, time))
        };
        tokio::task::spawn_blocking(on_thread).await?
    }

    async fn connections(self, pace: Pace, time: Duration) -> anyhow::Result<Answers> {
        let mut connections = JoinSet::new();
        let began = Instant::now();
        for number in 0..AT_ONCE {
            connections.spawn(self.clone().connection(number, pace, began + time));
        }
        let mut latency_us = Histogram::new(PRECISION)?;
        while let Some(ended) = connections.join_next().await {
            latency_us.add(ended??)?;
        }
        Ok(Answers {
            took: began.elapsed(),
            latency_us,
        })
    }

    async fn connection(
        self,
        number: u32,
        pace: Pace,
        end: Instant,
    ) -> anyhow::Result<Histogram<u64>> {
        let mut connection = Connection::open(self.address).await?;
        let mut latency_us = Histogram::new(PRECISION)?;
        let mut request = String::new();
        let mut due = Instant::now();
        if let Pace::PerSecond(rate) = pace {
            due += Duration::from_secs_f64(f64::from(number) / rate);
        }
        while due < end {
            tokio::time::sleep_until(due).await;
            self.write_request(&mut request, number);
            let (status, body) = connection.exchange(request.as_bytes()).await?;
            if status != 200 || !body.windows(16).any(|it| it == b"\"acknowledged\":1") {
                anyhow::bail!("answered {status}: {}", String::from_utf8_lossy(body));
            }
            latency_us.record(due.elapsed().as_micros() as u64)?;
            due = match pace {
                Pace::AsFastAsAnswered => Instant::now(),
                Pace::PerSecond(rate) => due + Duration::from_secs_f64(f64::from(AT_ONCE) / rate),
            };
        }
        Ok(latency_us)
    }

    fn write_request(&self, request: &mut String, connection: u32) {
        let seq = self.next_seq.fetch_add(1, Ordering::Relaxed);
        let drone = seq % DRONES_PER_CONNECTION;
        let (boot, now) = (self.boot, clock::utc_now().0);
        let height = (seq % 1000) as f64 / 10.0;
        let identity = format!(
            r#"{{"drone_id":"rest-{connection}-{drone}","boot":{boot},"seq":{seq},"utc_us":{now}"#
        );
        let position = format!(
            r#""latitude_deg":48.137,"longitude_deg":11.575,"relative_altitude_m":{height}"#
        );
        let velocity = r#""north_m_s":3.5,"east_m_s":1.25,"down_m_s":-0.5,"ground_speed_m_s":3.7"#;
        let battery = r#"{"id":0,"remaining_percent":73.5,"voltage_v":15.6}"#;
        let groups =
            format!(r#""position":{{{position}}},"velocity":{{{velocity}}},"battery":[{battery}]"#);
        let body = format!("{identity},{groups}}}");
        request.clear();
        request.push_str(&self.head);
        write!(request, "{}\r\n\r\n{body}", body.len()).expect("a string is always writable");
    }
}
