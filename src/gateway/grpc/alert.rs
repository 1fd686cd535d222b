//! `aerostream.v1.AlertService`: alerts as they happen, and what operators say of them.

use std::pin::Pin;
use std::sync::Arc;

use aerostream_domain::alert::AlertId;
use aerostream_domain::{DroneId, FleetId, RuleId};
use aerostream_proto::v1;
use aerostream_proto::v1::alert_frame::Kind;
use aerostream_proto::v1::alert_service_server::AlertService;
use futures::future::BoxFuture;
use futures::{Stream, stream};
use tonic::{Request, Response, Status};

use super::status::to_status;
use super::{Stopping, caller, entered};
use crate::clock;
use crate::error::{ErrorCode, Problem};
use crate::gateway::alert::cursor::AlertCursor;
use crate::gateway::alert::feed::{AlertFeed, AlertFrame, Change, News};
use crate::gateway::alert::{AlertFilter, Happened, SeenAlert, alert_id};
use crate::gateway::auth::Action;
use crate::gateway::http::input;
use crate::gateway::limit::{RETRY_AFTER, SocketPlace};
use crate::gateway::state::{Gateway, allow};

/// The service.
pub(super) struct Alerts {
    gateway: Arc<Gateway>,
    stopping: Stopping,
}

impl Alerts {
    pub fn new(gateway: Arc<Gateway>, stopping: Stopping) -> Self {
        Self { gateway, stopping }
    }
}

/// Frames on their way down.
pub(super) type Frames = Pin<Box<dyn Stream<Item = Result<v1::AlertFrame, Status>> + Send>>;

struct Watching {
    feed: AlertFeed,
    stopping: Stopping,
    _place: SocketPlace,
}

impl Watching {
    async fn next(&mut self) -> Result<v1::AlertFrame, Problem> {
        tokio::select! {
            frame = self.feed.next() => Ok(frame?.into()),
            () = self.stopping.begun() => {
                let detail = "the gateway is stopping; connect again and go on with your cursor";
                let problem = Problem::new(ErrorCode::Unavailable, detail);
                Err(problem.retry_after(RETRY_AFTER))
            }
        }
    }
}

fn frames(watching: Watching) -> Frames {
    let next = async |watching: Option<Watching>| {
        let mut watching = watching?;
        match watching.next().await {
            Ok(frame) => Some((Ok(frame), Some(watching))),
            // The status is the last thing that the stream says.
            Err(problem) => Some((Err(to_status(problem)), None)),
        }
    };
    Box::pin(stream::unfold(Some(watching), move |watching| {
        let next: BoxFuture<'static, _> = Box::pin(next(watching));
        next
    }))
}

fn asked(request: v1::WatchAlertsRequest) -> Result<(AlertFilter, Option<AlertCursor>), Problem> {
    let rule = request.rule_id.as_deref().map(RuleId::parse).transpose();
    let rule =
        rule.map_err(|error| Problem::new(ErrorCode::Invalid, error.to_string()).at("rule_id"))?;
    let severity = match request.severity_min {
        0 => None,
        number => {
            let severity = aerostream_proto::alert::severity("severity_min", number);
            let wrong = |refusal: aerostream_domain::Refusal| {
                Problem::new(ErrorCode::Invalid, refusal.detail).at("severity_min")
            };
            Some(severity.map_err(wrong)?)
        }
    };
    let filter = AlertFilter {
        active: None,
        acknowledged: None,
        severity,
        fleet: request
            .fleet_id
            .as_deref()
            .map(input::fleet_id)
            .transpose()?,
        drone: request
            .drone_id
            .as_deref()
            .map(input::drone_id)
            .transpose()?,
        rule,
    };
    let from = Some(request.from_cursor).filter(|text| !text.is_empty());
    let from = from.as_deref().map(AlertCursor::from_text).transpose();
    Ok((filter, from.map_err(|problem| problem.at("from_cursor"))?))
}

fn place(request: &v1::AnswerAlertRequest) -> Result<(DroneId, AlertId), Problem> {
    Ok((
        input::drone_id(&request.drone_id)?,
        alert_id(&request.alert_id)?,
    ))
}

#[tonic::async_trait]
impl AlertService for Alerts {
    type WatchAlertsStream = Frames;

    async fn watch_alerts(
        &self,
        request: Request<v1::WatchAlertsRequest>,
    ) -> Result<Response<Frames>, Status> {
        let caller = caller(&self.gateway, request.metadata()).await?;
        let (filter, from) = asked(request.into_inner()).map_err(to_status)?;
        let place = self.gateway.socket(Some(&caller)).map_err(to_status)?;
        let feed = AlertFeed::open(Arc::clone(&self.gateway), caller, filter, from).await;
        Ok(Response::new(frames(Watching {
            feed: feed.map_err(to_status)?,
            stopping: self.stopping.clone(),
            _place: place,
        })))
    }

    async fn acknowledge_alert(
        &self,
        request: Request<v1::AnswerAlertRequest>,
    ) -> Result<Response<v1::SeenAlert>, Status> {
        let (caller, _permit) = entered(&self.gateway, request.metadata()).await?;
        allow(&caller.principal, Action::AnswerAlerts).map_err(to_status)?;
        let request = request.into_inner();
        let (drone, id) = place(&request).map_err(to_status)?;
        let seen = self
            .gateway
            .acknowledge(&caller.principal, (&drone, id), request.comment);
        seen.await
            .map(|seen| Response::new((&seen).into()))
            .map_err(to_status)
    }

    async fn comment_alert(
        &self,
        request: Request<v1::AnswerAlertRequest>,
    ) -> Result<Response<v1::SeenAlert>, Status> {
        let (caller, _permit) = entered(&self.gateway, request.metadata()).await?;
        allow(&caller.principal, Action::AnswerAlerts).map_err(to_status)?;
        let request = request.into_inner();
        let (drone, id) = place(&request).map_err(to_status)?;
        let seen = self
            .gateway
            .comment(&caller.principal, (&drone, id), request.comment);
        seen.await
            .map(|seen| Response::new((&seen).into()))
            .map_err(to_status)
    }
}

impl From<&SeenAlert> for v1::SeenAlert {
    fn from(seen: &SeenAlert) -> Self {
        Self {
            drone_id: seen.drone.to_string(),
            fleet_id: seen.fleet.as_ref().map(FleetId::to_string),
            alert_id: seen.alert.id.to_string(),
            alert: Some((&seen.alert).into()),
        }
    }
}

impl From<Change> for v1::AlertChange {
    fn from(change: Change) -> Self {
        let happened = match change.what {
            Happened::Raised => v1::AlertHappened::Raised,
            Happened::Escalated => v1::AlertHappened::Escalated,
            Happened::Cleared => v1::AlertHappened::Cleared,
            Happened::Acknowledged => v1::AlertHappened::Acknowledged,
            Happened::Commented => v1::AlertHappened::Commented,
        };
        Self {
            happened: happened.into(),
            alert_id: change.id.to_string(),
            alert: change.alert.as_ref().map(Into::into),
        }
    }
}

impl From<AlertFrame> for v1::AlertFrame {
    fn from(frame: AlertFrame) -> Self {
        let (cursor, kind) = match frame {
            AlertFrame::Snapshot {
                cursor,
                alerts,
                is_complete,
            } => {
                let alerts = alerts.iter().map(Into::into).collect();
                let snapshot = v1::AlertSnapshot {
                    alerts,
                    is_complete,
                };
                (cursor, Kind::Snapshot(snapshot))
            }
            AlertFrame::News(News {
                cursor,
                is_recorded,
                drone,
                fleet,
                changes,
            }) => {
                let news = v1::AlertNews {
                    drone_id: drone.to_string(),
                    fleet_id: fleet.as_ref().map(FleetId::to_string),
                    changes: changes.into_iter().map(Into::into).collect(),
                    unrecorded: !is_recorded,
                };
                (cursor, Kind::News(news))
            }
            AlertFrame::Resumed { cursor, records } => {
                (cursor, Kind::Resumed(v1::AlertsResumed { records }))
            }
            AlertFrame::Gap { reason, detail } => {
                let reason = reason.to_owned();
                (String::new(), Kind::Gap(v1::AlertGap { reason, detail }))
            }
            AlertFrame::Behind { cursor, detail } => {
                (cursor, Kind::Behind(v1::AlertsBehind { detail }))
            }
            AlertFrame::Heartbeat { cursor } => {
                let at_us = clock::utc_now().0;
                (cursor, Kind::Heartbeat(v1::AlertHeartbeat { at_us }))
            }
        };
        Self {
            cursor,
            kind: Some(kind),
        }
    }
}
