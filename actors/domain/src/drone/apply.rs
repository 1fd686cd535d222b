//! What a durable record does to a drone.

use super::window::Fingerprint;
use super::{Drone, boot};
use crate::alert::judge::Seen;
use crate::alert::{RuleSet, Transition};
use crate::ids::Offset;
use crate::sample::TelemetryRecord;

impl Drone {
    /// Folds a durable record: its samples are durable, live state moves on, and the rules judge
    /// what advances it.
    ///
    /// The record may be one that this drone did not admit, and its boot one that was never
    /// learnt. Applying a record again changes nothing.
    pub fn apply(&mut self, offset: Offset, record: &TelemetryRecord, rules: &RuleSet) {
        let power_up = match self.boots.get(record.boot) {
            Some(known) => known.power_up,
            None => {
                self.learn_boot(boot::infer(record));
                record.power_up
            }
        };
        let current = self.live.enter(record.boot, power_up);
        let window = self.windows.touch(record.boot, &self.limits);
        let mut scratch = Vec::new();
        for sample in &record.samples {
            let fingerprint = Fingerprint::of(sample.into(), &sample.content, &mut scratch);
            let repeat = window.mark_durable(sample.seq, fingerprint, self.limits.window);
            if current {
                let groups = self.live.merge(sample);
                self.live.samples += u64::from(!repeat);
                if groups != 0 {
                    let seen = Seen {
                        drone: &self.id,
                        live: &self.live,
                        rules,
                        applied: Some(offset),
                    };
                    self.alerts.sample(seen, sample, groups);
                }
            }
        }
        if current {
            self.pulse.heard(self.live.received, record.received);
            self.live.received = self.live.received.max(Some(record.received));
        }
        self.applied = self.applied.max(Some(offset));
    }
    /// What a record would decide about alerts if it became durable now; nothing of it is kept.
    #[must_use]
    pub fn foresee(&self, record: &TelemetryRecord, rules: &RuleSet) -> Vec<Transition> {
        let (mut live, mut alerts) = (self.live.clone(), self.alerts.clone());
        let decided = alerts.pending().len();
        if !live.enter(record.boot, record.power_up) {
            return Vec::new();
        }
        let next = self
            .applied
            .map_or(Offset(0), |offset| Offset(offset.0 + 1));
        for sample in &record.samples {
            let groups = live.merge(sample);
            if groups != 0 {
                let seen = Seen {
                    drone: &self.id,
                    live: &live,
                    rules,
                    applied: Some(next),
                };
                alerts.sample(seen, sample, groups);
            }
        }
        let foreseen = alerts.pending().iter().skip(decided);
        foreseen.map(|(_, transition)| transition.clone()).collect()
    }
}
