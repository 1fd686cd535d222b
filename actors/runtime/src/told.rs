//! What a record of the journal says to a drone.

use std::sync::Arc;

use aerostream_domain::alert::AlertStanding;
use aerostream_domain::{BootRecord, DroneId, Epoch, JournalEntry, JournalKind, Offset};
use aerostream_log::Record;
use aerostream_proto::v1;
use aerostream_proto::v1::journal_record;

use crate::alert::AlertTold;
use crate::command::Told;
use crate::message::JournalTold;
use crate::recovery::unreadable;

/// What a journal record says of a drone, if it counts: an owner-written record of another epoch
/// than the highest claim before it is void.
pub(crate) fn told_by(
    record: &Record,
    journal: v1::JournalRecord,
    claimed: &mut Option<Epoch>,
) -> Option<(DroneId, JournalTold)> {
    let epoch = journal.epoch.map(Epoch::from);
    match &journal.kind {
        Some(journal_record::Kind::Claim(_)) => {
            *claimed = (*claimed).max(epoch);
            return None;
        }
        Some(journal_record::Kind::Boot(boot)) if epoch == *claimed => {
            let drone = DroneId::parse(&journal.drone_id).ok()?;
            let boot = BootRecord::try_from(*boot).ok()?;
            return Some((drone, JournalTold::Boot(boot)));
        }
        Some(journal_record::Kind::Boot(_)) | None => return None,
        Some(_) if epoch.is_some() && epoch != *claimed => return None,
        Some(_) => {}
    }
    match JournalEntry::try_from(journal) {
        Ok(entry) => told_of(record.offset, entry),
        Err(refusal) => {
            unreadable(record, &refusal.to_string());
            None
        }
    }
}

fn told_of(offset: Offset, entry: JournalEntry) -> Option<(DroneId, JournalTold)> {
    let (epoch, at) = (entry.epoch, entry.at);
    match entry.kind {
        JournalKind::Command { drone, record } => {
            let told = Told {
                offset,
                at,
                epoch,
                record,
            };
            Some((drone, JournalTold::Command(told)))
        }
        JournalKind::Alert { drone, record } => {
            let standing = AlertStanding {
                offset,
                at,
                cause: entry.cause.telemetry,
            };
            let told = AlertTold {
                standing,
                epoch,
                record: Arc::new(*record),
            };
            Some((drone, JournalTold::Alert(told)))
        }
        JournalKind::Claim(_) | JournalKind::Boot { .. } => None,
    }
}
