//! The drones of one connection: when they take samples, what they send, what answers mean.
//!
//! No clock, no input, no output: time and answers come in as arguments, frames and receipts wait
//! to be taken. A sample leaves its drone's store for good only when it is acknowledged or refused.

mod answers;
mod commands;
mod sending;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::sync::Arc;

use aerostream_domain::{BootId, DroneId};
use bytes::Bytes;

use crate::clock::micros;
use crate::config::FullStore;
use crate::drone::Drone;
use crate::scenario::Scenario;
use crate::status::{Count, Status};
use crate::stored::Stored;
use crate::wheel::Wheel;

/// A multiple of the rate for some time of the run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spike {
    pub factor: f64,
    /// Microseconds of the run.
    pub from_us: i64,
    pub until_us: i64,
}

/// What all drones of a run have in common.
#[derive(Debug, Clone)]
pub struct Settings {
    pub batch: usize,
    pub linger_s: f64,
    pub rate_hz: f64,
    pub in_flight: usize,
    pub in_flight_per_drone: u32,
    pub ack_timeout_us: i64,
    pub store: usize,
    pub full_store: FullStore,
    pub spike: Option<Spike>,
    pub scenario: Arc<Scenario>,
    /// UTC microseconds at which the run began.
    pub start_us: i64,
}

/// A message for the door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    pub batch_id: u64,
    /// A `StreamRequest`, and an `IngestRequest` as well.
    pub frame: Bytes,
}

/// Samples that were acknowledged for the first time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    pub drone: DroneId,
    pub boot: BootId,
    /// Each sample's seq and content hash.
    pub samples: Vec<(u64, u64)>,
}

/// A batch without an answer.
#[derive(Debug)]
struct Flying {
    drone: u32,
    samples: Vec<Stored>,
    sent_us: i64,
    /// The answer will be lost on its way.
    deaf: bool,
}

/// A frame that leaves later.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Held {
    at_us: i64,
    batch_id: u64,
    frame: Bytes,
}

/// The drones of one connection.
#[derive(Debug)]
pub struct Lane {
    number: usize,
    settings: Settings,
    status: Arc<Status>,
    drones: Vec<Drone>,
    indices: HashMap<DroneId, u32>,
    /// Commands that slow drones have not looked at yet.
    pending: VecDeque<commands::Pending>,
    wheel: Wheel,
    due: Vec<u32>,
    senders: VecDeque<u32>,
    flying: HashMap<u64, Flying>,
    held: BinaryHeap<Reverse<Held>>,
    deadlines: VecDeque<(i64, u64)>,
    next_id: u64,
    up: bool,
    draining: bool,
    told_us: i64,
    out: Vec<Outgoing>,
    receipts: Vec<Receipt>,
}

/// A drone further behind than this skips samples, microseconds.
const BEHIND_US_MAX: i64 = 2_000_000;
/// A drone with something to send is looked at this often at least, microseconds.
const REVISIT_US: i64 = 200_000;
/// Any other drone.
const REVISIT_IDLE_US: i64 = 1_000_000;
/// How often the numbers of stores are told, microseconds.
const TELL_EVERY_US: i64 = 250_000;

impl Lane {
    /// Drones that are due when their `next_due_us` says so.
    #[must_use]
    pub fn new(number: usize, settings: Settings, status: Arc<Status>, drones: Vec<Drone>) -> Self {
        let mut wheel = Wheel::new(settings.start_us);
        for (index, drone) in drones.iter().enumerate() {
            wheel.insert(index as u32, drone.next_due_us);
        }
        let indices = drones.iter().enumerate();
        let indices = indices.map(|(index, drone)| (drone.id.clone(), index as u32));
        Self {
            number,
            settings,
            status,
            indices: indices.collect(),
            pending: VecDeque::new(),
            drones,
            wheel,
            due: Vec::new(),
            senders: VecDeque::new(),
            flying: HashMap::new(),
            held: BinaryHeap::new(),
            deadlines: VecDeque::new(),
            next_id: 1,
            up: false,
            draining: false,
            told_us: 0,
            out: Vec::new(),
            receipts: Vec::new(),
        }
    }

    /// Frames to be sent, in this order.
    pub fn take_outgoing(&mut self) -> std::vec::Drain<'_, Outgoing> {
        self.out.drain(..)
    }

    /// What was acknowledged since the last call.
    pub fn take_receipts(&mut self) -> Vec<Receipt> {
        std::mem::take(&mut self.receipts)
    }

    /// Samples in stores and in flight.
    #[must_use]
    pub fn unacknowledged(&self) -> usize {
        let stored: usize = self.drones.iter().map(Drone::stored).sum();
        stored + self.flying.values().map(|f| f.samples.len()).sum::<usize>()
    }

    /// Takes no new samples and sends what is stored without waiting for full batches; outages
    /// are over.
    pub fn begin_drain(&mut self, now_us: i64) {
        self.draining = true;
        for index in 0..self.drones.len() as u32 {
            self.offer(index, now_us);
        }
        self.pump(now_us);
    }

    /// Lives on to a time: samples are taken, held frames leave, missing answers are given up.
    pub fn tick(&mut self, now_us: i64) {
        let mut due = std::mem::take(&mut self.due);
        self.wheel.advance(now_us, &mut due);
        for index in due.drain(..) {
            self.visit(index, now_us);
        }
        self.due = due;
        self.catch_up(now_us);
        self.release_held(now_us);
        self.expire(now_us);
        self.pump(now_us);
        if now_us - self.told_us >= TELL_EVERY_US {
            self.told_us = now_us;
            self.tell();
        }
    }

    /// Tells what is stored and in flight.
    pub fn tell(&self) {
        let stored = self.unacknowledged();
        self.status
            .hold(self.number, stored, self.flying.len(), self.up);
    }

    fn period_s(&self, run_us: i64) -> f64 {
        let factor = match self.settings.spike {
            Some(spike) if run_us >= spike.from_us && run_us < spike.until_us => spike.factor,
            _ => 1.0,
        };
        1.0 / (self.settings.rate_hz * factor)
    }

    fn visit(&mut self, index: u32, now_us: i64) {
        let run_us = now_us - self.settings.start_us;
        let period_s = self.period_s(run_us);
        let drone = &mut self.drones[index as usize];
        if !self.draining {
            if drone.suffer(now_us, run_us) {
                self.status.add(Count::Reboots, 1);
            }
            drone.resend_everything(now_us);
            self.take_samples(index, now_us, period_s);
        }
        self.say(index, now_us);
        self.offer(index, now_us);
        let drone = &self.drones[index as usize];
        let revisit = if drone.stored() > 0 {
            REVISIT_US
        } else {
            REVISIT_IDLE_US
        };
        let next = if self.draining {
            now_us + revisit
        } else {
            drone.next_due_us.min(now_us + revisit)
        };
        self.wheel.insert(index, next);
    }

    fn take_samples(&mut self, index: u32, now_us: i64, period_s: f64) {
        let drone = &mut self.drones[index as usize];
        let period_us = micros(period_s).max(1);
        let behind = now_us - drone.next_due_us;
        if behind > BEHIND_US_MAX {
            let skipped = behind / period_us;
            drone.next_due_us += skipped * period_us;
            self.status.add(Count::Skipped, skipped as usize);
        }
        let mut taken = 0;
        while drone.next_due_us <= now_us {
            let full = drone.stored() >= self.settings.store;
            if full && self.settings.full_store == FullStore::Pause {
                self.status.add(Count::Skipped, 1);
            } else {
                taken += drone.take_sample(drone.next_due_us, period_s);
            }
            drone.next_due_us += period_us;
        }
        self.status.add(Count::Generated, taken);
        let lost = drone.overwrite(self.settings.store);
        self.status.add(Count::Overwritten, lost);
    }
}
