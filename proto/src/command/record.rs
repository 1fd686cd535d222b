//! The journal's records about commands.

use std::time::Duration;

use aerostream_domain::command::{
    Answer, Cancel, CommandId, CommandRecord, Confirm, Intent, Transition, Unrecorded,
};
use aerostream_domain::{BootId, Refusal, RefusalCode, Seq, UtcMicros};

use super::answer_from_wire;
use crate::refuse::{required, specified, under};
use crate::v1;
use crate::v1::command_transition;
use crate::v1::journal_record::Kind;

pub(super) fn id(field: &str, bytes: &[u8]) -> Result<CommandId, Refusal> {
    CommandId::from_bytes(bytes).ok_or_else(|| {
        let detail = format!("must be {} bytes; it is {}", CommandId::BYTES, bytes.len());
        Refusal::new(RefusalCode::Malformed, field, detail)
    })
}

/// The record in a journal's kind; gives the kind back if it is not about a command.
pub(crate) fn from_kind(kind: Kind) -> Result<Result<CommandRecord, Kind>, Refusal> {
    Ok(Ok(match kind {
        Kind::CommandIntent(wire) => {
            CommandRecord::Intent(wire.try_into().map_err(under("command_intent"))?)
        }
        Kind::CommandCancel(wire) => CommandRecord::Cancel(Cancel {
            id: id("command_cancel.id", &wire.id)?,
            principal: wire.principal,
            received: UtcMicros(wire.received_us),
        }),
        Kind::CommandConfirm(wire) => CommandRecord::Confirm(Confirm {
            id: id("command_confirm.id", &wire.id)?,
            principal: wire.principal,
            received: UtcMicros(wire.received_us),
            digest: wire.digest,
        }),
        Kind::CommandTransition(wire) => {
            let id = id("command_transition.id", &wire.id)?;
            let what = required("kind", wire.kind).and_then(Transition::try_from);
            let what = what.map_err(under("command_transition"))?;
            CommandRecord::Transition { id, what }
        }
        Kind::CommandUnrecorded(wire) => {
            CommandRecord::Unrecorded(wire.try_into().map_err(under("command_unrecorded"))?)
        }
        other => return Ok(Err(other)),
    }))
}

/// The journal's kind of a record.
pub(crate) fn to_kind(record: CommandRecord) -> Kind {
    match record {
        CommandRecord::Intent(intent) => Kind::CommandIntent(intent.into()),
        CommandRecord::Cancel(cancel) => Kind::CommandCancel(v1::CommandCancel {
            id: cancel.id.to_bytes().to_vec(),
            principal: cancel.principal,
            received_us: cancel.received.0,
        }),
        CommandRecord::Confirm(confirm) => Kind::CommandConfirm(v1::CommandConfirm {
            id: confirm.id.to_bytes().to_vec(),
            principal: confirm.principal,
            received_us: confirm.received.0,
            digest: confirm.digest,
        }),
        CommandRecord::Transition { id, what } => Kind::CommandTransition(v1::CommandTransition {
            id: id.to_bytes().to_vec(),
            kind: Some(what.into()),
        }),
        CommandRecord::Unrecorded(unrecorded) => Kind::CommandUnrecorded(unrecorded.into()),
    }
}

impl TryFrom<v1::CommandIntent> for Intent {
    type Error = Refusal;

    fn try_from(wire: v1::CommandIntent) -> Result<Self, Refusal> {
        let group = match wire.group.len() {
            0 => None,
            _ => Some(u128::from_be_bytes(
                wire.group.as_slice().try_into().map_err(|_| {
                    Refusal::new(RefusalCode::Malformed, "group", "must be 16 bytes or none")
                })?,
            )),
        };
        Ok(Self {
            id: id("id", &wire.id)?,
            command: required("command", wire.command)?.try_into()?,
            principal: wire.principal,
            received: UtcMicros(wire.received_us),
            time_to_live: Duration::from_millis(wire.time_to_live_ms),
            emergency: wire.emergency,
            group,
        })
    }
}

impl From<Intent> for v1::CommandIntent {
    fn from(intent: Intent) -> Self {
        let group = intent.group.map(|group| group.to_be_bytes().to_vec());
        Self {
            id: intent.id.to_bytes().to_vec(),
            command: Some(intent.command.into()),
            principal: intent.principal,
            received_us: intent.received.0,
            time_to_live_ms: u64::try_from(intent.time_to_live.as_millis()).unwrap_or(u64::MAX),
            emergency: intent.emergency,
            group: group.unwrap_or_default(),
        }
    }
}

impl TryFrom<command_transition::Kind> for Transition {
    type Error = Refusal;

    fn try_from(wire: command_transition::Kind) -> Result<Self, Refusal> {
        use command_transition::Kind;
        Ok(match wire {
            Kind::Sent(sent) => Self::Sent {
                n: sent.n,
                boot: BootId(sent.boot),
                above_seq: sent.above_seq.map(Seq),
            },
            Kind::NotSent(not_sent) => Self::NotSent {
                n: not_sent.n,
                reason: specified::<v1::CommandNotSentReason, _>("reason", not_sent.reason)?,
            },
            Kind::Answered(answered) => {
                Self::Answered(answered.try_into().map_err(under("answered"))?)
            }
            Kind::Ended(ended) => Self::Ended {
                end: specified::<v1::CommandEnd, _>("end", ended.end)?,
                reason: ended.reason,
            },
        })
    }
}

impl From<Transition> for command_transition::Kind {
    fn from(transition: Transition) -> Self {
        match transition {
            Transition::Sent { n, boot, above_seq } => Self::Sent(v1::CommandSent {
                n,
                boot: boot.0,
                above_seq: above_seq.map(|seq| seq.0),
            }),
            Transition::NotSent { n, reason } => Self::NotSent(v1::CommandNotSent {
                n,
                reason: v1::CommandNotSentReason::from(reason).into(),
            }),
            Transition::Answered(answer) => Self::Answered(answer.into()),
            Transition::Ended { end, reason } => Self::Ended(v1::CommandEnded {
                end: v1::CommandEnd::from(end).into(),
                reason,
            }),
        }
    }
}

impl TryFrom<v1::CommandAnswered> for Answer {
    type Error = Refusal;

    fn try_from(wire: v1::CommandAnswered) -> Result<Self, Refusal> {
        answer_from_wire(wire.outcome, wire.progress_percent, wire.detail)
    }
}

impl From<Answer> for v1::CommandAnswered {
    fn from(answer: Answer) -> Self {
        Self {
            outcome: v1::CommandOutcome::from(answer.outcome).into(),
            progress_percent: answer.progress_percent.map(u32::from),
            detail: answer.detail,
        }
    }
}

impl TryFrom<v1::CommandUnrecorded> for Unrecorded {
    type Error = Refusal;

    fn try_from(wire: v1::CommandUnrecorded) -> Result<Self, Refusal> {
        let answer = wire.answer.map(Answer::try_from).transpose();
        Ok(Self {
            intent: required("intent", wire.intent)?.try_into()?,
            sent: UtcMicros(wire.sent_us),
            answer: answer.map_err(under("answer"))?,
        })
    }
}

impl From<Unrecorded> for v1::CommandUnrecorded {
    fn from(unrecorded: Unrecorded) -> Self {
        Self {
            intent: Some(unrecorded.intent.into()),
            sent_us: unrecorded.sent.0,
            answer: unrecorded.answer.map(Into::into),
        }
    }
}
