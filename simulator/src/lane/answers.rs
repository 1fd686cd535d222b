//! What the door says, and what its silence means.

use aerostream_proto::v1::BatchResult;

use super::{Flying, Lane, Receipt};
use crate::link::LinkEvent;
use crate::status::Count;
use crate::stored::Stored;

/// First and longest wait after a failure, milliseconds.
const BACKOFF_MS: (u64, u64) = (50, 5000);

impl Lane {
    /// Takes in what the link reports.
    pub fn handle(&mut self, now_us: i64, event: LinkEvent) {
        match event {
            LinkEvent::Up => {
                self.up = true;
                for index in 0..self.drones.len() as u32 {
                    self.say(index, now_us);
                    self.offer(index, now_us);
                }
            }
            LinkEvent::Down => self.fall_back(now_us),
            LinkEvent::Answer(result) => self.answer(now_us, &result),
            LinkEvent::Command(down) => self.commanded(now_us, *down),
            LinkEvent::Failed {
                batch_id,
                code,
                after_ms,
            } => {
                if let Some(flying) = self.land(batch_id) {
                    self.send_back(now_us, flying, code, after_ms);
                }
            }
            LinkEvent::Rejected { batch_id, code } => {
                if let Some(flying) = self.land(batch_id) {
                    self.status.refused(&code, fresh(&flying.samples));
                }
            }
        }
        self.pump(now_us);
    }

    /// A frame that the link could not take: it goes back to its store.
    pub fn undeliverable(&mut self, batch_id: u64) {
        if let Some(flying) = self.land(batch_id) {
            self.drones[flying.drone as usize].put_back(flying.samples);
        }
    }

    fn land(&mut self, batch_id: u64) -> Option<Flying> {
        let flying = self.flying.remove(&batch_id)?;
        let drone = &mut self.drones[flying.drone as usize];
        drone.in_flight = drone.in_flight.saturating_sub(1);
        Some(flying)
    }

    fn fall_back(&mut self, now_us: i64) {
        self.up = false;
        self.status.add(Count::Disconnects, 1);
        self.held.clear();
        let mut ids: Vec<u64> = self.flying.keys().copied().collect();
        // The last sent goes back first, so that the oldest sample ends up in front.
        ids.sort_unstable_by(|a, b| b.cmp(a));
        for id in ids {
            if let Some(flying) = self.land(id) {
                self.status.add(Count::TimedOut, flying.samples.len());
                self.drones[flying.drone as usize].put_back(flying.samples);
            }
        }
        self.deadlines.clear();
        self.tick(now_us);
    }

    fn answer(&mut self, now_us: i64, result: &BatchResult) {
        self.status
            .add(Count::Repeated, result.repeated_samples as usize);
        if self.flying.get(&result.batch_id).is_some_and(|f| f.deaf) {
            return;
        }
        let Some(flying) = self.land(result.batch_id) else {
            self.status.add(Count::LateAnswers, 1);
            return;
        };
        self.status.latency(self.number, now_us - flying.sent_us);
        if let Some(retry) = &result.retry {
            let after_ms = u64::from(retry.after_ms);
            self.send_back(now_us, flying, retry.code.clone(), after_ms);
            return;
        }
        let told = result.acknowledged as usize + result.refused.len();
        let sound = told == flying.samples.len()
            && result
                .refused
                .iter()
                .all(|r| (r.index as usize) < flying.samples.len());
        if !sound {
            self.status.add(Count::BadAnswers, 1);
            self.send_back(now_us, flying, "bad_answer".to_owned(), 0);
            return;
        }
        self.settle(now_us, flying, result);
    }

    fn settle(&mut self, now_us: i64, flying: Flying, result: &BatchResult) {
        let index = flying.drone;
        let mut samples = flying.samples;
        if !result.refused.is_empty() {
            for refusal in &result.refused {
                let refused = &samples[refusal.index as usize];
                if !refused.repeat {
                    self.status.refused(&refusal.code, 1);
                }
            }
            let mut at = 0..;
            samples.retain(|_| {
                let here = at.next();
                !result.refused.iter().any(|r| Some(r.index) == here)
            });
        }
        let drone = &mut self.drones[index as usize];
        drone.failures = 0;
        let first = fresh(&samples) as usize;
        self.status.add(Count::Acknowledged, first);
        self.status.add(Count::Resent, samples.len() - first);
        if first > 0 {
            self.receipts.push(Receipt {
                drone: drone.id.clone(),
                boot: samples[0].boot,
                samples: samples
                    .iter()
                    .filter(|s| !s.repeat)
                    .map(|s| (s.seq, s.said.hash))
                    .collect(),
            });
        }
        drone.remember(samples);
        self.offer(index, now_us);
    }

    fn send_back(&mut self, now_us: i64, flying: Flying, code: String, after_ms: u64) {
        self.status.sent_back(&code);
        self.status.add(Count::Retried, flying.samples.len());
        let drone = &mut self.drones[flying.drone as usize];
        let doubled = BACKOFF_MS.0 << drone.failures.min(16);
        drone.failures += 1;
        let wait_ms = after_ms.max(doubled.min(BACKOFF_MS.1));
        // Drones that were sent back together shall not come back together.
        let spread_us = i64::from(drone.number % 97) * 1000 * wait_ms as i64 / 400;
        drone.not_before_us = now_us + wait_ms as i64 * 1000 + spread_us;
        drone.put_back(flying.samples);
    }

    pub(super) fn expire(&mut self, now_us: i64) {
        while self.deadlines.front().is_some_and(|(at, _)| *at <= now_us) {
            let Some((_, batch_id)) = self.deadlines.pop_front() else {
                return;
            };
            if let Some(flying) = self.land(batch_id) {
                self.status.add(Count::TimedOut, flying.samples.len());
                let index = flying.drone;
                self.drones[index as usize].put_back(flying.samples);
                self.offer(index, now_us);
            }
        }
    }
}

fn fresh(samples: &[Stored]) -> u64 {
    samples.iter().filter(|s| !s.repeat).count() as u64
}
