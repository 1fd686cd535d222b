//! Questions and changes of the registry.

use super::reply::Json;
use aerostream_domain::UtcMicros;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::input::{self, PAGE_DEFAULT};
use super::problem::Refusal;
use super::read::Page;
use super::{Asking, Known, Segment, Shared, body};
use crate::error::{ErrorCode, Problem};
use crate::gateway::auth::{Action, Caller, Principal, Scope};
use crate::gateway::rules::{by, unwritten};
use crate::gateway::state::{Gateway, allow, no_drone};
use crate::registry::change::LABEL_BYTES_MAX;
use crate::registry::{
    Credential, Drone, Enrolment, Fleet, FleetPatch, Revocation, Versioned, WriteError,
};

/// Drones that a fleet may have unless its maker says otherwise.
const DRONES_MAX_DEFAULT: u32 = 10_000;

/// Latest end of a token, in seconds since 1970: later ones have no microseconds.
const EXPIRES_MAX: u64 = (i64::MAX / 1_000_000) as u64;

/// Whether drones come by themselves.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Enrolment)]
enum EnrolmentName {
    Closed,
    Auto,
}

impl From<EnrolmentName> for Enrolment {
    fn from(name: EnrolmentName) -> Self {
        match name {
            EnrolmentName::Closed => Self::Closed,
            EnrolmentName::Auto => Self::Auto,
        }
    }
}

/// A fleet to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewFleet {
    fleet_id: String,
    #[serde(default)]
    name: String,
    enrolment: Option<EnrolmentName>,
    drones_max: Option<u32>,
}

/// What to change of a fleet.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FleetChange {
    name: Option<String>,
    enrolment: Option<EnrolmentName>,
    drones_max: Option<u32>,
    /// Version that the caller saw; another one is a conflict.
    version: Option<u64>,
}

/// A drone to be enrolled.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewDrone {
    drone_id: String,
    fleet_id: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    r#type: String,
}

/// A token to be ended.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EndedToken {
    /// The token's `jti`.
    token_id: String,
    /// The token's `exp`, seconds since 1970; after it the revocation is forgotten.
    #[schema(maximum = 9_223_372_036_854_u64)]
    expires: u64,
    #[serde(default)]
    reason: String,
}

fn label(field: &'static str, text: &str) -> Result<(), Problem> {
    if text.len() <= LABEL_BYTES_MAX {
        return Ok(());
    }
    let detail = format!("must have at most {LABEL_BYTES_MAX} bytes");
    Err(Problem::new(ErrorCode::Invalid, detail).at(field))
}

pub(super) async fn read<T: DeserializeOwned>(
    gateway: &Gateway,
    caller: &Caller,
    headers: &HeaderMap,
    body: Body,
) -> Result<T, Problem> {
    let mut permit = gateway.permit(caller);
    let body = body::read(headers, body, &gateway.config.http, &mut permit).await?;
    input::json(&body)
}

/// A fleet.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Fleet)]
pub struct FleetReply {
    fleet_id: String,
    name: String,
    enrolment: EnrolmentName,
    /// Most active drones.
    drones_max: u32,
    /// Active drones now.
    drones_active: u32,
    /// Grows with every change.
    version: u64,
}

fn fleet_reply(fleet: &Versioned<Fleet>, active: u32) -> FleetReply {
    FleetReply {
        fleet_id: fleet.entity.id.to_string(),
        name: fleet.entity.name.clone(),
        enrolment: match fleet.entity.enrolment {
            Enrolment::Closed => EnrolmentName::Closed,
            Enrolment::Auto => EnrolmentName::Auto,
        },
        drones_max: fleet.entity.drones_max,
        drones_active: active,
        version: fleet.version.0,
    }
}

/// Whether a drone may send.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Credential)]
enum CredentialName {
    Active,
    Retired,
}

/// A drone as it is enrolled.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Drone)]
pub struct DroneEntry {
    drone_id: String,
    fleet_id: String,
    name: String,
    r#type: String,
    credential: CredentialName,
    /// Grows with every change.
    version: u64,
}

fn drone_reply(drone: &Versioned<Drone>) -> DroneEntry {
    DroneEntry {
        drone_id: drone.entity.id.to_string(),
        fleet_id: drone.entity.fleet.to_string(),
        name: drone.entity.name.clone(),
        r#type: drone.entity.kind.clone(),
        credential: match drone.entity.credential {
            Credential::Active => CredentialName::Active,
            Credential::Retired => CredentialName::Retired,
        },
        version: drone.version.0,
    }
}

/// A page of fleets.
#[derive(Debug, Serialize, ToSchema)]
pub struct FleetPage {
    fleets: Vec<FleetReply>,
    /// The `after` of the next page; null when the list is over.
    next_after: Option<String>,
}

/// A page of enrolled drones.
#[derive(Debug, Serialize, ToSchema)]
pub struct DroneEntryPage {
    drones: Vec<DroneEntry>,
    /// The `after` of the next page; null when the list is over.
    next_after: Option<String>,
}

/// A token that is ended.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokenEnded {
    token_id: String,
    version: u64,
}

/// `GET /api/v1/fleets`: fleets of the caller's scope, by id.
pub async fn fleets(
    State(gateway): Shared,
    Asking(caller, _permit): Asking,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Json<FleetPage>, Refusal> {
    allow(&caller.principal, Action::ReadFleet)?;
    let page = input::query(page)?;
    let limit = input::limit(page.limit, PAGE_DEFAULT, gateway.config.http.page_max)?;
    let after = page.after.as_deref().map(input::fleet_id).transpose()?;
    let registry = gateway.registry().read();
    let seen = registry
        .fleets(after.as_ref())
        .filter(|fleet| caller.principal.scope.contains(&fleet.entity.id));
    let fleets: Vec<FleetReply> = seen
        .take(limit)
        .map(|fleet| fleet_reply(fleet, registry.active_drones(&fleet.entity.id)))
        .collect();
    let last = fleets.last().filter(|_| fleets.len() == limit);
    let next_after = last.map(|last| last.fleet_id.clone());
    Ok(Json(FleetPage { fleets, next_after }))
}

/// `GET /api/v1/fleets/{id}/drones`: every enrolled drone of a fleet, heard or not, by id.
pub async fn fleet_drones(
    State(gateway): Shared,
    Asking(caller, _permit): Asking,
    Segment(fleet): Segment,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Json<DroneEntryPage>, Refusal> {
    let fleet = input::fleet_id(&fleet)?;
    gateway.allow_fleet(&caller.principal, Action::ReadFleet, &fleet)?;
    let page = input::query(page)?;
    let limit = input::limit(page.limit, PAGE_DEFAULT, gateway.config.http.page_max)?;
    let after = page.after.as_deref().map(input::drone_id).transpose()?;
    let registry = gateway.registry().read();
    if registry.fleet(&fleet).is_none() {
        return Err(unwritten(&WriteError::FleetUnknown { fleet }).into());
    }
    let members = registry.members(&fleet, after.as_ref());
    let drones: Vec<DroneEntry> = members.take(limit).map(drone_reply).collect();
    let last = drones.last().filter(|_| drones.len() == limit);
    let next_after = last.map(|last| last.drone_id.clone());
    Ok(Json(DroneEntryPage { drones, next_after }))
}

/// `POST /api/v1/fleets`: makes a fleet.
pub async fn create_fleet(
    State(gateway): Shared,
    Known(caller): Known,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<FleetReply>), Refusal> {
    allow(&caller.principal, Action::ChangeRegistry)?;
    let asked: NewFleet = read(&gateway, &caller, &headers, body).await?;
    let id = input::fleet_id(&asked.fleet_id)?;
    in_scope(&caller.principal, &id)?;
    label("name", &asked.name)?;
    let fleet = Fleet {
        id,
        name: asked.name,
        enrolment: asked.enrolment.map_or(Enrolment::Closed, Into::into),
        drones_max: asked.drones_max.unwrap_or(DRONES_MAX_DEFAULT),
    };
    let made = gateway.registry().create_fleet(fleet, by(&caller)).await;
    let made = made.map_err(|error| unwritten(&error))?;
    Ok((StatusCode::CREATED, Json(fleet_reply(&made, 0))))
}

fn in_scope(caller: &Principal, fleet: &aerostream_domain::FleetId) -> Result<(), Problem> {
    if caller.scope.contains(fleet) {
        return Ok(());
    }
    let detail = "this token may change fleets of its scope only";
    Err(Problem::new(ErrorCode::Forbidden, detail).at("fleet_id"))
}

/// `PATCH /api/v1/fleets/{id}`: changes what the body names.
pub async fn change_fleet(
    State(gateway): Shared,
    Known(caller): Known,
    Segment(fleet): Segment,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<FleetReply>, Refusal> {
    let fleet = input::fleet_id(&fleet)?;
    gateway.allow_fleet(&caller.principal, Action::ChangeRegistry, &fleet)?;
    let asked: FleetChange = read(&gateway, &caller, &headers, body).await?;
    label("name", asked.name.as_deref().unwrap_or_default())?;
    let patch = FleetPatch {
        replaces: asked.version.map(aerostream_domain::Offset),
        name: asked.name,
        enrolment: asked.enrolment.map(Into::into),
        drones_max: asked.drones_max,
    };
    let made = gateway
        .registry()
        .change_fleet(&fleet, patch, by(&caller))
        .await;
    let made = made.map_err(|error| unwritten(&error))?;
    let active = gateway.registry().read().active_drones(&fleet);
    Ok(Json(fleet_reply(&made, active)))
}

/// `POST /api/v1/drones`: enrols a drone.
pub async fn enrol(
    State(gateway): Shared,
    Known(caller): Known,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<DroneEntry>), Refusal> {
    allow(&caller.principal, Action::ChangeRegistry)?;
    let asked: NewDrone = read(&gateway, &caller, &headers, body).await?;
    let fleet = input::fleet_id(&asked.fleet_id)?;
    in_scope(&caller.principal, &fleet)?;
    label("name", &asked.name)?;
    label("type", &asked.r#type)?;
    let drone = Drone {
        id: input::drone_id(&asked.drone_id)?,
        fleet,
        name: asked.name,
        kind: asked.r#type,
        credential: Credential::Active,
    };
    let made = gateway.registry().enrol(drone, by(&caller)).await;
    let made = made.map_err(|error| unwritten(&error))?;
    Ok((StatusCode::CREATED, Json(drone_reply(&made))))
}

/// `POST /api/v1/drones/{id}/retire`: ends a drone's right to send; its history stays.
pub async fn retire(
    State(gateway): Shared,
    Known(caller): Known,
    Segment(drone): Segment,
) -> Result<Json<DroneEntry>, Refusal> {
    let drone = input::drone_id(&drone)?;
    let fleet = gateway.allow_drone(&caller.principal, Action::ChangeRegistry, &drone)?;
    fleet.ok_or_else(no_drone)?;
    let made = gateway.registry().retire(&drone, by(&caller)).await;
    let made = made.map_err(|error| unwritten(&error))?;
    Ok(Json(drone_reply(&made)))
}

/// `POST /api/v1/tokens/revoke`: ends a token. A token's id does not tell its fleets, so this is
/// for those who reach every fleet.
pub async fn revoke(
    State(gateway): Shared,
    Known(caller): Known,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<TokenEnded>, Refusal> {
    allow(&caller.principal, Action::ChangeRegistry)?;
    if caller.principal.scope != Scope::All {
        let detail = "only a token that reaches every fleet may revoke tokens";
        return Err(Problem::new(ErrorCode::Forbidden, detail).into());
    }
    let asked: EndedToken = read(&gateway, &caller, &headers, body).await?;
    if asked.token_id.is_empty() {
        return Err(Problem::new(ErrorCode::Invalid, "must not be empty")
            .at("token_id")
            .into());
    }
    label("token_id", &asked.token_id)?;
    label("reason", &asked.reason)?;
    if asked.expires > EXPIRES_MAX {
        let detail = format!("must be seconds since 1970, at most {EXPIRES_MAX}");
        return Err(Problem::new(ErrorCode::Invalid, detail)
            .at("expires")
            .into());
    }
    let revocation = Revocation {
        token_id: asked.token_id.clone(),
        token_expires: UtcMicros(asked.expires as i64 * 1_000_000),
        reason: asked.reason,
    };
    let version = gateway.registry().revoke(revocation, by(&caller)).await;
    let version = version.map_err(|error| unwritten(&error))?;
    Ok(Json(TokenEnded {
        token_id: asked.token_id,
        version: version.0,
    }))
}
