//! Commands: what drones are told, and what became of it.

use aerostream_domain::command::{CommandKind, ParameterForm, ParameterSpec};
use serde_json::json;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};

use super::doc::{COMMANDERS, Doc, READERS_AND_DRONE, SENDERS, whole};
use crate::error::ErrorCode;
use crate::gateway::http::commands::{
    AnswerRecorded, CommandList, Confirmation, DownCommands, DroneAnswer, GroupCommand, GroupReply,
    IDEMPOTENCY_KEY, NewCommand,
};
use crate::gateway::json::command::CommandReply;

const TAG: &str = "commands";
const DRONE: &str = "my-first-drone";
const COMMAND: &str = "0007-0123456789abcdef0123456789abcdef";
const KEY: &str = "2f1c6e0a-go-up";

const KEY_ABOUT: &str = "The same wish has the same key: sent again it is the same command. \
    1 to 128 printable characters without spaces. Without it every request is a new command.";

/// The catalogue as a table of Markdown.
fn catalogue() -> String {
    let mut text = String::from("| command | what | parameters |\n|---|---|---|\n");
    for kind in CommandKind::ALL {
        let parameters: Vec<_> = kind.parameters().iter().map(parameter).collect();
        let (name, about) = (kind.as_str(), kind.about().trim());
        text.push_str(&format!(
            "| `{name}` | {about} | {} |\n",
            parameters.join("; ")
        ));
    }
    text
}

fn parameter(spec: &ParameterSpec) -> String {
    let may = if spec.required { "" } else { ", may be absent" };
    let range = match (spec.form, spec.range) {
        (ParameterForm::Text, Some((min, max))) => format!(", {min} to {max} characters"),
        (_, Some((min, max))) => format!(", {min} to {max}"),
        (_, None) => String::new(),
    };
    format!("`{}`{range}{may}", spec.name)
}

fn id(doc: Doc) -> Doc {
    let schema = ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some("^[0-9a-f]{4}-[0-9a-f]{32}$"));
    doc.segment("id", "The command's id.", RefOr::from(schema), COMMAND)
}

fn milliseconds(most: i64) -> RefOr<Schema> {
    whole(0, most)
}

/// `POST /api/v1/drones/{id}/commands`.
pub fn give() -> Doc {
    let about = format!(
        "Answered when the wish is durable; what becomes of it is told under its id. `504` says \
         that this is not known: ask for the id that the problem names, or send the same again \
         under the same key. Of the commands that move a drone the newest wins, when it goes out. \
         Nothing is executed after its time to live, or behind a new power-up. A dangerous \
         command waits for a confirmation.\n\n{}",
        catalogue()
    );
    Doc::new("giveCommand", TAG, "Gives a command to a drone", COMMANDERS)
        .about(&about)
        .id("id", "The drone's id.", DRONE)
        .header(IDEMPOTENCY_KEY, KEY_ABOUT, KEY)
        .body::<NewCommand>(&json!({
            "command": "goto",
            "parameters": {"latitude_deg": 47.1, "longitude_deg": 8.2, "altitude_m": 40},
            "time_to_live_ms": 30000
        }))
        .answer::<CommandReply>(202, "The wish is durable")
        .refuses(&[
            ErrorCode::Conflict,
            ErrorCode::Retired,
            ErrorCode::QuotaExceeded,
            ErrorCode::DeadlinePassed,
        ])
}

/// `GET /api/v1/drones/{id}/commands`.
pub fn list() -> Doc {
    let summary = "Lists the commands of a drone";
    Doc::new("listCommands", TAG, summary, READERS_AND_DRONE)
        .about("The newest first; ended ones for a day.")
        .id("id", "The drone's id.", DRONE)
        .answer::<CommandList>(200, "Commands")
        .refuses(&[ErrorCode::DeadlinePassed])
}

/// `POST /api/v1/commands`.
pub fn give_many() -> Doc {
    let summary = "Gives a command to several drones";
    Doc::new("giveCommands", TAG, summary, COMMANDERS)
        .about(
            "To those that are named and to those of a fleet; each has a command of its own. The \
             answer tells what became of each wish.",
        )
        .header(IDEMPOTENCY_KEY, KEY_ABOUT, KEY)
        .body::<GroupCommand>(&json!({ "drone_ids": [DRONE], "command": "return" }))
        .answer::<GroupReply>(202, "What became of each wish")
        .refuses(&[ErrorCode::NotFound])
}

/// `GET /api/v1/command-groups/{id}`.
pub fn show_group() -> Doc {
    let summary = "Tells what became of commands that were given together";
    let schema = ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some("^[0-9a-f]{32}$"));
    let example = "0123456789abcdef0123456789abcdef";
    Doc::new("getCommandGroup", TAG, summary, READERS_AND_DRONE)
        .about("Those that the caller may see and that are kept: ended ones for a day.")
        .segment("id", "The group's id.", RefOr::from(schema), example)
        .answer::<GroupReply>(200, "The commands by their states, and each of them")
        .refuses(&[ErrorCode::NotFound, ErrorCode::DeadlinePassed])
}

/// `GET /api/v1/commands/{id}`.
pub fn show() -> Doc {
    let summary = "Tells what became of a command";
    id(Doc::new("getCommand", TAG, summary, READERS_AND_DRONE))
        .about(
            "At once; with `wait_ms` when it is over, at the latest after that; with `seen_us` \
             as well, the `changed_us` of an answer before, at its next change.",
        )
        .query(
            "wait_ms",
            "Milliseconds to wait.",
            milliseconds(30_000),
            Some(100.into()),
        )
        .query(
            "seen_us",
            "What is known already.",
            whole(0, i64::MAX),
            None,
        )
        .answer::<CommandReply>(200, "The command")
        .refuses(&[ErrorCode::DeadlinePassed])
}

/// `POST /api/v1/commands/{id}/cancel`.
pub fn cancel() -> Doc {
    id(Doc::new(
        "cancelCommand",
        TAG,
        "Takes a command back",
        COMMANDERS,
    ))
    .about(
        "One that has not gone out never will. One that has is only not sent again: its end \
             is what the drone says.",
    )
    .answer::<CommandReply>(202, "The wish is durable")
    .refuses(&[ErrorCode::DeadlinePassed])
}

/// `POST /api/v1/commands/{id}/confirm`.
pub fn confirm() -> Doc {
    let summary = "Confirms a dangerous command";
    id(Doc::new("confirmCommand", TAG, summary, COMMANDERS))
        .about("Names the digest that the command tells, so that nothing else is confirmed.")
        .body::<Confirmation>(&json!({ "digest": "0123456789abcdef" }))
        .answer::<CommandReply>(202, "The wish is durable")
        .refuses(&[ErrorCode::Conflict, ErrorCode::DeadlinePassed])
}

/// `GET /api/v1/drones/{id}/commands/next`.
pub fn next() -> Doc {
    let summary = "Fetches a command, for a drone that only speaks REST";
    Doc::new("fetchCommand", TAG, summary, SENDERS)
        .about(
            "At most one, at once or within `wait_ms`. That the drone asks is all that tells that \
             it listens, so it asks again and again. It answers a `command_id` that it knows with \
             its first result; else it rejects (`stale`) what is for another `boot`, past \
             `valid_until_boot_us`, or exclusive and lower in `order` than another one.",
        )
        .id("id", "The drone's id.", DRONE)
        .needed(
            "boot",
            "The drone's power-up.",
            whole(0, i64::MAX),
            7.into(),
        )
        .needed(
            "boot_clock_us",
            "The drone's boot clock now, microseconds.",
            whole(0, i64::MAX),
            60_000_000.into(),
        )
        .query(
            "wait_ms",
            "Milliseconds to wait.",
            milliseconds(1_000),
            Some(50.into()),
        )
        .answer::<DownCommands>(200, "What there is")
}

/// `POST /api/v1/drones/{id}/commands/{command}/answer`.
pub fn answer() -> Doc {
    let schema = ObjectBuilder::new().schema_type(Type::String);
    Doc::new("answerCommand", TAG, "Tells what the drone did", SENDERS)
        .about("May be said again. Behind the end of a command it is kept as evidence.")
        .id("id", "The drone's id.", DRONE)
        .segment("command", "The command's id.", RefOr::from(schema), COMMAND)
        .body::<DroneAnswer>(&json!({ "outcome": "accepted" }))
        .answer::<AnswerRecorded>(200, "It is durable")
        .refuses(&[ErrorCode::DeadlinePassed])
}
