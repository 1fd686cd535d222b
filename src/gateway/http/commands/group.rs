//! One command to many drones: an entry in each drone's ledger, and one summary.

use std::collections::{BTreeMap, BTreeSet};

use aerostream_domain::{DroneId, FleetId};
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use futures::StreamExt;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use xxhash_rust::xxh3::xxh3_128;

use super::key;
use crate::error::{ErrorCode, Problem};
use crate::gateway::auth::{Action, Caller};
use crate::gateway::command::Wish;
use crate::gateway::http::problem::Refusal;
use crate::gateway::http::reply::Json;
use crate::gateway::http::{Known, Shared, input};
use crate::gateway::json::command::{Parameter, Parameters, command};
use crate::gateway::state::{Gateway, allow};
use crate::registry::Credential;

/// Wishes of one request that are on their way into the journal at once.
const AT_ONCE: usize = 64;

/// A command for several drones.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupCommand {
    /// For these.
    #[serde(default)]
    drone_ids: Vec<String>,
    /// For every drone of this fleet that is not retired.
    fleet_id: Option<String>,
    /// Name of the command, such as `return`.
    command: String,
    /// By name; the names end in their units.
    #[serde(default)]
    #[schema(value_type = std::collections::HashMap<String, Parameter>, required = false)]
    parameters: Parameters,
    /// Milliseconds from receipt after which nothing of it is executed. Default: 30000.
    #[schema(minimum = 100, maximum = 3_600_000)]
    time_to_live_ms: Option<u64>,
    #[serde(default)]
    emergency: bool,
}

/// What became of the wish for one drone.
#[derive(Debug, Serialize, ToSchema)]
pub struct GroupEntry {
    drone_id: String,
    /// Absent if the wish was not taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    command_id: Option<String>,
    /// State of the command, or the code of the problem.
    state: &'static str,
    /// Why it was not taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

/// What became of a wish for several drones.
#[derive(Debug, Serialize, ToSchema)]
pub struct GroupReply {
    /// What the commands have in common.
    group_id: String,
    /// How many drones by the state of their command, or by the problem.
    #[schema(value_type = std::collections::HashMap<String, u64>)]
    summary: BTreeMap<&'static str, u64>,
    commands: Vec<GroupEntry>,
}

/// `POST /api/v1/commands`: gives a command to several drones.
pub async fn give_many(
    State(gateway): Shared,
    Known(caller): Known,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<GroupReply>), Refusal> {
    allow(&caller.principal, Action::Command)?;
    let asked: GroupCommand =
        crate::gateway::http::registry::read(&gateway, &caller, &headers, body).await?;
    let key = key(&headers)?;
    let group = xxh3_128(format!("{}\0{key}", caller.principal.subject).as_bytes());
    let command = command(&asked.command, asked.parameters)?;
    let time_to_live = gateway
        .commands
        .time_to_live(asked.time_to_live_ms, "time_to_live_ms")?;
    let drones = drones(
        &gateway,
        &caller,
        &asked.drone_ids,
        asked.fleet_id.as_deref(),
    )?;
    let wishes = drones.into_iter().map(|drone| Wish {
        drone,
        key: key.clone(),
        command: command.clone(),
        time_to_live,
        emergency: asked.emergency,
        confirm: None,
        group: Some(group),
    });
    let commands: Vec<_> = futures::stream::iter(wishes)
        .map(|wish| one(&gateway, &caller, wish))
        .buffered(AT_ONCE)
        .collect()
        .await;
    let mut summary = BTreeMap::new();
    for entry in &commands {
        *summary.entry(entry.state).or_default() += 1;
    }
    let reply = GroupReply {
        group_id: format!("{group:032x}"),
        summary,
        commands,
    };
    Ok((StatusCode::ACCEPTED, Json(reply)))
}

async fn one(gateway: &Gateway, caller: &Caller, wish: Wish) -> GroupEntry {
    let drone_id = wish.drone.as_str().to_owned();
    match gateway.give(&caller.principal, wish).await {
        Ok(view) => GroupEntry {
            drone_id,
            command_id: Some(view.entry.id().to_string()),
            state: view.entry.stage.as_str(),
            detail: None,
        },
        Err(problem) => GroupEntry {
            drone_id,
            command_id: None,
            state: problem.code.as_str(),
            detail: Some(problem.detail.into_owned()),
        },
    }
}

fn drones(
    gateway: &Gateway,
    caller: &Caller,
    ids: &[String],
    fleet: Option<&str>,
) -> Result<BTreeSet<DroneId>, Problem> {
    let max = gateway.config.commands.group_max;
    let mut drones = BTreeSet::new();
    for (place, id) in ids.iter().enumerate() {
        let id = DroneId::parse(id).map_err(|error| {
            let problem = Problem::new(ErrorCode::Invalid, error.to_string());
            problem.at(format!("drone_ids[{place}]"))
        })?;
        drones.insert(id);
    }
    if let Some(fleet) = fleet {
        let fleet: FleetId = input::fleet_id(fleet)?;
        gateway.allow_fleet(&caller.principal, Action::Command, &fleet)?;
        let registry = gateway.registry().read();
        let members = registry.members(&fleet, None).map(|member| &member.entity);
        let active = members.filter(|drone| drone.credential == Credential::Active);
        drones.extend(active.map(|drone| drone.id.clone()).take(max + 1));
    }
    if (1..=max).contains(&drones.len()) {
        return Ok(drones);
    }
    let detail = format!("must name 1 to {max} drones; it names {}", drones.len());
    Err(Problem::new(ErrorCode::Invalid, detail).at("drone_ids"))
}
