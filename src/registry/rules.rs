//! What a drone is judged by: built-in rules, above them its fleet's, above those its own.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::Ordering;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use aerostream_actors::RuleSource;
use aerostream_domain::alert::{Fence, Judged, RuleSet, builtin};
use aerostream_domain::{DroneId, FleetId, Offset, RuleId};

use super::{Registry, RuleScope, State};

static BUILT_IN: LazyLock<Vec<Arc<Judged>>> = LazyLock::new(|| {
    let rules = builtin::rules().into_iter();
    rules
        .map(|rule| Arc::new(Judged::new(rule, None)))
        .collect()
});

/// Where a rule comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    BuiltIn,
    Fleet,
    Drone,
}

/// The rules that count for a drone of a fleet, by id, those that are switched off included: of
/// several of one id the nearest to the drone. Without a drone, those of the fleet's drones that
/// have no rules of their own.
#[must_use]
pub fn effective(
    state: &State,
    fleet: Option<&FleetId>,
    drone: Option<&DroneId>,
) -> BTreeMap<RuleId, (Origin, Arc<Judged>)> {
    let mut rules = BTreeMap::new();
    let mut put = |origin, judged: &Arc<Judged>| {
        rules.insert(judged.rule.id.clone(), (origin, Arc::clone(judged)));
    };
    BUILT_IN
        .iter()
        .for_each(|judged| put(Origin::BuiltIn, judged));
    if let Some(fleet) = fleet {
        let of_fleet = state.rules().of(&RuleScope::Fleet(fleet.clone()));
        of_fleet.for_each(|judged| put(Origin::Fleet, judged));
    }
    if let Some(drone) = drone {
        let own = state.rules().of(&RuleScope::Drone(drone.clone()));
        own.for_each(|judged| put(Origin::Drone, judged));
    }
    rules
}

/// The rules of every drone, from the registry.
#[derive(Debug)]
pub struct RegistryRules {
    registry: Registry,
    shared: Mutex<SharedSets>,
}

/// What drones without rules or fences of their own are judged by, made once for each fleet.
#[derive(Debug, Default)]
struct SharedSets {
    changed: Option<Offset>,
    sets: HashMap<Option<FleetId>, Arc<RuleSet>>,
}

impl RegistryRules {
    /// The registry must have caught up before a drone is judged by it.
    #[must_use]
    pub fn new(registry: Registry) -> Self {
        Self {
            registry,
            shared: Mutex::default(),
        }
    }
}

impl RuleSource for RegistryRules {
    fn version(&self) -> u64 {
        self.registry.shared.rules_version.load(Ordering::Acquire)
    }

    fn rules_of(&self, drone: &DroneId) -> Arc<RuleSet> {
        let state = self.registry.read();
        let fleet = state.drone(drone).map(|drone| drone.entity.fleet.clone());
        // A fleet that says nothing has what nobody's drones have.
        let fleet = fleet.filter(|fleet| state.rules().has(fleet));
        let mut own = state.rules().of(&RuleScope::Drone(drone.clone()));
        let is_alone = own.next().is_some() || is_named(&state, fleet.as_ref(), drone);
        if is_alone {
            return Arc::new(set(&state, fleet.as_ref(), Some(drone)));
        }
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = state.rules().changed();
        if shared.changed != changed {
            *shared = SharedSets {
                changed,
                sets: HashMap::new(),
            };
        }
        if let Some(known) = shared.sets.get(&fleet) {
            return Arc::clone(known);
        }
        let made = Arc::new(set(&state, fleet.as_ref(), None));
        shared.sets.insert(fleet, Arc::clone(&made));
        made
    }
}

/// True if a fence is for this drone by name.
fn is_named(state: &State, fleet: Option<&FleetId>, drone: &DroneId) -> bool {
    fleet.is_some_and(|fleet| {
        let mut fences = state.rules().fences(fleet, None);
        fences.any(|fence| fence.entity.drones.contains(drone))
    })
}

/// Without a drone: for those of the fleet that nothing names.
fn set(state: &State, fleet: Option<&FleetId>, drone: Option<&DroneId>) -> RuleSet {
    let rules = effective(state, fleet, drone).into_values();
    let fences: Vec<Arc<Fence>> = fleet.map_or_else(Vec::new, |fleet| {
        let fences = state.rules().fences(fleet, None).map(|fence| &fence.entity);
        let for_it = fences.filter(|fence| match drone {
            Some(drone) => fence.is_for(drone),
            None => fence.drones.is_empty(),
        });
        for_it.map(|fence| Arc::clone(&fence.fence)).collect()
    });
    let rules = rules.map(|(_, judged)| judged);
    RuleSet::new(state.rules().changed(), rules, fences)
}

#[cfg(test)]
mod tests;
