//! `aerostream fleet`: lists, creates and changes fleets.

use clap::{Args, Subcommand, ValueEnum};
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::client::{Door, print_json};

/// Of `aerostream fleet`.
#[derive(Debug, Args)]
pub struct Options {
    #[command(flatten)]
    door: Door,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Lists the fleets that the token reaches
    List,
    /// Creates a fleet
    Create {
        /// Id of the fleet
        fleet: String,
        #[command(flatten)]
        settings: Settings,
    },
    /// Changes what is named of a fleet
    Change {
        /// Id of the fleet
        fleet: String,
        #[command(flatten)]
        settings: Settings,
    },
}

#[derive(Debug, Args)]
struct Settings {
    /// Name for people
    #[arg(long)]
    name: Option<String>,
    /// Whether unknown drones are enrolled when they first send
    #[arg(long)]
    enrolment: Option<Enrolment>,
    /// Active drones that it may have
    #[arg(long, value_name = "COUNT")]
    drones_max: Option<u32>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Enrolment {
    Closed,
    Auto,
}

impl Settings {
    fn body(self) -> Map<String, Value> {
        let enrolment = self.enrolment.map(|enrolment| match enrolment {
            Enrolment::Closed => "closed",
            Enrolment::Auto => "auto",
        });
        let settings = [
            ("name", self.name.map(Value::from)),
            ("enrolment", enrolment.map(Value::from)),
            ("drones_max", self.drones_max.map(Value::from)),
        ];
        let given = settings
            .into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), value?)));
        given.collect()
    }
}

/// Asks the gateway and prints its answer as JSON.
///
/// # Errors
/// The gateway is out of reach or says no.
pub async fn run(options: Options) -> anyhow::Result<()> {
    let Options { door, command } = options;
    match command {
        Command::List => door.print_list("/api/v1/fleets", "fleets").await,
        Command::Create { fleet, settings } => {
            let mut body = settings.body();
            body.insert("fleet_id".to_owned(), fleet.into());
            let made = door
                .call(Method::POST, "/api/v1/fleets", Some(&json!(body)))
                .await?;
            print_json(&made)
        }
        Command::Change { fleet, settings } => {
            let path = format!("/api/v1/fleets/{fleet}");
            let made = door
                .call(Method::PATCH, &path, Some(&json!(settings.body())))
                .await?;
            print_json(&made)
        }
    }
}
