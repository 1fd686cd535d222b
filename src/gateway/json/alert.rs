//! Alerts in JSON.

use aerostream_domain::alert::{Alert, Evidence, Remark};
use aerostream_domain::{DroneId, FleetId};
use serde::Serialize;
use utoipa::ToSchema;

use super::enums::Whole;
use crate::clock;
use crate::gateway::alert::SeenAlert;
use crate::gateway::alert::feed::{AlertFrame, Change, News};

/// An alert and what became of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Alert)]
pub struct AlertReply {
    /// 32 hexadecimal digits.
    pub alert_id: String,
    pub drone_id: String,
    /// Null for a drone that was never enrolled.
    pub fleet_id: Option<String>,
    pub rule_id: String,
    /// Grows with every change of the rule; null if it is built in.
    pub rule_version: Option<u64>,
    /// What of the drone it is about: empty for the drone, or such as `battery:0`, `gnss:1`,
    /// `fence:airport`.
    pub instance: String,
    pub title: String,
    /// The worst so far: `emergency`, `alert`, `critical`, `error`, `warning`, `notice`, `info`,
    /// `debug`.
    pub severity: &'static str,
    /// True until its clear condition held, whether or not somebody acknowledged it.
    pub is_active: bool,
    pub is_acknowledged: bool,
    /// The sample that raised it.
    pub raised: EvidenceReply,
    /// The sample that changed it last.
    pub newest: EvidenceReply,
    /// When it changed last, by its owner, UTC microseconds.
    pub changed_us: i64,
    /// Changes so far, the raising included: with `alert_id` it names a change.
    pub turns: u32,
    /// Null while it is active.
    pub cleared: Option<ClearedReply>,
    /// Null until somebody acknowledged it: the first who did.
    pub acknowledged: Option<RemarkReply>,
    /// The newest of them; the database has all.
    pub comments: Vec<RemarkReply>,
}

/// What a change of an alert was judged by.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AlertEvidence)]
pub struct EvidenceReply {
    /// The drone's power-up; text, since it has 64 bits.
    #[schema(value_type = String)]
    pub boot: Whole,
    pub seq: u64,
    /// The sample's own time, UTC microseconds.
    pub time_us: i64,
    /// The field that decided, with its unit; null if no single one did.
    pub field: Option<String>,
    /// Its value.
    pub value: Option<f64>,
    /// What must be said beside the value; empty if there is nothing.
    pub note: String,
}

/// How an alert ended.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AlertCleared)]
pub struct ClearedReply {
    /// Empty if its clear condition held.
    pub reason: String,
    /// By its owner, UTC microseconds.
    pub at_us: i64,
}

/// What somebody said of an alert.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AlertRemark)]
pub struct RemarkReply {
    pub principal: String,
    /// UTC microseconds.
    pub at_us: i64,
    pub comment: String,
}

impl From<&Evidence> for EvidenceReply {
    fn from(evidence: &Evidence) -> Self {
        Self {
            boot: Whole(evidence.boot.0),
            seq: evidence.seq.0,
            time_us: evidence.time.0,
            field: Some(evidence.field.clone()).filter(|field| !field.is_empty()),
            value: evidence.value.filter(|value| value.is_finite()),
            note: evidence.note.clone(),
        }
    }
}

impl From<&Remark> for RemarkReply {
    fn from(remark: &Remark) -> Self {
        Self {
            principal: remark.principal.clone(),
            at_us: remark.received.0,
            comment: remark.comment.clone(),
        }
    }
}

impl AlertReply {
    fn new(drone: &DroneId, fleet: Option<&FleetId>, alert: &Alert) -> Self {
        Self {
            alert_id: alert.id.to_string(),
            drone_id: drone.to_string(),
            fleet_id: fleet.map(FleetId::to_string),
            rule_id: alert.rule.to_string(),
            rule_version: alert.rule_version.map(|version| version.0),
            instance: alert.instance.to_string(),
            title: alert.title.clone(),
            severity: alert.severity.as_str(),
            is_active: alert.is_active(),
            is_acknowledged: alert.acknowledged.is_some(),
            raised: (&alert.raised).into(),
            newest: (&alert.newest).into(),
            changed_us: alert.changed.0,
            turns: alert.turns,
            cleared: alert.cleared.as_ref().map(|(reason, at)| ClearedReply {
                reason: reason.clone(),
                at_us: at.0,
            }),
            acknowledged: alert.acknowledged.as_ref().map(Into::into),
            comments: alert.comments.iter().map(Into::into).collect(),
        }
    }
}

impl From<&SeenAlert> for AlertReply {
    fn from(seen: &SeenAlert) -> Self {
        Self::new(&seen.drone, seen.fleet.as_ref(), &seen.alert)
    }
}

/// One frame of a feed of alerts.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum AlertDown {
    /// Alerts that are active; `is_complete` with the last of them.
    Snapshot {
        cursor: String,
        is_complete: bool,
        alerts: Vec<AlertReply>,
    },
    /// What one record of the journal changed.
    Alerts {
        cursor: String,
        drone_id: String,
        fleet_id: Option<String>,
        changes: Vec<ChangeReply>,
    },
    /// Everything since the client's cursor was told.
    Resumed { cursor: String, records: u64 },
    /// Something is missing here and will not come; a snapshot follows.
    Gap {
        reason: &'static str,
        detail: String,
    },
    /// The client was too slow; it goes on with this cursor.
    Behind { cursor: String, detail: String },
    /// Nothing happened.
    Heartbeat { at_us: i64, cursor: String },
}

/// What happened to one alert.
#[derive(Debug, Serialize)]
pub struct ChangeReply {
    /// `raised`, `escalated`, `cleared`, `acknowledged`, `commented`.
    pub what: &'static str,
    pub alert_id: String,
    /// Null if only the database has it any more.
    pub alert: Option<AlertReply>,
}

impl AlertDown {
    /// Its type, as the frame says.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Snapshot { .. } => "snapshot",
            Self::Alerts { .. } => "alerts",
            Self::Resumed { .. } => "resumed",
            Self::Gap { .. } => "gap",
            Self::Behind { .. } => "behind",
            Self::Heartbeat { .. } => "heartbeat",
        }
    }

    /// Where a client goes on that has taken the frame.
    #[must_use]
    pub fn cursor(&self) -> Option<&str> {
        match self {
            Self::Snapshot { cursor, .. }
            | Self::Alerts { cursor, .. }
            | Self::Resumed { cursor, .. }
            | Self::Behind { cursor, .. }
            | Self::Heartbeat { cursor, .. } => Some(cursor),
            Self::Gap { .. } => None,
        }
    }
}

impl From<AlertFrame> for AlertDown {
    fn from(frame: AlertFrame) -> Self {
        match frame {
            AlertFrame::Snapshot {
                cursor,
                alerts,
                is_complete,
            } => Self::Snapshot {
                cursor,
                is_complete,
                alerts: alerts.iter().map(Into::into).collect(),
            },
            AlertFrame::News(News {
                cursor,
                drone,
                fleet,
                changes,
            }) => {
                let change = |change: Change| ChangeReply {
                    what: change.what.as_str(),
                    alert_id: change.id.to_string(),
                    alert: change
                        .alert
                        .map(|alert| AlertReply::new(&drone, fleet.as_ref(), &alert)),
                };
                Self::Alerts {
                    cursor,
                    changes: changes.into_iter().map(change).collect(),
                    drone_id: drone.to_string(),
                    fleet_id: fleet.as_ref().map(FleetId::to_string),
                }
            }
            AlertFrame::Resumed { cursor, records } => Self::Resumed { cursor, records },
            AlertFrame::Gap { reason, detail } => Self::Gap { reason, detail },
            AlertFrame::Behind { cursor, detail } => Self::Behind { cursor, detail },
            AlertFrame::Heartbeat { cursor } => Self::Heartbeat {
                at_us: clock::utc_now().0,
                cursor,
            },
        }
    }
}
