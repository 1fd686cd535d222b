//! The live line of `aerostream up`.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;

use aerostream_actors::{Handle, ShardStatus};
use aerostream_simulator::Status as Simulated;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::shutdown::Shutdown;
use crate::worker::Status as Stored;

/// On a terminal the line is rewritten this often.
const LIVE_EVERY: Duration = Duration::from_secs(1);
/// Elsewhere a new line is written this often.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// Totals at one moment.
struct Totals {
    at: Instant,
    accepted: u64,
    stored: u64,
}

/// Shows how it goes until the shutdown begins.
pub async fn show(
    handle: Handle,
    simulated: Option<Arc<Simulated>>,
    worker: Option<watch::Receiver<Stored>>,
    stop: Shutdown,
) {
    let live = std::io::stderr().is_terminal();
    let mut ticks = tokio::time::interval(if live { LIVE_EVERY } else { LOG_EVERY });
    let mut before = Totals {
        at: Instant::now(),
        accepted: 0,
        stored: 0,
    };
    while stop.cut(ticks.tick()).await.is_some() {
        let Ok(shards) = handle.status().await else {
            continue;
        };
        let stored = worker.as_ref().map(|worker| worker.borrow().clone());
        let now = Totals {
            at: Instant::now(),
            accepted: shards.iter().map(|shard| shard.acknowledged).sum(),
            stored: stored.as_ref().map_or(0, |stored| stored.stored_samples),
        };
        let line = line(
            &before,
            &now,
            &shards,
            stored.as_ref(),
            simulated.as_deref(),
        );
        before = now;
        let mut out = std::io::stderr().lock();
        // A terminal that is gone is no reason to stop.
        let _ = if live {
            write!(out, "\r\x1b[2K{line}")
        } else {
            writeln!(out, "{line}")
        };
        let _ = out.flush();
    }
}

fn line(
    before: &Totals,
    now: &Totals,
    shards: &[ShardStatus],
    stored: Option<&Stored>,
    simulated: Option<&Simulated>,
) -> String {
    let seconds = now.at.duration_since(before.at).as_secs_f64().max(0.001);
    let rate = |new: u64, old: u64| new.saturating_sub(old) as f64 / seconds;
    let drones: usize = shards.iter().map(|shard| shard.hot + shard.passive).sum();
    let mut line = format!(
        "{drones} drones | accepted {:.0}/s ({})",
        rate(now.accepted, before.accepted),
        now.accepted
    );
    if let Some(stored) = stored {
        let per_s = rate(now.stored, before.stored);
        line += &format!(
            " | stored {per_s:.0}/s ({}), lag {} records",
            now.stored,
            stored.lag()
        );
        if let Some((part, reason)) = stored.not_ready.first_key_value() {
            line += &format!(" | {part} waits: {reason}");
        }
    }
    if let Some(simulated) = simulated {
        let latency = simulated.snapshot().latency;
        line += &format!(
            " | ack p50 {:.1} ms, p99 {:.1} ms",
            latency.p50_ms, latency.p99_ms
        );
    }
    line
}
