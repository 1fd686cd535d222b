//! A rule over what a drone told in the past: what it would have raised.
//!
//! It is the same judge over the same live state. What differs is the order, since the past is
//! known by the samples' own times and not by their arrival, and that silence is measured between
//! those times.

use std::time::Duration;

use super::judge::RuleSet;
use super::record::Transition;
use super::rule::Trigger;
use crate::drone::{Drone, Limits};
use crate::ids::{BootId, DroneId, Epoch, Offset};
use crate::sample::{RecordedSample, TelemetryRecord};
use crate::units::UtcMicros;

/// A drone that lives through its past once more.
#[derive(Debug, Clone)]
pub struct Rehearsal {
    drone: Drone,
    rules: RuleSet,
    watches_silence: bool,
    /// Of each power-up met so far, when it was.
    boots: Vec<(BootId, UtcMicros)>,
    heard: Option<UtcMicros>,
    samples: u64,
}

impl Rehearsal {
    /// Begins with nothing known of the drone.
    #[must_use]
    pub fn new(drone: DroneId, rules: RuleSet) -> Self {
        let limits = Limits {
            window: 1,
            windows_max: 1,
            ..Limits::default()
        };
        let mut judged = rules.rules().iter();
        Self {
            drone: Drone::new(drone, limits),
            watches_silence: judged.any(|it| matches!(it.rule.trigger, Trigger::Silence { .. })),
            rules,
            boots: Vec::new(),
            heard: None,
            samples: 0,
        }
    }

    /// Samples so far.
    #[must_use]
    pub fn samples(&self) -> u64 {
        self.samples
    }

    /// Everything that would have become of alerts so far, in its order.
    pub fn transitions(&self) -> impl ExactSizeIterator<Item = &Transition> {
        self.drone.alerts().pending().iter().map(|(_, it)| it)
    }

    /// The next sample, in the order of time.
    pub fn sample(&mut self, boot: BootId, sample: RecordedSample) {
        let time = sample.time;
        self.silence_until(time);
        let record = TelemetryRecord {
            epoch: Epoch {
                generation: 0,
                offset: Offset(0),
            },
            drone: self.drone.id().clone(),
            boot,
            power_up: self.power_up(boot, time),
            received: time,
            samples: vec![sample],
        };
        self.drone.apply(Offset(self.samples), &record, &self.rules);
        self.samples += 1;
        self.heard = self.heard.max(Some(time));
    }

    /// Nothing more came up to this moment.
    pub fn silence_until(&mut self, time: UtcMicros) {
        let Some(heard) = self
            .heard
            .filter(|heard| self.watches_silence && *heard < time)
        else {
            return;
        };
        let silence = time.distance(heard);
        let mut next = Some(Duration::ZERO);
        // Each judging names a longer silence, of which the rules have a few.
        while let Some(silent) = next.filter(|next| *next <= silence) {
            let told = self.drone.judge_silence(silent, &self.rules);
            next = told.next.filter(|next| *next > silent);
        }
    }

    /// A power-up is taken to be when it is first heard of: a later one stays the current one.
    fn power_up(&mut self, boot: BootId, time: UtcMicros) -> UtcMicros {
        let known = self.boots.iter().find(|(known, _)| *known == boot);
        if let Some((_, power_up)) = known {
            return *power_up;
        }
        self.boots.push((boot, time));
        time
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::{Judged, Severity, Turn, builtin};
    use crate::ids::Seq;
    use crate::sample::{Battery, Content, State, TimeBasis};

    fn rehearsal(rule: &str) -> Rehearsal {
        let rules = builtin::rules().into_iter();
        let rules = rules.filter(|it| it.id.as_str() == rule);
        let rules = rules.map(|rule| std::sync::Arc::new(Judged::new(rule, None)));
        let drone = DroneId::parse("alpha").unwrap();
        Rehearsal::new(drone, RuleSet::new(None, rules, []))
    }

    fn sample(second: i64, percent: f32) -> RecordedSample {
        RecordedSample {
            seq: Seq(second as u64),
            time: UtcMicros(second * 1_000_000),
            basis: TimeBasis::Utc,
            since_boot: None,
            content: Content {
                battery: vec![Battery {
                    remaining_percent: Some(percent),
                    ..Battery::default()
                }],
                state: Some(State {
                    armed: Some(true),
                    ..State::default()
                }),
                ..Content::default()
            },
        }
    }

    /// (second, what happened) of every transition.
    fn told(rehearsal: &Rehearsal) -> Vec<(i64, String)> {
        let told = rehearsal.transitions().map(|it| {
            let what = match &it.turn {
                Turn::Raised { severity, .. } | Turn::Escalated { severity } => {
                    severity.as_str().to_owned()
                }
                Turn::Cleared { .. } => "cleared".to_owned(),
            };
            (it.evidence.time.0 / 1_000_000, what)
        });
        told.collect()
    }

    #[test]
    fn a_battery_that_ran_down_and_was_changed_is_told_as_it_was() {
        let mut rehearsal = rehearsal("battery");
        for second in 0..60 {
            let percent = if second < 40 {
                20.0 - 0.4 * second as f32
            } else {
                90.0
            };
            rehearsal.sample(BootId(1), sample(second, percent));
        }
        let expected = [
            (13, Severity::Warning.as_str()),
            (33, Severity::Critical.as_str()),
            (38, Severity::Emergency.as_str()),
            (50, "cleared"),
        ];
        let expected = expected.map(|(second, what)| (second, what.to_owned()));
        assert_eq!(told(&rehearsal), expected);
        assert_eq!(rehearsal.samples(), 60);
    }

    #[test]
    fn gaps_are_silence_and_the_end_may_be_one() {
        let mut rehearsal = rehearsal("link");
        for second in [0, 1, 2, 3, 4, 20, 21, 22, 23] {
            rehearsal.sample(BootId(1), sample(second, 50.0));
        }
        rehearsal.silence_until(UtcMicros(24_000_000));
        let first = [(4, "warning"), (4, "critical"), (22, "cleared")];
        let first = first.map(|(second, what)| (second, what.to_owned()));
        assert_eq!(told(&rehearsal), first);
        rehearsal.silence_until(UtcMicros(60_000_000));
        assert_eq!(told(&rehearsal).len(), 5);
    }
}
