//! The pure fold: the same records in the same order give the same state everywhere.

mod rules;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ops::Bound;

use aerostream_domain::{DroneId, FleetId, Offset, UtcMicros};

use super::change::{
    Change, Credential, Drone, Entity, FenceEntry, Fleet, Revocation, RuleEntry, RuleScope,
};
pub use rules::{FenceOf, Rules};

/// Verdicts that are remembered for the writers that wait for them.
pub const VERDICTS_MAX: usize = 16_384;

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is the entity's version now.
    Taken,
    /// It does not replace the version that the entity has.
    Stale,
    /// The fleet of a drone, a rule or a fence is not there.
    FleetUnknown,
    /// The drone of a rule is not there.
    DroneUnknown,
    /// The fleet or drone has all the rules or fences that it may have.
    TooMany,
    /// The drone's fleet has all the drones that it may have.
    FleetFull,
    /// It says nothing that can be understood.
    Void,
}

/// An entity and the offset that made it what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned<T> {
    pub version: Offset,
    pub entity: T,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Members {
    all: BTreeSet<DroneId>,
    active: u32,
}

/// Everything that the records up to some offset say.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    fleets: BTreeMap<FleetId, Versioned<Fleet>>,
    members: HashMap<FleetId, Members>,
    drones: HashMap<DroneId, Versioned<Drone>>,
    revocations: HashMap<String, UtcMicros>,
    expiries: BTreeSet<(UtcMicros, String)>,
    rules: Rules,
    verdicts: VecDeque<(Offset, Verdict)>,
}

impl State {
    /// Folds the record at `offset`, appended at `at`; `None` is one that says nothing.
    pub fn apply(&mut self, offset: Offset, at: UtcMicros, change: Option<Change>) -> Verdict {
        self.forget_expired(at);
        let verdict = match change {
            None => Verdict::Void,
            Some(change) => self.apply_change(offset, change),
        };
        if self.verdicts.len() == VERDICTS_MAX {
            self.verdicts.pop_front();
        }
        self.verdicts.push_back((offset, verdict));
        verdict
    }

    fn apply_change(&mut self, offset: Offset, change: Change) -> Verdict {
        let replaces = change.replaces;
        match change.entity {
            Entity::Fleet(fleet) => self.apply_fleet(offset, replaces, fleet),
            Entity::Drone(drone) => self.apply_drone(offset, replaces, drone),
            Entity::Revocation(revocation) => self.apply_revocation(revocation),
            Entity::Rule(entry) => {
                let owner = self.owner(&entry.scope);
                owner.unwrap_or_else(|| self.rules.put_rule(offset, replaces, *entry))
            }
            Entity::Fence(entry) if !self.fleets.contains_key(&entry.fleet) => {
                Verdict::FleetUnknown
            }
            Entity::Fence(entry) => self.rules.put_fence(offset, replaces, *entry),
            Entity::RuleRemoval(removal) => self.rules.remove_rule(offset, replaces, &removal),
            Entity::FenceRemoval(removal) => self.rules.remove_fence(offset, replaces, &removal),
        }
    }

    /// What is wrong with the owner of a rule, if there is none.
    fn owner(&self, scope: &RuleScope) -> Option<Verdict> {
        match scope {
            RuleScope::Fleet(fleet) if !self.fleets.contains_key(fleet) => {
                Some(Verdict::FleetUnknown)
            }
            RuleScope::Drone(drone) if !self.drones.contains_key(drone) => {
                Some(Verdict::DroneUnknown)
            }
            RuleScope::Fleet(_) | RuleScope::Drone(_) => None,
        }
    }

    fn apply_fleet(&mut self, offset: Offset, replaces: Option<Offset>, fleet: Fleet) -> Verdict {
        if self.fleets.get(&fleet.id).map(|known| known.version) != replaces {
            return Verdict::Stale;
        }
        let entry = Versioned {
            version: offset,
            entity: fleet.clone(),
        };
        self.fleets.insert(fleet.id, entry);
        Verdict::Taken
    }

    fn apply_drone(&mut self, offset: Offset, replaces: Option<Offset>, drone: Drone) -> Verdict {
        let known = self.drones.get(&drone.id);
        if known.map(|known| known.version) != replaces {
            return Verdict::Stale;
        }
        let Some(fleet) = self.fleets.get(&drone.fleet) else {
            return Verdict::FleetUnknown;
        };
        let counted = known.is_some_and(|known| {
            known.entity.fleet == drone.fleet && known.entity.credential == Credential::Active
        });
        let active = drone.credential == Credential::Active;
        let members = self.members.entry(drone.fleet.clone()).or_default();
        if active && !counted && members.active >= fleet.entity.drones_max {
            return Verdict::FleetFull;
        }
        let left = self.drones.remove(&drone.id);
        if let Some(known) = &left {
            self.leave(&known.entity);
        }
        // Most drones come into a fleet that has no rules of its own: nobody has to look again.
        let fleets = (left.as_ref().map(|it| &it.entity.fleet), Some(&drone.fleet));
        let has = |fleet: Option<&FleetId>| fleet.is_some_and(|fleet| self.rules.has(fleet));
        if fleets.0 != fleets.1 && (has(fleets.0) || has(fleets.1)) {
            self.rules.touch(offset);
        }
        let members = self.members.entry(drone.fleet.clone()).or_default();
        members.all.insert(drone.id.clone());
        members.active += u32::from(active);
        let entry = Versioned {
            version: offset,
            entity: drone.clone(),
        };
        self.drones.insert(drone.id, entry);
        Verdict::Taken
    }

    fn leave(&mut self, drone: &Drone) {
        if let Some(members) = self.members.get_mut(&drone.fleet) {
            members.all.remove(&drone.id);
            members.active -= u32::from(drone.credential == Credential::Active);
        }
    }

    fn apply_revocation(&mut self, revocation: Revocation) -> Verdict {
        let Revocation {
            token_id,
            token_expires,
            ..
        } = revocation;
        let known = self.revocations.get(&token_id).copied();
        if known.is_none_or(|known| known < token_expires) {
            if let Some(known) = known {
                self.expiries.remove(&(known, token_id.clone()));
            }
            self.expiries.insert((token_expires, token_id.clone()));
            self.revocations.insert(token_id, token_expires);
        }
        Verdict::Taken
    }

    fn forget_expired(&mut self, at: UtcMicros) {
        while let Some((expires, _)) = self.expiries.first() {
            if *expires >= at {
                break;
            }
            if let Some((_, token_id)) = self.expiries.pop_first() {
                self.revocations.remove(&token_id);
            }
        }
    }

    /// Puts a fleet of a checkpoint in; before the drones.
    pub(super) fn restore_fleet(&mut self, fleet: Versioned<Fleet>) {
        self.fleets.insert(fleet.entity.id.clone(), fleet);
    }

    /// Puts a drone of a checkpoint in.
    pub(super) fn restore_drone(&mut self, drone: Versioned<Drone>) {
        let entity = &drone.entity;
        let members = self.members.entry(entity.fleet.clone()).or_default();
        members.all.insert(entity.id.clone());
        members.active += u32::from(entity.credential == Credential::Active);
        self.drones.insert(entity.id.clone(), drone);
    }

    /// Puts a revocation of a checkpoint in.
    pub(super) fn restore_revocation(&mut self, token_id: String, expires: UtcMicros) {
        self.expiries.insert((expires, token_id.clone()));
        self.revocations.insert(token_id, expires);
    }

    /// Puts a rule of a checkpoint in.
    pub(super) fn restore_rule(&mut self, rule: Versioned<RuleEntry>) {
        self.rules.restore_rule(rule.version, rule.entity);
    }

    /// Puts a fence of a checkpoint in.
    pub(super) fn restore_fence(&mut self, fence: Versioned<FenceEntry>) {
        self.rules.restore_fence(fence.version, fence.entity);
    }

    /// Puts in when rules and fences changed last.
    pub(super) fn restore_rules_changed(&mut self, changed: Option<Offset>) {
        self.rules.restore_changed(changed);
    }

    /// Rules and fences.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Every drone of every fleet, in an order that is the same everywhere.
    pub fn drones(&self) -> impl Iterator<Item = &Versioned<Drone>> {
        self.fleets
            .keys()
            .flat_map(|fleet| self.members(fleet, None))
    }

    /// Revoked tokens and when they would have expired, the earliest first.
    pub fn revocations(&self) -> impl Iterator<Item = (&str, UtcMicros)> {
        let expiries = self.expiries.iter();
        expiries.map(|(expires, token_id)| (token_id.as_str(), *expires))
    }

    /// How many entities it holds.
    #[must_use]
    pub fn entities(&self) -> usize {
        let named = self.fleets.len() + self.drones.len() + self.revocations.len();
        named + self.rules.entities()
    }

    /// What became of a recent record; `None` if it is not folded yet or too long ago.
    #[must_use]
    pub fn verdict(&self, offset: Offset) -> Option<Verdict> {
        let place = self
            .verdicts
            .binary_search_by_key(&offset, |(offset, _)| *offset)
            .ok()?;
        self.verdicts.get(place).map(|(_, verdict)| *verdict)
    }

    /// A fleet by its id.
    #[must_use]
    pub fn fleet(&self, fleet: &FleetId) -> Option<&Versioned<Fleet>> {
        self.fleets.get(fleet)
    }

    /// A drone by its id.
    #[must_use]
    pub fn drone(&self, drone: &DroneId) -> Option<&Versioned<Drone>> {
        self.drones.get(drone)
    }

    /// True if the token was revoked before its expiry.
    #[must_use]
    pub fn is_revoked(&self, token_id: &str) -> bool {
        self.revocations.contains_key(token_id)
    }

    /// Fleets behind `after`, in id order.
    pub fn fleets<'a>(
        &'a self,
        after: Option<&'a FleetId>,
    ) -> impl Iterator<Item = &'a Versioned<Fleet>> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.fleets
            .range::<FleetId, _>((start, Bound::Unbounded))
            .map(|(_, fleet)| fleet)
    }

    /// Drones of a fleet behind `after`, retired ones included, in id order.
    pub fn members<'a>(
        &'a self,
        fleet: &FleetId,
        after: Option<&'a DroneId>,
    ) -> impl Iterator<Item = &'a Versioned<Drone>> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.members
            .get(fleet)
            .into_iter()
            .flat_map(move |members| members.all.range::<DroneId, _>((start, Bound::Unbounded)))
            .filter_map(|drone| self.drones.get(drone))
    }

    /// Active drones of a fleet.
    #[must_use]
    pub fn active_drones(&self, fleet: &FleetId) -> u32 {
        self.members.get(fleet).map_or(0, |members| members.active)
    }
}
