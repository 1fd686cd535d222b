//! Alerts on the way through the actors.
//!
//! A drone's actor judges what it applies and writes what it decided into the journal. What comes
//! back from there counts: the actor folds it for its next decisions, and the [`AlertBoard`] folds
//! it for everybody who wants to know.

mod board;
mod quiet;

use std::sync::Arc;

use aerostream_domain::alert::{AlertRecord, AlertStanding, Judged, RuleSet, builtin};
use aerostream_domain::{DroneId, Epoch};

pub use board::{AlertBoard, AlertNews, BoardView};
pub(crate) use quiet::{Ears, Quiet};

/// Where the rules of a drone come from: the registry.
pub trait RuleSource: std::fmt::Debug + Send + Sync {
    /// Another number whenever some drone may have other rules.
    fn version(&self) -> u64;

    /// All that a drone is judged by now.
    fn rules_of(&self, drone: &DroneId) -> Arc<RuleSet>;
}

/// The built-in rules, for every drone.
#[derive(Debug)]
pub struct BuiltInRules(Arc<RuleSet>);

impl Default for BuiltInRules {
    fn default() -> Self {
        let rules = builtin::rules().into_iter();
        let rules = rules.map(|rule| Arc::new(Judged::new(rule, None)));
        Self(Arc::new(RuleSet::new(None, rules, [])))
    }
}

impl RuleSource for BuiltInRules {
    fn version(&self) -> u64 {
        0
    }

    fn rules_of(&self, _: &DroneId) -> Arc<RuleSet> {
        Arc::clone(&self.0)
    }
}

/// A journal record about alerts, with what its fold needs.
#[derive(Debug, Clone)]
pub(crate) struct AlertTold {
    pub standing: AlertStanding,
    /// The owner's reign; `None` on records that gateways write.
    pub epoch: Option<Epoch>,
    pub record: Arc<AlertRecord>,
}

/// To a drone, about alerts.
#[derive(Debug)]
pub(crate) enum AlertMsg {
    /// From the journal, in its order.
    Told(AlertTold),
    /// What was to be written is not in the journal, or may never be; true if surely not.
    Unwritten(bool),
    /// It may have been silent for too long.
    Silent,
    /// There are other rules.
    Rules,
}
