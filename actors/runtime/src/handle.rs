//! The only door to the actors; nobody else sees a channel or an actor reference.

use std::time::Duration;

use aerostream_domain::drone::live::LiveState;
use aerostream_domain::{Batch, BootId, DroneId, Offset, Refusal, UtcMicros};
use tokio::time::Instant;

/// A batch on its way to its drone's actor.
#[derive(Debug)]
pub struct Submission {
    pub batch: Batch,
    /// The gateway's clock when it had the batch.
    pub received: UtcMicros,
    /// After this the sender no longer waits; the batch may still become durable.
    pub deadline: Instant,
}

/// What became of one sample, known only when it is final.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SampleVerdict {
    /// Durable now.
    Acknowledged {
        /// True if it was durable, or on its way, before this batch.
        repeat: bool,
    },
    /// Will never be taken as it is; the gateway writes the dead letter.
    Refused(Refusal),
}

/// What became of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IngestOutcome {
    /// One verdict per sample, in the batch's order; every acknowledged one is durable.
    Settled(Vec<SampleVerdict>),
    /// Nothing is acknowledged; sending it again is right.
    Retry(Unavailable),
}

/// Why the owner cannot serve now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// Too much is under way.
    #[error("{what} is at its limit of {limit}; try again in {} ms", retry_after.as_millis())]
    Overloaded {
        what: &'static str,
        limit: usize,
        retry_after: Duration,
    },
    /// The shard is not served here now.
    #[error("the drone's shard is not served now: {reason}")]
    NotOwner { reason: String },
    /// The event log did not make it durable, or did not say so.
    #[error("the event log is not taking records: {reason}")]
    LogDown { reason: String },
    /// No answer before the deadline.
    #[error("no answer before the deadline")]
    DeadlinePassed,
}

/// A drone as its actor sees it now.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveView {
    pub drone: DroneId,
    pub live: LiveState,
    /// Telemetry offset of the newest record that is in it.
    pub offset: Option<Offset>,
    /// False while the drone's actor is passive; the state is the same.
    pub hot: bool,
}

/// One line of a list of drones.
#[derive(Debug, Clone, PartialEq)]
pub struct DroneSummary {
    pub drone: DroneId,
    pub boot: Option<BootId>,
    /// Receipt of the newest batch.
    pub last_received: Option<UtcMicros>,
    pub latitude_deg: Option<f64>,
    pub longitude_deg: Option<f64>,
    pub relative_altitude_m: Option<f64>,
    pub battery_percent: Option<f32>,
    pub armed: Option<bool>,
}

/// A page of drones in ascending id order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ListPage {
    pub drones: Vec<DroneSummary>,
    /// Ask again after this id; `None` at the end.
    pub next_after: Option<DroneId>,
}

/// Reaches every drone of this node; cheap to clone.
#[derive(Debug, Clone)]
pub struct Handle {}

impl Handle {
    /// Sends a batch to its drone; answers when every sample's fate is final.
    pub async fn ingest(&self, submission: Submission) -> IngestOutcome {
        let _ = submission;
        IngestOutcome::Retry(Unavailable::DeadlinePassed)
    }

    /// Live state of one drone; `None` if it was never heard.
    pub async fn live(&self, drone: &DroneId) -> Result<Option<LiveView>, Unavailable> {
        let _ = drone;
        Ok(None)
    }

    /// Drones behind `after` in id order, gathered from every shard; at most `limit`.
    pub async fn list(
        &self,
        after: Option<DroneId>,
        limit: usize,
    ) -> Result<ListPage, Unavailable> {
        let _ = (after, limit);
        Ok(ListPage::default())
    }
}
