//! `grpc.health.v1.Health`: serving while `/readyz` says ready. Open to anybody, as that is.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, stream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::Health;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use super::status::to_status;
use super::{SERVICES, Stopping};
use crate::error::{ErrorCode, Problem};
use crate::gateway::limit::RETRY_AFTER;
use crate::gateway::state::Gateway;

/// Watches that may be open: nobody has to say who they are to open one.
const WATCHES_MAX: usize = 64;
/// How often a watch looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The service.
pub(super) struct Readiness {
    gateway: Arc<Gateway>,
    stopping: Stopping,
    free: Arc<Semaphore>,
}

impl Readiness {
    pub fn new(gateway: Arc<Gateway>, stopping: Stopping) -> Self {
        Self {
            gateway,
            stopping,
            free: Arc::new(Semaphore::new(WATCHES_MAX)),
        }
    }
}

async fn status(gateway: &Gateway) -> ServingStatus {
    let parts = gateway.readiness().await;
    if parts.iter().all(|(_, part)| part.is_ok()) {
        ServingStatus::Serving
    } else {
        ServingStatus::NotServing
    }
}

fn is_known(service: &str) -> bool {
    service.is_empty() || SERVICES.contains(&service)
}

fn answer(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse {
        status: status.into(),
    }
}

type Statuses = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

#[tonic::async_trait]
impl Health for Readiness {
    type WatchStream = Statuses;

    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        if !is_known(&request.get_ref().service) {
            let problem = Problem::new(ErrorCode::NotFound, "there is no such service");
            return Err(to_status(problem.at("service")));
        }
        Ok(Response::new(answer(status(&self.gateway).await)))
    }

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Statuses>, Status> {
        let place = Arc::clone(&self.free).try_acquire_owned().map_err(|_| {
            let detail = format!("{WATCHES_MAX} watches are open, which is the limit");
            to_status(Problem::new(ErrorCode::Overloaded, detail).retry_after(RETRY_AFTER))
        })?;
        let watching = Watching {
            gateway: Arc::clone(&self.gateway),
            stopping: self.stopping.clone(),
            is_known: is_known(&request.get_ref().service),
            told: None,
            _place: place,
        };
        let statuses = stream::unfold(watching, |mut watching| async {
            let status = watching.next().await?;
            Some((Ok(answer(status)), watching))
        });
        Ok(Response::new(Box::pin(statuses)))
    }
}

struct Watching {
    gateway: Arc<Gateway>,
    stopping: Stopping,
    is_known: bool,
    told: Option<ServingStatus>,
    _place: OwnedSemaphorePermit,
}

impl Watching {
    /// The next other status; `None` when the gateway stops.
    async fn next(&mut self) -> Option<ServingStatus> {
        loop {
            let now = if self.is_known {
                status(&self.gateway).await
            } else {
                ServingStatus::ServiceUnknown
            };
            if self.told != Some(now) {
                self.told = Some(now);
                return Some(now);
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = self.stopping.begun() => return None,
            }
        }
    }
}
