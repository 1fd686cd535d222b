//! Rules and fences of fleets and drones, the same for every door: who may ask and change, what is
//! told, and why something is not taken.

pub mod rehearse;

use std::sync::Arc;

use aerostream_domain::alert::Judged;
use aerostream_domain::{DroneId, FenceId, FleetId, Offset, RuleId};

use super::auth::{Action, Caller, Principal};
use super::json::enums::Long;
use super::json::fence::FenceShape;
use super::json::rule::RuleShape;
use super::limit::RETRY_AFTER;
use super::state::{Gateway, no_drone};
use crate::clock;
use crate::error::{ErrorCode, Problem};
use crate::registry::{
    FenceOf, Origin, Replaces, Request, RuleScope, Versioned, WriteError, effective,
};

/// Ids that stand for something else in a path.
const RESERVED: [&str; 1] = ["test"];

/// Which rules of a scope are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Its own.
    Own,
    /// All that count for it, those of its fleet and the built-in ones included.
    Effective,
}

/// What a change demands of what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It must be new.
    Create,
    /// It is replaced or made.
    Replace,
}

pub(super) fn by(caller: &Caller) -> Request<'_> {
    Request {
        principal: &caller.principal.subject,
        at: clock::utc_now(),
    }
}

/// Why a change is not in the registry, in the words of the doors.
#[must_use]
pub fn unwritten(error: &WriteError) -> Problem {
    let text = error.to_string();
    match error {
        WriteError::Conflict { .. } | WriteError::TooMany { .. } => {
            Problem::new(ErrorCode::Conflict, text)
        }
        WriteError::FleetUnknown { .. } => Problem::new(ErrorCode::NotFound, text).at("fleet_id"),
        WriteError::DroneUnknown { .. } => Problem::new(ErrorCode::NotFound, text).at("drone_id"),
        WriteError::RuleUnknown { .. } => Problem::new(ErrorCode::NotFound, text).at("rule_id"),
        WriteError::FenceUnknown { .. } => Problem::new(ErrorCode::NotFound, text).at("fence_id"),
        WriteError::FleetFull { .. } => Problem::new(ErrorCode::Conflict, text).at("fleet_id"),
        WriteError::NotCaughtUp | WriteError::LogDown { .. } => {
            Problem::new(ErrorCode::Unavailable, text).retry_after(RETRY_AFTER)
        }
        WriteError::Unknown { .. } => Problem::new(ErrorCode::DeadlinePassed, text),
    }
}

fn version(asked: Option<Long>) -> Result<Option<Offset>, Problem> {
    let version = asked.map(|Long(version)| u64::try_from(version).map(Offset));
    version.transpose().map_err(|_| {
        let detail = "must be a version that was told, 0 or more";
        Problem::new(ErrorCode::Invalid, detail).at("version")
    })
}

fn replaces(how: Put, asked: Option<Long>) -> Result<Replaces, Problem> {
    Ok(match (how, version(asked)?) {
        (Put::Create, _) => Replaces::Nothing,
        (Put::Replace, Some(version)) => Replaces::Version(version),
        (Put::Replace, None) => Replaces::Anything,
    })
}

/// The id in the path is that of the body, if the body has one.
fn in_path(field: &'static str, body: &mut String, path: Option<&str>) -> Result<(), Problem> {
    match path {
        Some(path) if body.is_empty() => path.clone_into(body),
        Some(path) if body != path => {
            let detail = format!("is {body:?}, but the path says {path:?}");
            return Err(Problem::new(ErrorCode::Invalid, detail).at(field));
        }
        Some(_) | None => {}
    }
    Ok(())
}

/// Lets a caller read or change the rules of a fleet or a drone, and tells the fleet.
fn reach(
    gateway: &Gateway,
    principal: &Principal,
    (scope, changes): (&RuleScope, bool),
) -> Result<Option<FleetId>, Problem> {
    match scope {
        RuleScope::Fleet(fleet) => {
            let action = if changes {
                Action::ChangeRegistry
            } else {
                Action::ReadFleet
            };
            gateway.allow_fleet(principal, action, fleet)?;
            if gateway.registry().read().fleet(fleet).is_none() {
                let fleet = fleet.clone();
                return Err(unwritten(&WriteError::FleetUnknown { fleet }));
            }
            Ok(Some(fleet.clone()))
        }
        RuleScope::Drone(drone) => {
            let action = if changes {
                Action::ChangeRegistry
            } else {
                Action::ReadDrone
            };
            let fleet = gateway.allow_drone(principal, action, drone)?;
            match fleet {
                // Rules are kept for enrolled drones.
                None if changes => Err(no_drone()),
                fleet => Ok(fleet),
            }
        }
    }
}

fn drone_of(scope: &RuleScope) -> Option<&DroneId> {
    match scope {
        RuleScope::Drone(drone) => Some(drone),
        RuleScope::Fleet(_) => None,
    }
}

fn own(scope: &RuleScope) -> Origin {
    match scope {
        RuleScope::Fleet(_) => Origin::Fleet,
        RuleScope::Drone(_) => Origin::Drone,
    }
}

/// The rules of a fleet or a drone, by id.
///
/// # Errors
/// The caller may not see it.
pub fn list(
    gateway: &Gateway,
    principal: &Principal,
    (scope, which): (&RuleScope, Which),
) -> Result<Vec<RuleShape>, Problem> {
    let fleet = reach(gateway, principal, (scope, false))?;
    let state = gateway.registry().read();
    Ok(match which {
        Which::Own => {
            let rules = state.rules().of(scope);
            rules
                .map(|judged| RuleShape::told(judged, own(scope)))
                .collect()
        }
        Which::Effective => {
            let rules = effective(&state, fleet.as_ref(), drone_of(scope));
            let told = rules.values();
            told.map(|(origin, judged)| RuleShape::told(judged, *origin))
                .collect()
        }
    })
}

/// One rule as it counts for a fleet or a drone, wherever it comes from.
///
/// # Errors
/// There is none, or the caller may not see it.
pub fn show(
    gateway: &Gateway,
    principal: &Principal,
    (scope, rule): (&RuleScope, &RuleId),
) -> Result<RuleShape, Problem> {
    let fleet = reach(gateway, principal, (scope, false))?;
    let rules = effective(&gateway.registry().read(), fleet.as_ref(), drone_of(scope));
    let (origin, judged) = rules
        .get(rule)
        .ok_or_else(|| unwritten(&WriteError::RuleUnknown { rule: rule.clone() }))?;
    Ok(RuleShape::told(judged, *origin))
}

/// Gives a fleet or a drone a rule. `path` is the id that the door names beside it.
///
/// # Errors
/// It is none, another change came first, or the caller may not.
pub async fn put(
    gateway: &Gateway,
    caller: &Caller,
    scope: RuleScope,
    (mut shape, path, how): (RuleShape, Option<&str>, Put),
) -> Result<RuleShape, Problem> {
    reach(gateway, &caller.principal, (&scope, true))?;
    in_path("rule_id", &mut shape.rule_id, path)?;
    let replaces = replaces(how, shape.version)?;
    let rule = shape.into_rule()?;
    if RESERVED.contains(&rule.id.as_str()) {
        let detail = format!(
            "{:?} is the name of a path; choose another",
            rule.id.as_str()
        );
        return Err(Problem::new(ErrorCode::Invalid, detail).at("rule_id"));
    }
    let origin = own(&scope);
    let change = (scope, rule.clone());
    let written = gateway.registry().put_rule(change, replaces, by(caller));
    let version = written.await.map_err(|error| unwritten(&error))?;
    Ok(RuleShape::told(&Judged::new(rule, Some(version)), origin))
}

/// Takes a rule away; what lies below it counts again. Tells the version of the removal.
///
/// # Errors
/// There is none, another change came first, or the caller may not.
pub async fn remove(
    gateway: &Gateway,
    caller: &Caller,
    (scope, rule): (RuleScope, RuleId),
    asked: Option<Long>,
) -> Result<Long, Problem> {
    reach(gateway, &caller.principal, (&scope, true))?;
    let replaces = replaces(Put::Replace, asked)?;
    let registry = gateway.registry();
    let written = registry.remove_rule((scope, rule), replaces, by(caller));
    let version = written.await.map_err(|error| unwritten(&error))?;
    Ok(Long(version.0 as i64))
}

/// Fences of a fleet behind `after`, by id.
///
/// # Errors
/// The caller may not see the fleet.
pub fn fences(
    gateway: &Gateway,
    principal: &Principal,
    fleet: &FleetId,
    (after, limit): (Option<&FenceId>, usize),
) -> Result<Vec<FenceShape>, Problem> {
    let scope = RuleScope::Fleet(fleet.clone());
    reach(gateway, principal, (&scope, false))?;
    let state = gateway.registry().read();
    let fences = state.rules().fences(fleet, after).take(limit);
    Ok(fences.map(FenceShape::told).collect())
}

/// One fence.
///
/// # Errors
/// There is none, or the caller may not see it.
pub fn fence(
    gateway: &Gateway,
    principal: &Principal,
    (fleet, fence): (&FleetId, &FenceId),
) -> Result<FenceShape, Problem> {
    let scope = RuleScope::Fleet(fleet.clone());
    reach(gateway, principal, (&scope, false))?;
    let state = gateway.registry().read();
    let known = state.rules().fence(fleet, fence);
    known.map(FenceShape::told).ok_or_else(|| {
        let fence = fence.clone();
        unwritten(&WriteError::FenceUnknown { fence })
    })
}

/// Gives a fleet a fence. `path` is the id that the door names beside it.
///
/// # Errors
/// It is none, another change came first, or the caller may not.
pub async fn put_fence(
    gateway: &Gateway,
    caller: &Caller,
    fleet: FleetId,
    (mut shape, path, how): (FenceShape, Option<&str>, Put),
) -> Result<FenceShape, Problem> {
    let scope = RuleScope::Fleet(fleet.clone());
    reach(gateway, &caller.principal, (&scope, true))?;
    in_path("fence_id", &mut shape.fence_id, path)?;
    let replaces = replaces(how, shape.version)?;
    let (fence, drones) = shape.into_fence()?;
    let change = (fleet, fence.clone());
    let registry = gateway.registry();
    let written = registry.put_fence(change, drones.clone(), (replaces, by(caller)));
    let version = written.await.map_err(|error| unwritten(&error))?;
    let entity = FenceOf {
        fence: Arc::new(fence),
        drones,
    };
    Ok(FenceShape::told(&Versioned { version, entity }))
}

/// Takes a fence away. Tells the version of the removal.
///
/// # Errors
/// There is none, another change came first, or the caller may not.
pub async fn remove_fence(
    gateway: &Gateway,
    caller: &Caller,
    (fleet, fence): (FleetId, FenceId),
    asked: Option<Long>,
) -> Result<Long, Problem> {
    let scope = RuleScope::Fleet(fleet.clone());
    reach(gateway, &caller.principal, (&scope, true))?;
    let replaces = replaces(Put::Replace, asked)?;
    let registry = gateway.registry();
    let written = registry.remove_fence((fleet, fence), replaces, by(caller));
    let version = written.await.map_err(|error| unwritten(&error))?;
    Ok(Long(version.0 as i64))
}
