//! Reads alerts of the past.

use std::ops::Range;

use aerostream_domain::alert::{AlertId, Severity};
use aerostream_domain::{DroneId, RuleId, UtcMicros};
use sqlx::Arguments;
use sqlx::error::BoxDynError;
use sqlx::postgres::PgArguments;

use super::{StoredAlert, decode};
use crate::store::error::StoreError;
use crate::store::history::{Reader, timestamp};

/// Place of an alert in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct AlertKey {
    /// Time of the sample that raised it.
    pub raised: UtcMicros,
    pub id: AlertId,
}

/// Which alerts; what is not said takes every one.
#[derive(Debug, Clone)]
pub struct AlertQuestion {
    pub active: Option<bool>,
    pub acknowledged: Option<bool>,
    /// At least as bad.
    pub severity: Option<Severity>,
    pub drone: Option<DroneId>,
    pub rule: Option<RuleId>,
    /// When they were raised, by their samples.
    pub raised: Range<UtcMicros>,
    /// Only alerts behind this one, which are older.
    pub after: Option<AlertKey>,
    pub limit: usize,
}

impl AlertQuestion {
    /// The statement for what is wanted, with its values numbered in their order.
    fn statement(&self) -> String {
        let mut text = "SELECT drone_id, entry FROM alert JOIN drone USING (drone_ref) \
                        WHERE raised_at >= $1 AND raised_at < $2"
            .to_owned();
        let mut number = 3;
        let mut wanted = |is_wanted: bool, condition: &str, values: usize| {
            if !is_wanted {
                return;
            }
            let mut condition = condition.to_owned();
            for _ in 0..values {
                number += 1;
                condition = condition.replacen('?', &format!("${number}"), 1);
            }
            text.push_str(&format!(" AND {condition}"));
        };
        wanted(self.active.is_some(), "is_active = ?", 1);
        let acknowledged = "(acknowledged_at IS NOT NULL) = ?";
        wanted(self.acknowledged.is_some(), acknowledged, 1);
        wanted(self.severity.is_some(), "severity <= ?", 1);
        let drone = "drone_ref = (SELECT drone_ref FROM drone WHERE drone_id = ?)";
        wanted(self.drone.is_some(), drone, 1);
        wanted(self.rule.is_some(), "rule_id = ?", 1);
        wanted(self.after.is_some(), "(raised_at, alert_id) < (?, ?)", 2);
        text.push_str(" ORDER BY raised_at DESC, alert_id DESC LIMIT $3");
        text
    }

    fn arguments(&self) -> Result<PgArguments, BoxDynError> {
        let mut arguments = PgArguments::default();
        arguments.add(timestamp(self.raised.start))?;
        arguments.add(timestamp(self.raised.end))?;
        arguments.add(i64::try_from(self.limit).unwrap_or(i64::MAX))?;
        for flag in [self.active, self.acknowledged].into_iter().flatten() {
            arguments.add(flag)?;
        }
        if let Some(severity) = self.severity {
            arguments.add(i16::from(severity.number()))?;
        }
        if let Some(drone) = &self.drone {
            arguments.add(drone.as_str())?;
        }
        if let Some(rule) = &self.rule {
            arguments.add(rule.as_str())?;
        }
        if let Some(key) = self.after {
            arguments.add(timestamp(key.raised))?;
            arguments.add(key.id.to_string())?;
        }
        Ok(arguments)
    }
}

impl Reader {
    /// Alerts, the newest first.
    pub async fn alerts(&self, question: &AlertQuestion) -> Result<Vec<StoredAlert>, StoreError> {
        let statement = question.statement();
        let rows = self.rows(&statement, || question.arguments()).await?;
        rows.iter().map(decode).collect()
    }

    /// One alert of a drone.
    pub async fn alert(
        &self,
        drone: &DroneId,
        id: AlertId,
    ) -> Result<Option<StoredAlert>, StoreError> {
        const ONE: &str = "SELECT drone_id, entry FROM alert JOIN drone USING (drone_ref) \
                           WHERE alert_id = $1 AND drone_id = $2";
        let rows = self.rows(ONE, || {
            let mut arguments = PgArguments::default();
            arguments.add(id.to_string())?;
            arguments.add(drone.as_str())?;
            Ok(arguments)
        });
        rows.await?.first().map(decode).transpose()
    }
}
