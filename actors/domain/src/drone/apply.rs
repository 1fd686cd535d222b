//! What a durable record does to a drone.

use super::window::Fingerprint;
use super::{Drone, boot};
use crate::alert::RuleSet;
use crate::alert::judge::Seen;
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
}
