//! The connection that writes: taking partitions over, and one transaction per run.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::BytesMut;
use sqlx::PgConnection;
use sqlx::postgres::PgConnectOptions;

use super::drone::DroneRefs;
use super::error::StoreError;
use super::offsets::{self, Source, Stored};
use super::session::{self, Timeouts};

/// Limits of a writer.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Milliseconds to wait for a row that another writer holds, before that one is taken for
    /// stopped and its backend is ended. Default 2000.
    pub lock_timeout_ms: u64,
    /// Milliseconds that one statement may take. Default 60000.
    pub statement_timeout_ms: u64,
    /// Milliseconds that a transaction may stay without a statement. Default 60000.
    pub idle_in_transaction_timeout_ms: u64,
    /// Drones whose number is remembered, about 100 bytes each. Default 200000.
    pub drone_refs_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            lock_timeout_ms: 2_000,
            statement_timeout_ms: 60_000,
            idle_in_transaction_timeout_ms: 60_000,
            drone_refs_max: 200_000,
        }
    }
}

impl Config {
    fn timeouts(&self) -> Timeouts {
        Timeouts {
            lock: Duration::from_millis(self.lock_timeout_ms),
            statement: Duration::from_millis(self.statement_timeout_ms),
            idle_in_transaction: Duration::from_millis(self.idle_in_transaction_timeout_ms),
        }
    }
}

/// Writes the records of one topic.
///
/// A future of it may be dropped at any point: its connection is closed then, which ends the
/// transaction on the server, and the next call connects again.
#[derive(Debug)]
pub struct Writer {
    topic: Source,
    options: PgConnectOptions,
    config: Config,
    pub(super) refs: DroneRefs,
    pub(super) buffer: BytesMut,
    session: Option<Session>,
}

/// A connection that is between two transactions.
#[derive(Debug)]
pub(super) struct Session {
    pub connection: PgConnection,
    /// Whether the table for repeats is there.
    pub has_repeats_table: bool,
}

impl Writer {
    /// A writer that connects when it is first used.
    #[must_use]
    pub fn new(topic: Source, options: PgConnectOptions, config: Config) -> Self {
        Self {
            topic,
            options,
            refs: DroneRefs::new(config.drone_refs_max),
            config,
            buffer: BytesMut::new(),
            session: None,
        }
    }

    /// The topic whose offsets it moves.
    #[must_use]
    pub fn topic(&self) -> Source {
        self.topic
    }

    /// Makes this writer the only one of these partitions and tells how far they are stored. A
    /// predecessor that holds one and does not let go in time is ended.
    ///
    /// Called again after every error, since a new connection is a new holder.
    pub async fn take_over(
        &mut self,
        partitions: &[u16],
    ) -> Result<BTreeMap<u16, Stored>, StoreError> {
        let mut session = self.session().await?;
        let stored = match offsets::take(&mut session.connection, self.topic, partitions).await {
            Err(error) if error.is_lock_timeout() => {
                session::execute(&mut session.connection, "ROLLBACK").await?;
                let connection = &mut session.connection;
                let ended = offsets::end_holders(connection, self.topic, partitions).await?;
                tracing::warn!(topic = %self.topic, ended, "ended a writer that did not let go");
                offsets::take(&mut session.connection, self.topic, partitions).await?
            }
            taken => taken?,
        };
        self.session = Some(session);
        Ok(stored)
    }

    /// The connection, taken out: whoever finishes in good order puts it back.
    pub(super) async fn session(&mut self) -> Result<Session, StoreError> {
        match self.session.take() {
            Some(session) => Ok(session),
            None => {
                // Behind the new connection may be another server: one that lost its last drones.
                self.refs = DroneRefs::new(self.config.drone_refs_max);
                Ok(Session {
                    connection: session::connect(&self.options, self.config.timeouts()).await?,
                    has_repeats_table: false,
                })
            }
        }
    }

    pub(super) fn put_back(&mut self, session: Session) {
        self.session = Some(session);
    }
}
