//! What a run came to.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::status::Snapshot;

/// What a run came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Seed that repeats its flights and faults.
    pub seed: u64,
    pub drones: u32,
    /// From the first sample to the end of the drain.
    pub took: Duration,
    /// Lines that the manifest got.
    pub manifest_lines: Option<u64>,
    pub numbers: Snapshot,
}

/// The report as one flat object, for benches and scripts.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    pub seed: u64,
    pub drones: u32,
    pub seconds: f64,
    pub generated: u64,
    pub sent: u64,
    pub acknowledged: u64,
    pub resent: u64,
    pub repeated: u64,
    pub refused: u64,
    pub retried: u64,
    pub timed_out: u64,
    pub overwritten: u64,
    pub skipped: u64,
    pub still_stored: u64,
    pub ack_p50_ms: f64,
    pub ack_p99_ms: f64,
    pub ack_max_ms: f64,
    pub complete: bool,
}

impl Report {
    /// True if nothing that was taken waits for an answer any more.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.numbers.stored == 0
    }

    /// Refused samples, whatever the code.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.numbers.refused.values().sum()
    }

    /// Acknowledged samples per second over the whole run.
    #[must_use]
    pub fn acknowledged_per_s(&self) -> f64 {
        self.numbers.acknowledged as f64 / self.took.as_secs_f64().max(1e-9)
    }

    /// The report as one flat object.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let n = &self.numbers;
        Summary {
            seed: self.seed,
            drones: self.drones,
            seconds: self.took.as_secs_f64(),
            generated: n.generated,
            sent: n.sent,
            acknowledged: n.acknowledged,
            resent: n.resent,
            repeated: n.repeated,
            refused: self.refused(),
            retried: n.retried,
            timed_out: n.timed_out,
            overwritten: n.overwritten,
            skipped: n.skipped,
            still_stored: n.stored,
            ack_p50_ms: n.latency.p50_ms,
            ack_p99_ms: n.latency.p99_ms,
            ack_max_ms: n.latency.max_ms,
            complete: self.is_complete(),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = &self.numbers;
        let seconds = self.took.as_secs_f64();
        writeln!(
            f,
            "simulated {} drones for {seconds:.1} s, seed {}",
            self.drones, self.seed
        )?;
        writeln!(f, "  generated     {:>12}", n.generated)?;
        let rate = self.acknowledged_per_s();
        writeln!(f, "  acknowledged  {:>12}   {rate:.0}/s", n.acknowledged)?;
        writeln!(f, "  refused       {:>12}", self.refused())?;
        for (code, count) in &n.refused {
            writeln!(f, "    {code:<24} {count}")?;
        }
        writeln!(f, "  overwritten   {:>12}", n.overwritten)?;
        writeln!(f, "  still stored  {:>12}", n.stored)?;
        writeln!(
            f,
            "  sent {}, acknowledged again {}, called repeats {}, retried {}, timed out {}",
            n.sent, n.resent, n.repeated, n.retried, n.timed_out
        )?;
        for (code, count) in &n.retry_codes {
            writeln!(f, "    batches sent back: {code:<24} {count}")?;
        }
        writeln!(
            f,
            "  skipped {}, reboots {}, disconnects {}, late answers {}, bad answers {}",
            n.skipped, n.reboots, n.disconnects, n.late_answers, n.bad_answers
        )?;
        let l = n.latency;
        write!(
            f,
            "  acknowledgement  p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms",
            l.p50_ms, l.p99_ms, l.max_ms
        )?;
        if let Some(lines) = self.manifest_lines {
            write!(f, "\n  manifest lines {lines:>11}")?;
        }
        if !self.is_complete() {
            write!(
                f,
                "\n  NOT complete: {} samples were never answered",
                n.stored
            )?;
        }
        Ok(())
    }
}
