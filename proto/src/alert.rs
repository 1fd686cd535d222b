//! The journal's records about alerts, and alerts in a snapshot.

mod book;

use aerostream_domain::alert::{
    AlertId, AlertRecord, Evidence, Instance, Remark, Severity, Transition, Turn,
};
use aerostream_domain::{BootId, Offset, Refusal, RefusalCode, Seq, UtcMicros};

use crate::refuse::{each, required, rule_id, under};
use crate::v1;
use crate::v1::alert_transition;
use crate::v1::journal_record::Kind;

/// The record in a journal's kind; gives the kind back if it is not about alerts.
pub(crate) fn from_kind(kind: Kind) -> Result<Result<AlertRecord, Kind>, Refusal> {
    Ok(Ok(match kind {
        Kind::AlertTransitions(wire) => {
            let transitions = each("transitions", wire.transitions, Transition::try_from);
            AlertRecord::Transitions(transitions.map_err(under("alert_transitions"))?)
        }
        Kind::AlertAcknowledge(wire) => {
            AlertRecord::Acknowledge(wire.try_into().map_err(under("alert_acknowledge"))?)
        }
        Kind::AlertComment(wire) => {
            AlertRecord::Comment(wire.try_into().map_err(under("alert_comment"))?)
        }
        other => return Ok(Err(other)),
    }))
}

/// The journal's kind of a record.
pub(crate) fn to_kind(record: &AlertRecord) -> Kind {
    match record {
        AlertRecord::Transitions(transitions) => Kind::AlertTransitions(v1::AlertTransitions {
            transitions: transitions.iter().map(Into::into).collect(),
        }),
        AlertRecord::Acknowledge(remark) => Kind::AlertAcknowledge(remark.into()),
        AlertRecord::Comment(remark) => Kind::AlertComment(remark.into()),
    }
}

fn id(bytes: &[u8]) -> Result<AlertId, Refusal> {
    match <[u8; 16]>::try_from(bytes) {
        Ok(bytes) => Ok(AlertId(u128::from_be_bytes(bytes))),
        Err(_) => {
            let detail = format!("must be 16 bytes; it is {}", bytes.len());
            Err(Refusal::new(RefusalCode::Malformed, "id", detail))
        }
    }
}

fn id_to_wire(id: AlertId) -> Vec<u8> {
    id.0.to_be_bytes().to_vec()
}

fn instance(text: &str) -> Result<Instance, Refusal> {
    Instance::parse(text).ok_or_else(|| {
        let detail = format!("found {text:?}; must be empty or such as battery:0");
        Refusal::new(RefusalCode::Malformed, "instance", detail)
    })
}

/// The severity of an enum's number.
///
/// # Errors
/// It has none.
pub fn severity(field: &str, number: i32) -> Result<Severity, Refusal> {
    let number = u32::try_from(number).ok().and_then(|it| it.checked_sub(1));
    number.and_then(Severity::from_number).ok_or_else(|| {
        let detail = "must be a number that the enum has, and not unspecified";
        Refusal::new(RefusalCode::Malformed, field, detail)
    })
}

/// The enum's number of a severity.
#[must_use]
pub fn severity_to_wire(severity: Severity) -> i32 {
    i32::from(severity.number()) + 1
}

impl TryFrom<v1::AlertTransition> for Transition {
    type Error = Refusal;

    fn try_from(wire: v1::AlertTransition) -> Result<Self, Refusal> {
        use alert_transition::Turn as Wire;
        let turn = match required("turn", wire.turn)? {
            Wire::Raised(raised) => raised.try_into().map_err(under("raised"))?,
            Wire::Escalated(escalated) => Turn::Escalated {
                severity: severity("escalated.severity", escalated.severity)?,
            },
            Wire::Cleared(cleared) => Turn::Cleared {
                reason: cleared.reason,
            },
        };
        Ok(Self {
            id: id(&wire.id)?,
            turn,
            evidence: required("evidence", wire.evidence)?.into(),
        })
    }
}

impl TryFrom<v1::AlertRaised> for Turn {
    type Error = Refusal;

    fn try_from(wire: v1::AlertRaised) -> Result<Self, Refusal> {
        Ok(Self::Raised {
            rule: rule_id("rule_id", &wire.rule_id)?,
            rule_version: wire.rule_version.map(Offset),
            instance: instance(&wire.instance)?,
            title: wire.title,
            severity: severity("severity", wire.severity)?,
        })
    }
}

impl From<&Transition> for v1::AlertTransition {
    fn from(transition: &Transition) -> Self {
        use alert_transition::Turn as Wire;
        let turn = match &transition.turn {
            Turn::Raised {
                rule,
                rule_version,
                instance,
                title,
                severity,
            } => Wire::Raised(v1::AlertRaised {
                rule_id: rule.as_str().to_owned(),
                rule_version: rule_version.map(|offset| offset.0),
                instance: instance.to_string(),
                title: title.clone(),
                severity: severity_to_wire(*severity),
            }),
            Turn::Escalated { severity } => Wire::Escalated(v1::AlertEscalated {
                severity: severity_to_wire(*severity),
            }),
            Turn::Cleared { reason } => Wire::Cleared(v1::AlertCleared {
                reason: reason.clone(),
            }),
        };
        Self {
            id: id_to_wire(transition.id),
            evidence: Some((&transition.evidence).into()),
            turn: Some(turn),
        }
    }
}

impl From<v1::AlertEvidence> for Evidence {
    fn from(wire: v1::AlertEvidence) -> Self {
        Self {
            boot: BootId(wire.boot),
            seq: Seq(wire.seq),
            time: UtcMicros(wire.time_us),
            field: wire.field,
            value: wire.value,
            note: wire.note,
        }
    }
}

impl From<&Evidence> for v1::AlertEvidence {
    fn from(evidence: &Evidence) -> Self {
        Self {
            boot: evidence.boot.0,
            seq: evidence.seq.0,
            time_us: evidence.time.0,
            field: evidence.field.clone(),
            value: evidence.value,
            note: evidence.note.clone(),
        }
    }
}

impl TryFrom<v1::AlertRemark> for Remark {
    type Error = Refusal;

    fn try_from(wire: v1::AlertRemark) -> Result<Self, Refusal> {
        Ok(Self {
            id: id(&wire.id)?,
            principal: wire.principal,
            received: UtcMicros(wire.received_us),
            comment: wire.comment,
        })
    }
}

impl From<&Remark> for v1::AlertRemark {
    fn from(remark: &Remark) -> Self {
        Self {
            id: id_to_wire(remark.id),
            principal: remark.principal.clone(),
            received_us: remark.received.0,
            comment: remark.comment.clone(),
        }
    }
}
