//! Numbers of a run while it runs.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use hdrhistogram::Histogram;

/// Longest acknowledgement latency that is told apart, microseconds.
const LATENCY_US_MAX: u64 = 600_000_000;

/// Counts that only grow; one of each for the whole fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Count {
    /// Samples taken.
    Generated,
    /// Samples sent, each sending counted.
    Sent,
    /// Samples acknowledged for the first time.
    Acknowledged,
    /// Acknowledged samples that were sent again though they had been acknowledged.
    Resent,
    /// Samples that the server called repeats.
    Repeated,
    /// Samples that went back to the store because the server asked for it.
    Retried,
    /// Samples that went back to the store for want of an answer.
    TimedOut,
    /// Samples lost in a drone because its store was full.
    Overwritten,
    /// Samples that were due and not taken, because the simulator or a paused store was late.
    Skipped,
    /// Power-ups after the first.
    Reboots,
    /// Connections lost.
    Disconnects,
    /// Answers that fit no batch, such as those to duplicates.
    LateAnswers,
    /// Answers whose numbers do not add up.
    BadAnswers,
    /// Commands that came for a drone.
    Commands,
    /// Commands that a drone executed.
    Executed,
}

const COUNTS: usize = Count::Executed as usize + 1;

/// What one connection's task tells.
#[derive(Debug)]
struct LaneStatus {
    stored: AtomicU64,
    in_flight: AtomicU64,
    up: AtomicU64,
    latency_us: Mutex<Histogram<u64>>,
}

/// Numbers of a run; cheap to write from every task and to read at any time.
#[derive(Debug)]
pub struct Status {
    counts: [AtomicU64; COUNTS],
    lanes: Vec<LaneStatus>,
    refused: Mutex<BTreeMap<String, u64>>,
    retried: Mutex<BTreeMap<String, u64>>,
}

/// Acknowledgement latency, from sending a batch to its answer, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Latency {
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
}

/// The numbers at one moment. Counts of samples unless it says otherwise.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Snapshot {
    pub generated: u64,
    pub sent: u64,
    pub acknowledged: u64,
    pub resent: u64,
    pub repeated: u64,
    pub retried: u64,
    pub timed_out: u64,
    pub overwritten: u64,
    pub skipped: u64,
    /// Power-ups after the first.
    pub reboots: u64,
    /// Connections lost.
    pub disconnects: u64,
    /// Answers that fit no batch.
    pub late_answers: u64,
    /// Answers whose numbers do not add up.
    pub bad_answers: u64,
    /// In the drones' stores, those in flight included.
    pub stored: u64,
    /// Batches without an answer.
    pub in_flight: u64,
    /// Connections that are up.
    pub links_up: u64,
    /// By the server's code.
    pub refused: BTreeMap<String, u64>,
    /// Batches sent back, by the server's code.
    pub retry_codes: BTreeMap<String, u64>,
    pub latency: Latency,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Counters are whole at any time, so a panic of another holder does not spoil them.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_US_MAX, 3).expect("the bounds are in order")
}

impl Status {
    /// Nothing has happened yet on so many connections.
    #[must_use]
    pub fn new(lanes: usize) -> Self {
        let lane = || LaneStatus {
            stored: AtomicU64::new(0),
            in_flight: AtomicU64::new(0),
            up: AtomicU64::new(0),
            latency_us: Mutex::new(histogram()),
        };
        Self {
            counts: [const { AtomicU64::new(0) }; COUNTS],
            lanes: (0..lanes).map(|_| lane()).collect(),
            refused: Mutex::default(),
            retried: Mutex::default(),
        }
    }

    /// Adds to a count.
    pub fn add(&self, count: Count, more: usize) {
        if more > 0 {
            self.counts[count as usize].fetch_add(more as u64, Ordering::Relaxed);
        }
    }

    /// The value of a count.
    #[must_use]
    pub fn get(&self, count: Count) -> u64 {
        self.counts[count as usize].load(Ordering::Relaxed)
    }

    /// Adds refused samples under the server's code.
    pub fn refused(&self, code: &str, more: u64) {
        *locked(&self.refused).entry(code.to_owned()).or_default() += more;
    }

    /// Adds a batch that the server sent back, under its code.
    pub fn sent_back(&self, code: &str) {
        *locked(&self.retried).entry(code.to_owned()).or_default() += 1;
    }

    /// Records the latency of an answered batch.
    pub fn latency(&self, lane: usize, micros: i64) {
        let value = u64::try_from(micros).unwrap_or(0).clamp(1, LATENCY_US_MAX);
        locked(&self.lanes[lane].latency_us).saturating_record(value);
    }

    /// Says what a connection's drones hold now.
    pub fn hold(&self, lane: usize, stored: usize, in_flight: usize, up: bool) {
        let status = &self.lanes[lane];
        status.stored.store(stored as u64, Ordering::Relaxed);
        status.in_flight.store(in_flight as u64, Ordering::Relaxed);
        status.up.store(u64::from(up), Ordering::Relaxed);
    }

    /// All numbers now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let mut all = histogram();
        for lane in &self.lanes {
            let latency = locked(&lane.latency_us);
            // Histograms of the same bounds always add up.
            let _ = all.add(&*latency);
        }
        let ms = |value: u64| value as f64 / 1000.0;
        let sum = |of: fn(&LaneStatus) -> &AtomicU64| {
            let each = |lane| of(lane).load(Ordering::Relaxed);
            self.lanes.iter().map(each).sum()
        };
        Snapshot {
            generated: self.get(Count::Generated),
            sent: self.get(Count::Sent),
            acknowledged: self.get(Count::Acknowledged),
            resent: self.get(Count::Resent),
            repeated: self.get(Count::Repeated),
            retried: self.get(Count::Retried),
            timed_out: self.get(Count::TimedOut),
            overwritten: self.get(Count::Overwritten),
            skipped: self.get(Count::Skipped),
            reboots: self.get(Count::Reboots),
            disconnects: self.get(Count::Disconnects),
            late_answers: self.get(Count::LateAnswers),
            bad_answers: self.get(Count::BadAnswers),
            stored: sum(|lane| &lane.stored),
            in_flight: sum(|lane| &lane.in_flight),
            links_up: sum(|lane| &lane.up),
            refused: locked(&self.refused).clone(),
            retry_codes: locked(&self.retried).clone(),
            latency: Latency {
                p50_ms: ms(all.value_at_quantile(0.5)),
                p99_ms: ms(all.value_at_quantile(0.99)),
                max_ms: ms(all.max()),
            },
        }
    }
}
