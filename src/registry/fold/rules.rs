//! The part of the fold that is about rules and fences.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use aerostream_domain::alert::{Fence, Judged};
use aerostream_domain::{DroneId, FenceId, FleetId, Offset, RuleId};

use super::{Verdict, Versioned};
use crate::registry::change::{FenceEntry, FenceRemoval, RuleEntry, RuleRemoval, RuleScope};

/// A fence and the drones that it is for.
#[derive(Debug, Clone, PartialEq)]
pub struct FenceOf {
    pub fence: Arc<Fence>,
    /// Empty: every drone of the fleet.
    pub drones: BTreeSet<DroneId>,
}

impl FenceOf {
    /// True if it is for this drone.
    #[must_use]
    pub fn is_for(&self, drone: &DroneId) -> bool {
        self.drones.is_empty() || self.drones.contains(drone)
    }
}

/// Rules and fences of everybody.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rules {
    /// None of them is empty. A rule carries its version.
    scopes: BTreeMap<RuleScope, BTreeMap<RuleId, Arc<Judged>>>,
    /// None of them is empty.
    fences: BTreeMap<FleetId, BTreeMap<FenceId, Versioned<FenceOf>>>,
    changed: Option<Offset>,
}

impl Rules {
    /// Offset of the newest record that gave some drone other rules or fences.
    #[must_use]
    pub fn changed(&self) -> Option<Offset> {
        self.changed
    }

    /// The rules of a scope, by id.
    pub fn of(&self, scope: &RuleScope) -> impl Iterator<Item = &Arc<Judged>> + use<'_> {
        self.scopes.get(scope).into_iter().flatten().map(|it| it.1)
    }

    /// One rule.
    #[must_use]
    pub fn rule(&self, scope: &RuleScope, rule: &RuleId) -> Option<&Arc<Judged>> {
        self.scopes.get(scope)?.get(rule)
    }

    /// The fences of a fleet behind `after`, by id.
    pub fn fences<'a>(
        &'a self,
        fleet: &FleetId,
        after: Option<&'a FenceId>,
    ) -> impl Iterator<Item = &'a Versioned<FenceOf>> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let fences = self.fences.get(fleet).into_iter();
        let behind = fences.flat_map(move |fences| fences.range((start, Bound::Unbounded)));
        behind.map(|(_, fence)| fence)
    }

    /// One fence.
    #[must_use]
    pub fn fence(&self, fleet: &FleetId, fence: &FenceId) -> Option<&Versioned<FenceOf>> {
        self.fences.get(fleet)?.get(fence)
    }

    /// True if drones of the fleet have other rules or fences than drones without a fleet.
    pub(in crate::registry) fn has(&self, fleet: &FleetId) -> bool {
        self.fences.contains_key(fleet)
            || self.scopes.contains_key(&RuleScope::Fleet(fleet.clone()))
    }

    /// How many rules and fences there are.
    pub(super) fn entities(&self) -> usize {
        let rules: usize = self.scopes.values().map(BTreeMap::len).sum();
        rules + self.fences.values().map(BTreeMap::len).sum::<usize>()
    }

    /// Some drone has other rules from this record on.
    pub(super) fn touch(&mut self, offset: Offset) {
        self.changed = Some(offset);
    }

    pub(super) fn put_rule(
        &mut self,
        offset: Offset,
        replaces: Option<Offset>,
        entry: RuleEntry,
    ) -> Verdict {
        let known = self.rule(&entry.scope, &entry.rule.id);
        if known.and_then(|known| known.version) != replaces {
            return Verdict::Stale;
        }
        let count = self.scopes.get(&entry.scope).map_or(0, BTreeMap::len);
        if known.is_none() && count >= entry.scope_max as usize {
            return Verdict::TooMany;
        }
        self.restore_rule(offset, entry);
        self.touch(offset);
        Verdict::Taken
    }

    pub(super) fn remove_rule(
        &mut self,
        offset: Offset,
        replaces: Option<Offset>,
        removal: &RuleRemoval,
    ) -> Verdict {
        let known = self.rule(&removal.scope, &removal.rule);
        let Some(version) = known.and_then(|known| known.version) else {
            return Verdict::Stale;
        };
        if Some(version) != replaces {
            return Verdict::Stale;
        }
        if let Some(rules) = self.scopes.get_mut(&removal.scope) {
            rules.remove(&removal.rule);
        }
        self.scopes.retain(|_, rules| !rules.is_empty());
        self.touch(offset);
        Verdict::Taken
    }

    pub(super) fn put_fence(
        &mut self,
        offset: Offset,
        replaces: Option<Offset>,
        entry: FenceEntry,
    ) -> Verdict {
        let known = self.fence(&entry.fleet, &entry.fence.id);
        if known.map(|known| known.version) != replaces {
            return Verdict::Stale;
        }
        let count = self.fences.get(&entry.fleet).map_or(0, BTreeMap::len);
        if known.is_none() && count >= entry.fleet_max as usize {
            return Verdict::TooMany;
        }
        self.restore_fence(offset, entry);
        self.touch(offset);
        Verdict::Taken
    }

    pub(super) fn remove_fence(
        &mut self,
        offset: Offset,
        replaces: Option<Offset>,
        removal: &FenceRemoval,
    ) -> Verdict {
        let Some(known) = self.fence(&removal.fleet, &removal.fence) else {
            return Verdict::Stale;
        };
        if Some(known.version) != replaces {
            return Verdict::Stale;
        }
        if let Some(fences) = self.fences.get_mut(&removal.fleet) {
            fences.remove(&removal.fence);
        }
        self.fences.retain(|_, fences| !fences.is_empty());
        self.touch(offset);
        Verdict::Taken
    }

    pub(super) fn restore_rule(&mut self, version: Offset, entry: RuleEntry) {
        let judged = Judged::new(entry.rule, Some(version));
        let rules = self.scopes.entry(entry.scope).or_default();
        rules.insert(judged.rule.id.clone(), Arc::new(judged));
    }

    pub(super) fn restore_fence(&mut self, version: Offset, entry: FenceEntry) {
        let id = entry.fence.id.clone();
        let entity = FenceOf {
            fence: Arc::new(entry.fence),
            drones: entry.drones,
        };
        let fences = self.fences.entry(entry.fleet).or_default();
        fences.insert(id, Versioned { version, entity });
    }

    pub(super) fn restore_changed(&mut self, changed: Option<Offset>) {
        self.changed = self.changed.max(changed);
    }

    /// Every rule with its version, in an order that is the same everywhere.
    pub fn every_rule(&self) -> impl Iterator<Item = Versioned<RuleEntry>> {
        let scopes = self.scopes.iter();
        let rules = scopes.flat_map(|(scope, rules)| rules.values().map(move |it| (scope, it)));
        rules.filter_map(|(scope, judged)| {
            let entity = RuleEntry {
                scope: scope.clone(),
                rule: judged.rule.clone(),
                scope_max: 0,
            };
            let version = judged.version?;
            Some(Versioned { version, entity })
        })
    }

    /// Every fence with its version, in an order that is the same everywhere.
    pub fn every_fence(&self) -> impl Iterator<Item = Versioned<FenceEntry>> {
        let fleets = self.fences.iter();
        let fences = fleets.flat_map(|(fleet, fences)| fences.values().map(move |it| (fleet, it)));
        fences.map(|(fleet, known)| Versioned {
            version: known.version,
            entity: FenceEntry {
                fleet: fleet.clone(),
                drones: known.entity.drones.clone(),
                fence: (*known.entity.fence).clone(),
                fleet_max: 0,
            },
        })
    }
}
