//! Rules and fences in a registry record.

use std::collections::BTreeSet;

use aerostream_domain::alert::{Fence, Rule};
use aerostream_domain::{DroneId, FenceId, FleetId, RuleId};
use aerostream_proto::v1;

use super::{NotAChange, bad};

/// Whose rules: a fleet's stand above the built-in ones, a drone's above its fleet's.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RuleScope {
    Fleet(FleetId),
    Drone(DroneId),
}

/// A rule of a fleet or a drone.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleEntry {
    pub scope: RuleScope,
    pub rule: Rule,
    /// Rules that the scope may have, by its writer's configuration: the fold is then the same
    /// whoever folds.
    pub scope_max: u32,
}

/// A fence of a fleet.
#[derive(Debug, Clone, PartialEq)]
pub struct FenceEntry {
    pub fleet: FleetId,
    /// The drones that it is for; empty: every drone of the fleet.
    pub drones: BTreeSet<DroneId>,
    pub fence: Fence,
    /// Fences that the fleet may have, by its writer's configuration.
    pub fleet_max: u32,
}

/// A rule that is no more: what lies below it counts again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleRemoval {
    pub scope: RuleScope,
    pub rule: RuleId,
}

/// A fence that is no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FenceRemoval {
    pub fleet: FleetId,
    pub fence: FenceId,
}

impl std::fmt::Display for RuleScope {
    /// As keys of records have it: `fleet/alps`, `drone/alpha`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Fleet(fleet) => write!(f, "fleet/{fleet}"),
            Self::Drone(drone) => write!(f, "drone/{drone}"),
        }
    }
}

fn fleet_id(text: &str) -> Result<FleetId, NotAChange> {
    FleetId::parse(text).map_err(|_| bad("fleet_id"))
}

fn drone_id(text: &str) -> Result<DroneId, NotAChange> {
    DroneId::parse(text).map_err(|_| bad("drone_id"))
}

fn scope(wire: Option<v1::RuleScope>) -> Result<RuleScope, NotAChange> {
    use v1::rule_scope::Scope;
    match wire.and_then(|wire| wire.scope).ok_or(bad("scope"))? {
        Scope::FleetId(fleet) => Ok(RuleScope::Fleet(fleet_id(&fleet)?)),
        Scope::DroneId(drone) => Ok(RuleScope::Drone(drone_id(&drone)?)),
    }
}

fn scope_to_wire(scope: &RuleScope) -> v1::RuleScope {
    use v1::rule_scope::Scope;
    let scope = match scope {
        RuleScope::Fleet(fleet) => Scope::FleetId(fleet.to_string()),
        RuleScope::Drone(drone) => Scope::DroneId(drone.to_string()),
    };
    v1::RuleScope { scope: Some(scope) }
}

impl TryFrom<v1::RuleEntry> for RuleEntry {
    type Error = NotAChange;

    fn try_from(wire: v1::RuleEntry) -> Result<Self, NotAChange> {
        let rule = wire.rule.ok_or(bad("rule"))?;
        let rule = Rule::try_from(rule).map_err(|refusal| NotAChange {
            field: "rule",
            reason: format!(": {refusal}"),
        })?;
        Ok(Self {
            scope: scope(wire.scope)?,
            rule,
            scope_max: wire.scope_max,
        })
    }
}

impl From<RuleEntry> for v1::RuleEntry {
    fn from(entry: RuleEntry) -> Self {
        Self {
            scope: Some(scope_to_wire(&entry.scope)),
            rule: Some((&entry.rule).into()),
            scope_max: entry.scope_max,
        }
    }
}

impl TryFrom<v1::FenceEntry> for FenceEntry {
    type Error = NotAChange;

    fn try_from(wire: v1::FenceEntry) -> Result<Self, NotAChange> {
        let fence = wire.fence.ok_or(bad("fence"))?;
        let fence = Fence::try_from(fence).map_err(|refusal| NotAChange {
            field: "fence",
            reason: format!(": {refusal}"),
        })?;
        let drones = wire.drone_ids.iter().map(|drone| drone_id(drone));
        Ok(Self {
            fleet: fleet_id(&wire.fleet_id)?,
            drones: drones.collect::<Result<_, _>>()?,
            fence,
            fleet_max: wire.fleet_max,
        })
    }
}

impl From<FenceEntry> for v1::FenceEntry {
    fn from(entry: FenceEntry) -> Self {
        Self {
            fleet_id: entry.fleet.to_string(),
            drone_ids: entry.drones.iter().map(ToString::to_string).collect(),
            fence: Some((&entry.fence).into()),
            fleet_max: entry.fleet_max,
        }
    }
}

impl TryFrom<v1::RuleRemoval> for RuleRemoval {
    type Error = NotAChange;

    fn try_from(wire: v1::RuleRemoval) -> Result<Self, NotAChange> {
        Ok(Self {
            scope: scope(wire.scope)?,
            rule: RuleId::parse(&wire.rule_id).map_err(|_| bad("rule_id"))?,
        })
    }
}

impl From<RuleRemoval> for v1::RuleRemoval {
    fn from(removal: RuleRemoval) -> Self {
        Self {
            scope: Some(scope_to_wire(&removal.scope)),
            rule_id: removal.rule.to_string(),
        }
    }
}

impl TryFrom<v1::FenceRemoval> for FenceRemoval {
    type Error = NotAChange;

    fn try_from(wire: v1::FenceRemoval) -> Result<Self, NotAChange> {
        Ok(Self {
            fleet: fleet_id(&wire.fleet_id)?,
            fence: FenceId::parse(&wire.fence_id).map_err(|_| bad("fence_id"))?,
        })
    }
}

impl From<FenceRemoval> for v1::FenceRemoval {
    fn from(removal: FenceRemoval) -> Self {
        Self {
            fleet_id: removal.fleet.to_string(),
            fence_id: removal.fence.to_string(),
        }
    }
}
