//! `aerostream worker`: follows Kafka, writes Postgres and posts alerts to other services.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, anyhow};

use super::log::{self, LogKind};
use super::registry;
use super::webhooks::{self, WebhookTask};
use crate::config::Config;
use crate::gateway::history::StoredHistory;
use crate::shutdown::{self, Shutdown, Signals, Trigger};
use crate::webhook::Around;
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
    // The registry is followed for as long as the trigger lives.
    let followed = match config.webhooks.targets.is_empty() {
        true => None,
        false => Some(registry::start(&opened.log, &config.gateway.registry).await),
    };
    let webhooks = match &followed {
        Some((registry, _follows)) => {
            let around = Around {
                log: Arc::clone(&opened.log),
                pool: pool.clone(),
                history: Arc::new(StoredHistory::new(&pool, &config.postgres)),
                registry: registry.clone(),
            };
            webhooks::start(&config.webhooks, around)?
        }
        None => None,
    };
    let worker = Worker::build(config.worker, opened.log, pool);
    let (trigger, stop) = Trigger::new();
    let work = work(worker, webhooks, stop);
    let grace = config.shutdown.grace();
    let (_, ended) = shutdown::run_until_drained(&trigger, &mut signals, grace, work).await;
    ended.transpose().context("the worker stopped")?;
    Ok(ExitCode::SUCCESS)
}

async fn work(
    worker: Worker,
    mut webhooks: Option<WebhookTask>,
    stop: Shutdown,
) -> anyhow::Result<()> {
    let result = tokio::select! {
        result = worker.run(stop.begun()) => result.map_err(Into::into),
        ended = webhooks::ended(webhooks.as_mut()) => Err(anyhow!("the webhooks ended: {ended}")),
    };
    if let Some(webhooks) = webhooks {
        webhooks.stop().await;
    }
    result
}
