//! `aerostream replay`: a recorded flight through the doors that drones use.

use std::process::ExitCode;

use anyhow::Context;

use super::caller::Caller;
use crate::config::Config;
use crate::shutdown::{Signals, Trigger};
use crate::{clock, observe};

/// Of `aerostream replay`.
#[derive(Debug, clap::Args)]
pub struct Options {
    #[command(flatten)]
    caller: Caller,
    #[command(flatten)]
    replay: aerostream_replay::Config,
}

/// Replays to the end of the recording, or until the process is asked to end. The exit status is 1
/// unless the recording is sound and all of it was acknowledged.
pub async fn run(options: Options, config: Config) -> anyhow::Result<ExitCode> {
    let Options { caller, mut replay } = options;
    let token = caller.token()?;
    replay.token = token.map(|token| token.reveal().to_owned());
    replay.ca = caller.ca();
    observe::init_logs(&config.observe)?;
    let mut signals = Signals::catch().context("could not catch signals")?;
    let (trigger, stop) = Trigger::new();
    let run = aerostream_replay::run(replay, clock::utc_now().0, stop.begun());
    let mut run = std::pin::pin!(run);
    let outcome = tokio::select! {
        outcome = &mut run => outcome?,
        () = signals.next() => {
            trigger.begin();
            tokio::select! {
                outcome = &mut run => outcome?,
                () = signals.next() => return Ok(ExitCode::FAILURE),
            }
        }
    };
    println!("{outcome}");
    Ok(if outcome.is_complete() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
