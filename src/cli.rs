//! The command line: which role, and the settings that it overrides.

mod completions;
mod lessons;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::config::{Loaded, Sources};
use crate::role;

/// Watch and command fleets of drones.
#[derive(Debug, Parser)]
#[command(name = "aerostream", version, propagate_version = true)]
pub struct Cli {
    #[command(flatten)]
    settings: Settings,
    #[command(subcommand)]
    command: Command,
}

/// Where settings come from, for every role.
#[derive(Debug, Args)]
struct Settings {
    /// TOML file with settings
    #[arg(long, global = true, env = "AEROSTREAM_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Overrides one setting, for example --set observe.log_format=json
    #[arg(long = "set", global = true, value_name = "KEY=VALUE", value_parser = parse_override)]
    overrides: Vec<(String, String)>,
}

#[derive(Debug, Subcommand)]
#[expect(
    clippy::enum_variant_names,
    reason = "what an operator gives a drone is a command as well"
)]
enum Command {
    /// Everything on this machine: doors, actors, event log, worker, Postgres, simulated drones
    Up(role::up::Options),
    /// Follows Kafka and writes Postgres
    Worker(role::worker::Options),
    /// Brings the database to the shape that this build needs
    Migrate,
    /// Flies simulated drones against a gateway
    Simulate(Box<role::simulate::Options>),
    /// Flies a recorded flight (.tlog, .ulg) again, or stores it as it was
    Replay(Box<role::replay::Options>),
    /// Proves that every acknowledged sample is in Postgres exactly once
    Verify(role::verify::Options),
    /// Shows the fleet, or one drone, live in the terminal
    Watch(role::watch::Options),
    /// Gives a command to drones and follows it to its end
    Command(role::command::Options),
    /// Lists, creates and changes fleets
    Fleet(role::fleet::Options),
    /// Lists, shows, enrols and retires drones
    Drone(role::drone::Options),
    /// Issues, inspects and revokes tokens
    Token(role::token::Options),
    /// Lists, shows and replays dead letters
    Dlq(role::dlq::Options),
    /// Prints the settings in effect and where each one comes from
    Config(role::config::Arguments),
    /// Prints a script that completes these command lines in a shell
    Completions(completions::Options),
}

impl Cli {
    /// The command line with help that teaches.
    #[must_use]
    pub fn taught() -> clap::Command {
        lessons::teach(Self::command())
    }

    /// Reads the command line; ends the process with help, or with what is wrong with it.
    #[must_use]
    pub fn read() -> Self {
        let mut command = Self::taught();
        let matches = command.get_matches_mut();
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.format(&mut command).exit())
    }

    /// Runs the role to its end.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let Self { settings, command } = self;
        if let Command::Completions(options) = &command {
            options.run(Self::command())?;
            return Ok(ExitCode::SUCCESS);
        }
        if let Command::Config(arguments) = &command {
            role::config::run(arguments, || settings.load())?;
            return Ok(ExitCode::SUCCESS);
        }
        let config = settings.load()?.config;
        let runtime = tokio::runtime::Runtime::new()?;
        runtime.block_on(async {
            match command {
                Command::Up(options) => role::up::run(options, config).await,
                Command::Worker(options) => role::worker::run(options, config).await,
                Command::Migrate => role::migrate::run(config).await,
                Command::Simulate(options) => role::simulate::run(*options, config).await,
                Command::Replay(options) => role::replay::run(*options, config).await,
                Command::Verify(options) => role::verify::run(options, config).await,
                Command::Watch(options) => role::watch::run(options).await,
                Command::Command(options) => role::command::run(options).await,
                Command::Fleet(options) => succeed(role::fleet::run(options).await),
                Command::Drone(options) => succeed(role::drone::run(options).await),
                Command::Token(options) => succeed(role::token::run(options).await),
                Command::Dlq(options) => succeed(role::dlq::run(options).await),
                Command::Config(_) | Command::Completions(_) => Ok(ExitCode::SUCCESS),
            }
        })
    }
}

fn succeed(ended: anyhow::Result<()>) -> anyhow::Result<ExitCode> {
    ended.map(|()| ExitCode::SUCCESS)
}

impl Settings {
    fn load(self) -> Result<Loaded, crate::config::Error> {
        Sources::of_process(self.config, self.overrides).load()
    }
}

fn parse_override(text: &str) -> Result<(String, String), String> {
    let (key, value) = text
        .split_once('=')
        .ok_or_else(|| "expected KEY=VALUE".to_owned())?;
    Ok((key.trim().to_owned(), value.to_owned()))
}
