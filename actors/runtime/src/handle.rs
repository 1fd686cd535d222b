//! The only door to the actors; nobody else sees a channel or an actor reference.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use aerostream_cluster::Ownership;
use aerostream_domain::drone::live::LiveState;
use aerostream_domain::{
    Batch, BootId, Brief, DroneId, Epoch, FleetSummary, Offset, Refusal, ShardCount, ShardId,
    Tally, UtcMicros, View,
};
use ractor::ActorRef;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::admission::Admission;
use crate::alert::AlertBoard;
use crate::feed::Hub;
use crate::message::{Ingest, ShardMsg};
use crate::metrics;
use crate::sessions::SharedSessions;
use crate::shard::tally::{Counting, DroneFilter};

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

/// What is asked of all drones together.
#[derive(Debug, Clone)]
pub struct FleetQuestion {
    pub view: View,
    pub filter: DroneFilter,
    /// Most cells told.
    pub cells_max: usize,
}

/// One shard as its supervisor sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardStatus {
    pub shard: ShardId,
    pub epoch: Epoch,
    /// Drones with a running actor.
    pub hot: usize,
    /// Drones kept as encoded state.
    pub passive: usize,
    /// Drones whose actor failed and rests.
    pub failed: usize,
    /// Samples that became durable and were acknowledged for the first time, since the start.
    pub acknowledged: u64,
    /// Appends whose effect is not in live state yet.
    pub appends_open: usize,
    /// Telemetry and journal offsets below which every change is in a durable snapshot.
    pub mark: Option<(Offset, Offset)>,
}

/// Where the supervisors of the shards are; empty while one is restarted.
pub(crate) type ShardTable = Arc<[RwLock<Option<ActorRef<ShardMsg>>>]>;

/// Reaches every drone of this node; cheap to clone.
#[derive(Debug, Clone)]
pub struct Handle {
    pub(crate) shards: ShardTable,
    pub(crate) count: ShardCount,
    pub(crate) admission: Admission,
    pub(crate) ownership: Ownership,
    pub(crate) feeds: Arc<Hub>,
    pub(crate) sessions: SharedSessions,
    pub(crate) alerts: Arc<AlertBoard>,
}

/// How long a question to an actor may take.
const ANSWER_MAX: Duration = Duration::from_secs(5);

impl Handle {
    /// Sends a batch to its drone; answers when every sample's fate is final.
    pub async fn ingest(&self, submission: Submission) -> IngestOutcome {
        let Submission {
            batch,
            received,
            deadline,
        } = submission;
        let permit = match self.admission.admit() {
            Ok(permit) => permit,
            Err(why) => return IngestOutcome::Retry(why),
        };
        let (reply, answer) = oneshot::channel();
        let shard = self.count.shard_of(&batch.drone);
        let ingest = Box::new(Ingest {
            batch,
            received,
            reply,
            permit,
        });
        if let Err(why) = self.cast(shard, ShardMsg::Ingest(ingest)) {
            return IngestOutcome::Retry(why);
        }
        match tokio::time::timeout_at(deadline, answer).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => IngestOutcome::Retry(restarting()),
            Err(_) => IngestOutcome::Retry(Unavailable::DeadlinePassed),
        }
    }

    /// Every recorded alert of the node's drones.
    #[must_use]
    pub fn alerts(&self) -> &AlertBoard {
        &self.alerts
    }

    /// Live state of one drone; `None` if it was never heard.
    pub async fn live(&self, drone: &DroneId) -> Result<Option<LiveView>, Unavailable> {
        let (reply, answer) = oneshot::channel();
        let shard = self.count.shard_of(drone);
        self.cast(
            shard,
            ShardMsg::Live {
                drone: drone.clone(),
                reply,
            },
        )?;
        Ok(answered(answer).await?.map(|view| *view))
    }

    /// Drones behind `after` in id order, gathered from every shard; at most `limit`. A page may be
    /// shorter before the end.
    pub async fn list(
        &self,
        after: Option<DroneId>,
        limit: usize,
    ) -> Result<ListPage, Unavailable> {
        // Ids are spread over the shards by a hash, so that each has about its share of a page.
        let each_max = (limit.div_ceil(usize::from(self.count.get())) * 2 + 8).min(limit);
        let asked = self.count.all().map(|shard| {
            let (reply, answer) = oneshot::channel();
            let ask = ShardMsg::Briefs {
                after: after.clone(),
                limit: each_max,
                reply,
            };
            let sent = self.cast(shard, ask);
            async move {
                sent?;
                answered(answer).await
            }
        });
        let shards = futures::future::try_join_all(asked).await?;
        // Behind the first of the shards' last ids, a shard may have drones that are not here.
        let more = shards.iter().filter(|drones| drones.len() == each_max);
        let horizon = more.filter_map(|drones| drones.last()).map(|(id, _)| id);
        let mut next_after = horizon.min().cloned();
        let mut drones = shards.concat();
        drones.sort_by(|one, other| one.0.cmp(&other.0));
        if let Some(horizon) = &next_after {
            drones.truncate(drones.partition_point(|(id, _)| id <= horizon));
        }
        if drones.len() >= limit {
            drones.truncate(limit);
            next_after = drones.last().map(|(id, _)| id.clone());
        }
        let drones = drones.into_iter().map(DroneSummary::from).collect();
        Ok(ListPage { drones, next_after })
    }

    /// Rolls up the drones that the filter takes, counted by every shard.
    pub async fn summary(&self, question: FleetQuestion) -> Result<FleetSummary, Unavailable> {
        let FleetQuestion {
            view,
            filter,
            cells_max,
        } = question;
        let asked = self.count.all().map(|shard| {
            let (reply, answer) = oneshot::channel();
            let counting = Counting {
                view,
                filter: filter.clone(),
                after: None,
                tally: None,
                reply,
            };
            let sent = self.cast(shard, ShardMsg::Tally(Box::new(counting)));
            async move {
                sent?;
                answered(answer).await
            }
        });
        let mut tallies = futures::future::try_join_all(asked).await?.into_iter();
        let mut all = tallies
            .next()
            .unwrap_or_else(|| Tally::new(view, Duration::ZERO));
        for tally in tallies {
            all.merge(tally);
        }
        Ok(all.finish(cells_max))
    }

    /// Every shard as its supervisor sees it.
    pub async fn status(&self) -> Result<Vec<ShardStatus>, Unavailable> {
        let asked = self.count.all().map(|shard| {
            let (reply, answer) = oneshot::channel();
            let sent = self.cast(shard, ShardMsg::Status(reply));
            async move {
                sent?;
                answered(answer).await
            }
        });
        let shards = futures::future::try_join_all(asked).await?;
        let sum = |of: fn(&ShardStatus) -> usize| shards.iter().map(of).sum();
        metrics::drones(sum(|shard| shard.hot), sum(|shard| shard.passive));
        Ok(shards)
    }

    /// True while this node may acknowledge anything at all.
    #[must_use]
    pub fn is_owner(&self) -> bool {
        !self.ownership.is_fenced()
    }

    /// Makes everything durable that a restart would otherwise replay; false if that failed.
    pub(crate) async fn flush(&self) -> Result<bool, Unavailable> {
        let asked = self.count.all().map(|shard| {
            let (reply, answer) = oneshot::channel();
            let sent = self.cast(shard, ShardMsg::Flush(reply));
            async move {
                sent?;
                answer.await.map_err(|_| restarting())
            }
        });
        let flushed = futures::future::try_join_all(asked).await?;
        Ok(flushed.into_iter().all(|durable| durable))
    }

    pub(crate) fn cast(&self, shard: ShardId, message: ShardMsg) -> Result<(), Unavailable> {
        let table = &self.shards[usize::from(shard.0)];
        let actor = table.read().unwrap_or_else(PoisonError::into_inner);
        let actor = actor.as_ref().ok_or_else(restarting)?;
        actor.cast(message).map_err(|_| restarting())
    }
}

pub(crate) async fn answered<T>(answer: oneshot::Receiver<T>) -> Result<T, Unavailable> {
    match tokio::time::timeout(ANSWER_MAX, answer).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(_)) => Err(restarting()),
        Err(_) => Err(Unavailable::DeadlinePassed),
    }
}

fn restarting() -> Unavailable {
    Unavailable::NotOwner {
        reason: "the actor is being restarted".to_owned(),
    }
}

impl From<(DroneId, Brief)> for DroneSummary {
    fn from((drone, brief): (DroneId, Brief)) -> Self {
        let position = brief.position();
        Self {
            drone,
            boot: brief.boot(),
            last_received: brief.received(),
            latitude_deg: position.map(|(latitude_deg, _)| latitude_deg),
            longitude_deg: position.map(|(_, longitude_deg)| longitude_deg),
            relative_altitude_m: brief.relative_altitude_m(),
            battery_percent: brief.battery_percent(),
            armed: brief.armed(),
        }
    }
}
