//! Changes of rules and fences.

use aerostream_domain::alert::{Fence, Rule};
use aerostream_domain::{DroneId, FenceId, FleetId, Offset, RuleId};

use super::{Registry, Request, WriteError};
use crate::registry::change::{
    Entity, FenceEntry, FenceRemoval, RuleEntry, RuleRemoval, RuleScope,
};

/// Which version of a rule or a fence a change replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replaces {
    /// None: it must be new.
    Nothing,
    /// This one.
    Version(Offset),
    /// Whatever is there, or nothing.
    Anything,
}

impl Replaces {
    fn of(self, known: Option<Offset>) -> Option<Offset> {
        match self {
            Self::Nothing => None,
            Self::Version(version) => Some(version),
            Self::Anything => known,
        }
    }
}

impl Registry {
    /// Gives a fleet or a drone a rule, and tells its version.
    ///
    /// # Errors
    /// See [`Registry::write`].
    pub async fn put_rule(
        &self,
        (scope, rule): (RuleScope, Rule),
        replaces: Replaces,
        by: Request<'_>,
    ) -> Result<Offset, WriteError> {
        let known = self.rule_version(&scope, &rule.id);
        let entry = RuleEntry {
            scope,
            rule,
            scope_max: self.shared.config.rules_max,
        };
        let entity = Entity::Rule(Box::new(entry));
        self.write(by.change(replaces.of(known), entity)).await
    }

    /// Takes a rule away.
    ///
    /// # Errors
    /// See [`Registry::write`]; `RuleUnknown` if there is none.
    pub async fn remove_rule(
        &self,
        (scope, rule): (RuleScope, RuleId),
        replaces: Replaces,
        by: Request<'_>,
    ) -> Result<Offset, WriteError> {
        let Some(known) = self.rule_version(&scope, &rule) else {
            return Err(WriteError::RuleUnknown { rule });
        };
        let entity = Entity::RuleRemoval(RuleRemoval { scope, rule });
        let replaces = replaces.of(Some(known));
        self.write(by.change(replaces, entity)).await
    }

    fn rule_version(&self, scope: &RuleScope, rule: &RuleId) -> Option<Offset> {
        self.read().rules().rule(scope, rule)?.version
    }

    /// Gives a fleet a fence, for all drones if none is named, and tells its version.
    ///
    /// # Errors
    /// See [`Registry::write`].
    pub async fn put_fence(
        &self,
        (fleet, fence): (FleetId, Fence),
        drones: impl IntoIterator<Item = DroneId>,
        (replaces, by): (Replaces, Request<'_>),
    ) -> Result<Offset, WriteError> {
        let known = self.fence_version(&fleet, &fence.id);
        let entry = FenceEntry {
            fleet,
            drones: drones.into_iter().collect(),
            fence,
            fleet_max: self.shared.config.fences_max,
        };
        let entity = Entity::Fence(Box::new(entry));
        self.write(by.change(replaces.of(known), entity)).await
    }

    /// Takes a fence away.
    ///
    /// # Errors
    /// See [`Registry::write`]; `FenceUnknown` if there is none.
    pub async fn remove_fence(
        &self,
        (fleet, fence): (FleetId, FenceId),
        replaces: Replaces,
        by: Request<'_>,
    ) -> Result<Offset, WriteError> {
        let Some(known) = self.fence_version(&fleet, &fence) else {
            return Err(WriteError::FenceUnknown { fence });
        };
        let entity = Entity::FenceRemoval(FenceRemoval { fleet, fence });
        let replaces = replaces.of(Some(known));
        self.write(by.change(replaces, entity)).await
    }

    fn fence_version(&self, fleet: &FleetId, fence: &FenceId) -> Option<Offset> {
        let state = self.read();
        Some(state.rules().fence(fleet, fence)?.version)
    }
}
