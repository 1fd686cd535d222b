//! Alerts: which there are and were, and what somebody says of one.

mod stream;

use aerostream_domain::alert::AlertId;
use aerostream_domain::{DroneId, RuleId, UtcMicros};
use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::input::{self, PAGE_DEFAULT};
use super::problem::Refusal;
use super::read::moment;
use super::reply::Json;
use super::{Asking, Known, Segment, Shared};
use crate::error::{ErrorCode, Problem};
use crate::gateway::alert::cursor::AlertCursor;
use crate::gateway::alert::list::{AlertPage, Paging, key_text, parse_key};
use crate::gateway::alert::{AlertFilter, alert_id, severity};
use crate::gateway::auth::{Action, Principal};
use crate::gateway::json::alert::AlertReply;
use crate::gateway::state::{Gateway, allow};

pub use stream::open as stream;

/// Which alerts, and which page of them.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlertQuery {
    pub(in crate::gateway) active: Option<bool>,
    pub(in crate::gateway) acknowledged: Option<bool>,
    pub(in crate::gateway) severity: Option<String>,
    pub(in crate::gateway) fleet_id: Option<String>,
    pub(in crate::gateway) drone_id: Option<String>,
    pub(in crate::gateway) rule_id: Option<String>,
    pub(in crate::gateway) history: Option<bool>,
    pub(in crate::gateway) from: Option<String>,
    pub(in crate::gateway) to: Option<String>,
    pub(in crate::gateway) after: Option<String>,
    pub(in crate::gateway) limit: Option<usize>,
}

/// What a feed of alerts tells, and where it begins.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listening {
    severity: Option<String>,
    fleet_id: Option<String>,
    drone_id: Option<String>,
    rule_id: Option<String>,
    /// Cursor of the last frame that the client has taken.
    from: Option<String>,
}

impl AlertQuery {
    /// The filter.
    ///
    /// # Errors
    /// A part of it is wrong.
    pub(in crate::gateway) fn filter(&self) -> Result<AlertFilter, Problem> {
        let one = |text: &Option<String>| text.clone();
        let filter = filter(
            one(&self.severity),
            one(&self.fleet_id),
            one(&self.drone_id),
            one(&self.rule_id),
        )?;
        Ok(AlertFilter {
            active: self.active,
            acknowledged: self.acknowledged,
            ..filter
        })
    }
}

impl Listening {
    /// The filter, and where to go on.
    ///
    /// # Errors
    /// One of them is wrong.
    pub fn read(self) -> Result<(AlertFilter, Option<AlertCursor>), Problem> {
        let from = self.from.as_deref().map(AlertCursor::from_text);
        let filter = filter(self.severity, self.fleet_id, self.drone_id, self.rule_id)?;
        Ok((filter, from.transpose()?))
    }
}

/// What is said with an acknowledgement.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Acknowledgement {
    /// At most 1024 bytes.
    #[serde(default)]
    comment: String,
}

/// What is said of an alert.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Comment {
    /// 1 to 1024 bytes.
    comment: String,
}

/// A page of alerts, the newest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AlertPage)]
pub struct AlertList {
    pub(in crate::gateway) alerts: Vec<AlertReply>,
    /// The `after` of the next page; null when the list is over.
    pub(in crate::gateway) next_after: Option<String>,
}

impl From<AlertPage> for AlertList {
    fn from(page: AlertPage) -> Self {
        Self {
            alerts: page.alerts.iter().map(Into::into).collect(),
            next_after: page.next_after.map(key_text),
        }
    }
}

fn filter(
    at_least: Option<String>,
    fleet: Option<String>,
    drone: Option<String>,
    rule: Option<String>,
) -> Result<AlertFilter, Problem> {
    let rule = rule.map(|text| {
        RuleId::parse(&text)
            .map_err(|error| Problem::new(ErrorCode::Invalid, error.to_string()).at("rule_id"))
    });
    Ok(AlertFilter {
        active: None,
        acknowledged: None,
        severity: at_least.map(|it| severity(&it, "severity")).transpose()?,
        fleet: fleet.as_deref().map(input::fleet_id).transpose()?,
        drone: drone.as_deref().map(input::drone_id).transpose()?,
        rule: rule.transpose()?,
    })
}

/// `GET /api/v1/alerts`.
pub async fn list(
    State(gateway): Shared,
    Asking(caller, _permit): Asking,
    asked: Result<Query<AlertQuery>, QueryRejection>,
) -> Result<Json<AlertList>, Refusal> {
    let asked = input::query(asked)?;
    Ok(Json(page(&gateway, &caller.principal, asked).await?))
}

/// `GET /api/v1/drones/{id}/alerts`.
pub async fn of_drone(
    State(gateway): Shared,
    Asking(caller, _permit): Asking,
    Segment(drone): Segment,
    asked: Result<Query<AlertQuery>, QueryRejection>,
) -> Result<Json<AlertList>, Refusal> {
    let drone = input::drone_id(&drone)?;
    gateway.allow_drone(&caller.principal, Action::ReadDrone, &drone)?;
    let mut asked = input::query(asked)?;
    if asked.drone_id.replace(drone.to_string()).is_some() {
        let detail = "the path names the drone already";
        return Err(Problem::new(ErrorCode::Invalid, detail)
            .at("drone_id")
            .into());
    }
    Ok(Json(page(&gateway, &caller.principal, asked).await?))
}

/// A page, from the board or from the database.
///
/// # Errors
/// What is asked is wrong or not for the caller, or the database does not answer.
pub(in crate::gateway) async fn page(
    gateway: &Gateway,
    principal: &Principal,
    asked: AlertQuery,
) -> Result<AlertList, Problem> {
    let filter = asked.filter()?;
    gateway.allow_alerts(principal, &filter)?;
    let paging = Paging {
        after: asked.after.as_deref().map(parse_key).transpose()?,
        limit: input::limit(asked.limit, PAGE_DEFAULT, gateway.config.http.page_max)?,
    };
    let is_past = asked.from.is_some() || asked.to.is_some();
    if !asked.history.unwrap_or(is_past) {
        if is_past {
            let detail = "must not be false where `from` or `to` is given";
            return Err(Problem::new(ErrorCode::Invalid, detail).at("history"));
        }
        return Ok(gateway.alerts(principal, &filter, paging)?.into());
    }
    let from = moment("from", asked.from.as_ref())?.unwrap_or(UtcMicros(0));
    let to = moment("to", asked.to.as_ref())?.unwrap_or(UtcMicros(i64::MAX));
    if from >= to {
        let detail = "must be before `to`";
        return Err(Problem::new(ErrorCode::Invalid, detail).at("from"));
    }
    let page = gateway.past_alerts(principal, &filter, from..to, paging);
    Ok(page.await?.into())
}

fn place(
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<(DroneId, AlertId), Problem> {
    let Path((drone, alert)) =
        path.map_err(|error| Problem::new(ErrorCode::Malformed, error.body_text()).at("path"))?;
    Ok((input::drone_id(&drone)?, alert_id(&alert)?))
}

/// `GET /api/v1/drones/{id}/alerts/{alert}`.
pub async fn show(
    State(gateway): Shared,
    Asking(caller, _permit): Asking,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Json<AlertReply>, Refusal> {
    let (drone, id) = place(path)?;
    let seen = gateway.alert(&caller.principal, &drone, id).await?;
    Ok(Json((&seen).into()))
}

/// `POST /api/v1/drones/{id}/alerts/{alert}/acknowledge`; the body may be empty.
pub async fn acknowledge(
    State(gateway): Shared,
    Known(caller): Known,
    path: Result<Path<(String, String)>, PathRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<AlertReply>, Refusal> {
    allow(&caller.principal, Action::AnswerAlerts)?;
    let (drone, id) = place(path)?;
    let mut permit = gateway.permit(&caller);
    let body = super::body::read(&headers, body, &gateway.config.http, &mut permit).await?;
    let Acknowledgement { comment } = if body.is_empty() {
        Acknowledgement::default()
    } else {
        input::json(&body)?
    };
    let seen = gateway.acknowledge(&caller.principal, (&drone, id), comment);
    Ok(Json((&seen.await?).into()))
}

/// `POST /api/v1/drones/{id}/alerts/{alert}/comments`.
pub async fn comment(
    State(gateway): Shared,
    Known(caller): Known,
    path: Result<Path<(String, String)>, PathRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<AlertReply>, Refusal> {
    allow(&caller.principal, Action::AnswerAlerts)?;
    let (drone, id) = place(path)?;
    let said: Comment = super::registry::read(&gateway, &caller, &headers, body).await?;
    let seen = gateway.comment(&caller.principal, (&drone, id), said.comment);
    Ok(Json((&seen.await?).into()))
}
