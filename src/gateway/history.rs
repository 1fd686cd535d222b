//! The past as the database has it.

use std::ops::Range;

use aerostream_domain::{DroneId, UtcMicros};
use async_trait::async_trait;
use sqlx::PgPool;

use super::ports::{History, HistoryError, PastSample};
use crate::store::history::{Span, history};

/// Reads the database.
#[derive(Debug, Clone)]
pub struct StoredHistory {
    pool: PgPool,
}

impl StoredHistory {
    /// Reads through this pool.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }
}

#[async_trait]
impl History for StoredHistory {
    async fn samples(
        &self,
        drone: &DroneId,
        range: Range<UtcMicros>,
        limit: usize,
    ) -> Result<Vec<PastSample>, HistoryError> {
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        let span = Span { from: range.start, to: range.end, limit };
        let stored = history(&self.pool, drone, span).await.map_err(|source| HistoryError {
            drone: drone.clone(),
            source: Box::new(source),
        })?;
        Ok(stored
            .into_iter()
            .map(|stored| PastSample { boot: stored.boot, sample: stored.sample })
            .collect())
    }
}
