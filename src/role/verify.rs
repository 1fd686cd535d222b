//! `aerostream verify`: holds a manifest of acknowledgements against the database.

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use tokio::time::Instant;

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
    /// Seconds to wait for the worker while samples are not stored yet: acknowledged is what the
    /// event log holds, and the rows follow
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    wait_s: u64,
}

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Prints what was found; the exit status is 1 unless all is right.
pub async fn run(options: Options, config: Config) -> anyhow::Result<ExitCode> {
    let mut database = config.postgres;
    if let Some(url) = options
        .postgres
        .or_else(|| super::up::database_url(&options.data_dir))
    {
        database.url = url;
    }
    let pool = store::connect_lazily(&database)?;
    let patience = Instant::now() + Duration::from_secs(options.wait_s);
    let report = loop {
        let manifest = File::open(&options.manifest)
            .with_context(|| format!("could not open {}", options.manifest.display()))?;
        let report = verify::verify(&pool, BufReader::new(manifest)).await?;
        if report.lost.count == 0 || Instant::now() >= patience {
            break report;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    };
    print!("{report}");
    Ok(if report.is_clean() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
