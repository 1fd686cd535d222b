//! A connection of a writer, with the limits that keep it from waiting for ever.

use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};

use super::error::StoreError;

/// How long a connection attempt may take.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// How long the statements of a session may take.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    pub lock: Duration,
    pub statement: Duration,
    /// A transaction without a statement: its client hangs.
    pub idle_in_transaction: Duration,
}

/// Connects with timeouts that the server itself enforces.
pub async fn connect(
    options: &PgConnectOptions,
    timeouts: Timeouts,
) -> Result<PgConnection, StoreError> {
    let milliseconds = |duration: Duration| duration.as_millis().to_string();
    let options = options
        .clone()
        .application_name("aerostream-worker")
        .options([
            ("lock_timeout", milliseconds(timeouts.lock)),
            ("statement_timeout", milliseconds(timeouts.statement)),
            (
                "idle_in_transaction_session_timeout",
                milliseconds(timeouts.idle_in_transaction),
            ),
        ]);
    let connecting = PgConnection::connect_with(&options);
    match tokio::time::timeout(CONNECT_MAX, connecting).await {
        Ok(connected) => connected.map_err(StoreError::on("accept a writer's connection")),
        Err(_) => Err(StoreError::Database {
            doing: "accept a writer's connection in time",
            source: sqlx::Error::PoolTimedOut,
        }),
    }
}

/// Runs a statement without parameters or rows.
pub async fn execute(
    connection: &mut PgConnection,
    statement: &'static str,
) -> Result<(), StoreError> {
    sqlx::raw_sql(statement)
        .execute(connection)
        .await
        .map(|_| ())
        .map_err(StoreError::on(statement))
}
