//! Lists of alerts: those of now from the board, those of the past from the database.

use std::ops::Range;

use aerostream_domain::alert::{Alert, AlertId};
use aerostream_domain::{DroneId, UtcMicros};

use super::{AlertFilter, SeenAlert, visible};
use crate::error::{ErrorCode, Problem};
use crate::gateway::auth::{Action, Principal};
use crate::gateway::limit::RETRY_AFTER;
use crate::gateway::ports::{AlertKey, AlertQuestion, History, PastAlertsError};
use crate::gateway::state::{Gateway, allow};

/// Pages of the database that are looked through for one page of a caller who sees few of them.
const ROUNDS_MAX: usize = 8;

/// Where a page begins, and how long it is.
#[derive(Debug, Clone, Copy)]
pub struct Paging {
    /// Only alerts behind this one.
    pub after: Option<AlertKey>,
    pub limit: usize,
}

/// A page, the newest alert first; it may be shorter than its limit.
#[derive(Debug, Default)]
pub struct AlertPage {
    pub alerts: Vec<SeenAlert>,
    /// Ask again behind this one; the list is over when there is none.
    pub next_after: Option<AlertKey>,
}

/// Place of an alert in a list.
#[must_use]
pub fn key(alert: &Alert) -> AlertKey {
    AlertKey {
        raised: alert.raised.time,
        id: alert.id,
    }
}

/// A place as text.
#[must_use]
pub fn key_text(key: AlertKey) -> String {
    format!("{}~{}", key.raised.0, key.id)
}

/// The place behind a text.
///
/// # Errors
/// It is nothing that a page ever gave.
pub fn parse_key(text: &str) -> Result<AlertKey, Problem> {
    let parse = || {
        let (raised, id) = text.split_once('~')?;
        Some(AlertKey {
            raised: UtcMicros(raised.parse().ok()?),
            id: AlertId::parse(id).ok()?,
        })
    };
    parse().ok_or_else(|| {
        let detail = "must be the `next_after` of a page, as it was given";
        Problem::new(ErrorCode::Invalid, detail).at("after")
    })
}

impl Gateway {
    /// Lets a caller ask for alerts: of one drone whoever may read that drone, else who may read
    /// fleets.
    ///
    /// # Errors
    /// The caller may not, or the drone or the fleet is not there for it.
    pub fn allow_alerts(&self, principal: &Principal, filter: &AlertFilter) -> Result<(), Problem> {
        match &filter.drone {
            Some(drone) => {
                self.allow_drone(principal, Action::ReadDrone, drone)?;
            }
            None => allow(principal, Action::ReadFleet)?,
        }
        match &filter.fleet {
            Some(fleet) => self.allow_fleet(principal, Action::ReadFleet, fleet),
            None => Ok(()),
        }
    }

    /// Alerts that are active, and the newest of those that are over; the database is not asked.
    ///
    /// # Errors
    /// See [`Gateway::allow_alerts`].
    pub fn alerts(
        &self,
        principal: &Principal,
        filter: &AlertFilter,
        paging: Paging,
    ) -> Result<AlertPage, Problem> {
        self.allow_alerts(principal, filter)?;
        let drones = &self.behind.drones;
        let all = match &filter.drone {
            Some(drone) => {
                let alerts = drones.alerts().of(drones.shard_of(drone), drone);
                let alerts = alerts.into_iter().filter(|alert| filter.takes(alert));
                alerts.map(|alert| (drone.clone(), alert)).collect()
            }
            None => drones.alerts().alerts(|drone, alert| {
                filter.takes(alert) && visible(self, principal, filter, drone).is_some()
            }),
        };
        let mut seen = self.seen(principal, filter, all);
        seen.sort_unstable_by_key(|seen| std::cmp::Reverse(key(&seen.alert)));
        if let Some(after) = paging.after {
            seen.retain(|seen| key(&seen.alert) < after);
        }
        let is_more = seen.len() > paging.limit;
        seen.truncate(paging.limit);
        let last = seen.last().map(|seen| key(&seen.alert));
        Ok(AlertPage {
            alerts: seen,
            next_after: last.filter(|_| is_more),
        })
    }

    /// Alerts that were raised within a span of time, as the database has them.
    ///
    /// # Errors
    /// See [`Gateway::allow_alerts`]; or the database does not answer.
    pub async fn past_alerts(
        &self,
        principal: &Principal,
        filter: &AlertFilter,
        raised: Range<UtcMicros>,
        paging: Paging,
    ) -> Result<AlertPage, Problem> {
        self.allow_alerts(principal, filter)?;
        let history = self.past()?;
        let mut question = AlertQuestion {
            active: filter.active,
            acknowledged: filter.acknowledged,
            severity: filter.severity,
            drone: filter.drone.clone(),
            rule: filter.rule.clone(),
            raised,
            after: paging.after,
            limit: paging.limit,
        };
        let mut page = AlertPage::default();
        for _ in 0..ROUNDS_MAX {
            let round = history.alerts(&question).await;
            let round = round.map_err(|error| not_read(&error))?;
            let is_over = round.len() < question.limit;
            question.after = round.last().map(|(_, alert)| key(alert));
            page.next_after = question.after.filter(|_| !is_over);
            page.alerts.extend(self.seen(principal, filter, round));
            if page.alerts.len() >= paging.limit {
                let is_cut = page.alerts.len() > paging.limit;
                page.alerts.truncate(paging.limit);
                if is_cut || page.next_after.is_some() {
                    page.next_after = page.alerts.last().map(|last| key(&last.alert));
                }
                break;
            }
            if is_over {
                break;
            }
        }
        Ok(page)
    }

    /// One alert of a drone: from the board, or, if it is over for long, from the database.
    ///
    /// # Errors
    /// The caller may not see the drone, or there is no such alert.
    pub async fn alert(
        &self,
        principal: &Principal,
        drone: &DroneId,
        id: AlertId,
    ) -> Result<SeenAlert, Problem> {
        let fleet = self.allow_drone(principal, Action::ReadDrone, drone)?;
        let drones = &self.behind.drones;
        let known = drones.alerts().of(drones.shard_of(drone), drone);
        let known = known.into_iter().find(|alert| alert.id == id);
        let known = match (known, &self.behind.history) {
            (None, Some(history)) => {
                let stored = history.alert(drone, id).await;
                stored.map_err(|error| not_read(&error))?
            }
            (known, _) => known,
        };
        let alert = known.ok_or_else(|| {
            Problem::new(ErrorCode::NotFound, "there is no such alert").at("alert_id")
        })?;
        Ok(SeenAlert {
            drone: drone.clone(),
            fleet,
            alert,
        })
    }

    fn seen(
        &self,
        principal: &Principal,
        filter: &AlertFilter,
        alerts: Vec<(DroneId, Alert)>,
    ) -> Vec<SeenAlert> {
        let seen = alerts.into_iter().filter_map(|(drone, alert)| {
            let fleet = visible(self, principal, filter, &drone)?;
            Some(SeenAlert {
                drone,
                fleet,
                alert,
            })
        });
        seen.collect()
    }

    fn past(&self) -> Result<&dyn History, Problem> {
        self.behind.history.as_deref().ok_or_else(|| {
            let detail = "this gateway has no database; alerts of now are told without one";
            Problem::new(ErrorCode::Unavailable, detail).retry_after(RETRY_AFTER)
        })
    }
}

fn not_read(error: &PastAlertsError) -> Problem {
    let source = error.source.to_string();
    tracing::warn!(error = %error, error.source = source, "alerts of the past not read");
    let detail = "the database does not answer now; alerts of now are told without it";
    Problem::new(ErrorCode::Unavailable, detail).retry_after(RETRY_AFTER)
}
