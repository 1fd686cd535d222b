//! `aerostream drone`: lists, shows, enrols and retires drones.

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::json;

use super::client::{Door, print_json};

/// Of `aerostream drone`.
#[derive(Debug, Args)]
pub struct Options {
    #[command(flatten)]
    door: Door,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Lists drones that were heard, or all that are enrolled in a fleet
    List {
        /// Every enrolled drone of this fleet, heard or not
        #[arg(long)]
        fleet: Option<String>,
    },
    /// Shows the live state of a drone
    Show {
        /// Id of the drone
        drone: String,
    },
    /// Enrols a drone, so that it may send
    Enrol {
        /// Id of the drone
        drone: String,
        /// Fleet that it belongs to
        #[arg(long)]
        fleet: String,
        /// Name for people
        #[arg(long, default_value = "")]
        name: String,
        /// What it is, such as multirotor
        #[arg(long, default_value = "")]
        r#type: String,
    },
    /// Ends a drone's right to send; its history stays
    Retire {
        /// Id of the drone
        drone: String,
    },
}

/// Asks the gateway and prints its answer as JSON.
///
/// # Errors
/// The gateway is out of reach or says no.
pub async fn run(options: Options) -> anyhow::Result<()> {
    let Options { door, command } = options;
    let answer = match command {
        Command::List { fleet: None } => {
            return door.print_list("/api/v1/drones", "drones").await;
        }
        Command::List { fleet: Some(fleet) } => {
            let path = format!("/api/v1/fleets/{fleet}/drones");
            return door.print_list(&path, "drones").await;
        }
        Command::Show { drone } => {
            let path = format!("/api/v1/drones/{drone}");
            door.call(Method::GET, &path, None).await?
        }
        Command::Enrol {
            drone,
            fleet,
            name,
            r#type,
        } => {
            let body = json!({
                "drone_id": drone, "fleet_id": fleet, "name": name, "type": r#type,
            });
            door.call(Method::POST, "/api/v1/drones", Some(&body))
                .await?
        }
        Command::Retire { drone } => {
            let path = format!("/api/v1/drones/{drone}/retire");
            door.call(Method::POST, &path, None).await?
        }
    };
    print_json(&answer)
}
