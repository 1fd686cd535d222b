//! `aerostream migrate`: brings the database to the shape that this build needs.

use std::process::ExitCode;

use anyhow::Context;

use crate::config::Config;
use crate::store;

/// Applies what is missing and ends.
pub async fn run(config: Config) -> anyhow::Result<ExitCode> {
    let pool = store::connect_lazily(&config.postgres)?;
    store::migrate(&pool, config.node.shard_count()?)
        .await
        .context("could not migrate the database")?;
    println!("the database is up to date");
    Ok(ExitCode::SUCCESS)
}
