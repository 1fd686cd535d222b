//! What a record of the event log can be.

use crate::alert::AlertRecord;
use crate::command::CommandRecord;
use crate::drone::snapshot::DroneSnapshot;
use crate::ids::{DroneId, Epoch, NodeId, Offset, ShardId};
use crate::sample::{BootRecord, TelemetryRecord};
use crate::units::UtcMicros;

/// A new owner's first record in a partition: owner-written records of lower epochs behind it are
/// void.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The shard that is claimed.
    pub shard: ShardId,
    /// The node that claims it.
    pub node: NodeId,
}

/// A record of the telemetry topic.
#[derive(Debug, Clone, PartialEq)]
pub enum TelemetryEntry {
    /// New samples of a drone.
    Batch(TelemetryRecord),
    /// A new owner.
    Claim { epoch: Epoch, claim: Claim },
}

impl TelemetryEntry {
    /// The reign in which the record was written.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        match self {
            Self::Batch(record) => record.epoch,
            Self::Claim { epoch, .. } => *epoch,
        }
    }
}

/// Positions that the writer of an owner-written record had applied; `None` is no record at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cause {
    pub telemetry: Option<Offset>,
    pub journal: Option<Offset>,
    pub registry: Option<Offset>,
}

/// A record of the journal topic.
#[derive(Debug, Clone, PartialEq)]
pub struct JournalEntry {
    /// The owner's reign; `None` on records that gateways write.
    pub epoch: Option<Epoch>,
    /// When it was written, by its writer's clock.
    pub at: UtcMicros,
    /// What its writer had applied.
    pub cause: Cause,
    /// What it says.
    pub kind: JournalKind,
}

/// What a record of the journal says.
#[derive(Debug, Clone, PartialEq)]
pub enum JournalKind {
    /// A new owner of the shard.
    Claim(Claim),
    /// When a boot of a drone began. The first one of (drone, boot) is true for ever.
    Boot { drone: DroneId, record: BootRecord },
    /// A wish about a command, or what became of it.
    Command {
        drone: DroneId,
        record: Box<CommandRecord>,
    },
    /// Alerts that changed, or what somebody said of one.
    Alert {
        drone: DroneId,
        record: Box<AlertRecord>,
    },
}

/// A record of the state topic, compacted by (drone, epoch).
#[derive(Debug, Clone, PartialEq)]
pub struct StateEntry {
    /// The owner's reign.
    pub epoch: Epoch,
    /// What it holds.
    pub kind: StateKind,
}

/// What a record of the state topic holds.
#[derive(Debug, Clone, PartialEq)]
pub enum StateKind {
    /// A drone at rest.
    Drone(Box<DroneSnapshot>),
    /// How far the shard's snapshots go.
    Mark(ShardMark),
}

/// Every change of the shard below these offsets is in a durable snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardMark {
    pub telemetry: Offset,
    pub journal: Offset,
}
