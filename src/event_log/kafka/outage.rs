//! What is logged of an outage. Every client of a process reports it, again with every attempt to
//! connect: hundreds of times a second, and all of them mean the same.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Shortest time between two lines that say that brokers are out of reach.
const LINE_EVERY: Duration = Duration::from_secs(10);
/// How long no client may have reported an outage before an answer counts as its end: records that
/// were fetched before it are still handed out in it.
const SETTLED_AFTER: Duration = Duration::from_secs(2);

/// The outage of this process.
static OUTAGE: Mutex<Outage> = Mutex::new(Outage::new());
/// Spares whoever gets an answer the lock while all is well.
static IS_OUT: AtomicBool = AtomicBool::new(false);

/// A client says that it reaches no broker.
pub(super) fn report(reason: &str) {
    IS_OUT.store(true, Ordering::Relaxed);
    let line = locked(|outage| outage.report(Instant::now()));
    if let Some(Out { left_out }) = line {
        tracing::warn!(
            kafka.message = reason,
            left_out,
            "kafka is out of reach; of more such reports only the number is told"
        );
    }
}

/// A broker answered.
pub(super) fn answered() {
    if !IS_OUT.load(Ordering::Relaxed) {
        return;
    }
    let line = locked(|outage| {
        let line = outage.answered(Instant::now());
        IS_OUT.store(outage.out.is_some(), Ordering::Relaxed);
        line
    });
    if let Some(Back { out_for, left_out }) = line {
        let duration_ms = u64::try_from(out_for.as_millis()).unwrap_or(u64::MAX);
        tracing::info!(duration_ms, left_out, "kafka is back");
    }
}

fn locked<T>(work: impl FnOnce(&mut Outage) -> T) -> T {
    let mut outage = OUTAGE.lock().unwrap_or_else(PoisonError::into_inner);
    work(&mut outage)
}

/// First and last report of an outage.
#[derive(Debug, Clone, Copy)]
struct Reported {
    first: Instant,
    last: Instant,
    /// True if a line told of this outage.
    is_told: bool,
}

/// Which reports become lines.
#[derive(Debug)]
struct Outage {
    out: Option<Reported>,
    /// When the last line was written, of this outage or one before.
    line: Option<Instant>,
    /// Reports since that are in no line.
    left_out: u64,
}

/// The line that tells of an outage, with the reports that were left out since the last line.
#[derive(Debug, PartialEq, Eq)]
struct Out {
    left_out: u64,
}

/// The line that tells of its end.
#[derive(Debug, PartialEq, Eq)]
struct Back {
    out_for: Duration,
    left_out: u64,
}

impl Outage {
    const fn new() -> Self {
        Self {
            out: None,
            line: None,
            left_out: 0,
        }
    }

    fn report(&mut self, now: Instant) -> Option<Out> {
        let out = self.out.get_or_insert(Reported {
            first: now,
            last: now,
            is_told: false,
        });
        out.last = now;
        let is_soon = |line: Instant| now.saturating_duration_since(line) < LINE_EVERY;
        if self.line.is_some_and(is_soon) {
            self.left_out += 1;
            return None;
        }
        out.is_told = true;
        self.line = Some(now);
        Some(Out {
            left_out: std::mem::take(&mut self.left_out),
        })
    }

    /// An outage that no line told of ends without one.
    fn answered(&mut self, now: Instant) -> Option<Back> {
        let Reported {
            first,
            last,
            is_told,
        } = self.out?;
        if now.saturating_duration_since(last) < SETTLED_AFTER {
            return None;
        }
        self.out = None;
        is_told.then(|| Back {
            out_for: last.saturating_duration_since(first),
            left_out: std::mem::take(&mut self.left_out),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_a_line_every_ten_seconds_and_one_at_its_end() {
        let begun = Instant::now();
        let at = |ms: u64| begun + Duration::from_millis(ms);
        let mut outage = Outage::new();
        assert_eq!(outage.answered(at(0)), None, "nothing was out");
        let lines: Vec<_> = (0..2_500)
            .filter_map(|n| outage.report(at(10 * n)))
            .collect();
        let told = |left_out| Out { left_out };
        assert_eq!(lines, [told(0), told(999), told(999)]);
        assert_eq!(outage.answered(at(25_000)), None, "what was fetched before");
        let back = Back {
            out_for: Duration::from_millis(24_990),
            left_out: 499,
        };
        assert_eq!(outage.answered(at(27_000)), Some(back));
        assert_eq!(outage.answered(at(27_001)), None, "its end is told once");
    }

    #[test]
    fn outages_that_come_and_go_are_not_more_lines() {
        let begun = Instant::now();
        let mut outage = Outage::new();
        let (mut out, mut back, mut left_out) = (0_u64, 0_u64, 0);
        for second in 0..100 {
            let at = |ms: u64| begun + Duration::from_millis(5_000 * second + ms);
            if let Some(line) = outage.report(at(0)) {
                out += 1;
                left_out += line.left_out;
            }
            if let Some(line) = outage.answered(at(3_000)) {
                back += 1;
                left_out += line.left_out;
            }
        }
        assert_eq!(
            (out, back),
            (50, 50),
            "one of two began too soon after a line"
        );
        assert_eq!(
            out + left_out + outage.left_out,
            100,
            "every report is in some count"
        );
    }
}
