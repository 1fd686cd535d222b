//! Changes: appended, read back, and only then answered.

mod rules;

use aerostream_domain::{DroneId, FenceId, FleetId, Offset, RuleId, UtcMicros};
use aerostream_log::{Append, AppendError, Topic};
use aerostream_proto::v1;
use bytes::Bytes;

use super::Registry;
use super::change::{Change, Credential, Drone, Enrolment, Entity, Fleet, Revocation, RuleScope};
use super::fold::{Verdict, Versioned};
use super::follow::PARTITION;
use crate::origin;
pub use rules::Replaces;

/// Why a change is not in the registry, or is not known to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The fold is not at the end of the log, so that nothing can be said of what is.
    #[error("the registry is not read to its end yet")]
    NotCaughtUp,
    /// Another change came first, or the entity exists already.
    #[error("another change of {entity} came first")]
    Conflict { entity: String },
    /// There is no such fleet.
    #[error("there is no fleet {fleet}")]
    FleetUnknown { fleet: FleetId },
    /// The fleet has all the drones that it may have.
    #[error("fleet {fleet} has all the drones that it may have")]
    FleetFull { fleet: FleetId },
    /// There is no such drone.
    #[error("there is no drone {drone}")]
    DroneUnknown { drone: DroneId },
    /// There is no such rule.
    #[error("there is no rule {rule} here")]
    RuleUnknown { rule: RuleId },
    /// There is no such fence.
    #[error("the fleet has no fence {fence}")]
    FenceUnknown { fence: FenceId },
    /// The fleet or drone has all the rules or fences that it may have.
    #[error("no more than {max} of these are allowed here; {entity} would be one more")]
    TooMany { entity: String, max: u32 },
    /// The log did not take the record.
    #[error("the event log did not take the change of {entity}: {reason}")]
    LogDown { entity: String, reason: String },
    /// Whether the change happened cannot be told.
    #[error("whether the change of {entity} was taken is unknown: {reason}")]
    Unknown { entity: String, reason: String },
}

/// Who asks for a change, and when.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Subject of the token.
    pub principal: &'a str,
    pub at: UtcMicros,
}

/// What of a fleet is to be changed.
#[derive(Debug, Clone, Default)]
pub struct FleetPatch {
    /// Version that the caller saw; `None` takes whatever is there.
    pub replaces: Option<Offset>,
    pub name: Option<String>,
    pub enrolment: Option<Enrolment>,
    pub drones_max: Option<u32>,
}

/// Whose an entity is, and how many of them there may be.
enum About {
    Fleet(FleetId, u32),
    Drone(DroneId, u32),
    Nobody,
}

impl About {
    fn of(entity: &Entity) -> Self {
        match entity {
            Entity::Drone(drone) => Self::Fleet(drone.fleet.clone(), 0),
            Entity::Fence(entry) => Self::Fleet(entry.fleet.clone(), entry.fleet_max),
            Entity::Rule(entry) => match &entry.scope {
                RuleScope::Fleet(fleet) => Self::Fleet(fleet.clone(), entry.scope_max),
                RuleScope::Drone(drone) => Self::Drone(drone.clone(), entry.scope_max),
            },
            Entity::Fleet(_)
            | Entity::Revocation(_)
            | Entity::RuleRemoval(_)
            | Entity::FenceRemoval(_) => Self::Nobody,
        }
    }
}

impl Registry {
    /// Appends a change, reads it back and tells the version that it made.
    ///
    /// # Errors
    /// It folded to nothing, the log did not take it, or neither is known in time.
    pub async fn write(&self, change: Change) -> Result<Offset, WriteError> {
        let entity = change.entity.key();
        if !self.shared.position.borrow().caught_up {
            return Err(WriteError::NotCaughtUp);
        }
        let about = About::of(&change.entity);
        if let Entity::Drone(drone) = &change.entity
            && change.replaces.is_none()
        {
            // What has no chance is not recorded; the fold judges those that race.
            self.has_room(drone)?;
        }
        let written = tokio::time::timeout(self.write_timeout(), self.append(&entity, change));
        let (offset, verdict) = written.await.map_err(|_| WriteError::Unknown {
            entity: entity.clone(),
            reason: "no answer in time".to_owned(),
        })??;
        match (verdict, about) {
            (Verdict::Taken, _) => Ok(offset),
            (Verdict::FleetUnknown, About::Fleet(fleet, _)) => {
                Err(WriteError::FleetUnknown { fleet })
            }
            (Verdict::FleetFull, About::Fleet(fleet, _)) => Err(WriteError::FleetFull { fleet }),
            (Verdict::DroneUnknown, About::Drone(drone, _)) => {
                Err(WriteError::DroneUnknown { drone })
            }
            (Verdict::TooMany, About::Fleet(_, max) | About::Drone(_, max)) => {
                Err(WriteError::TooMany { entity, max })
            }
            _ => Err(WriteError::Conflict { entity }),
        }
    }

    fn has_room(&self, drone: &Drone) -> Result<(), WriteError> {
        let state = self.read();
        let fleet = drone.fleet.clone();
        let Some(known) = state.fleet(&fleet) else {
            return Err(WriteError::FleetUnknown { fleet });
        };
        if state.drone(&drone.id).is_some() {
            let entity = format!("drone/{}", drone.id);
            return Err(WriteError::Conflict { entity });
        }
        let is_full = state.active_drones(&fleet) >= known.entity.drones_max;
        match drone.credential == Credential::Active && is_full {
            true => Err(WriteError::FleetFull { fleet }),
            false => Ok(()),
        }
    }

    async fn append(&self, entity: &str, change: Change) -> Result<(Offset, Verdict), WriteError> {
        let mut record = v1::RegistryRecord::from(change);
        record.origin = origin::current().map(Into::into);
        let appended = self.shared.log.append(Append {
            topic: Topic::Registry,
            partition: PARTITION,
            key: Bytes::copy_from_slice(entity.as_bytes()),
            payload: aerostream_log::encode(&record),
        });
        let entity = || entity.to_owned();
        let offset = match appended.await {
            Ok(appended) => appended.offset,
            Err(AppendError::Refused { reason, .. }) => {
                let entity = entity();
                return Err(WriteError::LogDown { entity, reason });
            }
            Err(AppendError::Unknown { reason, .. }) => {
                let entity = entity();
                return Err(WriteError::Unknown { entity, reason });
            }
        };
        let mut position = self.position();
        // The sender lives in `self`, so this ends only when the record is folded.
        let _ = position.wait_for(|position| position.next > offset).await;
        let verdict = self.read().verdict(offset);
        let verdict = verdict.ok_or_else(|| WriteError::Unknown {
            entity: entity(),
            reason: "too many other changes came at once".to_owned(),
        })?;
        Ok((offset, verdict))
    }

    /// Makes a fleet.
    ///
    /// # Errors
    /// See [`Registry::write`]; `Conflict` if it exists.
    pub async fn create_fleet(
        &self,
        fleet: Fleet,
        by: Request<'_>,
    ) -> Result<Versioned<Fleet>, WriteError> {
        let entity = fleet.clone();
        let version = self.write(by.change(None, Entity::Fleet(fleet))).await?;
        Ok(Versioned { version, entity })
    }

    /// Changes what a patch names of a fleet.
    ///
    /// # Errors
    /// See [`Registry::write`]; `FleetUnknown` if there is none.
    pub async fn change_fleet(
        &self,
        id: &FleetId,
        patch: FleetPatch,
        by: Request<'_>,
    ) -> Result<Versioned<Fleet>, WriteError> {
        let known = self.read().fleet(id).cloned();
        let known = known.ok_or_else(|| WriteError::FleetUnknown { fleet: id.clone() })?;
        let mut entity = known.entity;
        entity.name = patch.name.unwrap_or(entity.name);
        entity.enrolment = patch.enrolment.unwrap_or(entity.enrolment);
        entity.drones_max = patch.drones_max.unwrap_or(entity.drones_max);
        let replaces = patch.replaces.unwrap_or(known.version);
        let change = by.change(Some(replaces), Entity::Fleet(entity.clone()));
        let version = self.write(change).await?;
        Ok(Versioned { version, entity })
    }

    /// Enrols a drone that is not known yet.
    ///
    /// # Errors
    /// See [`Registry::write`]; `Conflict` if it is known.
    pub async fn enrol(
        &self,
        drone: Drone,
        by: Request<'_>,
    ) -> Result<Versioned<Drone>, WriteError> {
        let entity = drone.clone();
        let version = self.write(by.change(None, Entity::Drone(drone))).await?;
        Ok(Versioned { version, entity })
    }

    /// Retires a drone: it may not send any more, its history stays.
    ///
    /// # Errors
    /// See [`Registry::write`]; `DroneUnknown` if there is none.
    pub async fn retire(
        &self,
        id: &DroneId,
        by: Request<'_>,
    ) -> Result<Versioned<Drone>, WriteError> {
        let known = self.read().drone(id).cloned();
        let known = known.ok_or_else(|| WriteError::DroneUnknown { drone: id.clone() })?;
        if known.entity.credential == Credential::Retired {
            return Ok(known);
        }
        let mut entity = known.entity;
        entity.credential = Credential::Retired;
        let change = by.change(Some(known.version), Entity::Drone(entity.clone()));
        let version = self.write(change).await?;
        Ok(Versioned { version, entity })
    }

    /// Ends a token before its expiry.
    ///
    /// # Errors
    /// See [`Registry::write`].
    pub async fn revoke(
        &self,
        revocation: Revocation,
        by: Request<'_>,
    ) -> Result<Offset, WriteError> {
        self.write(by.change(None, Entity::Revocation(revocation)))
            .await
    }
}

impl Request<'_> {
    fn change(self, replaces: Option<Offset>, entity: Entity) -> Change {
        Change {
            replaces,
            at: self.at,
            principal: self.principal.to_owned(),
            entity,
        }
    }
}
