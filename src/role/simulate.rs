//! `aerostream simulate`: honest simulated drones against a gateway.

use std::process::ExitCode;

use aerostream_simulator::Simulation;
use anyhow::{Context, ensure};

use super::caller::Caller;
use crate::config::Config;
use crate::observe;
use crate::shutdown::{Signals, Trigger};

/// Of `aerostream simulate`.
#[derive(Debug, clap::Args)]
pub struct Options {
    #[command(flatten)]
    caller: Caller,
    #[command(flatten)]
    simulator: aerostream_simulator::Config,
}

impl Options {
    /// The run, with the token of its relay.
    fn simulator(self) -> anyhow::Result<aerostream_simulator::Config> {
        let Self {
            caller,
            mut simulator,
        } = self;
        simulator.ca = caller.ca();
        if simulator.tokens.is_none() {
            let token = caller.token()?;
            simulator.token = token.map(|token| token.reveal().to_owned());
        } else {
            ensure!(
                !caller.is_named(),
                "--tokens gives every drone its token: leave out --token and --token-file"
            );
        }
        Ok(simulator)
    }
}

/// Flies until the duration is over or the process is asked to end; a second signal skips the
/// drain. The exit status is 1 unless everything was acknowledged or finally refused.
pub async fn run(options: Options, config: Config) -> anyhow::Result<ExitCode> {
    let simulator = options.simulator()?;
    observe::init_logs(&config.observe)?;
    let mut signals = Signals::catch().context("could not catch signals")?;
    let (trigger, stop) = Trigger::new();
    let run = Simulation::new(simulator)?.run(stop.begun());
    let mut run = std::pin::pin!(run);
    let report = tokio::select! {
        report = &mut run => report?,
        () = signals.next() => {
            trigger.begin();
            tokio::select! {
                report = &mut run => report?,
                () = signals.next() => return Ok(ExitCode::FAILURE),
            }
        }
    };
    println!("{report}");
    Ok(if report.is_complete() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
