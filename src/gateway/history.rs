//! The past as the database has it.

use std::ops::Range;

use aerostream_domain::alert::{Alert, AlertId};
use aerostream_domain::command::{CommandId, Entry};
use aerostream_domain::{DroneId, UtcMicros};
use aerostream_proto::v1;
use async_trait::async_trait;

use super::ports::{
    AlertQuestion, FlatRow, History, HistoryError, HistoryRequest, PastAlertsError,
    PastCommandError, PastSample, Steps, Summary,
};
use crate::store::alert::StoredAlert;
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

fn failed(drone: &DroneId) -> impl FnOnce(StoreError) -> HistoryError {
    |source| HistoryError {
        drone: drone.clone(),
        source: Box::new(source),
    }
}

impl From<StoreError> for PastAlertsError {
    fn from(source: StoreError) -> Self {
        Self {
            source: Box::new(source),
        }
    }
}

fn decode((drone, entry): StoredAlert) -> Result<(DroneId, Alert), PastAlertsError> {
    let read = || -> Result<Alert, Box<dyn std::error::Error + Send + Sync>> {
        let wire: v1::Alert = aerostream_log::decode(&entry)?;
        let alert = Alert::try_from(wire);
        Ok(alert.map_err(|refusal| refusal.to_string())?)
    };
    let alert = read().map_err(|source| PastAlertsError { source })?;
    Ok((drone, alert))
}

fn told(bytes: &[u8]) -> Result<(DroneId, Entry), String> {
    let wire: v1::StoredCommand =
        aerostream_log::decode(bytes).map_err(|error| error.to_string())?;
    let drone = DroneId::parse(&wire.drone_id).map_err(|error| error.to_string())?;
    let entry = Entry::try_from(wire.entry.unwrap_or_default());
    Ok((drone, entry.map_err(|refusal| refusal.to_string())?))
}

#[async_trait]
impl History for StoredHistory {
    async fn knows(&self, drone: &DroneId) -> Result<bool, HistoryError> {
        self.reader.knows(drone).await.map_err(failed(drone))
    }

    async fn samples(&self, request: &HistoryRequest) -> Result<Vec<PastSample>, HistoryError> {
        let stored = self.reader.samples(&request.drone, &span(request)).await;
        let stored = stored.map_err(failed(&request.drone))?;
        let samples = stored.into_iter().map(|stored| PastSample {
            boot: stored.boot,
            sample: stored.sample,
        });
        Ok(samples.collect())
    }

    async fn rows(&self, request: &HistoryRequest) -> Result<Vec<FlatRow>, HistoryError> {
        let rows = self.reader.flat_rows(&request.drone, &span(request)).await;
        rows.map_err(failed(&request.drone))
    }

    async fn summaries(&self, drone: &DroneId, steps: Steps) -> Result<Vec<Summary>, HistoryError> {
        let summaries = self.reader.summaries(drone, steps).await;
        summaries.map_err(failed(drone))
    }

    async fn estimate(
        &self,
        drone: &DroneId,
        range: Range<UtcMicros>,
    ) -> Result<u64, HistoryError> {
        let estimate = self.reader.estimate(drone, (range.start, range.end)).await;
        estimate.map_err(failed(drone))
    }

    async fn command(&self, id: CommandId) -> Result<Option<(DroneId, Entry)>, PastCommandError> {
        let failed = |source| PastCommandError { id, source };
        let stored = self.reader.command(&id.to_string()).await;
        let Some(bytes) = stored.map_err(|error| failed(Box::new(error)))? else {
            return Ok(None);
        };
        let command = told(&bytes).map_err(|reason| failed(reason.into()))?;
        Ok(Some(command))
    }

    async fn kept_from(&self, drone: &DroneId) -> Result<UtcMicros, HistoryError> {
        self.reader.kept_from().await.map_err(failed(drone))
    }

    async fn alerts(
        &self,
        question: &AlertQuestion,
    ) -> Result<Vec<(DroneId, Alert)>, PastAlertsError> {
        let stored = self.reader.alerts(question).await?;
        stored.into_iter().map(decode).collect()
    }

    async fn alert(&self, drone: &DroneId, id: AlertId) -> Result<Option<Alert>, PastAlertsError> {
        let stored = self.reader.alert(drone, id).await?;
        let decoded = stored.map(decode).transpose()?;
        Ok(decoded.map(|(_, alert)| alert))
    }
}
