//! One simulated drone: takes samples, stores them, hands them out for sending.

mod commands;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use aerostream_domain::{BootId, DroneId};
use aerostream_proto::v1;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use self::commands::UnderWay;
use crate::autopilot::Autopilot;
use crate::clock::micros;
use crate::faults::{CLOCK_FOUND_S, ClockKind, Luck, Mishap};
use crate::physics::flight::Flight;
use crate::physics::observe::{Due, Observer};
use crate::physics::replay::Segment;
use crate::stored::{Said, Stored};

/// Where a drone's samples come from.
#[derive(Debug)]
pub enum Source {
    /// Its own flight, integrated in steps of at most so many seconds.
    Flying(Box<Flight>, Observer, f64),
    /// A flight worked out beforehand, entered at a sample of its own.
    Replayed(Segment, u64),
}

impl Source {
    fn next(&mut self, seconds: f64) -> Said {
        match self {
            Self::Flying(flight, observer, step_s) => {
                flight.advance(seconds, *step_s);
                Said::of(observer.observe(flight))
            }
            Self::Replayed(segment, at) => {
                *at += 1;
                segment.said(*at)
            }
        }
    }

    /// What an operator asked for and is due behind the sample.
    fn asked(&mut self) -> Due {
        match self {
            Self::Flying(flight, observer, _) => observer.take_asked(flight),
            Self::Replayed(..) => Due::default(),
        }
    }

    fn reboot(&mut self) {
        if let Self::Flying(_, observer, _) = self {
            *observer = Observer::after_boot();
        }
    }
}

/// A drone and its store.
#[derive(Debug)]
pub struct Drone {
    pub id: DroneId,
    /// Place in the fleet.
    pub number: u32,
    pub luck: Luck,
    /// When its next sample is due, UTC microseconds.
    pub next_due_us: i64,
    /// It sends nothing before this, UTC microseconds.
    pub not_before_us: i64,
    /// Batches without an answer.
    pub in_flight: u32,
    /// Failures in a row, for the backoff.
    pub failures: u32,
    /// Its own link is down.
    pub cut_off: bool,
    /// It waits in the lane's queue of senders.
    pub queued: bool,
    /// How it takes commands.
    pub autopilot: Autopilot,
    source: Source,
    boot: BootId,
    boots: u64,
    powered_up_us: i64,
    next_seq: u64,
    store: VecDeque<Stored>,
    /// Somebody waits for a message that is in the store.
    is_awaited: bool,
    /// What it does that takes time.
    under_way: Option<UnderWay>,
    /// What it has to say of commands.
    answers: Vec<v1::CommandAnswer>,
    history: VecDeque<Stored>,
    resend_at_us: i64,
}

/// Samples that a drone which resends everything remembers.
const HISTORY_MAX: usize = 500;
/// How often it sends them again.
const RESEND_EVERY_S: f64 = 20.0;
/// Drones were powered up some time before the run begins.
const ON_FOR_US_MAX: u64 = 120_000_000;

impl Drone {
    /// A drone that was powered up shortly before `now_us`.
    #[must_use]
    pub fn new(id: DroneId, number: u32, source: Source, luck: Luck, now_us: i64) -> Self {
        let mut drone = Self {
            id,
            number,
            luck,
            next_due_us: now_us,
            not_before_us: 0,
            in_flight: 0,
            failures: 0,
            cut_off: false,
            queued: false,
            autopilot: Autopilot::default(),
            source,
            boot: BootId(0),
            boots: 0,
            powered_up_us: 0,
            next_seq: 0,
            store: VecDeque::new(),
            is_awaited: false,
            under_way: None,
            answers: Vec::new(),
            history: VecDeque::new(),
            resend_at_us: now_us + micros(RESEND_EVERY_S),
        };
        let salt = xxh3_64_with_seed(drone.id.as_str().as_bytes(), now_us.cast_unsigned());
        drone.power_up(now_us - (salt % ON_FOR_US_MAX).cast_signed());
        drone
    }

    fn power_up(&mut self, at_us: i64) {
        // The time makes boots of two runs with one seed differ.
        let salt = at_us.cast_unsigned().wrapping_add(self.boots);
        self.boot = BootId(xxh3_64_with_seed(self.id.as_str().as_bytes(), salt));
        self.boots += 1;
        self.powered_up_us = at_us;
        self.next_seq = 0;
        self.autopilot.forget();
        self.under_way = None;
        self.answers.clear();
        self.source.reboot();
    }

    /// Boot that it is in.
    #[must_use]
    pub fn boot(&self) -> BootId {
        self.boot
    }

    /// Samples in its store, without those in flight.
    #[must_use]
    pub fn stored(&self) -> usize {
        self.store.len()
    }

    /// Lives through what has gone wrong by now; true if there was a reboot.
    pub fn suffer(&mut self, now_us: i64, run_us: i64) -> bool {
        let mut rebooted = false;
        while let Some(mishap) = self.luck.mishap(run_us) {
            match mishap {
                Mishap::Reboot => {
                    self.power_up(now_us);
                    rebooted = true;
                }
                Mishap::OutageBegins => self.cut_off = true,
                Mishap::OutageEnds => self.cut_off = false,
            }
        }
        rebooted
    }

    /// Takes the sample that was due at a time, so many seconds after the one before, and what was
    /// asked for beside it; tells how many samples that makes.
    pub fn take_sample(&mut self, at_us: i64, seconds: f64) -> usize {
        let said = self.source.next(seconds);
        let asked = self.source.asked();
        self.is_awaited |= asked.is_awaited;
        let count = 1 + asked.contents.len();
        self.keep(at_us, said);
        for content in asked.contents {
            self.keep(at_us, Said::of(content));
        }
        self.report(at_us);
        count
    }

    fn keep(&mut self, at_us: i64, said: Said) {
        let since = (at_us - self.powered_up_us).max(0);
        let boot_clock = Some(since.cast_unsigned());
        let (utc_us, since_boot_us) = match self.luck.clock {
            ClockKind::Right => (Some(at_us), boot_clock),
            ClockKind::Offset(off) => (Some(at_us + off), boot_clock),
            ClockKind::Reset if since < micros(CLOCK_FOUND_S) => (Some(since), boot_clock),
            ClockKind::Reset => (Some(at_us), boot_clock),
            ClockKind::BootOnly => (None, boot_clock),
            ClockKind::UtcOnly => (Some(at_us), None),
        };
        self.store.push_back(Stored {
            boot: self.boot,
            seq: self.next_seq,
            utc_us,
            since_boot_us,
            said,
            repeat: false,
        });
        self.next_seq += 1;
    }

    /// Overwrites the oldest samples beyond a limit and tells how many.
    pub fn overwrite(&mut self, limit: usize) -> usize {
        let excess = self.store.len().saturating_sub(limit);
        self.store.drain(..excess);
        excess
    }

    /// Its boot clock now, if it has one and if `boot` is not over.
    #[must_use]
    pub fn boot_clock_us(&self, boot: BootId, now_us: i64) -> Option<u64> {
        let told = boot == self.boot && self.luck.clock != ClockKind::UtcOnly;
        told.then(|| (now_us - self.powered_up_us).max(0).cast_unsigned())
    }

    /// True if there is a batch worth sending: a full one, or one whose samples waited long enough.
    #[must_use]
    pub fn has_batch(&self, batch: usize, linger_s: f64, period_s: f64, hurry: bool) -> bool {
        let waiting = self.store.len();
        let ripe = waiting >= batch || (waiting > 0 && (hurry || self.is_awaited));
        // Samples come evenly, so their number tells how long the first one has waited.
        ripe || (waiting > 0 && waiting as f64 * period_s >= linger_s)
    }

    /// Takes up to a number of samples of one boot out of the store, the oldest first.
    pub fn take_batch(&mut self, batch: usize) -> Vec<Stored> {
        let Some(boot) = self.store.front().map(|s| s.boot) else {
            return Vec::new();
        };
        let many = self
            .store
            .iter()
            .take(batch)
            .take_while(|s| s.boot == boot)
            .count();
        let batch = self.store.drain(..many).collect();
        self.is_awaited &= !self.store.is_empty();
        batch
    }

    /// Puts samples back in front of the store: they were not acknowledged.
    pub fn put_back(&mut self, samples: Vec<Stored>) {
        for sample in samples.into_iter().rev() {
            self.store.push_front(sample);
        }
    }

    /// Remembers acknowledged samples if it is a drone that sends everything again.
    pub fn remember(&mut self, samples: Vec<Stored>) {
        if !self.luck.resends {
            return;
        }
        for sample in samples {
            if !sample.repeat {
                self.history.push_back(Stored {
                    repeat: true,
                    ..sample
                });
            }
        }
        let excess = self.history.len().saturating_sub(HISTORY_MAX);
        self.history.drain(..excess);
    }

    /// Stores everything that it remembers once more, if it is time for that.
    pub fn resend_everything(&mut self, now_us: i64) {
        if self.luck.resends && now_us >= self.resend_at_us {
            self.resend_at_us = now_us + micros(RESEND_EVERY_S);
            self.store.extend(self.history.iter().cloned());
        }
    }
}
