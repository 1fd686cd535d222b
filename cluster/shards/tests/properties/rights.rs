//! What a node may do, by what it was told; the rules once more, apart from the code under test.

use std::collections::BTreeMap;

use aerostream_cluster::shard_state::{Claimed, Input, Ticket};
use aerostream_domain::{Epoch, Offset};

/// Below this the registry must be folded before anything is served.
pub const REGISTRY: Offset = Offset(5);

/// What the node was told that gives it a right, and what it did, kept apart from the state.
#[derive(Debug)]
pub struct Rights {
    /// The reign that the log gave this incarnation, if nothing ended it.
    pub reign: Option<Epoch>,
    pub ended: bool,
    pub claimed_telemetry: bool,
    pub claimed_journal: bool,
    pub replayed: bool,
    pub registry: Offset,
    pub marked: bool,
    pub activated: bool,
    pub moving: bool,
    pub snapshotted: bool,
    pub highest: Option<Epoch>,
    pub appended: BTreeMap<Ticket, Epoch>,
}

impl Rights {
    pub fn new() -> Self {
        Self {
            reign: None,
            ended: false,
            claimed_telemetry: false,
            claimed_journal: false,
            replayed: false,
            registry: Offset(0),
            marked: false,
            activated: false,
            moving: false,
            snapshotted: false,
            highest: None,
            appended: BTreeMap::new(),
        }
    }

    pub fn may_serve(&self) -> bool {
        let has_claims = self.claimed_telemetry && self.claimed_journal;
        let is_ready = self.replayed && self.registry >= REGISTRY && self.marked && self.activated;
        self.reign.is_some() && has_claims && is_ready
    }

    fn begin(&mut self, reign: Option<Epoch>) {
        *self = Self {
            reign,
            ended: self.ended,
            registry: self.registry,
            highest: self.highest,
            appended: std::mem::take(&mut self.appended),
            ..Self::new()
        };
    }

    fn see(&mut self, epoch: Epoch) {
        self.highest = self.highest.max(Some(epoch));
        if self.reign.is_some_and(|reign| reign < epoch) {
            self.end();
        }
    }

    fn end(&mut self) {
        self.ended = true;
        self.begin(None);
    }

    pub fn told(&mut self, input: &Input) {
        let reign = self.reign;
        let is_own = |epoch: &Epoch| reign == Some(*epoch);
        match input {
            Input::Ended => self.end(),
            Input::Joined => self.ended = false,
            Input::Assigned(epoch) if reign.is_none() && !self.ended => {
                if self.highest.is_some_and(|highest| highest >= *epoch) {
                    self.end();
                } else {
                    self.highest = Some(*epoch);
                    self.begin(Some(*epoch));
                }
            }
            Input::Assigned(epoch) | Input::AssignedToOther(epoch) => self.see(*epoch),
            Input::Claim {
                partition, epoch, ..
            } => {
                match partition {
                    Claimed::Telemetry => self.claimed_telemetry |= is_own(epoch),
                    Claimed::Journal => self.claimed_journal |= is_own(epoch),
                }
                self.see(*epoch);
            }
            Input::Replayed { epoch, .. } if is_own(epoch) => {
                self.replayed |= self.claimed_telemetry && self.claimed_journal;
            }
            Input::Registry(below) => self.registry = self.registry.max(*below),
            Input::Marked(epoch) if is_own(epoch) => {
                self.marked |= self.replayed && self.registry >= REGISTRY;
            }
            Input::Activated(epoch) if is_own(epoch) => self.activated |= self.marked,
            Input::Moving(epoch) if is_own(epoch) => self.moving |= self.may_serve(),
            Input::Snapshotted(epoch) if is_own(epoch) => {
                let mut unresolved = self.appended.values();
                self.snapshotted |= self.moving && !unresolved.any(is_own);
            }
            Input::Sealed(epoch) if is_own(epoch) && self.snapshotted => self.begin(None),
            Input::Sealed(epoch) if is_own(epoch) => self.end(),
            _ => {}
        }
    }
}
