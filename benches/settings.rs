//! Sizes of a run, from the environment.

use std::str::FromStr;

use aerostream_domain::ShardCount;
use anyhow::Context;

/// The environment variable's value, or the default when it is not set.
///
/// # Errors
/// It is set to something else than such a value.
pub fn setting<T: FromStr>(name: &str, default: T) -> anyhow::Result<T> {
    match std::env::var(name) {
        Ok(text) => text
            .parse()
            .map_err(|_| anyhow::anyhow!("{name}={text} cannot be used")),
        Err(_) => Ok(default),
    }
}

/// Shards of the cluster that is measured: `SHARDS`, as many as by default unless set.
pub fn shards() -> anyhow::Result<ShardCount> {
    let count = setting("SHARDS", ShardCount::DEFAULT.get())?;
    ShardCount::new(count).with_context(|| format!("SHARDS={count} cannot be used"))
}

/// Event logs that a bench runs over: `LOG=embedded`, `LOG=kafka`, or both.
pub fn logs() -> anyhow::Result<Vec<&'static str>> {
    let both = ["embedded", "kafka"];
    let wanted: String = setting("LOG", String::new())?;
    let logs: Vec<_> = both
        .into_iter()
        .filter(|log| wanted.is_empty() || *log == wanted)
        .collect();
    anyhow::ensure!(
        !logs.is_empty(),
        "LOG={wanted} is neither embedded nor kafka"
    );
    Ok(logs)
}
