//! `aerostream.v1.AggregatorService`: fleets in numbers, once or as they change.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use aerostream_domain::FleetSummary;
use aerostream_proto::v1;
use aerostream_proto::v1::aggregator_service_server::AggregatorService;
use aerostream_proto::v1::summary_update;
use futures::future::BoxFuture;
use futures::{Stream, stream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tonic::{Request, Response, Status};

use super::status::to_status;
use super::stream::until_expiry;
use super::{Stopping, caller};
use crate::error::{ErrorCode, Problem};
use crate::gateway::auth::Caller;
use crate::gateway::limit::{Place, RETRY_AFTER};
use crate::gateway::state::Gateway;
use crate::gateway::summary::{Asked, Asking};
use crate::registry::Position;

/// Fewest updates per second of a stream.
const UPDATES_PER_S_MIN: f64 = 0.001;

/// The service.
pub(super) struct Aggregator {
    gateway: Arc<Gateway>,
    stopping: Stopping,
    free: Arc<Semaphore>,
}

impl Aggregator {
    pub fn new(gateway: Arc<Gateway>, stopping: Stopping) -> Self {
        let free = Arc::new(Semaphore::new(gateway.config.summary.streams_max));
        Self {
            gateway,
            stopping,
            free,
        }
    }

    fn asked(&self, caller: &Caller, request: v1::SummaryRequest) -> Result<Asked, Problem> {
        let asking = Asking {
            fleet: request.fleet_id,
            cell_deg: request.cell_deg,
            within_s: request.within_s,
        };
        Asked::new(&self.gateway, &caller.principal, &asking)
    }

    fn every(&self, updates_per_s: Option<f64>) -> Result<Duration, Problem> {
        let max = self.gateway.config.summary.updates_per_s_max;
        let wanted = updates_per_s.unwrap_or_else(|| max.min(1.0));
        if (UPDATES_PER_S_MIN..=max).contains(&wanted) {
            return Ok(Duration::from_secs_f64(1.0 / wanted));
        }
        let detail = format!("must be {UPDATES_PER_S_MIN} to {max}; it is {wanted}");
        Err(Problem::new(ErrorCode::Invalid, detail).at("updates_per_s"))
    }
}

#[tonic::async_trait]
impl AggregatorService for Aggregator {
    type WatchSummaryStream = Updates;

    async fn summary(
        &self,
        request: Request<v1::SummaryRequest>,
    ) -> Result<Response<v1::FleetSummary>, Status> {
        let caller = caller(&self.gateway, request.metadata()).await?;
        let mut permit = self.gateway.permit(&caller);
        permit.enter().map_err(to_status)?;
        let asked = self.asked(&caller, request.into_inner());
        let answer = asked.map_err(to_status)?.answer(&self.gateway).await;
        Ok(Response::new(answer.map_err(to_status)?.into()))
    }

    async fn watch_summary(
        &self,
        request: Request<v1::WatchSummaryRequest>,
    ) -> Result<Response<Updates>, Status> {
        let caller = caller(&self.gateway, request.metadata()).await?;
        let request = request.into_inner();
        let asked = self.asked(&caller, request.summary.unwrap_or_default());
        let asked = asked.map_err(to_status)?;
        let every = self.every(request.updates_per_s).map_err(to_status)?;
        let place = Arc::clone(&self.free).try_acquire_owned().map_err(|_| {
            let max = self.gateway.config.summary.streams_max;
            let detail = format!("{max} streams of summaries are open, which is the limit");
            to_status(Problem::new(ErrorCode::Overloaded, detail).retry_after(RETRY_AFTER))
        })?;
        let own = self.gateway.stream(&caller).map_err(to_status)?;
        let watching = Watching {
            registry: self.gateway.registry().position(),
            gateway: Arc::clone(&self.gateway),
            stopping: self.stopping.clone(),
            caller,
            asked,
            every,
            told: None,
            _places: (place, own),
        };
        Ok(Response::new(updates(watching)))
    }
}

/// Updates on their way down.
pub(super) type Updates = Pin<Box<dyn Stream<Item = Result<v1::SummaryUpdate, Status>> + Send>>;

fn updates(watching: Watching) -> Updates {
    let next = async |watching: Option<Watching>| {
        let mut watching = watching?;
        match watching.next().await {
            Ok(update) => Some((Ok(update), Some(watching))),
            // The status is the last thing that the stream says.
            Err(problem) => Some((Err(to_status(problem)), None)),
        }
    };
    Box::pin(stream::unfold(Some(watching), move |watching| {
        let next: BoxFuture<'static, _> = Box::pin(next(watching));
        next
    }))
}

struct Watching {
    gateway: Arc<Gateway>,
    caller: Arc<Caller>,
    registry: watch::Receiver<Position>,
    stopping: Stopping,
    asked: Asked,
    every: Duration,
    /// What the client knows.
    told: Option<FleetSummary>,
    _places: (OwnedSemaphorePermit, Place),
}

impl Watching {
    async fn next(&mut self) -> Result<v1::SummaryUpdate, Problem> {
        if self.told.is_some() {
            self.rest().await?;
        }
        let now = self.asked.answer(&self.gateway).await?;
        let kind = match &self.told {
            None => summary_update::Kind::Full(now.clone().into()),
            Some(told) => summary_update::Kind::Changes(now.changes_since(told).into()),
        };
        self.told = Some(now);
        Ok(v1::SummaryUpdate { kind: Some(kind) })
    }

    /// Waits for the next update's time while the caller may stay.
    async fn rest(&mut self) -> Result<(), Problem> {
        let rest = tokio::time::sleep(self.every);
        tokio::pin!(rest);
        loop {
            tokio::select! {
                () = &mut rest => return Ok(()),
                () = until_expiry(&self.caller) => self.recheck()?,
                Ok(()) = self.registry.changed() => self.recheck()?,
                () = self.stopping.begun() => {
                    let detail = "the gateway is stopping; connect again";
                    let problem = Problem::new(ErrorCode::Unavailable, detail);
                    return Err(problem.retry_after(RETRY_AFTER));
                }
            }
        }
    }

    fn recheck(&self) -> Result<(), Problem> {
        self.gateway.recheck(&self.caller.principal)
    }
}
