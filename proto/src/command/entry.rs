//! The ledger of a drone, as snapshots have it.

use aerostream_domain::command::{Answer, Entry, Ledger, Sending, Stage};
use aerostream_domain::{BootId, Offset, Refusal, RefusalCode, Seq, UtcMicros};

use super::record::id;
use crate::refuse::{each, narrow, required, specified, under};
use crate::v1;

impl TryFrom<v1::CommandLedger> for Ledger {
    type Error = Refusal;

    fn try_from(wire: v1::CommandLedger) -> Result<Self, Refusal> {
        let entries = each("entries", wire.entries, Entry::try_from)?;
        Ok(Self::restore(entries, wire.folded_offset.map(Offset)))
    }
}

impl From<Ledger> for v1::CommandLedger {
    fn from(ledger: Ledger) -> Self {
        Self {
            folded_offset: ledger.folded().map(|offset| offset.0),
            entries: ledger.entries().iter().cloned().map(Into::into).collect(),
        }
    }
}

fn stage(stage: i32, end: i32) -> Result<Stage, Refusal> {
    let end_of = || specified::<v1::CommandEnd, _>("end", end);
    Ok(match v1::CommandStage::try_from(stage) {
        Ok(v1::CommandStage::Queued) => Stage::Queued,
        Ok(v1::CommandStage::Sent) => Stage::Sent,
        Ok(v1::CommandStage::InProgress) => Stage::InProgress,
        Ok(v1::CommandStage::Acknowledged) => Stage::Acknowledged,
        Ok(v1::CommandStage::Ended) => Stage::Ended(end_of()?),
        Ok(v1::CommandStage::Unspecified) | Err(_) => {
            let detail = format!("found {stage}; must be a number that the enum has");
            return Err(Refusal::new(RefusalCode::Malformed, "stage", detail));
        }
    })
}

fn stage_to_wire(stage: Stage) -> (v1::CommandStage, v1::CommandEnd) {
    let none = v1::CommandEnd::Unspecified;
    match stage {
        Stage::Queued => (v1::CommandStage::Queued, none),
        Stage::Sent => (v1::CommandStage::Sent, none),
        Stage::InProgress => (v1::CommandStage::InProgress, none),
        Stage::Acknowledged => (v1::CommandStage::Acknowledged, none),
        Stage::Ended(end) => (v1::CommandStage::Ended, end.into()),
    }
}

fn by(wire: v1::CommandBy) -> (String, UtcMicros) {
    (wire.principal, UtcMicros(wire.at_us))
}

fn by_to_wire((principal, at): (String, UtcMicros)) -> v1::CommandBy {
    v1::CommandBy {
        principal,
        at_us: at.0,
    }
}

impl TryFrom<v1::CommandEntry> for Entry {
    type Error = Refusal;

    fn try_from(wire: v1::CommandEntry) -> Result<Self, Refusal> {
        let answer = wire.answer.map(Answer::try_from).transpose();
        let late = wire.late.map(Answer::try_from).transpose();
        let superseded_by = match wire.superseded_by.as_slice() {
            [] => None,
            bytes => Some(id("superseded_by", bytes)?),
        };
        let percent = wire.progress_percent;
        let percent = percent.map(|percent| narrow("progress_percent", percent, "0 to 100"));
        Ok(Self {
            intent: required("intent", wire.intent)?.try_into()?,
            offset: Offset(wire.intent_offset),
            boot: wire.boot.map(BootId),
            stage: stage(wire.stage, wire.end)?,
            sends: wire.sends,
            spent: wire.spent,
            sending: wire.sending.map(Sending::try_from).transpose()?,
            progress_percent: percent.transpose()?,
            answer: answer.map_err(under("answer"))?,
            reason: wire.reason,
            changed: UtcMicros(wire.changed_us),
            cancelled_by: wire.cancelled_by.map(by),
            confirmed_by: wire.confirmed_by.map(by),
            superseded_by,
            conflicts: wire.conflicts,
            late: late.map_err(under("late"))?,
        })
    }
}

impl From<Entry> for v1::CommandEntry {
    fn from(entry: Entry) -> Self {
        let (stage, end) = stage_to_wire(entry.stage);
        let superseded_by = entry.superseded_by.map(|id| id.to_bytes().to_vec());
        Self {
            intent: Some(entry.intent.into()),
            intent_offset: entry.offset.0,
            boot: entry.boot.map(|boot| boot.0),
            stage: stage.into(),
            end: end.into(),
            sends: entry.sends,
            spent: entry.spent,
            sending: entry.sending.map(Into::into),
            progress_percent: entry.progress_percent.map(u32::from),
            answer: entry.answer.map(Into::into),
            reason: entry.reason,
            changed_us: entry.changed.0,
            cancelled_by: entry.cancelled_by.map(by_to_wire),
            confirmed_by: entry.confirmed_by.map(by_to_wire),
            superseded_by: superseded_by.unwrap_or_default(),
            conflicts: entry.conflicts,
            late: entry.late.map(Into::into),
        }
    }
}

impl TryFrom<v1::CommandSending> for Sending {
    type Error = Refusal;

    fn try_from(wire: v1::CommandSending) -> Result<Self, Refusal> {
        Ok(Self {
            n: wire.n,
            at: UtcMicros(wire.at_us),
            boot: BootId(wire.boot),
            above_seq: wire.above_seq.map(Seq),
            order: required("sending.order", wire.order)?.into(),
        })
    }
}

impl From<Sending> for v1::CommandSending {
    fn from(sending: Sending) -> Self {
        Self {
            n: sending.n,
            at_us: sending.at.0,
            boot: sending.boot.0,
            above_seq: sending.above_seq.map(|seq| seq.0),
            order: Some(sending.order.into()),
        }
    }
}
