//! One command to many drones: an entry in each drone's ledger, and one summary.

use std::collections::{BTreeMap, BTreeSet};

use aerostream_actors::CommandView;
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
use crate::gateway::http::{Asking, Known, Segment, Shared, input};
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
    pub drone_ids: Vec<String>,
    /// For every drone of this fleet that is not retired.
    pub fleet_id: Option<String>,
    /// Name of the command, such as `return`.
    pub command: String,
    /// By name; the names end in their units.
    #[serde(default)]
    #[schema(value_type = std::collections::HashMap<String, Parameter>, required = false)]
    pub parameters: Parameters,
    /// Milliseconds from receipt after which nothing of it is executed. Default: 30000.
    #[schema(minimum = 100, maximum = 3_600_000)]
    pub time_to_live_ms: Option<u64>,
    #[serde(default)]
    pub emergency: bool,
}

/// What became of the wish for one drone.
#[derive(Debug, Serialize, ToSchema)]
pub struct GroupEntry {
    pub drone_id: String,
    /// Absent if the wish was not taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command_id: Option<String>,
    /// State of the command, or the code of the problem.
    pub state: &'static str,
    /// Why it was not taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// What became of a wish for several drones.
#[derive(Debug, Serialize, ToSchema)]
pub struct GroupReply {
    /// What the commands have in common.
    pub group_id: String,
    /// How many drones by the state of their command, or by the problem.
    #[schema(value_type = std::collections::HashMap<String, u64>)]
    pub summary: BTreeMap<&'static str, u64>,
    pub commands: Vec<GroupEntry>,
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
    let reply = give_group(&gateway, &caller, (asked, key(&headers)?)).await?;
    Ok((StatusCode::ACCEPTED, Json(reply)))
}

/// Gives a command to several drones, under one key.
///
/// # Errors
/// The caller may not, or a part of it is wrong; what is wrong with one drone alone is told in its
/// entry.
pub async fn give_group(
    gateway: &Gateway,
    caller: &Caller,
    (asked, key): (GroupCommand, String),
) -> Result<GroupReply, Problem> {
    let group = xxh3_128(format!("{}\0{key}", caller.principal.subject).as_bytes());
    let command = command(&asked.command, asked.parameters)?;
    let time_to_live = gateway
        .commands
        .time_to_live(asked.time_to_live_ms, "time_to_live_ms")?;
    let drones = drones(gateway, caller, &asked.drone_ids, asked.fleet_id.as_deref())?;
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
        .map(|wish| one(gateway, caller, wish))
        .buffered(AT_ONCE)
        .collect()
        .await;
    Ok(GroupReply::new(group, commands))
}

/// `GET /api/v1/command-groups/{id}`: what became of commands that were given together.
pub async fn show_group(
    State(gateway): Shared,
    Asking(caller, _permit): Asking,
    Segment(id): Segment,
) -> Result<Json<GroupReply>, Refusal> {
    let group = group_id(&id)?;
    let views = gateway.command_group(&caller.principal, group).await?;
    Ok(Json(GroupReply::of(group, views)))
}

fn group_id(text: &str) -> Result<u128, Problem> {
    let is_id = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let id = u128::from_str_radix(text, 16).ok().filter(|_| is_id);
    id.ok_or_else(|| {
        let detail = "must be the id that the group was given, 32 hexadecimal digits";
        Problem::new(ErrorCode::Invalid, detail).at("group_id")
    })
}

impl GroupReply {
    /// A group as its commands are now.
    pub fn of(group: u128, views: Vec<CommandView>) -> Self {
        Self::new(group, views.iter().map(GroupEntry::of).collect())
    }

    fn new(group: u128, commands: Vec<GroupEntry>) -> Self {
        let mut summary = BTreeMap::new();
        for entry in &commands {
            *summary.entry(entry.state).or_default() += 1;
        }
        Self {
            group_id: format!("{group:032x}"),
            summary,
            commands,
        }
    }
}

impl GroupEntry {
    fn of(view: &CommandView) -> Self {
        Self {
            drone_id: view.drone.as_str().to_owned(),
            command_id: Some(view.entry.id().to_string()),
            state: view.entry.stage.as_str(),
            detail: None,
        }
    }
}

async fn one(gateway: &Gateway, caller: &Caller, wish: Wish) -> GroupEntry {
    let drone_id = wish.drone.as_str().to_owned();
    match gateway.give(&caller.principal, wish).await {
        Ok(view) => GroupEntry::of(&view),
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
