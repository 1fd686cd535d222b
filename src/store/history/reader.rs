//! The connections of readers.

use std::time::Duration;

use aerostream_domain::DroneId;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArguments, PgPoolOptions, PgRow};
use sqlx::{Arguments, AssertSqlSafe, PgPool, Row};

use super::{Decoder, Order, Span, StoredSample};
use crate::store::Config;
use crate::store::error::StoreError;

const COMMAND: &str = "SELECT entry FROM command WHERE command_id = $1";
const KNOWN: &str = "SELECT FROM drone WHERE drone_id = $1";

/// Reads history on connections of its own, so that neither a slow question nor many of them
/// stand in the way of those who write and look after the tables.
#[derive(Debug, Clone)]
pub struct Reader {
    pub(in crate::store) pool: PgPool,
}

impl Reader {
    /// Connections to the same database as `pool`'s, made when they are needed.
    #[must_use]
    pub fn new(pool: &PgPool, config: &Config) -> Self {
        let options = (*pool.connect_options())
            .clone()
            .application_name("aerostream-reader")
            .options([
                ("statement_timeout", config.read_timeout_ms.to_string()),
                ("default_transaction_read_only", "on".to_owned()),
                // A plan for any values takes as long (0.3 ms for 600 rows in 33 days, either
                // way), but locks every day, also one that is about to be dropped.
                ("plan_cache_mode", "force_custom_plan".to_owned()),
            ]);
        // A connection is tried when it is given back; to try it before each question too would
        // double the round trips. One that broke in between is found out by its question.
        let pool = PgPoolOptions::new()
            .max_connections(config.read_connections_max)
            .acquire_timeout(Duration::from_millis(config.acquire_timeout_ms))
            .test_before_acquire(false)
            .connect_lazy_with(options);
        Self { pool }
    }

    /// True if the drone has a number, which it got with its first sample.
    pub async fn knows(&self, drone: &DroneId) -> Result<bool, StoreError> {
        let rows = self.rows(KNOWN, || {
            let mut arguments = PgArguments::default();
            arguments.add(drone.as_str())?;
            Ok(arguments)
        });
        Ok(!rows.await?.is_empty())
    }

    /// A command as its fold wrote it; `None` if it is not there.
    pub async fn command(&self, id: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let rows = self.rows(COMMAND, || {
            let mut arguments = PgArguments::default();
            arguments.add(id)?;
            Ok(arguments)
        });
        let entry = |row: &PgRow| row.try_get("entry");
        let entry = rows.await?.first().map(entry).transpose();
        entry.map_err(StoreError::on("read a command"))
    }

    /// The samples of a drone within a span, oldest first; one index range in each day of the
    /// span. A drone that is not known has none.
    pub async fn samples(
        &self,
        drone: &DroneId,
        span: &Span,
    ) -> Result<Vec<StoredSample>, StoreError> {
        let statement = span.statement();
        let rows = self.rows(&statement, || span.arguments(drone)).await?;
        let mut decoder = Decoder::new(span.fields);
        let mut samples = rows
            .iter()
            .map(|row| decoder.sample(row))
            .collect::<Result<Vec<_>, _>>()?;
        if span.order == Order::Newest {
            samples.reverse();
        }
        Ok(samples)
    }

    /// Asks once more on another connection as long as the one that was taken turns out broken.
    pub(in crate::store) async fn rows(
        &self,
        statement: &str,
        arguments: impl Fn() -> Result<PgArguments, BoxDynError>,
    ) -> Result<Vec<PgRow>, StoreError> {
        let mut tries_left = self.pool.options().get_max_connections();
        loop {
            let acquired = self.pool.acquire().await;
            let mut connection =
                acquired.map_err(StoreError::on("give a connection for reading"))?;
            let arguments = arguments()
                .map_err(sqlx::Error::Encode)
                .map_err(StoreError::on("take the parameters of a question"))?;
            let question = sqlx::query_with(AssertSqlSafe(statement), arguments);
            match question.fetch_all(&mut *connection).await {
                Ok(rows) => return Ok(rows),
                Err(error) if tries_left > 0 && is_lost(&error) => {
                    tries_left -= 1;
                    drop(connection.detach());
                }
                Err(error) => return Err(StoreError::on("read history")(error)),
            }
        }
    }
}

/// True if the connection is gone, for reasons that say nothing about the question.
fn is_lost(error: &sqlx::Error) -> bool {
    const ENDED_BY_THE_SERVER: [&str; 3] = ["57P01", "57P02", "57P03"];
    match error {
        sqlx::Error::Io(_) => true,
        sqlx::Error::Database(error) => error
            .code()
            .is_some_and(|code| ENDED_BY_THE_SERVER.contains(&code.as_ref())),
        _ => false,
    }
}
