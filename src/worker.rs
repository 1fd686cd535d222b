//! Follows the event log and stores it in Postgres.
//!
//! Any number of workers share the partitions through a group of the event log, and each may die or
//! stall at any instant: what is stored and how far are one transaction, so that nothing is stored
//! twice or left out. Postgres may be down as long as it likes; the worker waits and catches up.

pub mod journal_writer;
pub mod status;
pub mod telemetry_writer;

mod alerts;
mod commands;
mod dead_letter;
mod intake;
mod metrics;
mod partitions;
mod rollup;
mod writing;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use aerostream_log::{EventLog, LogError};
use sqlx::PgPool;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::store::{self, Source};
use intake::Intake;
use journal_writer::Journal;
pub use status::{Status, StatusHandle};
use telemetry_writer::Telemetry;

/// Limits of a worker.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Name of the group in which workers share partitions. Default `aerostream-worker`.
    pub group: String,
    /// Rows of a run, about. Three runs may be in memory: collected, waiting, written.
    /// Default 20000.
    pub run_rows_max: usize,
    /// Bytes of a run, about: records as they came and rows as they go. Default 33554432.
    pub run_bytes_max: usize,
    /// Milliseconds that a run collects records, at most. Default 200.
    pub run_age_max_ms: u64,
    /// Records of one read. Default 1000.
    pub read_records_max: usize,
    /// Bytes of one read. Default 4194304.
    pub read_bytes_max: usize,
    /// Milliseconds to wait after the first failure; doubled after each. Default 100.
    pub retry_min_ms: u64,
    /// Milliseconds to wait between tries, at most. Default 5000.
    pub retry_max_ms: u64,
    /// Days that a sample may be old at its receipt; the gateways' limit. Default 30.
    pub retention_days: u32,
    /// Seconds between two looks at the partitions. Default 60.
    pub partitions_interval_s: u64,
    /// Milliseconds between two looks at the marks of rollups. Default 5000.
    pub rollup_interval_ms: u64,
    /// Seconds that a minute must be over before it is summed up. Default 10.
    pub rollup_delay_s: u64,
    /// Marks that one transaction of rollups takes. Default 60.
    pub rollup_marks_max: u32,
    /// Days that summaries of 10 seconds are kept; never fewer than their samples. Default 30.
    pub rollup_10s_days: u32,
    /// Days that summaries of a minute are kept; never fewer than their samples. Default 180.
    pub rollup_1m_days: u32,
    /// Days that summaries of an hour are kept; never fewer than their samples. Default 3650.
    pub rollup_1h_days: u32,
    /// Milliseconds between two looks at the lag. Default 2000.
    pub lag_interval_ms: u64,
    /// Limits of its connections.
    pub writer: store::writer::Config,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            group: "aerostream-worker".to_owned(),
            run_rows_max: 20_000,
            run_bytes_max: 32 * 1024 * 1024,
            run_age_max_ms: 200,
            read_records_max: 1_000,
            read_bytes_max: 4 * 1024 * 1024,
            retry_min_ms: 100,
            retry_max_ms: 5_000,
            retention_days: 30,
            partitions_interval_s: 60,
            rollup_interval_ms: 5_000,
            rollup_delay_s: 10,
            rollup_marks_max: 60,
            rollup_10s_days: 30,
            rollup_1m_days: 180,
            rollup_1h_days: 3650,
            lag_interval_ms: 2_000,
            writer: store::writer::Config::default(),
        }
    }
}

impl Config {
    fn retry_min(&self) -> Duration {
        Duration::from_millis(self.retry_min_ms)
    }

    /// The next wait after one that did not help, with some chance in it, so that several workers
    /// do not try in step.
    fn retry_after(&self, waited: Duration) -> Duration {
        let doubled = waited.saturating_mul(2);
        let most = Duration::from_millis(self.retry_max_ms);
        doubled.min(most).mul_f64(rand::random_range(0.8..1.0))
    }
}

/// Why a worker stopped. It never goes on by guessing.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The log was cut above what is stored, or is another log.
    #[error(
        "{topic}/{partition} is stored up to offset {next}, but the log holds {start} to {end}: \
         the log lost records that were not stored, or is not the log of this database"
    )]
    OffsetOutside {
        topic: Source,
        partition: u16,
        next: u64,
        start: u64,
        end: u64,
    },
    /// The log cannot be used.
    #[error("the event log cannot be followed")]
    Log(#[from] LogError),
    /// A part of the worker panicked.
    #[error("a part of the worker died: {0}")]
    Died(String),
}

/// A worker that is ready to run.
pub struct Worker {
    config: Config,
    log: Arc<dyn EventLog>,
    pool: PgPool,
    status: StatusHandle,
}

impl Worker {
    /// Puts the parts together; nothing happens before [`Self::run`]. The pool is for upkeep, and
    /// names the database to which the writers' own connections go.
    #[must_use]
    pub fn build(config: Config, log: Arc<dyn EventLog>, pool: PgPool) -> Self {
        Self {
            config,
            log,
            pool,
            status: StatusHandle::default(),
        }
    }

    /// What the worker tells about itself, now and later.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// Works until `shutdown` ends or something is wrong that waiting does not mend. What is not
    /// stored then is stored by whoever comes next.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), WorkerError> {
        let options = (*self.pool.connect_options()).clone();
        let config = Arc::new(self.config);
        let writer = |topic| store::Writer::new(topic, options.clone(), config.writer.clone());
        let mut parts = JoinSet::new();
        parts.spawn(
            Intake::new(
                Telemetry::new(self.pool.clone(), config.retention_days),
                Arc::clone(&config),
                Arc::clone(&self.log),
                self.status.clone(),
            )
            .run(writer(Source::Telemetry)),
        );
        parts.spawn(
            Intake::new(
                Journal,
                Arc::clone(&config),
                Arc::clone(&self.log),
                self.status.clone(),
            )
            .run(writer(Source::Journal)),
        );
        parts.spawn(partitions::run(
            Arc::clone(&config),
            self.pool.clone(),
            self.status.clone(),
        ));
        parts.spawn(rollup::run(Arc::clone(&config), self.pool.clone()));
        parts.spawn(status::follow_lag(
            Arc::clone(&config),
            Arc::clone(&self.log),
            self.status.clone(),
        ));
        let result = tokio::select! {
            () = shutdown => Ok(()),
            ended = parts.join_next() => match ended {
                Some(Ok(result)) => result,
                Some(Err(error)) => Err(WorkerError::Died(error.to_string())),
                None => Ok(()),
            },
        };
        parts.shutdown().await;
        result
    }
}
