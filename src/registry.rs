//! Fleets, drones and revoked tokens: a fold of the event log, readable with Postgres down.
//!
//! A change is a record that names the version it replaces. The writer answers only after it has
//! read its own record back, so that of two changes that race one is told that it lost.

pub mod change;
pub mod checkpoint;
pub mod fold;

pub mod follow;
pub mod rules;
pub mod write;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use aerostream_domain::{DroneId, FleetId, Offset};
use aerostream_log::EventLog;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

pub use change::{
    Change, Credential, Drone, Enrolment, Entity, FenceEntry, FenceRemoval, Fleet, Revocation,
    RuleEntry, RuleRemoval, RuleScope,
};
pub use fold::{FenceOf, Rules, State, Verdict, Versioned};
pub use follow::{FollowError, Follower};
pub use rules::{Origin, RegistryRules, effective};
pub use write::{FleetPatch, Replaces, Request, WriteError};

/// Limits of the registry.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RegistryConfig {
    /// Longest wait for a record of its own, from the append until it is read back, in
    /// milliseconds. Default: 5000.
    pub write_timeout_ms: u64,
    /// Records read at once. Default: 1000.
    pub read_records_max: usize,
    /// Bytes read at once. Default: 1 MiB.
    pub read_bytes_max: usize,
    /// Wait before the log is asked again after a failure, in milliseconds. Default: 500.
    pub retry_ms: u64,
    /// Changes after which the whole registry is written down again, so that a start does not read
    /// every change that ever was; a tenth of its entities if that is more. Default: 1000.
    pub checkpoint_changes: usize,
    /// Longest time from a change until it is part of such a checkpoint, in seconds. Default: 300.
    pub checkpoint_interval_s: u64,
    /// Rules that a fleet may have of its own, and that a drone may have; built-in ones do not
    /// count. Default: 100.
    pub rules_max: u32,
    /// Fences that a fleet may have. Default: 200.
    pub fences_max: u32,
}

impl Default for RegistryConfig {
    fn default() -> Self {
        Self {
            write_timeout_ms: 5000,
            read_records_max: 1000,
            read_bytes_max: 1 << 20,
            retry_ms: 500,
            checkpoint_changes: 1000,
            checkpoint_interval_s: 300,
            rules_max: 100,
            fences_max: 200,
        }
    }
}

/// How far the fold is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// Everything before this offset is folded.
    pub next: Offset,
    /// True once all that the log held at the start is folded.
    pub caught_up: bool,
    /// Everything below this is in a checkpoint that is whole in the log; `None` before the first.
    pub checkpoint: Option<Offset>,
    /// Why it does not go on; `None` while it does.
    pub failure: Option<String>,
}

/// Reads and changes the registry; cheap to clone.
#[derive(Clone)]
pub struct Registry {
    shared: Arc<Shared>,
}

struct Shared {
    log: Arc<dyn EventLog>,
    config: RegistryConfig,
    state: RwLock<State>,
    position: watch::Sender<Position>,
    /// Tells without a lock whether rules changed: actors look at it for each batch.
    rules_version: AtomicU64,
}

impl Shared {
    /// Behind the change itself, so that whoever sees the new number sees the new rules.
    fn publish_rules(&self, state: &State) {
        let changed = state.rules().changed();
        let version = changed.map_or(0, |offset| offset.0 + 1);
        self.rules_version.store(version, Ordering::Release);
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry")
            .field("position", &*self.shared.position.borrow())
            .finish_non_exhaustive()
    }
}

impl Registry {
    /// An empty registry and the follower that fills it from the log; run the follower.
    #[must_use]
    pub fn start(log: Arc<dyn EventLog>, config: RegistryConfig) -> (Self, Follower) {
        let position = Position {
            next: Offset(0),
            caught_up: false,
            checkpoint: None,
            failure: None,
        };
        let registry = Self {
            shared: Arc::new(Shared {
                log,
                config,
                state: RwLock::new(State::default()),
                position: watch::Sender::new(position),
                rules_version: AtomicU64::new(0),
            }),
        };
        let follower = Follower::new(registry.clone());
        (registry, follower)
    }

    /// The read model. Hold it shortly: the fold waits for it.
    pub fn read(&self) -> RwLockReadGuard<'_, State> {
        let state = &self.shared.state;
        state.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells how far the fold is, and each time it moves on.
    #[must_use]
    pub fn position(&self) -> watch::Receiver<Position> {
        self.shared.position.subscribe()
    }

    /// Has everybody who waits for a change look again, since something else changed that decides
    /// who may stay.
    pub fn look_again(&self) {
        self.shared.position.send_modify(|_| {});
    }

    /// True once all that the log held at the start is folded.
    #[must_use]
    pub fn has_caught_up(&self) -> bool {
        self.shared.position.borrow().caught_up
    }

    /// Says why it cannot be relied on, if it cannot.
    ///
    /// # Errors
    /// It is not read to its end yet, or does not go on.
    pub fn ready(&self) -> Result<(), String> {
        let position = self.shared.position.borrow();
        match &position.failure {
            Some(reason) => Err(reason.clone()),
            None if !position.caught_up => Err("not read to its end yet".to_owned()),
            None => Ok(()),
        }
    }

    /// Waits until all that the log held at the start is folded.
    pub async fn caught_up(&self) {
        let mut position = self.position();
        // The sender lives in `self`, so this ends only when the condition holds.
        let _ = position.wait_for(|position| position.caught_up).await;
    }

    /// Fleet of a drone; `None` if it is not enrolled.
    #[must_use]
    pub fn fleet_of(&self, drone: &DroneId) -> Option<FleetId> {
        self.read()
            .drone(drone)
            .map(|drone| drone.entity.fleet.clone())
    }

    fn write_timeout(&self) -> Duration {
        Duration::from_millis(self.shared.config.write_timeout_ms)
    }
}
