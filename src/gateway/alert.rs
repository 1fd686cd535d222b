//! Alerts at the doors: which of them a caller sees, what somebody says of one, and what happens to
//! them, as it happens.
//!
//! What is now is read from the board of the drones' actors, without the database. What somebody
//! says of an alert is a journal record before it counts.

pub mod cursor;
pub mod feed;
pub mod list;

mod answer;
mod replay;

use aerostream_domain::alert::{
    Alert, AlertFolded, AlertId, AlertLedger, AlertRecord, AlertStanding, Severity, Turn,
};
use aerostream_domain::{DroneId, FleetId, RuleId};
use serde::{Deserialize, Serialize};

use super::auth::Principal;
use super::state::Gateway;
use crate::error::{ErrorCode, Problem};

/// How alerts are told.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AlertConfig {
    /// How long the event log may take until the fate of an acknowledgement or a comment is told as
    /// unknown, in milliseconds. Default: 5000.
    pub append_timeout_ms: u64,
    /// Alerts of one frame of a feed's snapshot. Default: 500.
    pub snapshot_alerts_max: usize,
}

impl Default for AlertConfig {
    fn default() -> Self {
        Self {
            append_timeout_ms: 5_000,
            snapshot_alerts_max: 500,
        }
    }
}

/// Which alerts are wanted; what is not said takes every one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AlertFilter {
    pub active: Option<bool>,
    pub acknowledged: Option<bool>,
    /// At least as bad.
    pub severity: Option<Severity>,
    pub fleet: Option<FleetId>,
    pub drone: Option<DroneId>,
    pub rule: Option<RuleId>,
}

impl AlertFilter {
    fn takes(&self, alert: &Alert) -> bool {
        let is = |wanted: Option<bool>, is: bool| wanted.is_none_or(|wanted| wanted == is);
        is(self.active, alert.is_active())
            && is(self.acknowledged, alert.acknowledged.is_some())
            && self.severity.is_none_or(|worst| alert.severity <= worst)
            && self.rule.as_ref().is_none_or(|rule| *rule == alert.rule)
    }
}

/// An alert that the caller may see.
#[derive(Debug, Clone, PartialEq)]
pub struct SeenAlert {
    pub drone: DroneId,
    /// `None` for a drone that was never enrolled.
    pub fleet: Option<FleetId>,
    pub alert: Alert,
}

/// What happened to an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happened {
    Raised,
    Escalated,
    Cleared,
    Acknowledged,
    Commented,
}

impl Happened {
    /// Stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Raised => "raised",
            Self::Escalated => "escalated",
            Self::Cleared => "cleared",
            Self::Acknowledged => "acknowledged",
            Self::Commented => "commented",
        }
    }
}

/// Folds a record into what is known of its drone's alerts; false if it changes nothing. What is
/// said of an alert that is not known here counts: it was raised before the ledger began.
pub fn counts(ledger: &mut AlertLedger, standing: AlertStanding, record: &AlertRecord) -> bool {
    let folded = ledger.fold(standing, record);
    folded != AlertFolded::Nothing || record.ids().any(|id| ledger.get(id).is_none())
}

/// What a journal record says happened, in its order.
#[must_use]
pub fn happenings(record: &AlertRecord) -> Vec<(Happened, AlertId)> {
    match record {
        AlertRecord::Transitions(transitions) => {
            let each = transitions.iter().map(|transition| {
                let what = match transition.turn {
                    Turn::Raised { .. } => Happened::Raised,
                    Turn::Escalated { .. } => Happened::Escalated,
                    Turn::Cleared { .. } => Happened::Cleared,
                };
                (what, transition.id)
            });
            each.collect()
        }
        AlertRecord::Acknowledge(remark) => vec![(Happened::Acknowledged, remark.id)],
        AlertRecord::Comment(remark) => vec![(Happened::Commented, remark.id)],
    }
}

/// The fleet of a drone that the caller may see and the filter takes; `None` for any other drone.
fn visible(
    gateway: &Gateway,
    principal: &Principal,
    filter: &AlertFilter,
    drone: &DroneId,
) -> Option<Option<FleetId>> {
    if filter.drone.as_ref().is_some_and(|wanted| wanted != drone) {
        return None;
    }
    let fleet = gateway.registry().fleet_of(drone);
    if filter.fleet.is_some() && filter.fleet != fleet {
        return None;
    }
    principal.reaches(drone, fleet.as_ref()).then_some(fleet)
}

/// The severity of a name.
///
/// # Errors
/// There is none of that name.
pub fn severity(text: &str, field: &str) -> Result<Severity, Problem> {
    let known = Severity::ALL.into_iter().find(|it| it.as_str() == text);
    known.ok_or_else(|| {
        let names: Vec<_> = Severity::ALL.iter().map(|it| it.as_str()).collect();
        let detail = format!("must be one of {}", names.join(", "));
        Problem::new(ErrorCode::Invalid, detail).at(field)
    })
}

/// The id of an alert.
///
/// # Errors
/// It is not one.
pub fn alert_id(text: &str) -> Result<AlertId, Problem> {
    AlertId::parse(text)
        .map_err(|error| Problem::new(ErrorCode::Invalid, error.to_string()).at("alert_id"))
}
