//! What the gateway needs of the parts behind it.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use aerostream_actors::{
    AlertBoard, CommandView, EmergencySent, FleetQuestion, Handle, IngestOutcome, Known, ListPage,
    LiveView, Moves, Room, Sessions, Submission, Subscription, Unavailable,
};
use aerostream_domain::alert::{Alert, AlertId};
use aerostream_domain::command::{Answer, CommandId, Entry, Intent, NotSentReason};
use aerostream_domain::{
    BootId, DroneId, Epoch, FleetSummary, RecordedSample, ShardCount, ShardId, UtcMicros,
};
use async_trait::async_trait;

pub use crate::store::alert::{AlertKey, AlertQuestion};
pub use crate::store::fields::{FIELDS, Kind};
pub use crate::store::history::flat::{Cell, FlatRow};
pub use crate::store::history::summaries::{STEP_MIN_S, SUMMED, Spread, Steps, Summary};
pub use crate::store::history::{Key, Order};
pub use crate::store::{FieldSet, UnknownField};

/// The drones' actors, wherever they are.
#[async_trait]
pub trait Drones: Send + Sync + 'static {
    /// Sends a batch to its drone; answers when every sample's fate is final.
    async fn ingest(&self, submission: Submission) -> IngestOutcome;

    /// Live state of one drone; `None` if it was never heard.
    async fn live(&self, drone: &DroneId) -> Result<Option<LiveView>, Unavailable>;

    /// Watches a drone, heard or not.
    async fn subscribe(&self, drone: &DroneId) -> Result<Subscription, Unavailable>;

    /// Drones behind `after` in id order; at most `limit`. A page may be shorter before the end.
    async fn list(&self, after: Option<DroneId>, limit: usize) -> Result<ListPage, Unavailable>;

    /// Rolls up the drones that the question's filter takes.
    async fn summary(&self, question: FleetQuestion) -> Result<FleetSummary, Unavailable>;

    /// Where the drones are that were heard since the asker asked last, for each shard, in order.
    async fn moves(&self, known: &[Known]) -> Vec<Result<Moves, Unavailable>>;

    /// Which connection holds which drone.
    fn sessions(&self) -> &Arc<Sessions>;

    /// Shards of the cluster.
    fn shard_count(&self) -> ShardCount;

    /// Shard of a drone.
    fn shard_of(&self, drone: &DroneId) -> ShardId;

    /// Reign in which a drone is owned, as is known here; `None` if it may be another's.
    fn epoch_of(&self, drone: &DroneId) -> Option<Epoch>;

    /// Reigns in which the shards are owned here, in their order; `None` if they may be another's.
    fn epochs(&self) -> Option<Vec<Epoch>>;

    /// Every recorded alert of the drones.
    fn alerts(&self) -> &AlertBoard;

    /// One command; `None` if its owner does not know it. With `seen`, the moment of the change
    /// that the asker knows, it is answered at the next change, at the latest after `wait`.
    async fn command(
        &self,
        id: CommandId,
        seen: Option<UtcMicros>,
        wait: Duration,
    ) -> Result<Option<CommandView>, Unavailable>;

    /// Every command of a drone that its owner remembers, the oldest first.
    async fn commands(&self, drone: &DroneId) -> Result<Vec<CommandView>, Unavailable>;

    /// Ids of the commands that were given together and are remembered.
    async fn command_group(&self, group: u128) -> Result<Vec<CommandId>, Unavailable>;

    /// Whether the drone's ledger has room for a wish, or has it already.
    async fn room(&self, drone: &DroneId, id: CommandId) -> Result<Room, Unavailable>;

    /// What a drone says of a command; answered when it is durable.
    async fn command_answered(
        &self,
        drone: &DroneId,
        id: CommandId,
        answer: Answer,
    ) -> Result<(), Unavailable>;

    /// Makes the owner look whether there is something for a drone that was just heard.
    fn look_for_commands(&self, drone: &DroneId) -> Result<(), Unavailable>;

    /// Hands a command to the drone's connection past the journal, which is down.
    async fn emergency(
        &self,
        drone: &DroneId,
        intent: Intent,
    ) -> Result<Result<EmergencySent, NotSentReason>, Unavailable>;
}

#[async_trait]
impl Drones for Handle {
    async fn ingest(&self, submission: Submission) -> IngestOutcome {
        Handle::ingest(self, submission).await
    }

    async fn live(&self, drone: &DroneId) -> Result<Option<LiveView>, Unavailable> {
        Handle::live(self, drone).await
    }

    async fn subscribe(&self, drone: &DroneId) -> Result<Subscription, Unavailable> {
        Handle::subscribe(self, drone)
    }

    async fn list(&self, after: Option<DroneId>, limit: usize) -> Result<ListPage, Unavailable> {
        Handle::list(self, after, limit).await
    }

    async fn summary(&self, question: FleetQuestion) -> Result<FleetSummary, Unavailable> {
        Handle::summary(self, question).await
    }

    async fn moves(&self, known: &[Known]) -> Vec<Result<Moves, Unavailable>> {
        Handle::moves(self, known).await
    }

    fn sessions(&self) -> &Arc<Sessions> {
        Handle::sessions(self)
    }

    fn shard_count(&self) -> ShardCount {
        Handle::shard_count(self)
    }

    fn shard_of(&self, drone: &DroneId) -> ShardId {
        Handle::shard_of(self, drone)
    }

    fn epoch_of(&self, drone: &DroneId) -> Option<Epoch> {
        Handle::epoch_of(self, drone)
    }

    fn epochs(&self) -> Option<Vec<Epoch>> {
        Handle::epochs(self)
    }

    fn alerts(&self) -> &AlertBoard {
        Handle::alerts(self)
    }

    async fn command(
        &self,
        id: CommandId,
        seen: Option<UtcMicros>,
        wait: Duration,
    ) -> Result<Option<CommandView>, Unavailable> {
        Handle::command(self, id, seen, wait).await
    }

    async fn commands(&self, drone: &DroneId) -> Result<Vec<CommandView>, Unavailable> {
        Handle::commands(self, drone).await
    }

    async fn command_group(&self, group: u128) -> Result<Vec<CommandId>, Unavailable> {
        Handle::command_group(self, group).await
    }

    async fn room(&self, drone: &DroneId, id: CommandId) -> Result<Room, Unavailable> {
        Handle::room(self, drone, id).await
    }

    async fn command_answered(
        &self,
        drone: &DroneId,
        id: CommandId,
        answer: Answer,
    ) -> Result<(), Unavailable> {
        Handle::command_answered(self, drone, id, answer).await
    }

    fn look_for_commands(&self, drone: &DroneId) -> Result<(), Unavailable> {
        Handle::look_for_commands(self, drone)
    }

    async fn emergency(
        &self,
        drone: &DroneId,
        intent: Intent,
    ) -> Result<Result<EmergencySent, NotSentReason>, Unavailable> {
        Handle::emergency(self, drone, intent).await
    }
}

/// A sample of the past and the boot that took it.
#[derive(Debug, Clone, PartialEq)]
pub struct PastSample {
    pub boot: BootId,
    pub sample: RecordedSample,
}

/// Why the past cannot be read now.
#[derive(Debug, thiserror::Error)]
#[error("the history of {drone} could not be read")]
pub struct HistoryError {
    pub drone: DroneId,
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// Why the alerts of the past cannot be read now.
#[derive(Debug, thiserror::Error)]
#[error("the alerts of the database could not be read")]
pub struct PastAlertsError {
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// A question about a drone's past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryRequest {
    pub drone: DroneId,
    pub range: Range<UtcMicros>,
    /// Samples at most.
    pub limit: usize,
    /// What is read and told of each sample beside its identity and time.
    pub fields: FieldSet,
    /// Which samples are told when there are more than the limit.
    pub order: Order,
    /// Only samples behind this one; for [`Order::Oldest`].
    pub after: Option<Key>,
}

impl HistoryRequest {
    /// Everything of the newest samples.
    #[must_use]
    pub const fn newest(drone: DroneId, range: Range<UtcMicros>, limit: usize) -> Self {
        Self {
            drone,
            range,
            limit,
            fields: FieldSet::ALL,
            order: Order::Newest,
            after: None,
        }
    }

    /// Reads only these fields.
    #[must_use]
    pub fn with_fields(self, fields: FieldSet) -> Self {
        Self { fields, ..self }
    }
}

/// Why a command cannot be read from the database now.
#[derive(Debug, thiserror::Error)]
#[error("command {id} could not be read from the database")]
pub struct PastCommandError {
    pub id: CommandId,
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// What drones sent before, as the database has it.
#[async_trait]
pub trait History: Send + Sync + 'static {
    /// True if the drone ever had a sample in the database, also one that was taken away since.
    async fn knows(&self, drone: &DroneId) -> Result<bool, HistoryError>;

    /// The samples that were asked for, oldest first. Of each only the wanted fields are read from
    /// the database; the others are as if the sample did not say them.
    async fn samples(&self, request: &HistoryRequest) -> Result<Vec<PastSample>, HistoryError>;

    /// The same samples as flat rows.
    async fn rows(&self, request: &HistoryRequest) -> Result<Vec<FlatRow>, HistoryError>;

    /// Steps of time that have samples, oldest first.
    async fn summaries(&self, drone: &DroneId, steps: Steps) -> Result<Vec<Summary>, HistoryError>;

    /// About how many samples there are.
    async fn estimate(&self, drone: &DroneId, range: Range<UtcMicros>)
    -> Result<u64, HistoryError>;

    /// A command, also one that its owner has forgotten. Where no commands are kept there is none.
    async fn command(&self, _id: CommandId) -> Result<Option<(DroneId, Entry)>, PastCommandError> {
        Ok(None)
    }

    /// First moment of which retention has taken nothing yet.
    async fn kept_from(&self, drone: &DroneId) -> Result<UtcMicros, HistoryError>;

    /// Alerts that were asked for, the newest first.
    async fn alerts(
        &self,
        question: &AlertQuestion,
    ) -> Result<Vec<(DroneId, Alert)>, PastAlertsError>;

    /// One alert of a drone; `None` if the database does not have it.
    async fn alert(&self, drone: &DroneId, id: AlertId) -> Result<Option<Alert>, PastAlertsError>;
}
