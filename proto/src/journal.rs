//! Records of the journal topic: `v1::JournalRecord` and the domain's [`JournalEntry`].

use aerostream_domain::{
    BootId, BootRecord, Cause, JournalEntry, JournalKind, Offset, Refusal, RefusalCode, UtcMicros,
};

use crate::alert;
use crate::command::record as command;
use crate::refuse::{drone_id, required, specified, under};
use crate::v1;
use crate::v1::journal_record::Kind;

impl TryFrom<v1::JournalRecord> for JournalEntry {
    type Error = Refusal;

    fn try_from(wire: v1::JournalRecord) -> Result<Self, Refusal> {
        let kind = match required("kind", wire.kind).map(command::from_kind)?? {
            Ok(record) => JournalKind::Command {
                drone: drone_id("drone_id", &wire.drone_id)?,
                record: Box::new(record),
            },
            Err(kind) => match alert::from_kind(kind)? {
                Ok(record) => JournalKind::Alert {
                    drone: drone_id("drone_id", &wire.drone_id)?,
                    record: Box::new(record),
                },
                Err(kind) => control(kind, &wire.drone_id)?,
            },
        };
        Ok(Self {
            epoch: wire.epoch.map(Into::into),
            at: UtcMicros(wire.at_us),
            cause: wire.cause.map(Into::into).unwrap_or_default(),
            kind,
        })
    }
}

/// What is neither about a command nor about alerts.
fn control(kind: Kind, drone: &str) -> Result<JournalKind, Refusal> {
    match kind {
        Kind::Claim(_) if !drone.is_empty() => {
            let detail = "must be empty; a claim is about a shard";
            Err(Refusal::new(RefusalCode::Unexpected, "drone_id", detail))
        }
        Kind::Claim(claim) => Ok(JournalKind::Claim(
            claim.try_into().map_err(under("claim"))?,
        )),
        Kind::Boot(boot) => Ok(JournalKind::Boot {
            drone: drone_id("drone_id", drone)?,
            record: boot.try_into().map_err(under("boot"))?,
        }),
        _ => {
            let detail = "no version of the format has this";
            Err(Refusal::new(RefusalCode::Malformed, "kind", detail))
        }
    }
}

impl From<JournalEntry> for v1::JournalRecord {
    fn from(entry: JournalEntry) -> Self {
        let (drone_id, kind) = match entry.kind {
            JournalKind::Claim(claim) => (String::new(), Kind::Claim(claim.into())),
            JournalKind::Boot { drone, record } => {
                (drone.as_str().to_owned(), Kind::Boot(record.into()))
            }
            JournalKind::Command { drone, record } => {
                (drone.as_str().to_owned(), command::to_kind(*record))
            }
            JournalKind::Alert { drone, record } => {
                (drone.as_str().to_owned(), alert::to_kind(&record))
            }
        };
        Self {
            epoch: entry.epoch.map(Into::into),
            drone_id,
            cause: (entry.cause != Cause::default()).then(|| entry.cause.into()),
            at_us: entry.at.0,
            // A gateway adds it to what it was asked for.
            origin: None,
            kind: Some(kind),
        }
    }
}

impl TryFrom<v1::Boot> for BootRecord {
    type Error = Refusal;

    fn try_from(wire: v1::Boot) -> Result<Self, Refusal> {
        Ok(Self {
            boot: BootId(wire.boot),
            power_up: UtcMicros(wire.power_up_us),
            basis: specified::<v1::PowerUpBasis, _>("basis", wire.basis)?,
        })
    }
}

impl From<BootRecord> for v1::Boot {
    fn from(record: BootRecord) -> Self {
        Self {
            boot: record.boot.0,
            power_up_us: record.power_up.0,
            basis: v1::PowerUpBasis::from(record.basis).into(),
        }
    }
}

impl From<v1::Cause> for Cause {
    fn from(wire: v1::Cause) -> Self {
        Self {
            telemetry: wire.telemetry_offset.map(Offset),
            journal: wire.journal_offset.map(Offset),
            registry: wire.registry_offset.map(Offset),
        }
    }
}

impl From<Cause> for v1::Cause {
    fn from(cause: Cause) -> Self {
        Self {
            telemetry_offset: cause.telemetry.map(|offset| offset.0),
            journal_offset: cause.journal.map(|offset| offset.0),
            registry_offset: cause.registry.map(|offset| offset.0),
        }
    }
}
