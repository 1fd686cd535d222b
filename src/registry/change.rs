//! What a registry record says, and its only conversion from and to the wire.

mod rules;

use aerostream_domain::{DroneId, FleetId, Offset, UtcMicros};
use aerostream_proto::v1;

pub use rules::{FenceEntry, FenceRemoval, RuleEntry, RuleRemoval, RuleScope};

/// Longest name, type or reason, in bytes.
pub const LABEL_BYTES_MAX: usize = 256;

/// One change of one entity.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Offset of the version that this one replaces; `None` if the entity is new.
    pub replaces: Option<Offset>,
    /// The writer's clock.
    pub at: UtcMicros,
    /// Subject of the token that asked for it.
    pub principal: String,
    pub entity: Entity,
}

/// What is changed.
#[derive(Debug, Clone, PartialEq)]
pub enum Entity {
    Fleet(Fleet),
    Drone(Drone),
    Revocation(Revocation),
    Rule(Box<RuleEntry>),
    Fence(Box<FenceEntry>),
    RuleRemoval(RuleRemoval),
    FenceRemoval(FenceRemoval),
}

/// Whether drones come into a fleet by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enrolment {
    /// An operator enrols each one.
    Closed,
    /// A drone is enrolled when it first sends.
    Auto,
}

/// A group of drones: the unit of access rights and enrolment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fleet {
    pub id: FleetId,
    /// For people.
    pub name: String,
    pub enrolment: Enrolment,
    /// Active drones that it may have.
    pub drones_max: u32,
}

/// Whether a drone may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credential {
    Active,
    /// Kept for its history.
    Retired,
}

/// A drone that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drone {
    pub id: DroneId,
    pub fleet: FleetId,
    /// For people.
    pub name: String,
    /// Such as `multirotor`.
    pub kind: String,
    pub credential: Credential,
}

/// Ends a token before its expiry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// The `jti` claim.
    pub token_id: String,
    /// After it the revocation is forgotten.
    pub token_expires: UtcMicros,
    /// For people.
    pub reason: String,
}

/// Why a record is not a change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the registry record has no valid `{field}`{reason}")]
pub struct NotAChange {
    pub field: &'static str,
    /// Why it is not valid, behind a colon; empty if nothing more can be said.
    pub reason: String,
}

pub(super) const fn bad(field: &'static str) -> NotAChange {
    NotAChange {
        field,
        reason: String::new(),
    }
}

impl Entity {
    /// What the log keeps the record under.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::Fleet(fleet) => format!("fleet/{}", fleet.id),
            Self::Drone(drone) => format!("drone/{}", drone.id),
            Self::Revocation(revocation) => format!("revocation/{}", revocation.token_id),
            Self::Rule(entry) => format!("rule/{}/{}", entry.scope, entry.rule.id),
            Self::RuleRemoval(removal) => format!("rule/{}/{}", removal.scope, removal.rule),
            Self::Fence(entry) => format!("fence/{}/{}", entry.fleet, entry.fence.id),
            Self::FenceRemoval(removal) => format!("fence/{}/{}", removal.fleet, removal.fence),
        }
    }
}

impl TryFrom<v1::RegistryRecord> for Change {
    type Error = NotAChange;

    fn try_from(wire: v1::RegistryRecord) -> Result<Self, NotAChange> {
        use v1::registry_record::Entity as Wire;
        let entity = match wire.entity.ok_or(bad("entity"))? {
            Wire::Fleet(fleet) => Entity::Fleet(fleet.try_into()?),
            Wire::Drone(drone) => Entity::Drone(drone.try_into()?),
            Wire::Revocation(revocation) => Entity::Revocation(Revocation {
                token_id: revocation.token_id,
                token_expires: UtcMicros(revocation.token_expires_us),
                reason: revocation.reason,
            }),
            Wire::Rule(entry) => Entity::Rule(Box::new(entry.try_into()?)),
            Wire::Fence(entry) => Entity::Fence(Box::new(entry.try_into()?)),
            Wire::RuleRemoval(removal) => Entity::RuleRemoval(removal.try_into()?),
            Wire::FenceRemoval(removal) => Entity::FenceRemoval(removal.try_into()?),
            // The follower takes these out: they change nothing.
            Wire::Checkpoint(_) => return Err(bad("entity")),
        };
        Ok(Self {
            replaces: wire.replaces.map(Offset),
            at: UtcMicros(wire.at_us),
            principal: wire.principal,
            entity,
        })
    }
}

impl From<Change> for v1::RegistryRecord {
    fn from(change: Change) -> Self {
        use v1::registry_record::Entity as Wire;
        let entity = match change.entity {
            Entity::Fleet(fleet) => Wire::Fleet(fleet.into()),
            Entity::Drone(drone) => Wire::Drone(drone.into()),
            Entity::Revocation(revocation) => Wire::Revocation(v1::Revocation {
                token_id: revocation.token_id,
                token_expires_us: revocation.token_expires.0,
                reason: revocation.reason,
            }),
            Entity::Rule(entry) => Wire::Rule((*entry).into()),
            Entity::Fence(entry) => Wire::Fence((*entry).into()),
            Entity::RuleRemoval(removal) => Wire::RuleRemoval(removal.into()),
            Entity::FenceRemoval(removal) => Wire::FenceRemoval(removal.into()),
        };
        Self {
            replaces: change.replaces.map(|offset| offset.0),
            at_us: change.at.0,
            principal: change.principal,
            origin: None,
            entity: Some(entity),
        }
    }
}

impl TryFrom<v1::Fleet> for Fleet {
    type Error = NotAChange;

    fn try_from(wire: v1::Fleet) -> Result<Self, NotAChange> {
        let enrolment = match wire.enrolment() {
            v1::Enrolment::Closed => Enrolment::Closed,
            v1::Enrolment::Auto => Enrolment::Auto,
            v1::Enrolment::Unspecified => return Err(bad("enrolment")),
        };
        Ok(Self {
            id: FleetId::parse(&wire.fleet_id).map_err(|_| bad("fleet_id"))?,
            name: wire.name,
            enrolment,
            drones_max: wire.drones_max,
        })
    }
}

impl From<Fleet> for v1::Fleet {
    fn from(fleet: Fleet) -> Self {
        let enrolment = match fleet.enrolment {
            Enrolment::Closed => v1::Enrolment::Closed,
            Enrolment::Auto => v1::Enrolment::Auto,
        };
        Self {
            fleet_id: fleet.id.to_string(),
            name: fleet.name,
            enrolment: enrolment.into(),
            drones_max: fleet.drones_max,
        }
    }
}

impl TryFrom<v1::Drone> for Drone {
    type Error = NotAChange;

    fn try_from(wire: v1::Drone) -> Result<Self, NotAChange> {
        let credential = match wire.credential() {
            v1::Credential::Active => Credential::Active,
            v1::Credential::Retired => Credential::Retired,
            v1::Credential::Unspecified => return Err(bad("credential")),
        };
        Ok(Self {
            id: DroneId::parse(&wire.drone_id).map_err(|_| bad("drone_id"))?,
            fleet: FleetId::parse(&wire.fleet_id).map_err(|_| bad("fleet_id"))?,
            name: wire.name,
            kind: wire.r#type,
            credential,
        })
    }
}

impl From<Drone> for v1::Drone {
    fn from(drone: Drone) -> Self {
        let credential = match drone.credential {
            Credential::Active => v1::Credential::Active,
            Credential::Retired => v1::Credential::Retired,
        };
        Self {
            drone_id: drone.id.to_string(),
            fleet_id: drone.fleet.to_string(),
            name: drone.name,
            r#type: drone.kind,
            credential: credential.into(),
        }
    }
}
