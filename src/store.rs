//! Postgres: every SQL statement of AeroStream is below this module.
//!
//! Speaks the domain's types only. Nothing here knows the wire or the event log; a position in the
//! log is a [`Source`] topic, a partition number and an offset.

pub mod alert;
pub mod audit;
pub mod command;
pub mod history;
pub mod journal;
pub mod migrations;
pub mod offsets;
pub mod partition;
pub mod rollup;
pub mod run;
pub mod telemetry;
pub mod verify;
pub mod webhook;
pub mod writer;

mod drone;
mod error;
mod row;
mod session;

#[cfg(test)]
pub mod test_database;
#[cfg(test)]
mod tests;

use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

pub use drone::DroneRefs;
pub use error::{StoreError, chain as error_chain};
pub use history::StoredSample;
pub use migrations::migrate;
pub use offsets::{Source, Stored};
pub use row::fields::{self, FieldSet, UnknownField};
pub use run::{Place, Run, Unstorable};
pub use writer::Writer;

/// Connections to Postgres.
pub type Pool = PgPool;

/// How to reach Postgres.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `postgres://user:password@host:port/database`. A pooler in between must keep one server
    /// session per connection. Default: empty, which `up` fills with its private server.
    pub url: String,
    /// Connections for upkeep, at most. Default 8.
    pub connections_max: u32,
    /// Connections for questions about the past, at most. Default 8.
    pub read_connections_max: u32,
    /// Milliseconds that one question about the past may take in the database. Default 10000.
    pub read_timeout_ms: u64,
    /// Milliseconds to wait for a free connection. Default 5000.
    pub acquire_timeout_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            url: String::new(),
            connections_max: 8,
            read_connections_max: 8,
            read_timeout_ms: 10_000,
            acquire_timeout_ms: 5_000,
        }
    }
}

/// A pool that connects when it is first used, so that a process starts while Postgres is down.
pub fn connect_lazily(config: &Config) -> Result<PgPool, StoreError> {
    let options: PgConnectOptions = config.url.parse().map_err(|source| StoreError::Database {
        doing: "read the database's url",
        source,
    })?;
    Ok(PgPoolOptions::new()
        .max_connections(config.connections_max)
        .acquire_timeout(Duration::from_millis(config.acquire_timeout_ms))
        .connect_lazy_with(options.application_name("aerostream")))
}
