//! Commands in JSON.

use std::collections::BTreeMap;

use aerostream_actors::CommandView;
use aerostream_domain::command::{Answer, Command, Outcome, Value};
use aerostream_proto::v1;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error::{ErrorCode, Problem};

/// A parameter as JSON has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
#[schema(as = CommandParameter)]
pub enum Parameter {
    Flag(bool),
    Number(f64),
    Text(String),
}

impl From<Parameter> for Value {
    fn from(parameter: Parameter) -> Self {
        match parameter {
            Parameter::Flag(flag) => Self::Flag(flag),
            Parameter::Number(number) => Self::Number(number),
            Parameter::Text(text) => Self::Text(text),
        }
    }
}

impl From<Value> for Parameter {
    fn from(value: Value) -> Self {
        match value {
            Value::Flag(flag) => Self::Flag(flag),
            Value::Number(number) => Self::Number(number),
            Value::Text(text) => Self::Text(text),
        }
    }
}

/// Parameters by name; the names end in their units.
pub type Parameters = BTreeMap<String, Parameter>;

/// The command of a name with these parameters.
///
/// # Errors
/// The name or a parameter is wrong; the problem names it.
pub fn command(name: &str, parameters: Parameters) -> Result<Command, Problem> {
    let parameters = parameters.into_iter();
    let built = Command::build(name, parameters.map(|(name, value)| (name, value.into())));
    built.map_err(|refusal| {
        let field = match refusal.field.as_str() {
            "command" => refusal.field,
            parameter => format!("parameters.{parameter}"),
        };
        Problem::new(ErrorCode::Invalid, refusal.detail).at(field)
    })
}

/// Parameters of a command.
#[must_use]
pub fn parameters(command: &Command) -> Parameters {
    let told = command.parameters().into_iter();
    told.map(|(name, value)| (name.to_owned(), value.into()))
        .collect()
}

/// A command and what became of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Command)]
pub struct CommandReply {
    pub command_id: String,
    pub drone_id: String,
    /// Name of the command, such as `goto`.
    pub command: &'static str,
    #[schema(value_type = std::collections::HashMap<String, Parameter>)]
    pub parameters: Parameters,
    /// `queued`, `sent`, `in_progress`, `acknowledged`; or how it ended: `confirmed`,
    /// `unconfirmed`, `failed`, `timed_out`, `unknown`, `expired`, `cancelled`, `superseded`,
    /// `rejected`, `unrecorded`.
    pub state: &'static str,
    /// True if nothing more happens to it.
    pub is_final: bool,
    /// Why it ended; empty while it has not.
    pub reason: String,
    /// Who gave it.
    pub principal: String,
    /// UTC microseconds.
    pub received_us: i64,
    /// UTC microseconds; nothing of it is executed later.
    pub expires_us: i64,
    /// UTC microseconds; what `seen_us` takes.
    pub changed_us: i64,
    /// Times that it went out, as far as is known.
    pub attempts: u32,
    /// 0 to 100, while the drone does it.
    pub progress_percent: Option<u8>,
    /// What the drone said.
    pub answer: Option<AnswerReply>,
    /// What the drone said when the command was over: evidence, nothing more.
    pub late_answer: Option<AnswerReply>,
    /// Tells this command with its parameters from any other: what a confirmation names.
    pub digest: String,
    /// True while it waits for a confirmation.
    pub needs_confirmation: bool,
    /// Wishes of the same key with another body, which did nothing.
    pub conflicting_intents: u32,
}

/// What a drone said of a command.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CommandAnswer)]
pub struct AnswerReply {
    /// `accepted`, `in_progress`, `temporarily_rejected`, `denied`, `unsupported`, `failed`,
    /// `cancelled`, `stale`.
    pub outcome: &'static str,
    /// The drone's own words.
    pub detail: String,
}

impl From<&Answer> for AnswerReply {
    fn from(answer: &Answer) -> Self {
        Self {
            outcome: answer.outcome.as_str(),
            detail: answer.detail.clone(),
        }
    }
}

impl From<CommandView> for CommandReply {
    fn from(view: CommandView) -> Self {
        let entry = view.entry;
        Self {
            command_id: entry.id().to_string(),
            drone_id: view.drone.as_str().to_owned(),
            command: entry.kind().as_str(),
            parameters: parameters(&entry.intent.command),
            state: entry.stage.as_str(),
            is_final: entry.is_over(),
            principal: entry.intent.principal.clone(),
            received_us: entry.intent.received.0,
            expires_us: entry.intent.expires().0,
            changed_us: entry.changed.0,
            attempts: entry.spent,
            progress_percent: entry.progress_percent,
            answer: entry.answer.as_ref().map(Into::into),
            late_answer: entry.late.as_ref().map(Into::into),
            digest: format!("{:016x}", entry.intent.command.digest()),
            needs_confirmation: view.needs_confirmation,
            conflicting_intents: entry.conflicts,
            reason: entry.reason,
        }
    }
}

/// A command on its way down to a drone that fetches it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DownCommand)]
pub struct DownReply {
    pub command_id: String,
    pub drone_id: String,
    /// Name of the command.
    pub command: &'static str,
    #[schema(value_type = std::collections::HashMap<String, Parameter>)]
    pub parameters: Parameters,
    /// Power-up that it is meant for, as the drone named it; text, since it has 64 bits.
    pub boot: String,
    /// Boot clock of the drone after which it must not begin to execute it, microseconds.
    pub valid_until_boot_us: u64,
    /// Which of two exclusive commands is newer: compared number by number.
    pub order: [u64; 3],
    /// Of the exclusive commands, which move it, the newest wins.
    pub exclusive: bool,
}

impl DownReply {
    /// `None` for what no version of this build writes.
    #[must_use]
    pub fn of(down: v1::DownCommand) -> Option<Self> {
        let command = Command::try_from(down.command?).ok()?;
        let order = down.order?;
        Some(Self {
            command_id: down.command_id,
            drone_id: down.drone_id,
            command: command.kind().as_str(),
            parameters: parameters(&command),
            boot: down.boot.to_string(),
            valid_until_boot_us: down.valid_until_boot_us,
            order: [u64::from(order.generation), order.epoch, order.counter],
            exclusive: down.exclusive,
        })
    }
}

/// What a drone says of a command, beside whom and what it is about.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SaidAnswer {
    drone_id: String,
    command_id: String,
    outcome: String,
    progress_percent: Option<u32>,
    #[serde(default)]
    detail: String,
}

impl From<SaidAnswer> for v1::CommandAnswer {
    /// An outcome that nobody knows becomes the one that is refused.
    fn from(said: SaidAnswer) -> Self {
        let known = Outcome::ALL.iter().find(|it| it.as_str() == said.outcome);
        let outcome = known.map_or(v1::CommandOutcome::Unspecified, |it| (*it).into());
        Self {
            drone_id: said.drone_id,
            command_id: said.command_id,
            outcome: outcome.into(),
            progress_percent: said.progress_percent,
            detail: said.detail,
        }
    }
}
