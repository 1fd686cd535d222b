//! `aerostream command`: gives a command to a drone, or to many, and follows it to its end.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::client::Door;

/// How long one question waits for a change, milliseconds.
const STEP_MS: u64 = 10_000;
/// Ends that an operator wished for.
const GOOD_ENDS: [&str; 3] = ["confirmed", "unconfirmed", "unrecorded"];

/// Of `aerostream command`.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    #[command(flatten)]
    door: Door,
    /// Name of the command, such as goto, hold, land or return
    command: String,
    /// Parameters, such as altitude_m=40; the names end in their units
    #[arg(value_name = "NAME=VALUE")]
    parameters: Vec<String>,
    /// Drone that is told; may be given more than once
    #[arg(long = "drone", value_name = "ID")]
    drones: Vec<String>,
    /// Fleet of which every drone is told
    #[arg(long, value_name = "ID", conflicts_with = "drones")]
    fleet: Option<String>,
    /// Nothing of it is executed after so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30.0)]
    ttl: f64,
    /// Name of this wish: sent again under the same one it is the same command
    #[arg(long, value_name = "TEXT")]
    key: Option<String>,
    /// Goes to the drone even while the event log is down: hold, return, land, terminate
    #[arg(long)]
    emergency: bool,
    /// Confirms a dangerous command at once
    #[arg(long)]
    yes: bool,
    /// Tells the id and does not follow it
    #[arg(long)]
    no_follow: bool,
}

/// Gives the command and tells what becomes of it. The exit status is 1 unless every drone took it.
///
/// # Errors
/// The gateway is out of reach or says no.
pub async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let body = body(&options)?;
    let key = options.key.clone();
    let key = key.unwrap_or_else(|| format!("{:032x}", rand::random::<u128>()));
    let ids = match (options.drones.as_slice(), &options.fleet) {
        ([drone], None) => vec![give_one(&options, drone, &key, body).await?],
        _ => give_many(&options, &key, body).await?,
    };
    if options.no_follow {
        return Ok(ExitCode::SUCCESS);
    }
    let followed = ids.iter().map(|id| follow(&options.door, id));
    let ends = futures::future::try_join_all(followed).await?;
    let all_good = ends.iter().all(|end| GOOD_ENDS.contains(&end.as_str()));
    Ok(if all_good && !ends.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn body(options: &Options) -> anyhow::Result<Map<String, Value>> {
    ensure!(
        (0.1..=3600.0).contains(&options.ttl),
        "--ttl must be 0.1 to 3600 seconds; it is {}",
        options.ttl
    );
    let mut parameters = Map::new();
    for text in &options.parameters {
        let Some((name, value)) = text.split_once('=') else {
            bail!("a parameter is NAME=VALUE; this is {text:?}");
        };
        let value = match (value, value.parse::<f64>()) {
            ("true", _) => Value::Bool(true),
            ("false", _) => Value::Bool(false),
            (_, Ok(number)) => json!(number),
            (text, Err(_)) => json!(text),
        };
        parameters.insert(name.to_owned(), value);
    }
    let mut body = Map::new();
    body.insert("command".to_owned(), json!(options.command));
    body.insert("parameters".to_owned(), Value::Object(parameters));
    body.insert(
        "time_to_live_ms".to_owned(),
        json!((options.ttl * 1000.0).round() as u64),
    );
    body.insert("emergency".to_owned(), json!(options.emergency));
    Ok(body)
}

async fn give_one(
    options: &Options,
    drone: &str,
    key: &str,
    body: Map<String, Value>,
) -> anyhow::Result<String> {
    let path = format!("/api/v1/drones/{drone}/commands");
    let given = options.door.give(&path, key, &Value::Object(body)).await?;
    tell(&given)?;
    let id = text(&given, "command_id")?;
    if given["needs_confirmation"] == true {
        if !options.yes {
            bail!("command {id} is dangerous and waits for a confirmation: give it with --yes");
        }
        let path = format!("/api/v1/commands/{id}/confirm");
        let digest = json!({ "digest": given["digest"] });
        options
            .door
            .call(Method::POST, &path, Some(&digest))
            .await?;
    }
    Ok(id)
}

async fn give_many(
    options: &Options,
    key: &str,
    mut body: Map<String, Value>,
) -> anyhow::Result<Vec<String>> {
    ensure!(
        options.fleet.is_some() || !options.drones.is_empty(),
        "name the drones by --drone, or a fleet by --fleet"
    );
    body.insert("drone_ids".to_owned(), json!(options.drones));
    if let Some(fleet) = &options.fleet {
        body.insert("fleet_id".to_owned(), json!(fleet));
    }
    let body = Value::Object(body);
    let given = options.door.give("/api/v1/commands", key, &body).await?;
    line(&format!("summary {}", given["summary"]))?;
    let mut ids = Vec::new();
    for entry in given["commands"].as_array().into_iter().flatten() {
        match entry["command_id"].as_str() {
            Some(id) => ids.push(id.to_owned()),
            None => line(&format!("{} {}", entry["drone_id"], entry["detail"]))?,
        }
    }
    Ok(ids)
}

/// Tells every change until the end, and which end it is.
async fn follow(door: &Door, id: &str) -> anyhow::Result<String> {
    let mut seen = 0_i64;
    loop {
        let path = format!("/api/v1/commands/{id}?wait_ms={STEP_MS}&seen_us={seen}");
        let now = door.call(Method::GET, &path, None).await?;
        let changed = now["changed_us"].as_i64().context("a state has no time")?;
        if changed != seen {
            tell(&now)?;
        }
        seen = changed;
        if now["is_final"] == true {
            return text(&now, "state");
        }
    }
}

fn text(answer: &Value, name: &str) -> anyhow::Result<String> {
    let text = answer[name].as_str().map(str::to_owned);
    text.with_context(|| format!("the answer has no {name}"))
}

fn tell(answer: &Value) -> anyhow::Result<()> {
    let said = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
    let mut text = format!(
        "{} {} {} {}",
        said("drone_id"),
        said("command"),
        said("command_id"),
        said("state")
    );
    if let (Some(percent), Some(false)) = (
        answer["progress_percent"].as_u64(),
        answer["is_final"].as_bool(),
    ) {
        text.push_str(&format!(" {percent} %"));
    }
    for why in [
        said("reason"),
        answer["answer"]["detail"].as_str().unwrap_or("").to_owned(),
    ] {
        if !why.is_empty() {
            // A drone's words may not steer a terminal.
            let why = why.replace(char::is_control, "?");
            text.push_str(&format!(": {why}"));
        }
    }
    line(&text)
}

fn line(text: &str) -> anyhow::Result<()> {
    writeln!(io::stdout().lock(), "{text}").context("could not print")
}
