//! What the process tells about itself: logs and metrics.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

/// Upper bounds of every histogram of seconds: from a fast apply to a slow take-over.
const SECONDS: [f64; 16] = [
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
    1.0, 5.0, 30.0,
];

/// Upper bounds of every other histogram (rows, bytes, samples).
const COUNTS: [f64; 12] = [
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1_024.0,
    4_096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    16_777_216.0,
];

/// Histograms are moved from their buffers this often, even if nobody asks for them: the buffers
/// have no limit of their own.
const UPKEEP: Duration = Duration::from_secs(5);

/// Logs and metrics of the process.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What is logged, in the form `level` or `target=level`, separated by commas.
    /// Default `info,ractor=warn`.
    pub log_filter: String,
    /// `text` for people or `json` for machines. Default `text`.
    pub log_format: LogFormat,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            log_filter: "info,ractor=warn".to_owned(),
            log_format: LogFormat::Text,
        }
    }
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One readable line.
    Text,
    /// One JSON object a line.
    Json,
}

/// Why the process cannot be observed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The filter has no meaning.
    #[error("the log filter {filter:?} is not of the form `level` or `target=level`")]
    Filter {
        filter: String,
        source: tracing_subscriber::filter::ParseError,
    },
    /// Something else has installed itself before.
    #[error("could not install the process's logs")]
    Logs(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Something else has installed itself before.
    #[error("could not install the process's metrics")]
    Metrics(#[source] metrics_exporter_prometheus::BuildError),
}

/// Sends logs to standard error from now on; standard output is for what a command answers.
pub fn init_logs(config: &Config) -> Result<(), Error> {
    let filter = EnvFilter::try_new(&config.log_filter).map_err(|source| Error::Filter {
        filter: config.log_filter.clone(),
        source,
    })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_span_events(FmtSpan::NONE)
        .with_writer(io::stderr);
    match config.log_format {
        LogFormat::Text => builder
            .with_ansi(io::IsTerminal::is_terminal(&io::stderr()))
            .try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    }
    .map_err(Error::Logs)
}

/// Collects the metrics of the process from now on. The handle's [`Metrics::render`] is `/metrics`.
pub fn init_metrics() -> Result<Metrics, Error> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
        .and_then(|builder| builder.set_buckets(&COUNTS))
        .and_then(PrometheusBuilder::install_recorder)
        .map_err(Error::Metrics)?;
    Ok(Metrics { handle })
}

/// The metrics of the process; cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
}

impl Metrics {
    /// Every metric in the text format of Prometheus.
    #[must_use]
    pub fn render(&self) -> String {
        self.handle.render()
    }

    /// Keeps the memory of the collected values bounded; run it as a task for as long as the
    /// process lives.
    pub async fn upkeep(self) {
        loop {
            tokio::time::sleep(UPKEEP).await;
            self.handle.run_upkeep();
        }
    }
}

/// Tells on standard output where a door is open, for people and for whoever started the process:
/// `listening: http 127.0.0.1:8080`.
pub fn announce(door: &str, address: SocketAddr) {
    println!("listening: {door} {address}");
}
