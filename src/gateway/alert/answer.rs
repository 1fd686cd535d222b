//! What somebody says of an alert: into the journal, and told when it is read back.

use std::time::Duration;

use aerostream_domain::alert::record::COMMENT_BYTES_MAX;
use aerostream_domain::alert::{AlertId, AlertRecord, Remark};
use aerostream_domain::{DroneId, JournalKind, Offset, ShardId};
use aerostream_log::AppendError;
use tokio::sync::broadcast::error::RecvError;

use super::SeenAlert;
use crate::clock;
use crate::error::{ErrorCode, Problem};
use crate::gateway::auth::{Action, Principal};
use crate::gateway::command::intent_append;
use crate::gateway::limit::RETRY_AFTER;
use crate::gateway::state::{Gateway, allow};

/// How long an answer waits for the journal to have been read back.
const FOLD_WAIT: Duration = Duration::from_millis(500);

impl Gateway {
    /// Says that somebody has seen an alert; answered when that is durable. Who says it second
    /// changes nothing.
    ///
    /// # Errors
    /// The caller may not, there is no such alert, or the log did not take it.
    pub async fn acknowledge(
        &self,
        principal: &Principal,
        (drone, id): (&DroneId, AlertId),
        comment: String,
    ) -> Result<SeenAlert, Problem> {
        self.answer(principal, (drone, id), comment, AlertRecord::Acknowledge)
            .await
    }

    /// Says something about an alert; answered when that is durable.
    ///
    /// # Errors
    /// As [`Gateway::acknowledge`]; or nothing is said.
    pub async fn comment(
        &self,
        principal: &Principal,
        (drone, id): (&DroneId, AlertId),
        comment: String,
    ) -> Result<SeenAlert, Problem> {
        if comment.trim().is_empty() {
            allow(principal, Action::AnswerAlerts)?;
            let detail = format!("must have 1 to {COMMENT_BYTES_MAX} bytes; it is empty");
            return Err(Problem::new(ErrorCode::Invalid, detail).at("comment"));
        }
        self.answer(principal, (drone, id), comment, AlertRecord::Comment)
            .await
    }

    async fn answer(
        &self,
        principal: &Principal,
        (drone, id): (&DroneId, AlertId),
        comment: String,
        record: fn(Remark) -> AlertRecord,
    ) -> Result<SeenAlert, Problem> {
        allow(principal, Action::AnswerAlerts)?;
        if comment.len() > COMMENT_BYTES_MAX {
            let bytes = comment.len();
            let detail = format!("must have at most {COMMENT_BYTES_MAX} bytes; it has {bytes}");
            return Err(Problem::new(ErrorCode::Invalid, detail).at("comment"));
        }
        let mut seen = self.alert(principal, drone, id).await?;
        let remark = Remark {
            id,
            principal: principal.subject.clone(),
            received: clock::utc_now(),
            comment,
        };
        let record = record(remark.clone());
        let acknowledges = matches!(record, AlertRecord::Acknowledge(_));
        if acknowledges && seen.alert.acknowledged.is_some() {
            return Ok(seen);
        }
        let shard = self.behind.drones.shard_of(drone);
        let mut news = self.behind.drones.alerts().watch(|_, _| false);
        let offset = self.append_alert(drone, shard, record).await?;
        let told = async {
            while news.positions[usize::from(shard.0)] <= offset {
                match news.news.recv().await {
                    Ok(told) if told.shard == shard => {
                        news.positions[usize::from(shard.0)] = Offset(told.offset.0 + 1);
                    }
                    Ok(_) => {}
                    Err(RecvError::Lagged(_) | RecvError::Closed) => return,
                }
            }
        };
        // What takes longer is durable all the same, and told below as it will be.
        let _ = tokio::time::timeout(FOLD_WAIT, told).await;
        let alerts = self.behind.drones.alerts().of(shard, drone);
        if let Some(alert) = alerts.into_iter().find(|alert| alert.id == id) {
            seen.alert = alert;
        }
        if acknowledges {
            seen.alert.acknowledged.get_or_insert(remark);
        } else if !seen.alert.comments.contains(&remark) {
            seen.alert.comments.push(remark);
        }
        Ok(seen)
    }

    async fn append_alert(
        &self,
        drone: &DroneId,
        shard: ShardId,
        record: AlertRecord,
    ) -> Result<Offset, Problem> {
        let kind = JournalKind::Alert {
            drone: drone.clone(),
            record: Box::new(record),
        };
        let wait = Duration::from_millis(self.config.alerts.append_timeout_ms);
        let pending = self.behind.log.append(intent_append(drone, shard, kind));
        let reason = match tokio::time::timeout(wait, pending).await {
            Ok(Ok(appended)) => return Ok(appended.offset),
            Ok(Err(AppendError::Refused { reason, .. })) => {
                let detail = format!("the event log does not take it now: {reason}");
                return Err(Problem::new(ErrorCode::Unavailable, detail).retry_after(RETRY_AFTER));
            }
            Ok(Err(AppendError::Unknown { reason, .. })) => reason,
            Err(_) => "no answer in time".to_owned(),
        };
        let detail = format!("whether this was taken is unknown: {reason}; look at the alert");
        Err(Problem::new(ErrorCode::DeadlinePassed, detail))
    }
}
