//! From stores to frames.

use std::cmp::Reverse;

use super::{Flying, Held, Lane, Outgoing};
use crate::faults::Course;
use crate::status::Count;
use crate::stored::{Envelope, frame};

impl Lane {
    /// Queues a drone for sending if it has a batch and may send it.
    pub(super) fn offer(&mut self, index: u32, now_us: i64) {
        if !self.drones[index as usize].queued && self.may_send(index, now_us) {
            self.drones[index as usize].queued = true;
            self.senders.push_back(index);
        }
    }

    fn may_send(&self, index: u32, now_us: i64) -> bool {
        let settings = &self.settings;
        let drone = &self.drones[index as usize];
        if !self.up
            || drone.in_flight >= settings.in_flight_per_drone
            || now_us < drone.not_before_us
        {
            return false;
        }
        let run_us = now_us - settings.start_us;
        let has_batch = drone.has_batch(
            settings.batch,
            settings.linger_s,
            self.period_s(run_us),
            self.draining,
        );
        has_batch && (self.draining || !self.is_cut_off(index, run_us))
    }

    pub(super) fn is_cut_off(&self, index: u32, run_us: i64) -> bool {
        let drone = &self.drones[index as usize];
        let scenario = &self.settings.scenario;
        drone.cut_off
            || (!scenario.outage.is_empty()
                && scenario.is_cut_off(drone.number, run_us as f64 / 1e6))
    }

    /// Sends as long as drones are queued and batches may be in flight.
    pub(super) fn pump(&mut self, now_us: i64) {
        while self.flying.len() < self.settings.in_flight {
            let Some(index) = self.senders.pop_front() else {
                return;
            };
            self.drones[index as usize].queued = false;
            if self.may_send(index, now_us) {
                self.send(index, now_us);
                self.offer(index, now_us);
            }
        }
    }

    fn send(&mut self, index: u32, now_us: i64) {
        let drone = &mut self.drones[index as usize];
        let samples = drone.take_batch(self.settings.batch);
        let Some(boot) = samples.first().map(|s| s.boot) else {
            return;
        };
        drone.in_flight += 1;
        let fate = drone.luck.fate();
        let envelope = Envelope {
            batch_id: self.next_id,
            drone: drone.id.as_str(),
            boot,
            sent_at_boot_us: drone.boot_clock_us(boot, now_us),
        };
        let leaves_us = now_us + fate.delay_us;
        let mut frames = Vec::with_capacity(2);
        if fate.course != Course::LostGoing {
            frames.push((envelope.batch_id, frame(envelope, &samples)));
        }
        if fate.course == Course::ArrivesTwice {
            // Ids are unique among unanswered batches; the answer to this one fits none.
            let twin = Envelope {
                batch_id: self.next_id + 1,
                ..envelope
            };
            frames.push((twin.batch_id, frame(twin, &samples)));
        }
        self.status.add(Count::Sent, samples.len());
        self.flying.insert(
            self.next_id,
            Flying {
                drone: index,
                samples,
                sent_us: leaves_us,
                deaf: fate.course == Course::AnswerLost,
            },
        );
        self.deadlines
            .push_back((now_us + self.settings.ack_timeout_us, self.next_id));
        self.next_id += 2;
        for (batch_id, frame) in frames {
            if fate.delay_us > 0 {
                self.held.push(Reverse(Held {
                    at_us: leaves_us,
                    batch_id,
                    frame,
                }));
            } else {
                self.out.push(Outgoing { batch_id, frame });
            }
        }
    }

    pub(super) fn release_held(&mut self, now_us: i64) {
        while self.held.peek().is_some_and(|Reverse(h)| h.at_us <= now_us) {
            if let Some(Reverse(held)) = self.held.pop() {
                self.out.push(Outgoing {
                    batch_id: held.batch_id,
                    frame: held.frame,
                });
            }
        }
    }
}
