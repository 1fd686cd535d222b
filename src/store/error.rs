//! What can go wrong between us and Postgres.

use super::offsets::Source;

/// Why the store could not do something.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Postgres refused or was out of reach.
    #[error("postgres could not {doing}")]
    Database {
        doing: &'static str,
        source: sqlx::Error,
    },
    /// Someone else stored, or took over, the partition meanwhile: what was to be written is void.
    #[error("{topic}/{partition} is not where its writer expected: {detail}")]
    OffsetsMoved {
        topic: Source,
        partition: u16,
        detail: String,
    },
    /// The schema was not made for this many shards.
    #[error("the database was made for {found} shards, not for {wanted}; this is fixed for ever")]
    ShardCount { found: i64, wanted: u16 },
    /// A row that this build cannot read.
    #[error("a stored row is not readable: {0}")]
    Row(String),
    /// The schema was changed by hand or by another build.
    #[error("the schema could not be brought up to date")]
    Migrate(#[from] sqlx::migrate::MigrateError),
}

impl StoreError {
    /// For `map_err`: what was attempted.
    pub(crate) fn on(doing: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Database { doing, source }
    }

    /// The SQLSTATE, if Postgres answered with one.
    pub(crate) fn code(&self) -> Option<String> {
        match self {
            Self::Database { source, .. } => source
                .as_database_error()
                .and_then(|error| error.code())
                .map(|code| code.into_owned()),
            _ => None,
        }
    }

    /// True for a key that is there already.
    pub(crate) fn is_unique_violation(&self) -> bool {
        self.code().as_deref() == Some("23505")
    }

    /// True when a lock was not to be had in time.
    pub(crate) fn is_lock_timeout(&self) -> bool {
        self.code().as_deref() == Some("55P03")
    }
}

/// Message and causes on one line, for logs and status.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
