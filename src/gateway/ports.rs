//! What the gateway needs of the parts behind it.

use std::ops::Range;

use aerostream_actors::{
    FleetQuestion, Handle, IngestOutcome, ListPage, LiveView, Submission, Unavailable,
};
use aerostream_domain::{BootId, DroneId, FleetSummary, RecordedSample, UtcMicros};
use async_trait::async_trait;

/// The drones' actors, wherever they are.
#[async_trait]
pub trait Drones: Send + Sync + 'static {
    /// Sends a batch to its drone; answers when every sample's fate is final.
    async fn ingest(&self, submission: Submission) -> IngestOutcome;

    /// Live state of one drone; `None` if it was never heard.
    async fn live(&self, drone: &DroneId) -> Result<Option<LiveView>, Unavailable>;

    /// Drones behind `after` in id order; at most `limit`. A page may be shorter before the end.
    async fn list(&self, after: Option<DroneId>, limit: usize) -> Result<ListPage, Unavailable>;

    /// Rolls up the drones that the question's filter takes.
    async fn summary(&self, question: FleetQuestion) -> Result<FleetSummary, Unavailable>;
}

#[async_trait]
impl Drones for Handle {
    async fn ingest(&self, submission: Submission) -> IngestOutcome {
        Handle::ingest(self, submission).await
    }

    async fn live(&self, drone: &DroneId) -> Result<Option<LiveView>, Unavailable> {
        Handle::live(self, drone).await
    }

    async fn list(&self, after: Option<DroneId>, limit: usize) -> Result<ListPage, Unavailable> {
        Handle::list(self, after, limit).await
    }

    async fn summary(&self, question: FleetQuestion) -> Result<FleetSummary, Unavailable> {
        Handle::summary(self, question).await
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

/// What drones sent before, as the database has it.
#[async_trait]
pub trait History: Send + Sync + 'static {
    /// The newest `limit` samples of a drone within a range of time, oldest first.
    async fn samples(
        &self,
        drone: &DroneId,
        range: Range<UtcMicros>,
        limit: usize,
    ) -> Result<Vec<PastSample>, HistoryError>;
}
