//! What actors are told. Every type here stays on its node.

use std::sync::Arc;
use std::time::Duration;

use aerostream_domain::DroneSnapshot;
use aerostream_domain::command::CommandId;
use aerostream_domain::{
    AppendId, Batch, BootId, BootRecord, Brief, Drone, DroneId, Offset, TelemetryRecord, UtcMicros,
};
use aerostream_log::{AppendError, Appended};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use crate::alert::{AlertMsg, AlertTold};
use crate::command::{CommandMsg, To, Told};
use crate::feed::FeedSnapshot;
use crate::handle::{IngestOutcome, LiveView, ShardStatus};
use crate::shard::moves::Gathering;
use crate::shard::tally::Counting;

/// A batch with all that its answer needs.
#[derive(Debug)]
pub(crate) struct Ingest {
    pub batch: Batch,
    pub received: UtcMicros,
    pub reply: oneshot::Sender<IngestOutcome>,
    /// Given back when the batch is answered, wherever that happens.
    pub permit: OwnedSemaphorePermit,
}

/// To a shard.
#[derive(Debug)]
pub(crate) enum ShardMsg {
    Ingest(Box<Ingest>),
    Live {
        drone: DroneId,
        reply: oneshot::Sender<Option<Box<LiveView>>>,
    },
    /// What a subscriber of a drone's feed begins with.
    Join {
        drone: DroneId,
        reply: oneshot::Sender<Box<FeedSnapshot>>,
    },
    /// Drones behind `after`, ascending, at most `limit`.
    Briefs {
        after: Option<DroneId>,
        limit: usize,
        reply: oneshot::Sender<Vec<(DroneId, Brief)>>,
    },
    /// Counts drones, some at a time.
    Tally(Box<Counting>),
    /// Gathers where drones are, some at a time.
    Moves(Box<Gathering>),
    Status(oneshot::Sender<ShardStatus>),
    /// What the shard's journal partition says, all below `next`.
    Journal {
        told: Vec<(DroneId, JournalTold)>,
        next: Offset,
        done: oneshot::Sender<()>,
    },
    /// About commands of one drone.
    Command {
        to: To,
        message: Box<CommandMsg>,
    },
    /// Look after a drone's silence after so long; `None`: not until it is heard again.
    Watch {
        drone: DroneId,
        after: Option<Duration>,
    },
    /// Ids of the commands that were given together.
    Group {
        group: u128,
        reply: oneshot::Sender<Vec<CommandId>>,
    },
    /// Time to snapshot, passivate and restart what is due.
    Tick,
    /// A snapshot round ended.
    RoundDone(RoundOutcome),
    /// A drone was asked to become passive; `None` if it is busy.
    Passivated {
        drone: DroneId,
        snapshot: Option<Box<DroneSnapshot>>,
    },
    /// An append ended whose actor was gone; `offset` if the record is durable.
    Orphaned {
        offset: Option<Offset>,
        record: Arc<TelemetryRecord>,
        token: MarkToken,
    },
    /// A failed drone was read back from the log; `None` if that failed too.
    Restored {
        drone: DroneId,
        state: Option<Box<Drone>>,
        /// Every record of the drone below it is in the state.
        below: Offset,
    },
    /// Writes what is not yet durable; answered when it is.
    Flush(oneshot::Sender<bool>),
}

impl ractor::Message for ShardMsg {}

/// What a journal record says of a drone.
#[derive(Debug, Clone)]
pub(crate) enum JournalTold {
    Boot(BootRecord),
    Command(Told),
    Alert(AlertTold),
}

/// How a snapshot round ended.
#[derive(Debug)]
pub(crate) struct RoundOutcome {
    /// The durable mark; `None` if something of the round is not durable.
    pub mark: Option<(Offset, Offset)>,
    /// Drones to try again if it failed.
    pub drones: Vec<DroneId>,
}

/// An append whose effect is not in live state yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MarkToken {
    pub bound: Offset,
    pub id: u64,
}

/// To a drone.
#[derive(Debug)]
pub(crate) enum DroneMsg {
    Ingest(Box<Ingest>),
    Live(oneshot::Sender<Option<Box<LiveView>>>),
    Join(oneshot::Sender<Box<FeedSnapshot>>),
    /// A boot record, read back from the journal.
    Boot(BootRecord),
    Command(Box<CommandMsg>),
    Alert(Box<AlertMsg>),
    /// The boot record could not be journalled.
    BootFailed {
        boot: BootId,
        reason: String,
    },
    Appended {
        append: AppendId,
        result: Result<Appended, AppendError>,
    },
    /// Records of this drone whose fate was unknown, read back from the log.
    Reconciled {
        records: Vec<(Offset, TelemetryRecord)>,
        token: MarkToken,
    },
    /// The log takes long for this record, or failed.
    Late(Arc<TelemetryRecord>),
    Snapshot(mpsc::Sender<DroneSnapshot>),
    Passivate {
        idle: Duration,
        reply: oneshot::Sender<Option<Box<DroneSnapshot>>>,
    },
}

impl ractor::Message for DroneMsg {}

/// To the node's supervisor.
#[derive(Debug)]
pub(crate) enum NodeMsg {
    RestartShard(aerostream_domain::ShardId),
}

impl ractor::Message for NodeMsg {}
