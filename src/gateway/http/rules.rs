//! Rules of fleets and drones.

use aerostream_domain::RuleId;
use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::problem::Refusal;
use super::reply::Json;
use super::{Asking, Known, Segment, Shared, input};
use crate::error::{ErrorCode, Problem};
use crate::gateway::auth::{Action, Caller};
use crate::gateway::http::registry::read;
use crate::gateway::json::enums::Long;
use crate::gateway::json::rule::{FieldShape, RuleShape, fields};
use crate::gateway::rules::rehearse::{RuleTest, RuleTestResult, rehearse};
use crate::gateway::rules::{self, Put, Which};
use crate::gateway::state::{Gateway, allow};
use crate::registry::RuleScope;

/// Rules, by id.
#[derive(Debug, Serialize, ToSchema)]
pub struct RuleList {
    rules: Vec<RuleShape>,
}

/// A rule is taken away.
#[derive(Debug, Serialize, ToSchema)]
pub struct RuleRemoved {
    rule_id: String,
    /// Version of the removal.
    #[schema(value_type = u64)]
    version: Long,
}

/// What a rule may compare.
#[derive(Debug, Serialize, ToSchema)]
pub struct RuleFields {
    fields: Vec<FieldShape>,
}

/// Which rules are listed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listed {
    #[serde(default)]
    effective: bool,
}

/// Which version is taken away.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Removed {
    version: Option<u64>,
}

pub(super) type Two = Result<Path<(String, String)>, PathRejection>;

pub(super) fn two(path: Two) -> Result<(String, String), Problem> {
    let path = path.map(|Path(both)| both);
    path.map_err(|error| Problem::new(ErrorCode::Malformed, error.body_text()).at("path"))
}

pub(super) fn version(
    removed: Result<Query<Removed>, QueryRejection>,
) -> Result<Option<Long>, Problem> {
    Ok(input::query(removed)?.version.map(Into::into))
}

fn rule_id(text: &str) -> Result<RuleId, Problem> {
    RuleId::parse(text)
        .map_err(|error| Problem::new(ErrorCode::Invalid, error.to_string()).at("rule_id"))
}

fn fleet(id: &str) -> Result<RuleScope, Problem> {
    input::fleet_id(id).map(RuleScope::Fleet)
}

fn drone(id: &str) -> Result<RuleScope, Problem> {
    input::drone_id(id).map(RuleScope::Drone)
}

/// `GET /api/v1/rules/fields`: what a rule may compare.
pub async fn rule_fields(Asking(caller, _permit): Asking) -> Result<Json<RuleFields>, Refusal> {
    allow(&caller.principal, Action::ReadFleet)?;
    Ok(Json(RuleFields { fields: fields() }))
}

fn list(
    gateway: &Gateway,
    caller: &Caller,
    scope: &RuleScope,
    listed: Result<Query<Listed>, QueryRejection>,
) -> Result<Json<RuleList>, Refusal> {
    let which = match input::query(listed)?.effective {
        true => Which::Effective,
        false => Which::Own,
    };
    let rules = rules::list(gateway, &caller.principal, (scope, which))?;
    Ok(Json(RuleList { rules }))
}

/// `GET /api/v1/fleets/{id}/rules`.
pub async fn of_fleet(
    State(gateway): Shared,
    Asking(caller, _permit): Asking,
    Segment(id): Segment,
    listed: Result<Query<Listed>, QueryRejection>,
) -> Result<Json<RuleList>, Refusal> {
    list(&gateway, &caller, &fleet(&id)?, listed)
}

/// `GET /api/v1/drones/{id}/rules`.
pub async fn of_drone(
    State(gateway): Shared,
    Asking(caller, _permit): Asking,
    Segment(id): Segment,
    listed: Result<Query<Listed>, QueryRejection>,
) -> Result<Json<RuleList>, Refusal> {
    list(&gateway, &caller, &drone(&id)?, listed)
}

/// `GET /api/v1/fleets/{id}/rules/{rule}`.
pub async fn one_of_fleet(
    State(gateway): Shared,
    Asking(caller, _permit): Asking,
    path: Two,
) -> Result<Json<RuleShape>, Refusal> {
    let (id, rule) = two(path)?;
    let of = (&fleet(&id)?, &rule_id(&rule)?);
    Ok(Json(rules::show(&gateway, &caller.principal, of)?))
}

/// `GET /api/v1/drones/{id}/rules/{rule}`.
pub async fn one_of_drone(
    State(gateway): Shared,
    Asking(caller, _permit): Asking,
    path: Two,
) -> Result<Json<RuleShape>, Refusal> {
    let (id, rule) = two(path)?;
    let of = (&drone(&id)?, &rule_id(&rule)?);
    Ok(Json(rules::show(&gateway, &caller.principal, of)?))
}

async fn create(
    gateway: &Gateway,
    caller: &Caller,
    scope: RuleScope,
    (headers, body): (HeaderMap, Body),
) -> Result<(StatusCode, Json<RuleShape>), Refusal> {
    allow(&caller.principal, Action::ChangeRegistry)?;
    let shape: RuleShape = read(gateway, caller, &headers, body).await?;
    let made = rules::put(gateway, caller, scope, (shape, None, Put::Create)).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

/// `POST /api/v1/fleets/{id}/rules`: a rule that is not there yet.
pub async fn create_of_fleet(
    State(gateway): Shared,
    Known(caller): Known,
    Segment(id): Segment,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<RuleShape>), Refusal> {
    create(&gateway, &caller, fleet(&id)?, (headers, body)).await
}

/// `POST /api/v1/drones/{id}/rules`: a rule that is not there yet.
pub async fn create_of_drone(
    State(gateway): Shared,
    Known(caller): Known,
    Segment(id): Segment,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<RuleShape>), Refusal> {
    create(&gateway, &caller, drone(&id)?, (headers, body)).await
}

async fn put(
    gateway: &Gateway,
    caller: &Caller,
    (scope, rule): (RuleScope, &str),
    (headers, body): (HeaderMap, Body),
) -> Result<Json<RuleShape>, Refusal> {
    allow(&caller.principal, Action::ChangeRegistry)?;
    let shape: RuleShape = read(gateway, caller, &headers, body).await?;
    let how = (shape, Some(rule), Put::Replace);
    Ok(Json(rules::put(gateway, caller, scope, how).await?))
}

/// `PUT /api/v1/fleets/{id}/rules/{rule}`: makes or replaces it.
pub async fn put_of_fleet(
    State(gateway): Shared,
    Known(caller): Known,
    path: Two,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<RuleShape>, Refusal> {
    let (id, rule) = two(path)?;
    put(&gateway, &caller, (fleet(&id)?, &rule), (headers, body)).await
}

/// `PUT /api/v1/drones/{id}/rules/{rule}`: makes or replaces it.
pub async fn put_of_drone(
    State(gateway): Shared,
    Known(caller): Known,
    path: Two,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<RuleShape>, Refusal> {
    let (id, rule) = two(path)?;
    put(&gateway, &caller, (drone(&id)?, &rule), (headers, body)).await
}

async fn remove(
    gateway: &Gateway,
    caller: &Caller,
    (scope, rule): (RuleScope, &str),
    version: Option<Long>,
) -> Result<Json<RuleRemoved>, Refusal> {
    let id = rule_id(rule)?;
    let version = rules::remove(gateway, caller, (scope, id), version).await?;
    Ok(Json(RuleRemoved {
        rule_id: rule.to_owned(),
        version,
    }))
}

/// `DELETE /api/v1/fleets/{id}/rules/{rule}`: what lies below it counts again.
pub async fn remove_of_fleet(
    State(gateway): Shared,
    Known(caller): Known,
    path: Two,
    removed: Result<Query<Removed>, QueryRejection>,
) -> Result<Json<RuleRemoved>, Refusal> {
    let (id, rule) = two(path)?;
    remove(&gateway, &caller, (fleet(&id)?, &rule), version(removed)?).await
}

/// `DELETE /api/v1/drones/{id}/rules/{rule}`: what lies below it counts again.
pub async fn remove_of_drone(
    State(gateway): Shared,
    Known(caller): Known,
    path: Two,
    removed: Result<Query<Removed>, QueryRejection>,
) -> Result<Json<RuleRemoved>, Refusal> {
    let (id, rule) = two(path)?;
    remove(&gateway, &caller, (drone(&id)?, &rule), version(removed)?).await
}

/// `POST /api/v1/fleets/{id}/rules/test`: would it have fired?
pub async fn test(
    State(gateway): Shared,
    Known(caller): Known,
    Segment(id): Segment,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<RuleTestResult>, Refusal> {
    let fleet = input::fleet_id(&id)?;
    gateway.allow_fleet(&caller.principal, Action::ReadFleet, &fleet)?;
    let asked: RuleTest = read(&gateway, &caller, &headers, body).await?;
    let told = rehearse(&gateway, &caller.principal, (fleet, asked)).await?;
    Ok(Json(told))
}
