//! `GET /api/v1/fleet/summary`: a fleet in numbers, counted by the shards; no drone is asked.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};

use super::problem::Refusal;
use super::reply::Json;
use super::{Asking, Shared, input};
use crate::gateway::json::summary::Summary;
use crate::gateway::summary;

/// Counts the drones of one fleet, or of all that the caller sees.
pub async fn summary(
    State(gateway): Shared,
    Asking(caller, _permit): Asking,
    question: Result<Query<summary::Asking>, QueryRejection>,
) -> Result<Json<Summary>, Refusal> {
    let question = input::query(question)?;
    let asked = summary::Asked::new(&gateway, &caller.principal, &question)?;
    let answer = asked.answer(&gateway).await?;
    Ok(Json(Summary::new(asked.fleet.as_ref(), answer)))
}
