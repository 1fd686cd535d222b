//! What the journal says of alerts.

use super::id::{AlertId, Instance};
use super::rule::Severity;
use crate::ids::{BootId, Offset, RuleId, Seq};
use crate::units::UtcMicros;

/// Longest comment, in bytes.
pub const COMMENT_BYTES_MAX: usize = 1024;

/// A record about alerts of one drone.
#[derive(Debug, Clone, PartialEq)]
pub enum AlertRecord {
    /// By the owner: all that one look at the drone changed, at once.
    Transitions(Vec<Transition>),
    /// By a gateway: somebody has seen it.
    Acknowledge(Remark),
    /// By a gateway: somebody says something about it.
    Comment(Remark),
}

/// What somebody said of an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    pub id: AlertId,
    pub principal: String,
    /// The gateway's clock.
    pub received: UtcMicros,
    /// May be empty in an acknowledgement; at most [`COMMENT_BYTES_MAX`] bytes.
    pub comment: String,
}

/// One alert changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Transition {
    pub id: AlertId,
    pub turn: Turn,
    /// What it was seen by.
    pub evidence: Evidence,
}

/// How it changed.
#[derive(Debug, Clone, PartialEq)]
pub enum Turn {
    /// It began.
    Raised {
        rule: RuleId,
        /// Registry offset of the rule; `None` if it is built in.
        rule_version: Option<Offset>,
        instance: Instance,
        title: String,
        severity: Severity,
    },
    /// It got worse.
    Escalated { severity: Severity },
    /// It is over.
    Cleared { reason: String },
}

/// The sample that a transition was judged by, and the value that decided.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    pub boot: BootId,
    pub seq: Seq,
    /// The sample's own time.
    pub time: UtcMicros,
    /// Name of the field; empty if no single one decided.
    pub field: String,
    pub value: Option<f64>,
    /// What must be said beside the value, such as that a height is not terrain-verified.
    pub note: String,
}

impl AlertRecord {
    /// The alerts that it is about.
    pub fn ids(&self) -> impl Iterator<Item = AlertId> + '_ {
        let (many, one) = match self {
            Self::Transitions(transitions) => (transitions.as_slice(), None),
            Self::Acknowledge(remark) | Self::Comment(remark) => (&[][..], Some(remark.id)),
        };
        many.iter().map(|transition| transition.id).chain(one)
    }
}
