//! Shows a run to people while it runs: a bar on a terminal, plain lines elsewhere.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::status::{Snapshot, Status};

const BAR_EVERY: Duration = Duration::from_millis(500);
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Shows a run until it is dropped. `length_s` is the planned duration.
pub async fn show(status: std::sync::Arc<Status>, length_s: Option<u64>) {
    let terminal = std::io::stderr().is_terminal();
    let bar = terminal.then(|| bar(length_s));
    let mut every = tokio::time::interval(if terminal { BAR_EVERY } else { LINE_EVERY });
    every.tick().await;
    let started = tokio::time::Instant::now();
    let mut last = (Duration::ZERO, 0);
    loop {
        every.tick().await;
        let elapsed = started.elapsed();
        let now = status.snapshot();
        let seconds = (elapsed - last.0).as_secs_f64().max(1e-9);
        let rate = now.acknowledged.saturating_sub(last.1) as f64 / seconds;
        last = (elapsed, now.acknowledged);
        let text = line(&now, rate);
        if let Some(bar) = &bar {
            bar.set_position(elapsed.as_secs());
            bar.set_message(text);
        } else {
            // Nobody is hurt when the terminal is gone.
            let _ = writeln!(std::io::stderr(), "{:>6} s  {text}", elapsed.as_secs());
        }
    }
}

fn bar(length_s: Option<u64>) -> ProgressBar {
    let target = ProgressDrawTarget::stderr();
    let (length, template) = match length_s {
        Some(length) => (Some(length), "{elapsed_precise} [{bar:20}] {msg}"),
        None => (None, "{elapsed_precise} {spinner} {msg}"),
    };
    let style = ProgressStyle::with_template(template).expect("the template is well formed");
    ProgressBar::with_draw_target(length, target).with_style(style)
}

/// One line about a run: what it does now, and how well.
#[must_use]
pub fn line(now: &Snapshot, acknowledged_per_s: f64) -> String {
    let l = now.latency;
    format!(
        "{acknowledged_per_s:.0}/s acknowledged, {} in all, {} stored, {} refused, \
         p50 {:.1} ms, p99 {:.1} ms, {} links",
        now.acknowledged,
        now.stored,
        now.refused.values().sum::<u64>(),
        l.p50_ms,
        l.p99_ms,
        now.links_up
    )
}
