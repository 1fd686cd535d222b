//! The whole fold as records of the registry's own topic, so that a start does not fold from the
//! first record for ever and what is below may be dropped.
//!
//! A checkpoint is a state and the offset below which everything is folded into it. It is cut into
//! parts, since a record has a largest size; one whose parts are not all there counts for nothing.
//! Any gateway may write one at any time: the fold passes over them, and every one is right.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use aerostream_domain::{Offset, UtcMicros};
use aerostream_log::{Bounds, EventLog, LogError, ReadLimits, Record, Topic, decode};
use aerostream_proto::v1;
use aerostream_proto::v1::registry_record::Entity;
use prost::Message;

use super::change::{NotAChange, bad};
use super::fold::{State, Versioned};
use super::follow::PARTITION;

/// Bytes of entities in one part; the smallest record size that a log is configured for is larger.
const PART_BYTES: usize = 256 * 1024;
/// Checkpoints whose parts are collected at once; the oldest makes room.
const COLLECTED_MAX: usize = 8;
/// Records that are looked through first, from the end; then twice as many.
const SCAN_FIRST: u64 = 2048;

/// Cuts a state into the records of a checkpoint. `id` tells it from any other.
pub fn parts(state: &State, id: u64, folded_below: Offset) -> Vec<v1::RegistryCheckpoint> {
    let mut parts = vec![v1::RegistryCheckpoint::default()];
    let mut bytes = 0;
    let mut part_with_room = |size: usize, parts: &mut Vec<v1::RegistryCheckpoint>| {
        if bytes + size > PART_BYTES && bytes > 0 {
            parts.push(v1::RegistryCheckpoint::default());
            bytes = 0;
        }
        bytes += size;
    };
    for fleet in state.fleets(None) {
        let fleet = v1::FleetVersion {
            version: fleet.version.0,
            fleet: Some(fleet.entity.clone().into()),
        };
        part_with_room(fleet.encoded_len(), &mut parts);
        parts.last_mut().expect("never empty").fleets.push(fleet);
    }
    for drone in state.drones() {
        let drone = v1::DroneVersion {
            version: drone.version.0,
            drone: Some(drone.entity.clone().into()),
        };
        part_with_room(drone.encoded_len(), &mut parts);
        parts.last_mut().expect("never empty").drones.push(drone);
    }
    for (token_id, expires) in state.revocations() {
        let revocation = v1::Revocation {
            token_id: token_id.to_owned(),
            token_expires_us: expires.0,
            reason: String::new(),
        };
        part_with_room(revocation.encoded_len(), &mut parts);
        let part = parts.last_mut().expect("never empty");
        part.revocations.push(revocation);
    }
    for rule in state.rules().every_rule() {
        let rule = v1::RuleVersion {
            version: rule.version.0,
            entry: Some(rule.entity.into()),
        };
        part_with_room(rule.encoded_len(), &mut parts);
        parts.last_mut().expect("never empty").rules.push(rule);
    }
    for fence in state.rules().every_fence() {
        let fence = v1::FenceVersion {
            version: fence.version.0,
            entry: Some(fence.entity.into()),
        };
        part_with_room(fence.encoded_len(), &mut parts);
        parts.last_mut().expect("never empty").fences.push(fence);
    }
    let rules_changed = state.rules().changed().map(|offset| offset.0);
    let count = parts.len() as u32;
    for (part, number) in parts.iter_mut().zip(0..) {
        part.id = id;
        part.folded_below = folded_below.0;
        part.part = number;
        part.parts = count;
        part.rules_changed = rules_changed;
    }
    parts
}

/// The state that all parts of a checkpoint make.
///
/// # Errors
/// An entity in it is not one.
pub fn restore<'a>(
    parts: impl IntoIterator<Item = &'a v1::RegistryCheckpoint>,
) -> Result<State, NotAChange> {
    let mut state = State::default();
    for part in parts {
        for fleet in &part.fleets {
            let entity = fleet.fleet.clone().ok_or(bad("fleet"))?;
            state.restore_fleet(Versioned {
                version: Offset(fleet.version),
                entity: entity.try_into()?,
            });
        }
        for drone in &part.drones {
            let entity = drone.drone.clone().ok_or(bad("drone"))?;
            state.restore_drone(Versioned {
                version: Offset(drone.version),
                entity: entity.try_into()?,
            });
        }
        for revocation in &part.revocations {
            let expires = UtcMicros(revocation.token_expires_us);
            state.restore_revocation(revocation.token_id.clone(), expires);
        }
        for rule in &part.rules {
            let entity = rule.entry.clone().ok_or(bad("rule"))?;
            state.restore_rule(Versioned {
                version: Offset(rule.version),
                entity: entity.try_into()?,
            });
        }
        for fence in &part.fences {
            let entity = fence.entry.clone().ok_or(bad("fence"))?;
            state.restore_fence(Versioned {
                version: Offset(fence.version),
                entity: entity.try_into()?,
            });
        }
        state.restore_rules_changed(part.rules_changed.map(Offset));
    }
    Ok(state)
}

/// A checkpoint of which every part is there.
#[derive(Debug)]
pub struct Complete {
    pub folded_below: Offset,
    /// By number; without content if the collector was told so.
    pub parts: Vec<v1::RegistryCheckpoint>,
}

/// Puts parts together, as they come between other records.
#[derive(Debug, Default)]
pub struct Collector {
    open: HashMap<u64, BTreeMap<u32, v1::RegistryCheckpoint>>,
}

impl Collector {
    /// Takes a part; gives the checkpoint that it was the last missing part of.
    pub fn add(&mut self, part: v1::RegistryCheckpoint) -> Option<Complete> {
        let (id, count) = (part.id, part.parts as usize);
        if part.part >= part.parts {
            return None;
        }
        let parts = self.open.entry(id).or_default();
        parts.insert(part.part, part);
        if parts.len() < count {
            self.make_room(id);
            return None;
        }
        let parts: Vec<_> = self.open.remove(&id)?.into_values().collect();
        let folded_below = parts.first()?.folded_below;
        let alike = |part: &v1::RegistryCheckpoint| {
            part.folded_below == folded_below && part.parts as usize == count
        };
        parts.iter().all(alike).then_some(Complete {
            folded_below: Offset(folded_below),
            parts,
        })
    }

    /// A writer that died left parts that nobody will complete.
    fn make_room(&mut self, newest: u64) {
        if self.open.len() <= COLLECTED_MAX {
            return;
        }
        let age = |parts: &BTreeMap<u32, v1::RegistryCheckpoint>| {
            parts.values().next().map(|part| part.folded_below)
        };
        let others = self.open.iter().filter(|(id, _)| **id != newest);
        if let Some(&oldest) = others.min_by_key(|(_, parts)| age(parts)).map(|(id, _)| id) {
            self.open.remove(&oldest);
        }
    }
}

/// The part of a checkpoint in a record, if it is one.
pub fn part_of(record: &Record) -> Option<v1::RegistryCheckpoint> {
    match decode::<v1::RegistryRecord>(&record.payload).ok()?.entity? {
        Entity::Checkpoint(part) => Some(part),
        _ => None,
    }
}

/// Finds the newest checkpoint that is whole, looking back from the end in growing steps.
///
/// # Errors
/// The log cannot be read.
pub async fn newest(
    log: &dyn EventLog,
    bounds: Bounds,
    limits: ReadLimits,
) -> Result<Option<(Offset, State)>, LogError> {
    let mut span = SCAN_FIRST;
    loop {
        let from = bounds.end.0.saturating_sub(span).max(bounds.start.0);
        let found = newest_within(log, Offset(from)..bounds.end, limits).await?;
        if found.is_some() || from == bounds.start.0 {
            return Ok(found);
        }
        span = span.saturating_mul(2);
    }
}

async fn newest_within(
    log: &dyn EventLog,
    range: std::ops::Range<Offset>,
    limits: ReadLimits,
) -> Result<Option<(Offset, State)>, LogError> {
    if range.is_empty() {
        return Ok(None);
    }
    let mut reader = log
        .read(Topic::Registry, vec![(PARTITION, range.start)])
        .await?;
    let mut collector = Collector::default();
    let mut newest = None::<(Offset, State)>;
    let mut next = range.start;
    while next < range.end {
        for record in reader.next(limits).await? {
            next = Offset(record.offset.0 + 1);
            let complete = part_of(&record).and_then(|part| collector.add(part));
            let Some(complete) = complete else {
                continue;
            };
            let at = complete.folded_below;
            if newest.as_ref().is_some_and(|(newest, _)| at <= *newest) {
                continue;
            }
            match restore(&complete.parts) {
                Ok(state) => newest = Some((at, state)),
                // One before it, or the records themselves, say the same.
                Err(error) => tracing::warn!(
                    checkpoint.folded_below = at.0,
                    error = %error,
                    "void registry checkpoint"
                ),
            }
        }
    }
    Ok(newest)
}

/// When the next checkpoint is due.
#[derive(Debug, Clone, Copy)]
pub struct Due {
    /// Changes folded since the newest checkpoint.
    pub changes: usize,
    /// Since it, or since the start.
    pub waited: Duration,
}

impl Due {
    /// True if a checkpoint is worth its bytes: it holds every entity, so that more of them make it
    /// rarer.
    pub fn is_due(self, every: usize, longest: Duration, entities: usize) -> bool {
        self.changes >= every.max(entities / 10) || (self.changes > 0 && self.waited >= longest)
    }
}

#[cfg(test)]
mod tests;
