//! One shard at one node, from standby to owner and back: events in, effects out.
//!
//! It reads no log and no clock. Whoever drives it tells what was read, what became durable, and
//! what time it is, and does what it answers, in order.

mod input;
mod step;

use std::collections::BTreeMap;

use aerostream_domain::{Epoch, Offset};

pub use input::Input;

/// Requests whose appends may be unresolved at once; more are refused.
pub const UNRESOLVED_MAX: usize = 65_536;

/// Number that the driver gives to what it asks for, so that it knows the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// Where a shard is at a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// The node has nothing of it.
    Absent,
    /// Loads snapshots and follows the partitions; emits nothing.
    Standby {
        /// It has what is durable.
        caught_up: bool,
    },
    /// Appends claims and waits until they are read back.
    Claiming {
        /// Its reign.
        epoch: Epoch,
        /// Offset of the claim that was read back from the telemetry partition.
        telemetry: Option<Offset>,
        /// Offset of the claim that was read back from the journal partition.
        journal: Option<Offset>,
    },
    /// Replays to the claims, marks, and says that it is active.
    CatchingUp {
        /// Its reign.
        epoch: Epoch,
        /// How far it is.
        step: CatchUp,
    },
    /// Serves, runs timers, emits.
    Active {
        /// Its reign.
        epoch: Epoch,
    },
    /// Keeps its state without a lease: acknowledges, journals and starts nothing.
    Degraded {
        /// Its reign.
        epoch: Epoch,
        /// It was told to seal the shard meanwhile.
        is_moving: bool,
    },
    /// Takes nothing new and writes its last.
    Sealing {
        /// Its reign.
        epoch: Epoch,
        /// How far it is.
        step: Seal,
    },
    /// Has stopped; only a new incarnation of the node goes on.
    Fenced,
}

/// From the claims to the first request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CatchUp {
    /// Reads what was written before the claims.
    Replaying,
    /// Waits for the registry that the journal names.
    Registry {
        /// Where it restored from.
        restored: Restored,
        /// Offset below which the registry must be folded.
        needed: Offset,
    },
    /// Writes its first mark.
    Marking {
        /// What the mark says.
        restored: Restored,
    },
    /// Says in the control log that it is active.
    Announcing,
}

/// From the last request to the end of a reign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seal {
    /// Waits for what was appended.
    Resolving,
    /// Makes its state durable.
    Snapshotting,
    /// Says in the control log that it wrote its last.
    Announcing,
}

/// Where an owner began to replay: every change below is in durable snapshots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restored {
    /// First telemetry record that was replayed.
    pub telemetry: Offset,
    /// Epoch of the claim in force there; `None` before the first claim.
    pub telemetry_claim: Option<Epoch>,
    /// First journal record that was replayed.
    pub journal: Offset,
    /// Epoch of the claim in force there; `None` before the first claim.
    pub journal_claim: Option<Epoch>,
}

/// A partition that an owner claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claimed {
    /// The shard's partition of the telemetry topic.
    Telemetry,
    /// The shard's partition of the journal.
    Journal,
}

/// What somebody wants of the shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// To append a record, and to be told when it counts.
    Durable,
    /// To push what is marked `recorded: false`.
    Unrecorded,
    /// An emergency command past an event log that is down.
    Emergency,
}

/// Why something is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// This node does not serve the shard for that epoch.
    NotOwner {
        /// Highest epoch of the shard that it knows.
        highest: Option<Epoch>,
    },
    /// Without a lease; try again soon.
    Degraded,
    /// The shard moves; its next owner will take it soon.
    Sealing,
    /// Too much is unresolved; try again soon.
    Overloaded,
}

/// What the driver has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Load snapshots and follow the partitions.
    Follow,
    /// Write to the control log that this standby is caught up.
    ReportCaughtUp,
    /// Forget the shard.
    Drop,
    /// Append a claim to both partitions.
    AppendClaims(Epoch),
    /// Replay both partitions from the mark of the highest epoch to the claims.
    Replay {
        /// For which reign.
        epoch: Epoch,
        /// Offset of the claim in telemetry.
        telemetry: Offset,
        /// Offset of the claim in the journal.
        journal: Offset,
    },
    /// Write the first mark of the reign.
    ///
    /// It repeats, under the new epoch, where the reign was restored from, and names the claim in
    /// force there. Without it the mark of the highest epoch might be one that a predecessor wrote
    /// behind this reign's claims, above telemetry of this reign that no snapshot has.
    WriteMark {
        /// For which reign.
        epoch: Epoch,
        /// What it says.
        restored: Restored,
    },
    /// Write to the control log that the shard is active.
    AppendActive(Epoch),
    /// Serve, run timers, emit.
    Serve(Epoch),
    /// Acknowledge, journal and start nothing; keep the state.
    Degrade(Epoch),
    /// Take nothing new.
    CloseIntake(Epoch),
    /// Make snapshots of all that changed durable, and a mark.
    Snapshot(Epoch),
    /// Write to the control log that nothing of this epoch will be written any more.
    AppendSealed(Epoch),
    /// Go on as a standby that is caught up: no timers, nothing emitted.
    Retire(Epoch),
    /// Stop the shard's actors and drop every reference to them.
    Stop,
    /// Join again as a new incarnation.
    Rejoin,
    /// Append what was asked for.
    Append(Ticket),
    /// Do what was asked for; it needs no append.
    Pass(Ticket),
    /// Tell who asked that it was not done.
    Refuse(Ticket, Refused),
    /// Acknowledge and emit what became durable.
    Release(Ticket),
    /// Acknowledge and emit nothing of it: whether it counts is not for this node to say.
    Withhold(Ticket),
}

/// One shard at one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardState {
    stage: Stage,
    /// What the stage has to write was given to the driver and did not fail.
    is_issued: bool,
    /// Highest epoch of the shard that was seen, in the control log or as a claim.
    highest: Option<Epoch>,
    /// The registry is folded below this.
    registry: Offset,
    /// Appends whose outcome is not known, and the reigns for which they were made.
    unresolved: BTreeMap<Ticket, Epoch>,
}

impl Default for ShardState {
    /// A node that has nothing of the shard.
    fn default() -> Self {
        Self {
            stage: Stage::Absent,
            is_issued: false,
            highest: None,
            registry: Offset(0),
            unresolved: BTreeMap::new(),
        }
    }
}

impl ShardState {
    /// Where the shard is.
    #[must_use]
    pub const fn stage(&self) -> &Stage {
        &self.stage
    }

    /// Its reign, while it has one.
    #[must_use]
    pub const fn epoch(&self) -> Option<Epoch> {
        match &self.stage {
            Stage::Claiming { epoch, .. }
            | Stage::CatchingUp { epoch, .. }
            | Stage::Active { epoch }
            | Stage::Degraded { epoch, .. }
            | Stage::Sealing { epoch, .. } => Some(*epoch),
            Stage::Absent | Stage::Standby { .. } | Stage::Fenced => None,
        }
    }
}
