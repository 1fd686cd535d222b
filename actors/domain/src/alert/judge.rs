//! What the owner decides: the rules, the memory and the ledger joined.
//!
//! A decision is a value to be written. Until it is read back it counts only for the decisions
//! behind it, so that nothing is decided twice. The ids depend on the samples alone; an owner that
//! starts again decides the same, and what is in the journal already folds to nothing.

mod look;
mod silence;

use std::sync::Arc;

use super::condition::Reads;
use super::fence::Fence;
use super::ledger::{AlertFolded, AlertLedger, AlertStanding};
use super::memory::Memory;
use super::record::{AlertRecord, Transition, Turn};
use super::rule::Rule;
use crate::drone::live::LiveState;
use crate::ids::{DroneId, Offset, RuleId};
use crate::sample::{Content, LandedState, RecordedSample};

pub use silence::Silent;

/// A rule as a drone is judged by it.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    pub rule: Rule,
    /// Registry offset; `None` if it is built in.
    pub version: Option<Offset>,
    reads: Reads,
}

impl Judged {
    /// A rule of the registry, or a built-in one.
    #[must_use]
    pub fn new(rule: Rule, version: Option<Offset>) -> Self {
        Self {
            reads: rule.reads(),
            rule,
            version,
        }
    }
}

/// All that a drone is judged by.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RuleSet {
    /// How far the registry was folded.
    pub registry: Option<Offset>,
    rules: Vec<Arc<Judged>>,
    fences: Vec<Arc<Fence>>,
}

impl RuleSet {
    /// Keeps what is switched on.
    #[must_use]
    pub fn new(
        registry: Option<Offset>,
        rules: impl IntoIterator<Item = Arc<Judged>>,
        fences: impl IntoIterator<Item = Arc<Fence>>,
    ) -> Self {
        let rules = rules.into_iter().filter(|judged| judged.rule.enabled);
        let fences = fences.into_iter().filter(|fence| fence.enabled);
        Self {
            registry,
            rules: rules.collect(),
            fences: fences.collect(),
        }
    }

    /// The rules that are switched on.
    #[must_use]
    pub fn rules(&self) -> &[Arc<Judged>] {
        &self.rules
    }

    /// The fences that are switched on.
    #[must_use]
    pub fn fences(&self) -> &[Arc<Fence>] {
        &self.fences
    }

    fn get(&self, rule: &RuleId) -> Option<&Arc<Judged>> {
        self.rules.iter().find(|judged| judged.rule.id == *rule)
    }
}

/// Alerts of one drone: what is recorded, what is remembered, what is to be written.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AlertBook {
    ledger: AlertLedger,
    memory: Memory,
    /// Decisions that are not read back, with the telemetry that was applied.
    pending: Vec<(Option<Offset>, Transition)>,
    /// The ledger with the pending ones; `None` if there are none.
    ahead: Option<Box<AlertLedger>>,
}

/// The state of the drone that is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    pub drone: &'a DroneId,
    pub live: &'a LiveState,
    pub rules: &'a RuleSet,
    /// Telemetry that is applied.
    pub applied: Option<Offset>,
}

impl AlertBook {
    /// A book as it was kept.
    #[must_use]
    pub fn restore(
        ledger: AlertLedger,
        memory: Memory,
        pending: Vec<(Option<Offset>, Transition)>,
    ) -> Self {
        let mut book = Self {
            ledger,
            memory,
            pending,
            ahead: None,
        };
        book.rebuild();
        book
    }

    /// What is recorded.
    #[must_use]
    pub fn ledger(&self) -> &AlertLedger {
        &self.ledger
    }

    /// What is remembered.
    #[must_use]
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Decisions that are not read back, with the telemetry that was applied, in their order.
    #[must_use]
    pub fn pending(&self) -> &[(Option<Offset>, Transition)] {
        &self.pending
    }

    /// True if there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty() && self.ledger.folded().is_none() && self.memory.since.is_empty()
    }

    /// What is recorded and decided.
    #[must_use]
    pub fn view(&self) -> &AlertLedger {
        self.ahead.as_deref().unwrap_or(&self.ledger)
    }

    /// Folds a record of the journal, in its order.
    pub fn fold(&mut self, standing: AlertStanding, record: &AlertRecord) -> AlertFolded {
        let folded = self.ledger.fold(standing, record);
        if let AlertRecord::Transitions(transitions) = record {
            self.pending
                .retain(|(_, pending)| !transitions.iter().any(|it| same(it, pending)));
        }
        self.rebuild();
        folded
    }

    /// Forgets what was decided up to where the journal has the decisions of an owner: to be called
    /// when the journal is read back and the telemetry is not yet.
    pub fn settle(&mut self) {
        let recorded = self.ledger.cause();
        self.pending.retain(|(cause, _)| *cause > recorded);
        self.rebuild();
    }

    /// Takes decisions back that were not written; they are decided again if they still hold.
    pub fn take_back(&mut self, transitions: &[Transition]) {
        self.pending
            .retain(|(_, pending)| !transitions.iter().any(|it| same(it, pending)));
        self.rebuild();
    }

    /// Judges a sample that was merged into live state and changed `groups` of it. What the journal
    /// has the decisions of is only remembered.
    pub fn sample(&mut self, seen: Seen<'_>, sample: &RecordedSample, groups: u16) {
        let is_recorded = seen.applied <= self.ledger.cause();
        self.memory.enter(seen.live.boot);
        if !is_recorded {
            self.end_orphans(seen, sample);
        }
        for judged in &seen.rules.rules {
            let is_awake = groups & judged.reads.groups != 0
                || self.memory.has(&judged.rule.id)
                || self
                    .view()
                    .active()
                    .any(|alert| alert.rule == judged.rule.id);
            if is_awake {
                self.look(seen, judged, sample, is_recorded);
            }
        }
    }

    /// Ends alerts whose rule or fence is no more, as the newest sample would.
    pub fn reconsider(&mut self, seen: Seen<'_>) {
        let Some(newest) = seen.live.newest else {
            return;
        };
        let sample = RecordedSample {
            seq: newest.seq,
            time: newest.time,
            basis: newest.basis,
            since_boot: newest.since_boot,
            content: Content::default(),
        };
        self.end_orphans(seen, &sample);
    }

    fn decide(&mut self, applied: Option<Offset>, transition: Transition) {
        let ahead = self
            .ahead
            .get_or_insert_with(|| Box::new(self.ledger.clone()));
        if ahead.turn(&transition, transition.evidence.time, applied) {
            self.pending.push((applied, transition));
        } else if self.pending.is_empty() {
            self.ahead = None;
        }
    }

    fn rebuild(&mut self) {
        self.ahead = None;
        if self.pending.is_empty() {
            return;
        }
        let mut ahead = Box::new(self.ledger.clone());
        for (cause, transition) in &self.pending {
            ahead.turn(transition, transition.evidence.time, *cause);
        }
        self.ahead = Some(ahead);
    }
}

/// True if both say the same of the same alert.
fn same(one: &Transition, other: &Transition) -> bool {
    let turns = match (&one.turn, &other.turn) {
        (Turn::Escalated { severity: one }, Turn::Escalated { severity: other }) => one == other,
        (one, other) => std::mem::discriminant(one) == std::mem::discriminant(other),
    };
    turns && one.id == other.id
}

/// Why a rule is not judged now; `None` if it is.
fn idle(rule: &Rule, live: &LiveState) -> Option<&'static str> {
    use super::rule::When;
    let state = live.groups.state;
    match rule.when {
        When::Armed if state.and_then(|it| it.armed) == Some(false) => {
            Some("the drone is disarmed")
        }
        When::Airborne if state.and_then(|it| it.landed_state) == Some(LandedState::OnGround) => {
            Some("the drone is on the ground")
        }
        When::Always | When::Armed | When::Airborne => None,
    }
}
