//! A drone that says nothing.

use std::time::Duration;

use super::{AlertBook, Seen, idle};
use crate::alert::id::{AlertId, Instance};
use crate::alert::record::{Evidence, Transition, Turn};
use crate::alert::rule::Trigger;

/// Silence of so many usual intervals means something, whatever the rule says.
const INTERVALS: u32 = 3;

/// What silence meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Silent {
    /// The silence from which on it would mean more; `None`: it means all that it can.
    pub next: Option<Duration>,
}

impl AlertBook {
    /// Judges a silence of so long; `interval` is what lies between two of the drone's records
    /// usually.
    pub fn silence(&mut self, seen: Seen<'_>, silent: Duration, interval: Duration) -> Silent {
        let Some((boot, newest)) = seen.live.boot.zip(seen.live.newest) else {
            return Silent { next: None };
        };
        let mut next: Option<Duration> = None;
        for judged in seen.rules.rules() {
            let rule = &judged.rule;
            let Trigger::Silence { levels, .. } = &rule.trigger else {
                continue;
            };
            if idle(rule, seen.live).is_some() {
                continue;
            }
            let mut reached = None;
            for (severity, after) in levels {
                let after = (*after).max(interval * INTERVALS);
                if after <= silent {
                    reached = Some(*severity);
                } else {
                    next = Some(next.map_or(after, |next| next.min(after)));
                }
            }
            let Some(severity) = reached else { continue };
            let last = self.view().newest_of(&rule.id, &Instance::Drone);
            let active = last.filter(|alert| alert.is_active());
            let id = AlertId::of(seen.drone, &rule.id, &Instance::Drone, (boot, newest.seq));
            let (id, turn) = match active {
                Some(alert) if severity < alert.severity => {
                    (alert.id, Turn::Escalated { severity })
                }
                Some(_) => continue,
                None if self.view().get(id).is_some() => continue,
                None => {
                    let turn = Turn::Raised {
                        rule: rule.id.clone(),
                        rule_version: judged.version,
                        instance: Instance::Drone,
                        title: rule.title.clone(),
                        severity,
                    };
                    (id, turn)
                }
            };
            self.memory.forget(&rule.id, &Instance::Drone);
            let evidence = Evidence {
                boot,
                seq: newest.seq,
                time: newest.time,
                field: "silence_s".to_owned(),
                value: Some(silent.as_secs_f64()),
                note: "nothing was heard since this sample".to_owned(),
            };
            self.decide(seen.applied, Transition { id, turn, evidence });
        }
        Silent { next }
    }
}
