//! Commands: the shape of the JSON, and the same words and codes as everywhere.

use async_graphql::{ID, InputObject, SimpleObject};

use super::session::Session;
use crate::error::{ErrorCode, Problem};
use crate::gateway::auth::Action;
use crate::gateway::command::Wish;
use crate::gateway::http::commands::group::{GroupCommand, GroupReply, give_group};
use crate::gateway::http::commands::{command_id, digest, fresh_key};
use crate::gateway::http::input;
use crate::gateway::json::command::{AnswerReply, CommandReply, Parameters, command};
use crate::gateway::json::enums::Long;
use crate::gateway::state::allow;

/// A command and what became of it.
#[derive(SimpleObject)]
pub struct Command {
    id: ID,
    drone_id: ID,
    /// Name of the command, such as `goto`.
    command: String,
    /// By name; the names end in their units.
    parameters: Parameters,
    /// `queued`, `sent`, `in_progress`, `acknowledged`; or how it ended: `confirmed`,
    /// `unconfirmed`, `failed`, `timed_out`, `unknown`, `expired`, `cancelled`, `superseded`,
    /// `rejected`, `unrecorded`.
    state: String,
    /// True if nothing more happens to it.
    is_final: bool,
    /// Why it ended; empty while it has not.
    reason: String,
    /// Who gave it.
    principal: String,
    /// Microseconds since 1970.
    received_us: Long,
    /// Microseconds since 1970; nothing of it is executed later.
    expires_us: Long,
    /// Microseconds since 1970.
    changed_us: Long,
    /// Times that it went out, as far as is known.
    attempts: u32,
    /// 0 to 100, while the drone does it.
    progress_percent: Option<u8>,
    /// What the drone said.
    answer: Option<CommandAnswer>,
    /// What the drone said when the command was over: evidence, nothing more.
    late_answer: Option<CommandAnswer>,
    /// Tells this command with its parameters from any other: what a confirmation names.
    digest: String,
    /// True while it waits for a confirmation.
    needs_confirmation: bool,
    /// Wishes of the same key with another body, which did nothing.
    conflicting_intents: u32,
}

/// What a drone said of a command.
#[derive(SimpleObject)]
pub struct CommandAnswer {
    outcome: String,
    /// The drone's own words.
    detail: String,
}

impl From<AnswerReply> for CommandAnswer {
    fn from(answer: AnswerReply) -> Self {
        Self {
            outcome: answer.outcome.to_owned(),
            detail: answer.detail,
        }
    }
}

impl From<CommandReply> for Command {
    fn from(reply: CommandReply) -> Self {
        Self {
            id: ID(reply.command_id),
            drone_id: ID(reply.drone_id),
            command: reply.command.to_owned(),
            parameters: reply.parameters,
            state: reply.state.to_owned(),
            is_final: reply.is_final,
            reason: reply.reason,
            principal: reply.principal,
            received_us: Long(reply.received_us),
            expires_us: Long(reply.expires_us),
            changed_us: Long(reply.changed_us),
            attempts: reply.attempts,
            progress_percent: reply.progress_percent,
            answer: reply.answer.map(Into::into),
            late_answer: reply.late_answer.map(Into::into),
            digest: reply.digest,
            needs_confirmation: reply.needs_confirmation,
            conflicting_intents: reply.conflicting_intents,
        }
    }
}

/// A command to be given.
#[derive(InputObject)]
pub struct NewCommand {
    /// Name of the command, such as `goto`.
    command: String,
    /// By name; the names end in their units.
    parameters: Option<Parameters>,
    /// Milliseconds from receipt after which nothing of it is executed; 30000 if not said.
    time_to_live_ms: Option<i32>,
    /// For hold, return, land and terminate: goes to the drone even while the event log is down.
    #[graphql(default)]
    emergency: bool,
    /// The same wish has the same key: sent again it is the same one.
    idempotency_key: Option<String>,
    /// Digest of the command, the second step of a dangerous emergency.
    confirm: Option<String>,
}

/// What became of the wish for one drone.
#[derive(SimpleObject)]
pub struct GroupEntry {
    drone_id: ID,
    /// Null if the wish was not taken.
    command_id: Option<ID>,
    /// State of the command, or the code of the problem.
    state: String,
    /// Why it was not taken.
    detail: Option<String>,
}

/// What became of a wish for several drones.
#[derive(SimpleObject)]
pub struct CommandGroup {
    id: ID,
    commands: Vec<GroupEntry>,
}

impl From<GroupReply> for CommandGroup {
    fn from(reply: GroupReply) -> Self {
        let entries = reply.commands.into_iter().map(|entry| GroupEntry {
            drone_id: ID(entry.drone_id),
            command_id: entry.command_id.map(ID),
            state: entry.state.to_owned(),
            detail: entry.detail,
        });
        Self {
            id: ID(reply.group_id),
            commands: entries.collect(),
        }
    }
}

fn millis(asked: Option<i32>) -> Option<u64> {
    asked.map(|millis| u64::try_from(millis).unwrap_or(0))
}

/// Gives a command.
pub(super) async fn give(session: &Session, drone: &ID, asked: NewCommand) -> Answer {
    let drone = input::drone_id(drone).map_err(|problem| problem.at("droneId"))?;
    let gateway = &session.gateway;
    gateway.allow_drone(session.principal(), Action::Command, &drone)?;
    let wish = Wish {
        drone,
        key: asked.idempotency_key.unwrap_or_else(fresh_key),
        command: command(&asked.command, asked.parameters.unwrap_or_default())?,
        time_to_live: gateway
            .commands
            .time_to_live(millis(asked.time_to_live_ms), "timeToLiveMs")?,
        emergency: asked.emergency,
        confirm: asked
            .confirm
            .map(|text| digest(&text, "confirm"))
            .transpose()?,
        group: None,
    };
    let view = gateway.give(session.principal(), wish).await;
    Ok(CommandReply::from(view.map_err(camel_case)?).into())
}

/// What became of one command.
pub(super) type Answer = Result<Command, Problem>;

/// Gives a command to several drones.
pub(super) async fn give_many(
    session: &Session,
    (drones, fleet): (Vec<ID>, Option<ID>),
    asked: NewCommand,
) -> Result<CommandGroup, Problem> {
    allow(session.principal(), Action::Command)?;
    if asked.confirm.is_some() {
        let detail = "an emergency of this kind is given to one drone at a time";
        return Err(Problem::new(ErrorCode::Invalid, detail).at("confirm"));
    }
    let key = asked.idempotency_key.unwrap_or_else(fresh_key);
    let group = GroupCommand {
        drone_ids: drones.into_iter().map(|id| id.0).collect(),
        fleet_id: fleet.map(|id| id.0),
        command: asked.command,
        parameters: asked.parameters.unwrap_or_default(),
        time_to_live_ms: millis(asked.time_to_live_ms),
        emergency: asked.emergency,
    };
    let reply = give_group(&session.gateway, &session.caller, (group, key)).await;
    Ok(reply.map_err(camel_case)?.into())
}

/// One command, as its owner knows it.
pub(super) async fn find(session: &Session, id: &ID) -> Answer {
    let id = command_id(id)?;
    let _turn = session.turn().await?;
    let now = (None, std::time::Duration::ZERO);
    let view = session
        .gateway
        .command(session.principal(), id, now)
        .await?;
    Ok(CommandReply::from(view).into())
}

/// Every command of a drone within a day, the newest first.
pub(super) async fn of_drone(session: &Session, drone: &ID) -> Result<Vec<Command>, Problem> {
    let drone = input::drone_id(drone).map_err(|problem| problem.at("droneId"))?;
    let _turn = session.turn().await?;
    let views = session
        .gateway
        .commands_of(session.principal(), &drone)
        .await?;
    let commands = views
        .into_iter()
        .map(|view| CommandReply::from(view).into());
    Ok(commands.collect())
}

/// Takes a command back.
pub(super) async fn cancel(session: &Session, id: &ID) -> Answer {
    let view = session.gateway.cancel(session.principal(), command_id(id)?);
    Ok(CommandReply::from(view.await?).into())
}

/// The second step of a dangerous command.
pub(super) async fn confirm(session: &Session, id: &ID, named: &str) -> Answer {
    allow(session.principal(), Action::Command)?;
    let (id, digest) = (command_id(id)?, digest(named, "digest")?);
    let view = session.gateway.confirm(session.principal(), id, digest);
    Ok(CommandReply::from(view.await?).into())
}

/// Names the argument at fault as it is called here.
fn camel_case(problem: Problem) -> Problem {
    match problem.field.as_deref() {
        Some("idempotency-key") => problem.at("idempotencyKey"),
        Some("time_to_live_ms") => problem.at("timeToLiveMs"),
        Some("drone_id") => problem.at("droneId"),
        Some("fleet_id") => problem.at("fleetId"),
        _ => problem,
    }
}
