//! Commands: given, watched, taken back, confirmed; and fetched by drones that only speak REST.

use std::collections::BTreeMap;
use std::time::Duration;

use aerostream_actors::Heard;
use aerostream_domain::command::{CommandId, Outcome};
use aerostream_domain::{BootId, BootMicros, UtcMicros};
use aerostream_proto::v1;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::input;
use super::problem::Refusal;
use super::reply::Json;
use super::{Asking, Known, Segment, Shared};
use crate::clock;
use crate::error::{ErrorCode, Problem};
use crate::gateway::auth::Action;
use crate::gateway::command::Wish;
use crate::gateway::command::downlink::{Downlink, read_answer};
use crate::gateway::ingest::may_send;
use crate::gateway::json::command::{CommandReply, DownReply, Parameter, Parameters, command};

pub mod group;

pub use group::{GroupCommand, GroupReply, give_many, show_group};

/// Header that names a wish: sent again it is the same one.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Longest poll of a drone, milliseconds: its arrival is all that tells that the drone is there.
const POLL_MS_MAX: u64 = 1_000;

/// A command to be given.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCommand {
    /// Name of the command, such as `goto`.
    command: String,
    /// By name; the names end in their units.
    #[serde(default)]
    #[schema(value_type = std::collections::HashMap<String, Parameter>, required = false)]
    parameters: Parameters,
    /// Milliseconds from receipt after which nothing of it is executed. Default: 30000.
    #[schema(minimum = 100, maximum = 3_600_000)]
    time_to_live_ms: Option<u64>,
    /// For hold, return, land and terminate: goes to the drone even while the event log is down.
    #[serde(default)]
    emergency: bool,
    /// Digest of the command, the second step of a dangerous emergency.
    confirm: Option<String>,
}

/// A confirmation.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Confirmation {
    /// The command's `digest`: nothing else is confirmed.
    digest: String,
}

/// What a drone says of a command that it fetched.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DroneAnswer {
    /// `accepted`, `in_progress`, `temporarily_rejected`, `denied`, `unsupported`, `failed`,
    /// `cancelled`, `stale`.
    outcome: String,
    #[schema(minimum = 0, maximum = 100)]
    progress_percent: Option<u32>,
    /// At most 256 bytes.
    #[serde(default)]
    detail: String,
}

/// How long to wait for a change.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Watching {
    wait_ms: Option<u64>,
    seen_us: Option<i64>,
}

/// How a drone fetches commands.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Polling {
    boot: u64,
    boot_clock_us: u64,
    wait_ms: Option<u64>,
}

/// Commands, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct CommandList {
    commands: Vec<CommandReply>,
}

/// Commands for the drone that asks.
#[derive(Debug, Serialize, ToSchema)]
pub struct DownCommands {
    commands: Vec<DownReply>,
}

/// That an answer is recorded.
#[derive(Debug, Serialize, ToSchema)]
pub struct AnswerRecorded {
    command_id: String,
}

/// A command's id.
///
/// # Errors
/// It is none.
pub fn command_id(text: &str) -> Result<CommandId, Problem> {
    CommandId::parse(text)
        .map_err(|error| Problem::new(ErrorCode::Invalid, error.to_string()).at("command_id"))
}

/// What tells a command from any other.
///
/// # Errors
/// It is no digest.
pub fn digest(text: &str, field: &str) -> Result<u64, Problem> {
    let wrong = || {
        let detail = "must be the digest that the command tells, 16 hexadecimal digits";
        Problem::new(ErrorCode::Invalid, detail).at(field)
    };
    let is_digest = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let digest = u64::from_str_radix(text, 16).ok().filter(|_| is_digest);
    digest.ok_or_else(wrong)
}

/// A key of its own for a wish that is not to be sent again.
#[must_use]
pub fn fresh_key() -> String {
    format!("{:032x}", rand::random::<u128>())
}

/// The caller's key, or one of its own for a wish that is not to be sent again.
pub(super) fn key(headers: &HeaderMap) -> Result<String, Problem> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else {
        return Ok(fresh_key());
    };
    let text = value.to_str().map_err(|_| {
        let detail = "must be printable ASCII characters";
        Problem::new(ErrorCode::Invalid, detail).at(IDEMPOTENCY_KEY)
    })?;
    Ok(text.to_owned())
}

/// `POST /api/v1/drones/{id}/commands`: gives a command.
pub async fn give(
    State(gateway): Shared,
    Known(caller): Known,
    Segment(drone): Segment,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<CommandReply>), Refusal> {
    // Whoever may not is told so before what was sent is looked at.
    let drone = input::drone_id(&drone)?;
    gateway.allow_drone(&caller.principal, Action::Command, &drone)?;
    let asked: NewCommand = super::registry::read(&gateway, &caller, &headers, body).await?;
    let wish = Wish {
        drone,
        key: key(&headers)?,
        command: command(&asked.command, asked.parameters)?,
        time_to_live: gateway
            .commands
            .time_to_live(asked.time_to_live_ms, "time_to_live_ms")?,
        emergency: asked.emergency,
        confirm: asked
            .confirm
            .map(|text| digest(&text, "confirm"))
            .transpose()?,
        group: None,
    };
    let view = gateway.give(&caller.principal, wish).await?;
    Ok((StatusCode::ACCEPTED, Json(view.into())))
}

/// `GET /api/v1/drones/{id}/commands`: every command of a drone within a day.
pub async fn list(
    State(gateway): Shared,
    Asking(caller, _permit): Asking,
    Segment(drone): Segment,
) -> Result<Json<CommandList>, Refusal> {
    let drone = input::drone_id(&drone)?;
    let views = gateway.commands_of(&caller.principal, &drone).await?;
    let commands = views.into_iter().map(Into::into).collect();
    Ok(Json(CommandList { commands }))
}

/// `GET /api/v1/commands/{id}`: one command, at once or at its next change.
pub async fn show(
    State(gateway): Shared,
    Asking(caller, _permit): Asking,
    Segment(id): Segment,
    watching: Result<Query<Watching>, QueryRejection>,
) -> Result<Json<CommandReply>, Refusal> {
    let watching = input::query(watching)?;
    let id = command_id(&id)?;
    let wait = gateway.commands.wait(watching.wait_ms.unwrap_or(0));
    let principal = &caller.principal;
    let seen = watching.seen_us.map(UtcMicros);
    let view = if seen.is_some() || wait.is_zero() {
        gateway.command(principal, id, (seen, wait)).await?
    } else {
        gateway.command_at_its_end(principal, id, wait).await?
    };
    Ok(Json(view.into()))
}

/// `POST /api/v1/commands/{id}/cancel`: takes a command back.
pub async fn cancel(
    State(gateway): Shared,
    Known(caller): Known,
    Segment(id): Segment,
) -> Result<(StatusCode, Json<CommandReply>), Refusal> {
    let view = gateway.cancel(&caller.principal, command_id(&id)?).await?;
    Ok((StatusCode::ACCEPTED, Json(view.into())))
}

/// `POST /api/v1/commands/{id}/confirm`: the second step of a dangerous command.
pub async fn confirm(
    State(gateway): Shared,
    Known(caller): Known,
    Segment(id): Segment,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<CommandReply>), Refusal> {
    crate::gateway::state::allow(&caller.principal, Action::Command)?;
    let id = command_id(&id)?;
    let asked: Confirmation = super::registry::read(&gateway, &caller, &headers, body).await?;
    let digest = digest(&asked.digest, "digest")?;
    let view = gateway.confirm(&caller.principal, id, digest).await?;
    Ok((StatusCode::ACCEPTED, Json(view.into())))
}

/// `GET /api/v1/drones/{id}/commands/next`: what there is for the drone that asks.
pub async fn next(
    State(gateway): Shared,
    Asking(caller, _permit): Asking,
    Segment(drone): Segment,
    polling: Result<Query<Polling>, QueryRejection>,
) -> Result<Json<DownCommands>, Refusal> {
    let principal = &caller.principal;
    may_send(principal)?;
    let drone = input::drone_id(&drone)?;
    gateway.allow_drone(principal, Action::SendTelemetry, &drone)?;
    let polling = input::query(polling)?;
    let wait = Duration::from_millis(polling.wait_ms.unwrap_or(0).min(POLL_MS_MAX));
    let mut downlink = Downlink::open(std::sync::Arc::clone(&gateway));
    let heard = Heard {
        boot: BootId(polling.boot),
        sent_at_boot: Some(BootMicros(polling.boot_clock_us)),
        newest_sample: None,
        at: clock::utc_now(),
    };
    downlink.heard(principal, drone.clone(), heard);
    // A drone that asks is a drone that listens.
    let _ = gateway.behind.drones.look_for_commands(&drone);
    let first = tokio::time::timeout(wait, downlink.next()).await;
    let commands = first.ok().and_then(DownReply::of).into_iter().collect();
    Ok(Json(DownCommands { commands }))
}

/// `POST /api/v1/drones/{id}/commands/{command}/answer`: what the drone says of a command.
pub async fn answer(
    State(gateway): Shared,
    Known(caller): Known,
    path: Result<Path<(String, String)>, axum::extract::rejection::PathRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<AnswerRecorded>, Refusal> {
    may_send(&caller.principal)?;
    let Path((drone, id)) =
        path.map_err(|error| Problem::new(ErrorCode::Malformed, error.body_text()).at("path"))?;
    let drone = input::drone_id(&drone)?;
    gateway.allow_drone(&caller.principal, Action::SendTelemetry, &drone)?;
    let id = command_id(&id)?;
    let asked: DroneAnswer = super::registry::read(&gateway, &caller, &headers, body).await?;
    let names: BTreeMap<&str, Outcome> = Outcome::ALL.map(|it| (it.as_str(), it)).into();
    let outcome = names.get(asked.outcome.as_str()).copied().ok_or_else(|| {
        let known: Vec<_> = Outcome::ALL.iter().map(|it| it.as_str()).collect();
        let detail = format!("must be one of {}", known.join(", "));
        Problem::new(ErrorCode::Invalid, detail).at("outcome")
    })?;
    let judged = read_answer(v1::CommandAnswer {
        drone_id: drone.as_str().to_owned(),
        command_id: id.to_string(),
        outcome: v1::CommandOutcome::from(outcome).into(),
        progress_percent: asked.progress_percent,
        detail: asked.detail,
    })?;
    gateway.drone_answered(judged).await?;
    let command_id = id.to_string();
    Ok(Json(AnswerRecorded { command_id }))
}
