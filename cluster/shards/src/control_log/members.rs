//! Which processes are members, and since when each was not heard.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use super::clock::LiveMicros;

/// Incarnations of the past that are remembered, so that a late record of one cannot revive it.
pub const ENDED_MAX: usize = 1024;

/// One process of a node.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MemberId {
    /// Name of the node; the next process of it has the same.
    pub node: String,
    /// Of this process alone.
    pub incarnation: String,
}

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.node, self.incarnation)
    }
}

/// What a member said when it joined, and how it is since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Who it is.
    pub id: MemberId,
    /// Where others reach it.
    pub address: String,
    /// Newest rules of the fold that it knows.
    pub rules_known: u32,
    /// Share of the shards relative to other members'; at least 1.
    pub capacity: u32,
    /// What fails together with it; empty if unknown.
    pub zone: String,
    /// `None` while the rules in force know no heartbeats.
    pub life: Option<Life>,
}

/// A member's life by the rules that know heartbeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// Live clock at its newest heartbeat; at its `Join`, or at the `Version`, before the first.
    pub heard: LiveMicros,
    /// It gets no more shards.
    pub draining: bool,
}

impl Life {
    /// A life whose first sign is now.
    #[must_use]
    pub const fn begun(heard: LiveMicros) -> Self {
        Self {
            heard,
            draining: false,
        }
    }
}

/// The newest incarnation of each node, and those that ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Members {
    pub current: BTreeMap<String, Member>,
    /// Oldest first, at most [`ENDED_MAX`].
    pub ended: VecDeque<MemberId>,
}

impl Members {
    pub fn get(&self, id: &MemberId) -> Option<&Member> {
        self.current.get(&id.node).filter(|member| member.id == *id)
    }

    pub fn life_mut(&mut self, id: &MemberId) -> Option<&mut Life> {
        self.current
            .get_mut(&id.node)
            .filter(|member| member.id == *id)?
            .life
            .as_mut()
    }

    pub fn has_ended(&self, id: &MemberId) -> bool {
        self.ended.contains(id)
    }

    /// Ends a member for good; false if it is none.
    pub fn end(&mut self, id: &MemberId) -> bool {
        let is_member = self.get(id).is_some();
        if is_member {
            self.current.remove(&id.node);
            self.remember(id.clone());
        }
        is_member
    }

    pub fn end_all(&mut self) {
        for member in std::mem::take(&mut self.current).into_values() {
            self.remember(member.id);
        }
    }

    fn remember(&mut self, id: MemberId) {
        if self.ended.len() == ENDED_MAX {
            self.ended.pop_front();
        }
        self.ended.push_back(id);
    }
}
