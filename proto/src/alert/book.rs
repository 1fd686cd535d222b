//! All that a drone's snapshot has of its alerts.

use aerostream_domain::alert::{Alert, AlertBook, AlertLedger, Memory, Since, Transition, Turn};
use aerostream_domain::{BootId, Offset, Refusal, UtcMicros};

use super::{id, id_to_wire, instance, severity_to_wire};
use crate::refuse::{each, required, rule_id, under};
use crate::v1;

/// Stands for a level that does not hold: no clock shows it.
const NEVER: i64 = i64::MIN;

impl TryFrom<v1::AlertBook> for AlertBook {
    type Error = Refusal;

    fn try_from(wire: v1::AlertBook) -> Result<Self, Refusal> {
        let ledger = AlertLedger::restore(
            each("alerts", wire.alerts, Alert::try_from)?,
            wire.folded_offset.map(Offset),
            wire.cause_offset.map(Offset),
        );
        let memory = Memory {
            boot: wire.memory_boot.map(BootId),
            since: each("since", wire.since, Since::try_from)?,
        };
        let pending = each("pending", wire.pending, |pending| {
            let transition = required("transition", pending.transition)?;
            Ok((
                pending.applied_offset.map(Offset),
                Transition::try_from(transition)?,
            ))
        })?;
        Ok(Self::restore(ledger, memory, pending))
    }
}

impl From<&AlertBook> for v1::AlertBook {
    fn from(book: &AlertBook) -> Self {
        let (ledger, memory) = (book.ledger(), book.memory());
        let pending = book.pending().iter();
        let pending = pending.map(|(applied, transition)| v1::AlertPending {
            applied_offset: applied.map(|offset| offset.0),
            transition: Some(transition.into()),
        });
        Self {
            alerts: ledger.alerts().iter().map(Into::into).collect(),
            folded_offset: ledger.folded().map(|offset| offset.0),
            cause_offset: ledger.cause().map(|offset| offset.0),
            memory_boot: memory.boot.map(|boot| boot.0),
            since: memory.since.iter().map(Into::into).collect(),
            pending: pending.collect(),
        }
    }
}

impl TryFrom<v1::Alert> for Alert {
    type Error = Refusal;

    fn try_from(wire: v1::Alert) -> Result<Self, Refusal> {
        let raised = required("raised", wire.raised)?;
        let turn = Turn::try_from(raised).map_err(under("raised"))?;
        let Turn::Raised {
            rule,
            rule_version,
            instance,
            title,
            severity,
        } = turn
        else {
            unreachable!("read from a raising");
        };
        let acknowledged = wire.acknowledged.map(TryInto::try_into).transpose();
        Ok(Self {
            id: id(&wire.id)?,
            rule,
            rule_version,
            instance,
            title,
            severity,
            raised: required("raised_by", wire.raised_by)?.into(),
            raised_at: wire.raised_at_offset.map(Offset),
            newest: required("newest", wire.newest)?.into(),
            changed: UtcMicros(wire.changed_us),
            turns: wire.turns,
            cleared: wire
                .cleared_reason
                .map(|reason| (reason, UtcMicros(wire.cleared_us))),
            acknowledged: acknowledged.map_err(under("acknowledged"))?,
            comments: each("comments", wire.comments, TryInto::try_into)?,
        })
    }
}

impl From<&Alert> for v1::Alert {
    fn from(alert: &Alert) -> Self {
        let cleared = alert.cleared.as_ref();
        Self {
            id: id_to_wire(alert.id),
            raised: Some(v1::AlertRaised {
                rule_id: alert.rule.as_str().to_owned(),
                rule_version: alert.rule_version.map(|offset| offset.0),
                instance: alert.instance.to_string(),
                title: alert.title.clone(),
                severity: severity_to_wire(alert.severity),
            }),
            raised_by: Some((&alert.raised).into()),
            raised_at_offset: alert.raised_at.map(|offset| offset.0),
            newest: Some((&alert.newest).into()),
            changed_us: alert.changed.0,
            turns: alert.turns,
            cleared_reason: cleared.map(|(reason, _)| reason.clone()),
            cleared_us: cleared.map_or(0, |(_, at)| at.0),
            acknowledged: alert.acknowledged.as_ref().map(Into::into),
            comments: alert.comments.iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<v1::AlertSince> for Since {
    type Error = Refusal;

    fn try_from(wire: v1::AlertSince) -> Result<Self, Refusal> {
        let level = |since| (since != NEVER).then_some(UtcMicros(since));
        Ok(Self {
            rule: rule_id("rule_id", &wire.rule_id)?,
            version: wire.rule_version.map(Offset),
            instance: instance(&wire.instance)?,
            levels: wire.levels_us.into_iter().map(level).collect(),
            clear: wire.clear_us.map(UtcMicros),
            heard: wire.heard,
        })
    }
}

impl From<&Since> for v1::AlertSince {
    fn from(since: &Since) -> Self {
        let levels = since.levels.iter();
        Self {
            rule_id: since.rule.as_str().to_owned(),
            rule_version: since.version.map(|offset| offset.0),
            instance: since.instance.to_string(),
            levels_us: levels.map(|it| it.map_or(NEVER, |since| since.0)).collect(),
            clear_us: since.clear.map(|since| since.0),
            heard: since.heard,
        }
    }
}
