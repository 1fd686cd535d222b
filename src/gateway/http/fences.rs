//! Fences of fleets.

use aerostream_domain::FenceId;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use super::input::PAGE_DEFAULT;
use super::problem::Refusal;
use super::read::Page;
use super::reply::Json;
use super::rules::{Removed, Two, two, version};
use super::{Asking, Known, Segment, Shared, input};
use crate::error::{ErrorCode, Problem};
use crate::gateway::auth::Action;
use crate::gateway::http::registry::read;
use crate::gateway::json::enums::Long;
use crate::gateway::json::fence::FenceShape;
use crate::gateway::rules::{self, Put};
use crate::gateway::state::allow;

/// A page of fences.
#[derive(Debug, Serialize, ToSchema)]
pub struct FencePage {
    fences: Vec<FenceShape>,
    /// The `after` of the next page; null when the list is over.
    next_after: Option<String>,
}

/// A fence is taken away.
#[derive(Debug, Serialize, ToSchema)]
pub struct FenceRemoved {
    fence_id: String,
    /// Version of the removal.
    #[schema(value_type = u64)]
    version: Long,
}

fn fence_id(text: &str) -> Result<FenceId, Problem> {
    FenceId::parse(text)
        .map_err(|error| Problem::new(ErrorCode::Invalid, error.to_string()).at("fence_id"))
}

/// `GET /api/v1/fleets/{id}/fences`.
pub async fn list(
    State(gateway): Shared,
    Asking(caller, _permit): Asking,
    Segment(fleet): Segment,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Json<FencePage>, Refusal> {
    let fleet = input::fleet_id(&fleet)?;
    let page = input::query(page)?;
    let limit = input::limit(page.limit, PAGE_DEFAULT, gateway.config.http.page_max)?;
    let after = page.after.as_deref().map(fence_id).transpose()?;
    let behind = (after.as_ref(), limit);
    let fences = rules::fences(&gateway, &caller.principal, &fleet, behind)?;
    let last = fences.last().filter(|_| fences.len() == limit);
    let next_after = last.map(|last| last.fence_id.clone());
    Ok(Json(FencePage { fences, next_after }))
}

/// `GET /api/v1/fleets/{id}/fences/{fence}`.
pub async fn show(
    State(gateway): Shared,
    Asking(caller, _permit): Asking,
    path: Two,
) -> Result<Json<FenceShape>, Refusal> {
    let (fleet, fence) = two(path)?;
    let of = (&input::fleet_id(&fleet)?, &fence_id(&fence)?);
    Ok(Json(rules::fence(&gateway, &caller.principal, of)?))
}

/// `POST /api/v1/fleets/{id}/fences`: a fence that is not there yet.
pub async fn create(
    State(gateway): Shared,
    Known(caller): Known,
    Segment(fleet): Segment,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<FenceShape>), Refusal> {
    allow(&caller.principal, Action::ChangeRegistry)?;
    let fleet = input::fleet_id(&fleet)?;
    let shape: FenceShape = read(&gateway, &caller, &headers, body).await?;
    let made = rules::put_fence(&gateway, &caller, fleet, (shape, None, Put::Create)).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

/// `PUT /api/v1/fleets/{id}/fences/{fence}`: makes or replaces it.
pub async fn put(
    State(gateway): Shared,
    Known(caller): Known,
    path: Two,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<FenceShape>, Refusal> {
    allow(&caller.principal, Action::ChangeRegistry)?;
    let (fleet, fence) = two(path)?;
    let fleet = input::fleet_id(&fleet)?;
    let shape: FenceShape = read(&gateway, &caller, &headers, body).await?;
    let how = (shape, Some(fence.as_str()), Put::Replace);
    let made = rules::put_fence(&gateway, &caller, fleet, how).await?;
    Ok(Json(made))
}

/// `DELETE /api/v1/fleets/{id}/fences/{fence}`.
pub async fn remove(
    State(gateway): Shared,
    Known(caller): Known,
    path: Two,
    removed: Result<Query<Removed>, QueryRejection>,
) -> Result<Json<FenceRemoved>, Refusal> {
    let (fleet, fence) = two(path)?;
    let of = (input::fleet_id(&fleet)?, fence_id(&fence)?);
    let version = rules::remove_fence(&gateway, &caller, of, version(removed)?).await?;
    Ok(Json(FenceRemoved {
        fence_id: fence,
        version,
    }))
}
