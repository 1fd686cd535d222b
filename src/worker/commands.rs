//! The commands' part of a run: the fold that owners make, going on from what is stored.

use std::collections::{BTreeMap, BTreeSet};

use aerostream_domain::command::ledger::Standing;
use aerostream_domain::command::{
    Answer, CommandId, CommandRecord, Entry, Folded, Ledger, Transition, Value,
};
use aerostream_domain::{DroneId, Epoch, Offset, ShardId, UtcMicros};
use aerostream_proto::v1;

use super::audit::{About, row as row_of_audit};
use crate::store::Source;
use crate::store::audit::{AuditPlace, AuditRow, TAKEN, WITHOUT_EFFECT};
use crate::store::command::{CommandEvent, CommandFold, CommandRow, FoldedCommands};

/// A journal record about a command that counts by the claim rule.
#[derive(Debug, Clone)]
pub struct Told {
    pub drone: DroneId,
    pub shard: ShardId,
    pub offset: Offset,
    pub at: UtcMicros,
    pub epoch: Option<Epoch>,
    pub record: CommandRecord,
    pub origin: Option<v1::Origin>,
}

/// What a run tells of commands, in log order within each shard.
#[derive(Debug, Default)]
pub struct CommandRun(pub Vec<Told>);

impl CommandFold for CommandRun {
    fn about(&self) -> (Vec<DroneId>, Vec<String>) {
        let drones: BTreeSet<_> = self.0.iter().map(|told| told.drone.clone()).collect();
        let ids: BTreeSet<_> = self.0.iter().map(|told| told.record.id()).collect();
        let ids = ids.into_iter().map(|id| id.to_string()).collect();
        (drones.into_iter().collect(), ids)
    }

    fn fold(&self, stored: &[Vec<u8>]) -> Result<FoldedCommands, String> {
        let mut ledgers = self.ledgers(stored)?;
        let mut folded = FoldedCommands::default();
        let mut touched = BTreeSet::new();
        for told in &self.0 {
            let ledger = ledgers.entry(&told.drone).or_default();
            let open: Vec<CommandId> = ledger.open().map(Entry::id).collect();
            let standing = Standing {
                offset: told.offset,
                at: told.at,
                epoch: told.epoch,
                boot: None,
            };
            let what = ledger.fold(standing, &told.record);
            let counts = !matches!(what, Folded::Nothing | Folded::NoRoom(_));
            folded.events.push(event(told, counts, ledger));
            let is_heard = counts && !is_conflict(told, ledger);
            folded.audit.extend(audited(told, is_heard));
            if counts {
                // A command that goes out supersedes others.
                touched.extend(open.into_iter().chain([told.record.id()]));
            }
        }
        for (drone, ledger) in &ledgers {
            let rows = ledger.entries().iter();
            let rows = rows.filter(|entry| touched.contains(&entry.id()));
            folded.rows.extend(rows.map(|entry| row(drone, entry)));
        }
        Ok(folded)
    }
}

impl CommandRun {
    fn ledgers(&self, stored: &[Vec<u8>]) -> Result<BTreeMap<&DroneId, Ledger>, String> {
        let mut entries: BTreeMap<&DroneId, Vec<Entry>> = BTreeMap::new();
        let of: BTreeMap<CommandId, &DroneId> = self
            .0
            .iter()
            .map(|told| (told.record.id(), &told.drone))
            .collect();
        let by_name: BTreeMap<&str, &DroneId> = self
            .0
            .iter()
            .map(|told| (told.drone.as_str(), &told.drone))
            .collect();
        for bytes in stored {
            let wire: v1::StoredCommand =
                aerostream_log::decode(bytes).map_err(|error| error.to_string())?;
            let entry = wire.entry.unwrap_or_default();
            let entry = Entry::try_from(entry).map_err(|refusal| refusal.to_string())?;
            let drone = by_name.get(wire.drone_id.as_str()).copied();
            let Some(drone) = drone.or_else(|| of.get(&entry.id()).copied()) else {
                continue;
            };
            entries.entry(drone).or_default().push(entry);
        }
        let ledger = |mut entries: Vec<Entry>| {
            entries.sort_by_key(|entry| entry.offset);
            Ledger::restore(entries, None)
        };
        let ledgers = entries.into_iter();
        Ok(ledgers.map(|(drone, all)| (drone, ledger(all))).collect())
    }
}

fn row(drone: &DroneId, entry: &Entry) -> CommandRow {
    let intent = &entry.intent;
    let parameters = intent.command.parameters().into_iter();
    let parameters: serde_json::Map<String, serde_json::Value> = parameters
        .map(|(name, value)| (name.to_owned(), json(value)))
        .collect();
    let kept = v1::StoredCommand {
        drone_id: drone.as_str().to_owned(),
        entry: Some(entry.clone().into()),
    };
    CommandRow {
        id: entry.id().to_string(),
        drone: drone.clone(),
        name: entry.kind().as_str(),
        parameters: serde_json::Value::Object(parameters).to_string(),
        principal: intent.principal.clone(),
        received: intent.received,
        expires: intent.expires(),
        emergency: intent.emergency,
        group: intent.group.map(|group| group.to_be_bytes().to_vec()),
        log_offset: entry.offset.0,
        state: entry.stage.as_str(),
        is_over: entry.is_over(),
        reason: entry.reason.clone(),
        attempts: entry.spent,
        changed: entry.changed,
        entry: aerostream_log::encode(&kept).to_vec(),
    }
}

fn json(value: Value) -> serde_json::Value {
    match value {
        Value::Number(number) => number.into(),
        Value::Flag(flag) => flag.into(),
        Value::Text(text) => text.into(),
    }
}

fn event(told: &Told, counts: bool, ledger: &Ledger) -> CommandEvent {
    let id = told.record.id();
    let (who, what, detail) = words(&told.record);
    let known = ledger.get(id);
    CommandEvent {
        shard: told.shard,
        log_offset: told.offset.0,
        id: id.to_string(),
        drone: told.drone.clone(),
        at: told.at,
        epoch: told.epoch,
        who,
        what,
        detail,
        counts,
        state: known.map_or("", |entry| entry.stage.as_str()),
    }
}

/// True of a wish whose id another body has already: only that it came is kept.
fn is_conflict(told: &Told, ledger: &Ledger) -> bool {
    match &told.record {
        CommandRecord::Intent(intent) => {
            let known = ledger.get(intent.id);
            known.is_some_and(|entry| entry.offset != told.offset)
        }
        _ => false,
    }
}

/// What somebody wished, as the audit tells it.
fn audited(told: &Told, counts: bool) -> Option<AuditRow> {
    let (action, intent) = match &told.record {
        CommandRecord::Intent(intent) => ("command", Some(intent)),
        CommandRecord::Cancel(_) => ("cancel_command", None),
        CommandRecord::Confirm(_) => ("confirm_command", None),
        CommandRecord::Unrecorded(told) => ("emergency_command", Some(&told.intent)),
        CommandRecord::Transition { .. } => return None,
    };
    let (who, _, said) = words(&told.record);
    let principal = intent.map_or(who, |intent| intent.principal.clone());
    let detail = intent.map_or(said, |intent| intent.command.kind().as_str().to_owned());
    let place = AuditPlace {
        at: told.at,
        topic: Source::Journal.to_string(),
        partition: told.shard.0,
        offset: told.offset,
    };
    let about = About {
        principal,
        action,
        drone: told.drone.to_string(),
        subject: told.record.id().to_string(),
        detail,
        result: if counts { TAKEN } else { WITHOUT_EFFECT },
    };
    Some(row_of_audit(
        place,
        told.origin.clone(),
        about,
        String::new(),
    ))
}

/// Who did what, and why.
fn words(record: &CommandRecord) -> (String, &'static str, String) {
    let owner = || "owner".to_owned();
    match record {
        CommandRecord::Intent(intent) => {
            let name = intent.command.kind().as_str().to_owned();
            (intent.principal.clone(), "intent", name)
        }
        CommandRecord::Cancel(cancel) => (cancel.principal.clone(), "cancel", String::new()),
        CommandRecord::Confirm(confirm) => {
            let digest = format!("{:016x}", confirm.digest);
            (confirm.principal.clone(), "confirm", digest)
        }
        CommandRecord::Unrecorded(told) => {
            let said = told.answer.as_ref().map_or_else(String::new, said);
            ("gateway".to_owned(), "unrecorded", said)
        }
        CommandRecord::Transition { what, .. } => match what {
            Transition::Sent { n, boot, .. } => {
                (owner(), "sent", format!("number {n} to boot {boot}"))
            }
            Transition::NotSent { n, reason } => {
                let detail = format!("number {n}: {}", reason.as_str());
                ("gateway".to_owned(), "not_sent", detail)
            }
            Transition::Answered(answer) => ("drone".to_owned(), "answered", said(answer)),
            Transition::Ended { end, reason } => {
                (owner(), "ended", format!("{}: {reason}", end.as_str()))
            }
        },
    }
}

fn said(answer: &Answer) -> String {
    let mut text = answer.outcome.as_str().to_owned();
    if let Some(percent) = answer.progress_percent {
        text.push_str(&format!(" {percent} %"));
    }
    if !answer.detail.is_empty() {
        text.push_str(&format!(": {}", answer.detail));
    }
    text
}
