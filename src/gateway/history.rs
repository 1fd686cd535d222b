//! The past as the database has it.

use async_trait::async_trait;

use super::ports::{History, HistoryError, HistoryRequest, PastSample};
use crate::store::history::{Reader, Span};
use crate::store::{self, Pool, StoreError};

/// Reads the database.
#[derive(Debug, Clone)]
pub struct StoredHistory {
    reader: Reader,
}

impl StoredHistory {
    /// Reads the database that this pool leads to, on connections of its own.
    #[must_use]
    pub fn new(pool: &Pool, config: &store::Config) -> Self {
        Self {
            reader: Reader::new(pool, config),
        }
    }
}

fn span(request: &HistoryRequest) -> Span {
    Span {
        from: request.range.start,
        to: request.range.end,
        limit: u32::try_from(request.limit).unwrap_or(u32::MAX),
        fields: request.fields,
        order: request.order,
        after: request.after,
    }
}

fn failed(request: &HistoryRequest) -> impl FnOnce(StoreError) -> HistoryError {
    |source| HistoryError {
        drone: request.drone.clone(),
        source: Box::new(source),
    }
}

#[async_trait]
impl History for StoredHistory {
    async fn samples(&self, request: &HistoryRequest) -> Result<Vec<PastSample>, HistoryError> {
        let stored = self.reader.samples(&request.drone, &span(request)).await;
        let stored = stored.map_err(failed(request))?;
        let samples = stored.into_iter().map(|stored| PastSample {
            boot: stored.boot,
            sample: stored.sample,
        });
        Ok(samples.collect())
    }
}
