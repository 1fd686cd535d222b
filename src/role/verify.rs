//! `aerostream verify`: holds a manifest of acknowledgements against the database.

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;

use crate::config::Config;
use crate::{store, verify};

/// Of `aerostream verify`.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Manifest of acknowledged samples, as `aerostream simulate --manifest` writes it
    manifest: PathBuf,
    /// Database; `aerostream up` prints the url of its own, and the data directory keeps it
    #[arg(
        long,
        value_name = "URL",
        env = "AEROSTREAM_POSTGRES__URL",
        hide_env_values = true
    )]
    postgres: Option<String>,
    /// Data directory of a running `aerostream up`, for the url of its database
    #[arg(long, value_name = "DIRECTORY", default_value = "var")]
    data_dir: PathBuf,
}

/// Prints what was found; the exit status is 1 unless all is right.
pub async fn run(options: Options, config: Config) -> anyhow::Result<ExitCode> {
    let manifest = File::open(&options.manifest)
        .with_context(|| format!("could not open {}", options.manifest.display()))?;
    let mut database = config.postgres;
    if let Some(url) = options
        .postgres
        .or_else(|| super::up::database_url(&options.data_dir))
    {
        database.url = url;
    }
    let pool = store::connect_lazily(&database)?;
    let report = verify::verify(&pool, BufReader::new(manifest)).await?;
    print!("{report}");
    Ok(if report.is_clean() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
