//! What can be watched. Each watches by itself; `ws/graphql` brings them to their clients.

use std::sync::Arc;
use std::time::Duration;

use aerostream_actors::{FeedEvent, FeedSnapshot, Frame, Subscription as Feed};
use aerostream_domain::command::CommandId;
use aerostream_domain::{DroneId, Offset, UtcMicros};
use async_graphql::{Context, Enum, ID, SimpleObject, Subscription as Watching};
use futures::future::BoxFuture;
use futures::{Stream, stream};

use super::alert::{self, AlertUpdate, AlertsFilter};
use super::command::Command;
use super::live::{self, Live};
use super::positions::{self, FleetPositions};
use super::session::Session;
use super::telemetry::TelemetrySample;
use crate::clock;
use crate::error::{ErrorCode, Problem};
use crate::gateway::auth::{Action, Caller};
use crate::gateway::fleet_feed::Asking;
use crate::gateway::http::commands::command_id;
use crate::gateway::http::input;
use crate::gateway::ingest::unavailable;
use crate::gateway::json::command::CommandReply;
use crate::gateway::json::enums::Long;
use crate::gateway::limit::RETRY_AFTER;
use crate::gateway::ports::PastSample;
use crate::gateway::state::Gateway;

/// Longest wait for a change of a command; then it is asked for again.
const CHANGE_WAIT: Duration = Duration::from_secs(20);

/// What can be watched.
#[derive(Debug)]
pub struct Subscription;

/// What an update of a drone is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum DroneUpdateKind {
    /// The drone as it is; updates follow.
    Snapshot,
    /// New samples.
    Update,
    /// This client was too slow: updates were skipped, and this is the newest state.
    Conflated,
    /// Something may be missing before this, which is the newest state.
    Gap,
}

/// News of a drone.
#[derive(SimpleObject)]
pub struct DroneUpdate {
    kind: DroneUpdateKind,
    /// False for samples that are shown while the event log is slow or down; they are told again.
    recorded: bool,
    /// Updates that were skipped.
    skipped: Long,
    /// The samples of an update.
    samples: Vec<TelemetrySample>,
    /// The newest state, where it is told; null before the drone's first record.
    live: Option<Live>,
}

/// What can be watched. A subscription ends with an error when its token ends.
#[Watching]
impl Subscription {
    /// A drone: its state, then its samples as they become durable.
    async fn drone_updates(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The drone's id.")] id: ID,
    ) -> async_graphql::Result<impl Stream<Item = Result<DroneUpdate, Problem>> + use<>> {
        let session = Session::of(context);
        let drone = input::drone_id(&id)?;
        let watched = Watched::begin(session, drone).await?;
        Ok(until_problem(watched, Watched::next))
    }

    /// Where drones are, as they move, enter and leave.
    async fn fleet_positions(
        &self,
        context: &Context<'_>,
        #[graphql(
            desc = "West, south, east, north, degrees; west is greater than east across the \
                          antimeridian. Everywhere if not said."
        )]
        bbox: Option<Vec<f64>>,
        #[graphql(desc = "Only these fleets.")] fleet_ids: Option<Vec<String>>,
        #[graphql(desc = "Only these drones.")] drone_ids: Option<Vec<String>>,
        #[graphql(desc = "Updates per second; 1 if not said.")] rate_hz: Option<f64>,
    ) -> async_graphql::Result<impl Stream<Item = Result<FleetPositions, Problem>> + use<>> {
        let asking = Asking {
            bbox,
            fleet_ids,
            drone_ids,
            rate_hz,
        };
        let watched = positions::Watched::begin(Session::of(context), &asking)?;
        Ok(until_problem(watched, positions::Watched::next))
    }

    /// Alerts: those that are active, then every change of one; nothing is conflated.
    async fn alert_updates(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which alerts; all if not said. It takes nothing of the past.")]
        filter: Option<AlertsFilter>,
        #[graphql(desc = "The `cursor` of the last update that the client has taken.")]
        from: Option<String>,
    ) -> async_graphql::Result<impl Stream<Item = Result<AlertUpdate, Problem>> + use<>> {
        let filter = filter.unwrap_or_default();
        let watched = alert::Watched::begin(Session::of(context), filter, from).await?;
        Ok(until_problem(watched, alert::Watched::next))
    }

    /// A command: as it is, each change, and its end.
    async fn command_updates(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The command's id.")] id: ID,
    ) -> async_graphql::Result<impl Stream<Item = Result<Command, Problem>> + use<>> {
        let session = Session::of(context);
        let id = command_id(&id)?;
        let followed = Followed {
            gateway: Arc::clone(&session.gateway),
            caller: Arc::clone(&session.caller),
            id,
            seen: None,
        };
        Ok(stream::unfold(Some(followed), |followed| async move {
            let mut followed = followed?;
            match followed.next().await {
                Ok((command, is_over)) => Some((Ok(command), (!is_over).then_some(followed))),
                Err(problem) => Some((Err(problem), None)),
            }
        }))
    }
}

/// What a watcher sees until something is wrong, which is the last that it is told.
fn until_problem<W: Send + 'static, T: Send + 'static>(
    watched: W,
    next: for<'a> fn(&'a mut W) -> BoxFuture<'a, Result<T, Problem>>,
) -> impl Stream<Item = Result<T, Problem>> + use<W, T> {
    stream::unfold(Some(watched), move |watched| async move {
        let mut watched = watched?;
        match next(&mut watched).await {
            Ok(seen) => Some((Ok(seen), Some(watched))),
            Err(problem) => Some((Err(problem), None)),
        }
    })
}

/// A drone that is watched.
struct Watched {
    gateway: Arc<Gateway>,
    caller: Arc<Caller>,
    drone: DroneId,
    feed: Feed,
    /// `None` once the snapshot was told.
    snapshot: Option<FeedSnapshot>,
    /// Every record below it has been told.
    at: Offset,
}

impl Watched {
    async fn begin(session: &Session, drone: DroneId) -> Result<Self, Problem> {
        let gateway = Arc::clone(&session.gateway);
        gateway.allow_drone(session.principal(), Action::ReadDrone, &drone)?;
        let feed = gateway.behind.drones.subscribe(&drone).await;
        let feed = feed.map_err(|why| unavailable(&why))?;
        let snapshot = feed.snapshot().await.map_err(|why| unavailable(&why))?;
        Ok(Self {
            caller: Arc::clone(&session.caller),
            gateway,
            drone,
            feed,
            at: snapshot.cursor.telemetry,
            snapshot: Some(snapshot),
        })
    }

    fn next(&mut self) -> BoxFuture<'_, Result<DroneUpdate, Problem>> {
        Box::pin(async {
            if let Some(snapshot) = self.snapshot.take() {
                return Ok(state(DroneUpdateKind::Snapshot, snapshot));
            }
            loop {
                let event = self.feed.next().await;
                // A drone may have moved to a fleet that the caller does not see.
                let principal = &self.caller.principal;
                self.gateway
                    .allow_drone(principal, Action::ReadDrone, &self.drone)?;
                match event {
                    FeedEvent::Frame(frame) => match frame.cursor {
                        Some(cursor) if cursor.telemetry <= self.at => {}
                        cursor => {
                            self.at = cursor.map_or(self.at, |cursor| cursor.telemetry);
                            return Ok(update(&frame));
                        }
                    },
                    FeedEvent::Lagged(lagged) => {
                        let skipped = lagged + self.feed.skip();
                        let conflated = self.renewed(DroneUpdateKind::Conflated).await?;
                        return Ok(DroneUpdate {
                            skipped: skipped.into(),
                            ..conflated
                        });
                    }
                    FeedEvent::Interrupted | FeedEvent::Late => {
                        return self.renewed(DroneUpdateKind::Gap).await;
                    }
                    FeedEvent::Fenced => {
                        let detail = "another process serves the drone now; subscribe again";
                        let problem = Problem::new(ErrorCode::Unavailable, detail);
                        return Err(problem.retry_after(RETRY_AFTER));
                    }
                }
            }
        })
    }

    async fn renewed(&mut self, kind: DroneUpdateKind) -> Result<DroneUpdate, Problem> {
        let snapshot = self.feed.snapshot().await;
        let snapshot = snapshot.map_err(|why| unavailable(&why))?;
        self.at = snapshot.cursor.telemetry;
        Ok(state(kind, snapshot))
    }
}

fn state(kind: DroneUpdateKind, snapshot: FeedSnapshot) -> DroneUpdate {
    let now = clock::utc_now();
    DroneUpdate {
        kind,
        recorded: true,
        skipped: Long(0),
        samples: Vec::new(),
        live: snapshot.view.map(|view| live::told(view, now)),
    }
}

fn update(frame: &Frame) -> DroneUpdate {
    let boot = frame.record.boot;
    let samples = frame.record.samples.iter().cloned();
    DroneUpdate {
        kind: DroneUpdateKind::Update,
        recorded: frame.cursor.is_some(),
        skipped: Long(0),
        samples: samples
            .map(|sample| PastSample { boot, sample }.into())
            .collect(),
        live: None,
    }
}

/// A command that is followed to its end.
struct Followed {
    gateway: Arc<Gateway>,
    caller: Arc<Caller>,
    id: CommandId,
    /// The change that was told last.
    seen: Option<UtcMicros>,
}

impl Followed {
    /// The next change, and whether it is the last.
    async fn next(&mut self) -> Result<(Command, bool), Problem> {
        loop {
            let wait = (self.seen, CHANGE_WAIT);
            let principal = &self.caller.principal;
            let view = self.gateway.command(principal, self.id, wait).await?;
            if self.seen != Some(view.entry.changed) {
                self.seen = Some(view.entry.changed);
                let is_over = view.entry.is_over();
                return Ok((CommandReply::from(view).into(), is_over));
            }
        }
    }
}
