//! Commands for the drones of a lane, and what they say of them.

use aerostream_domain::DroneId;
use aerostream_proto::v1;
use aerostream_proto::v1::stream_request;
use bytes::Bytes;
use prost::Message;

use super::{Lane, Outgoing};
use crate::autopilot::{Obedience, SLOW_US};
use crate::status::Count;

/// A command that a slow drone has not looked at yet.
#[derive(Debug)]
pub(super) struct Pending {
    at_us: i64,
    index: u32,
    down: v1::DownCommand,
}

/// Commands that wait for slow drones.
const PENDING_MAX: usize = 4096;
/// Answers are of no batch.
const NO_BATCH: u64 = 0;

impl Lane {
    pub(super) fn commanded(&mut self, now_us: i64, down: v1::DownCommand) {
        self.status.add(Count::Commands, 1);
        let index = DroneId::parse(&down.drone_id)
            .ok()
            .and_then(|drone| self.indices.get(&drone).copied());
        let Some(index) = index else {
            return;
        };
        let run_us = now_us - self.settings.start_us;
        if self.is_cut_off(index, run_us) {
            // Lost on the way, as everything else is then.
            return;
        }
        let drone = &self.drones[index as usize];
        if drone.autopilot.obedience == Obedience::Slow && self.pending.len() < PENDING_MAX {
            let at_us = now_us + SLOW_US;
            return self.pending.push_back(Pending { at_us, index, down });
        }
        self.obey(now_us, index, &down);
    }

    /// What slow drones come to now.
    pub(super) fn catch_up(&mut self, now_us: i64) {
        while self.pending.front().is_some_and(|it| it.at_us <= now_us) {
            if let Some(pending) = self.pending.pop_front() {
                self.obey(now_us, pending.index, &pending.down);
            }
        }
    }

    fn obey(&mut self, now_us: i64, index: u32, down: &v1::DownCommand) {
        let drone = &mut self.drones[index as usize];
        let obeyed = drone.hear(now_us, down);
        if obeyed.executed {
            self.status.add(Count::Executed, 1);
        }
        if obeyed.rebooted {
            self.status.add(Count::Reboots, 1);
        }
        self.say(index, now_us);
    }

    /// Sends what a drone has to say of commands; while it has no link it keeps that.
    pub(super) fn say(&mut self, index: u32, now_us: i64) {
        let run_us = now_us - self.settings.start_us;
        let is_heard = self.up && (self.draining || !self.is_cut_off(index, run_us));
        if !is_heard {
            return;
        }
        for answer in self.drones[index as usize].take_answers() {
            let kind = Some(stream_request::Kind::Answer(answer));
            let frame = v1::StreamRequest { kind }.encode_to_vec();
            self.out.push(Outgoing {
                batch_id: NO_BATCH,
                frame: Bytes::from(frame),
            });
        }
    }
}
