//! Who owns a shard and who follows it.

use std::collections::BTreeMap;

use aerostream_domain::{Epoch, ShardId};

use super::members::MemberId;

/// Standbys that may be listed for a shard. A former owner stays as one beyond it.
pub const STANDBYS_MAX: usize = 3;

/// Who owns a shard, and since which epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardOwner {
    /// The process that owns it, which may have ended.
    pub member: MemberId,
    /// Its reign.
    pub epoch: Epoch,
    /// How far the reign is.
    pub phase: Phase,
}

/// How far an owner's reign is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// Its owner claims it and catches up; by rules 1, also serves it.
    Assigned,
    /// Its owner serves it.
    Active,
    /// Its owner was told to seal it.
    Moving {
        /// Who shall have it.
        to: MemberId,
    },
    /// Its owner wrote its last.
    Sealed {
        /// Who shall have it, if a `Move` said so.
        to: Option<MemberId>,
    },
}

/// How well a standby knows its shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// It shall follow the shard.
    Listed,
    /// It has what is durable.
    CaughtUp,
}

/// Standbys of every shard that has any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Standbys {
    pub of: BTreeMap<ShardId, BTreeMap<MemberId, Readiness>>,
}

impl Standbys {
    pub fn get(&self, shard: ShardId, member: &MemberId) -> Option<Readiness> {
        self.of.get(&shard)?.get(member).copied()
    }

    pub fn count(&self, shard: ShardId) -> usize {
        self.of.get(&shard).map_or(0, BTreeMap::len)
    }

    pub fn set(&mut self, shard: ShardId, member: MemberId, readiness: Readiness) {
        self.of.entry(shard).or_default().insert(member, readiness);
    }

    /// False if it was none.
    pub fn remove(&mut self, shard: ShardId, member: &MemberId) -> bool {
        let Some(standbys) = self.of.get_mut(&shard) else {
            return false;
        };
        let was = standbys.remove(member).is_some();
        if standbys.is_empty() {
            self.of.remove(&shard);
        }
        was
    }

    pub fn remove_everywhere(&mut self, member: &MemberId) {
        self.of.retain(|_, standbys| {
            standbys.remove(member);
            !standbys.is_empty()
        });
    }
}
