//! `aerostream worker`: follows Kafka and writes Postgres.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;

use super::log::{self, LogKind};
use crate::config::Config;
use crate::shutdown::{self, Signals, Trigger};
use crate::worker::Worker;
use crate::{observe, store};

/// Of `aerostream worker`.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Applies the migrations first instead of expecting them
    #[arg(long)]
    migrate: bool,
}

/// Works until the process is asked to end.
pub async fn run(options: Options, config: Config) -> anyhow::Result<ExitCode> {
    observe::init_logs(&config.observe)?;
    let mut signals = Signals::catch().context("could not catch signals")?;
    let shards = config.node.shard_count()?;
    let pool = store::connect_lazily(&config.postgres)?;
    if options.migrate {
        store::migrate(&pool, shards)
            .await
            .context("could not migrate the database")?;
    }
    let opened = log::open(LogKind::Kafka, &config.log, Path::new(""), shards).await?;
    let worker = Worker::build(config.worker, opened.log, pool);
    let (trigger, stop) = Trigger::new();
    let work = worker.run(stop.begun());
    let grace = config.shutdown.grace();
    let (_, ended) = shutdown::run_until_drained(&trigger, &mut signals, grace, work).await;
    ended.transpose().context("the worker stopped")?;
    Ok(ExitCode::SUCCESS)
}
