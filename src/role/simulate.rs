//! `aerostream simulate`: honest simulated drones against a gateway.

use std::process::ExitCode;

use aerostream_simulator::Simulation;
use anyhow::Context;

use crate::config::Config;
use crate::observe;
use crate::shutdown::{Signals, Trigger};

/// Flies until the duration is over or the process is asked to end; a second signal skips the
/// drain. The exit status is 1 unless everything was acknowledged or finally refused.
pub async fn run(
    simulator: aerostream_simulator::Config,
    config: Config,
) -> anyhow::Result<ExitCode> {
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
