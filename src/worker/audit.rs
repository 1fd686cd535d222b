//! What the registry's records and the journal's intents are to the audit.

use aerostream_domain::{Offset, UtcMicros};
use aerostream_log::{Append, DecodeError, EventLog, Record, decode};
use aerostream_proto::v1;
use aerostream_proto::v1::registry_record::Entity;
use async_trait::async_trait;

use super::intake::{Kind, Newer};
use super::telemetry_writer::undecodable;
use super::writing::{Store, WriteError, write_letters};
use crate::store::audit::{
    AuditPlace, AuditRow, ChangeRow, RegistryRun, Replaces, TAKEN, write_run,
};
use crate::store::offsets::{Span, Spans};
use crate::store::telemetry::Counts;
use crate::store::{Source, Stored, Writer};

/// How the registry's records are stored.
#[derive(Debug, Clone, Copy)]
pub struct Registry;

/// Changes on their way into the audit, and letters about records that say nothing.
#[derive(Debug, Default)]
pub struct Changes {
    rows: RegistryRun,
    letters: Vec<Append>,
    records: usize,
    bytes: usize,
}

impl Kind for Registry {
    type Run = Changes;

    const TOPIC: Source = Source::Registry;

    fn add(run: &mut Changes, record: Record, from: Stored) -> Result<Stored, Newer> {
        let to = Stored {
            next: Some(Offset(record.offset.0 + 1)),
            claim: None,
        };
        match decode::<v1::RegistryRecord>(&record.payload) {
            Err(DecodeError::Newer { version }) => return Err(Newer { version }),
            Err(DecodeError::Undecodable { reason }) => {
                run.letters.push(undecodable(&record, reason));
            }
            Ok(message) => run.rows.changes.extend(change(message, &record)),
        }
        let span = run.rows.spans.entry(record.partition.0);
        span.or_insert(Span { from, to }).to = to;
        run.records += 1;
        run.bytes += record.payload.len();
        Ok(to)
    }

    fn spans(run: &Changes) -> &Spans {
        &run.rows.spans
    }

    fn size(run: &Changes) -> (usize, usize) {
        (run.records, run.bytes)
    }
}

#[async_trait]
impl Store<Changes> for Registry {
    async fn store(
        &mut self,
        writer: &mut Writer,
        log: &dyn EventLog,
        run: &mut Changes,
    ) -> Result<(Counts, u64), WriteError> {
        write_letters(log, &run.letters).await?;
        write_run(writer, &run.rows).await?;
        Ok((Counts::default(), run.letters.len() as u64))
    }
}

/// What a journal or registry record has to say of who wrote it, and about what.
pub(super) struct About {
    pub principal: String,
    pub action: &'static str,
    pub drone: String,
    pub subject: String,
    pub detail: String,
    pub result: &'static str,
}

/// A row of the audit. `fleet` is used where the origin tells none.
pub(super) fn row(
    place: AuditPlace,
    origin: Option<v1::Origin>,
    about: About,
    fleet: String,
) -> AuditRow {
    let origin = origin.unwrap_or_default();
    let told = Some(origin.fleet_id).filter(|fleet| !fleet.is_empty());
    AuditRow {
        place,
        principal: about.principal,
        role: origin.role,
        token_id: origin.token_id,
        door: origin.door,
        address: origin.address,
        action: about.action.to_owned(),
        fleet: told.unwrap_or(fleet),
        drone: about.drone,
        subject: about.subject,
        detail: about.detail,
        result: about.result.to_owned(),
    }
}

/// (fleet, drone, subject) of a rule: one of the first two is empty.
fn of_scope(scope: Option<v1::RuleScope>, rule: &str) -> (String, String, String) {
    use v1::rule_scope::Scope;
    match scope.and_then(|scope| scope.scope) {
        Some(Scope::FleetId(fleet)) => {
            let subject = format!("rule/fleet/{fleet}/{rule}");
            (fleet, String::new(), subject)
        }
        Some(Scope::DroneId(drone)) => {
            let subject = format!("rule/drone/{drone}/{rule}");
            (String::new(), drone, subject)
        }
        None => (String::new(), String::new(), format!("rule/{rule}")),
    }
}

/// A checkpoint changes nothing, and was nobody's wish.
fn change(message: v1::RegistryRecord, record: &Record) -> Option<ChangeRow> {
    let is_new = message.replaces.is_none();
    let replaces = match (&message.entity, message.replaces) {
        (Some(Entity::Revocation(_)), _) => Replaces::Any,
        (_, None) => Replaces::Nothing,
        (_, Some(version)) => Replaces::Version(Offset(version)),
    };
    let told = of_entity(message.entity?, is_new)?;
    let (action, fleet, drone, subject, detail) = told;
    let place = AuditPlace {
        at: UtcMicros(message.at_us),
        topic: Source::Registry.to_string(),
        partition: record.partition.0,
        offset: record.offset,
    };
    let about = About {
        principal: message.principal,
        action,
        drone,
        subject,
        detail,
        result: TAKEN,
    };
    Some(ChangeRow {
        row: row(place, message.origin, about, fleet),
        replaces,
    })
}

/// (action, fleet, drone, subject, detail) of a change; `None` of what changes nothing.
fn of_entity(
    entity: Entity,
    is_new: bool,
) -> Option<(&'static str, String, String, String, String)> {
    Some(match entity {
        Entity::Fleet(fleet) => {
            let detail = format!(
                "at most {} drones, {:?}",
                fleet.drones_max,
                fleet.enrolment()
            );
            let action = if is_new {
                "create_fleet"
            } else {
                "change_fleet"
            };
            let subject = format!("fleet/{}", fleet.fleet_id);
            (action, fleet.fleet_id, String::new(), subject, detail)
        }
        Entity::Drone(drone) => {
            let action = match (is_new, drone.credential()) {
                (true, _) => "enrol_drone",
                (false, v1::Credential::Retired) => "retire_drone",
                (false, _) => "change_drone",
            };
            let subject = format!("drone/{}", drone.drone_id);
            (action, drone.fleet_id, drone.drone_id, subject, drone.name)
        }
        Entity::Revocation(revocation) => {
            let subject = format!("revocation/{}", revocation.token_id);
            let nothing = String::new();
            (
                "revoke_token",
                nothing.clone(),
                nothing,
                subject,
                revocation.reason,
            )
        }
        Entity::Rule(entry) => {
            let id = entry.rule.map(|rule| rule.rule_id).unwrap_or_default();
            let (fleet, drone, subject) = of_scope(entry.scope, &id);
            let action = if is_new { "create_rule" } else { "change_rule" };
            (action, fleet, drone, subject, String::new())
        }
        Entity::RuleRemoval(removal) => {
            let (fleet, drone, subject) = of_scope(removal.scope, &removal.rule_id);
            ("delete_rule", fleet, drone, subject, String::new())
        }
        Entity::Fence(entry) => {
            let id = entry.fence.map(|fence| fence.fence_id).unwrap_or_default();
            let subject = format!("fence/{}/{id}", entry.fleet_id);
            let action = if is_new {
                "create_fence"
            } else {
                "change_fence"
            };
            let detail = entry.drone_ids.join(" ");
            (action, entry.fleet_id, String::new(), subject, detail)
        }
        Entity::FenceRemoval(removal) => {
            let subject = format!("fence/{}/{}", removal.fleet_id, removal.fence_id);
            let fleet = removal.fleet_id;
            ("delete_fence", fleet, String::new(), subject, String::new())
        }
        Entity::Checkpoint(_) => return None,
    })
}
