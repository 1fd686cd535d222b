//! The alerts of one drone: a fold of the journal and of nothing else.
//!
//! A record that does not fit the state that it meets folds to nothing, so that whatever two owners
//! wrote, every reader of the journal sees the same alerts.

use super::id::{AlertId, Instance};
use super::record::{AlertRecord, Evidence, Remark, Transition, Turn};
use super::rule::Severity;
use crate::ids::{Offset, RuleId};
use crate::units::UtcMicros;

/// How much a ledger keeps. The fold is the same everywhere, so these are not settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AlertLimits {
    /// Alerts that are over; the oldest make room. The database has all.
    pub ended_max: usize,
    /// Comments of one alert; the database has all.
    pub comments_max: usize,
    /// Alerts that are active; more are not raised.
    pub active_max: usize,
}

impl AlertLimits {
    /// 8 that are over, 128 active, 8 comments of each.
    pub const DEFAULT: Self = Self {
        ended_max: 8,
        comments_max: 8,
        active_max: 128,
    };
}

/// One alert.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert {
    pub id: AlertId,
    pub rule: RuleId,
    /// Registry offset of the rule; `None` if it is built in.
    pub rule_version: Option<Offset>,
    pub instance: Instance,
    pub title: String,
    /// The worst so far.
    pub severity: Severity,
    /// What raised it.
    pub raised: Evidence,
    /// Telemetry offset that its owner had applied when it raised it.
    pub raised_at: Option<Offset>,
    /// What changed it last.
    pub newest: Evidence,
    /// When its newest transition was written, by its writer.
    pub changed: UtcMicros,
    /// Transitions so far, the first included.
    pub turns: u32,
    /// Why and when it ended; `None` while it is active.
    pub cleared: Option<(String, UtcMicros)>,
    /// The first who acknowledged it.
    pub acknowledged: Option<Remark>,
    pub comments: Vec<Remark>,
}

impl Alert {
    /// True until it is cleared, whether or not somebody acknowledged it.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.cleared.is_none()
    }
}

/// Where a record stands in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AlertStanding {
    pub offset: Offset,
    /// When it was written, by its writer.
    pub at: UtcMicros,
    /// Telemetry that its writer had applied.
    pub cause: Option<Offset>,
}

/// What a record did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlertFolded {
    Nothing,
    Changed,
}

/// The alerts of one drone, in the order in which they were raised.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AlertLedger {
    alerts: Vec<Alert>,
    folded: Option<Offset>,
    cause: Option<Offset>,
}

impl AlertLedger {
    /// A ledger as it was kept.
    #[must_use]
    pub fn restore(alerts: Vec<Alert>, folded: Option<Offset>, cause: Option<Offset>) -> Self {
        Self {
            alerts,
            folded,
            cause,
        }
    }

    /// Every alert, in the order in which they were raised.
    #[must_use]
    pub fn alerts(&self) -> &[Alert] {
        &self.alerts
    }

    /// Journal offset of the newest record that is in it.
    #[must_use]
    pub fn folded(&self) -> Option<Offset> {
        self.folded
    }

    /// Highest telemetry offset that the writer of a transition had applied: what was decided up to
    /// there is in the journal.
    #[must_use]
    pub fn cause(&self) -> Option<Offset> {
        self.cause
    }

    /// One alert.
    #[must_use]
    pub fn get(&self, id: AlertId) -> Option<&Alert> {
        self.alerts.iter().rev().find(|alert| alert.id == id)
    }

    /// Those that are not over.
    pub fn active(&self) -> impl Iterator<Item = &Alert> {
        self.alerts.iter().filter(|alert| alert.is_active())
    }

    /// The newest alert of a rule and instance, over or not.
    #[must_use]
    pub fn newest_of(&self, rule: &RuleId, instance: &Instance) -> Option<&Alert> {
        let mut newest_first = self.alerts.iter().rev();
        newest_first.find(|alert| alert.rule == *rule && alert.instance == *instance)
    }

    /// Folds a record; one that was folded before does nothing.
    pub fn fold(&mut self, standing: AlertStanding, record: &AlertRecord) -> AlertFolded {
        if self.folded >= Some(standing.offset) {
            return AlertFolded::Nothing;
        }
        self.folded = Some(standing.offset);
        let changed = match record {
            AlertRecord::Transitions(transitions) => {
                self.cause = self.cause.max(standing.cause);
                let mut changed = false;
                for transition in transitions {
                    changed |= self.turn(transition, standing.at, standing.cause);
                }
                changed
            }
            AlertRecord::Acknowledge(remark) => self.remark(remark, true),
            AlertRecord::Comment(remark) => self.remark(remark, false),
        };
        if changed {
            AlertFolded::Changed
        } else {
            AlertFolded::Nothing
        }
    }

    /// Takes one transition; true if it did something.
    pub(super) fn turn(
        &mut self,
        transition: &Transition,
        at: UtcMicros,
        cause: Option<Offset>,
    ) -> bool {
        let known = self
            .alerts
            .iter_mut()
            .rev()
            .find(|it| it.id == transition.id);
        match (&transition.turn, known) {
            (
                Turn::Raised {
                    rule,
                    rule_version,
                    instance,
                    title,
                    severity,
                },
                None,
            ) => {
                let newest = self.newest_of(rule, instance);
                let limits = AlertLimits::DEFAULT;
                if newest.is_some_and(Alert::is_active)
                    || self.active().count() >= limits.active_max
                {
                    return false;
                }
                self.alerts.push(Alert {
                    id: transition.id,
                    rule: rule.clone(),
                    rule_version: *rule_version,
                    instance: instance.clone(),
                    title: title.clone(),
                    severity: *severity,
                    raised: transition.evidence.clone(),
                    raised_at: cause,
                    newest: transition.evidence.clone(),
                    changed: at,
                    turns: 1,
                    cleared: None,
                    acknowledged: None,
                    comments: Vec::new(),
                });
                true
            }
            (Turn::Escalated { severity }, Some(alert))
                if alert.is_active() && *severity < alert.severity =>
            {
                alert.severity = *severity;
                alert.turned(&transition.evidence, at);
                true
            }
            (Turn::Cleared { reason }, Some(alert)) if alert.is_active() => {
                alert.cleared = Some((reason.clone(), at));
                alert.turned(&transition.evidence, at);
                self.trim();
                true
            }
            _ => false,
        }
    }

    fn remark(&mut self, remark: &Remark, acknowledges: bool) -> bool {
        let known = self.alerts.iter_mut().rev().find(|it| it.id == remark.id);
        let Some(alert) = known else {
            return false;
        };
        if acknowledges {
            if alert.acknowledged.is_some() {
                return false;
            }
            alert.acknowledged = Some(remark.clone());
            return true;
        }
        if alert.comments.len() >= AlertLimits::DEFAULT.comments_max {
            alert.comments.remove(0);
        }
        alert.comments.push(remark.clone());
        true
    }

    /// Drops the oldest that are over, beyond the limit.
    fn trim(&mut self) {
        let ended = self.alerts.iter().filter(|alert| !alert.is_active());
        let mut spare = ended.count().saturating_sub(AlertLimits::DEFAULT.ended_max);
        self.alerts.retain(|alert| {
            let goes = spare > 0 && !alert.is_active();
            spare -= usize::from(goes);
            !goes
        });
    }
}

impl Alert {
    fn turned(&mut self, evidence: &Evidence, at: UtcMicros) {
        self.newest = evidence.clone();
        self.changed = at;
        self.turns += 1;
    }
}
