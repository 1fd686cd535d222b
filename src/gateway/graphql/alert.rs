//! Alerts: the shape of the JSON, and the same words and codes as everywhere.

use std::sync::Arc;

use async_graphql::{Enum, ID, InputObject, SimpleObject};
use futures::future::BoxFuture;

use super::session::Session;
use crate::error::Problem;
use crate::gateway::alert::cursor::AlertCursor;
use crate::gateway::alert::feed::AlertFeed;
use crate::gateway::alert::{SeenAlert, alert_id};
use crate::gateway::auth::Action;
use crate::gateway::http::alerts::{AlertQuery, page};
use crate::gateway::http::input;
use crate::gateway::json::alert::{
    AlertDown, AlertReply, ChangeReply, ClearedReply, EvidenceReply, RemarkReply,
};
use crate::gateway::json::enums::{Long, Whole};
use crate::gateway::state::allow;

/// An alert and what became of it.
#[derive(SimpleObject)]
pub struct Alert {
    id: ID,
    drone_id: ID,
    /// Null for a drone that was never enrolled.
    fleet_id: Option<ID>,
    rule_id: ID,
    /// Null if the rule is built in.
    rule_version: Option<Whole>,
    /// What of the drone it is about: empty for the drone, or such as `battery:0`, `gnss:1`,
    /// `fence:airport`.
    instance: String,
    title: String,
    /// The worst so far: `emergency`, `alert`, `critical`, `error`, `warning`, `notice`, `info`,
    /// `debug`.
    severity: String,
    /// True until its clear condition held, whether or not somebody acknowledged it.
    is_active: bool,
    is_acknowledged: bool,
    /// The sample that raised it.
    raised: AlertEvidence,
    /// The sample that changed it last.
    newest: AlertEvidence,
    /// Microseconds since 1970.
    changed_us: Long,
    /// Changes so far, the raising included.
    turns: u32,
    /// Null while it is active.
    cleared: Option<AlertCleared>,
    /// The first who acknowledged it.
    acknowledged: Option<AlertRemark>,
    /// The newest of them.
    comments: Vec<AlertRemark>,
}

/// What a change of an alert was judged by.
#[derive(SimpleObject)]
pub struct AlertEvidence {
    boot: Whole,
    seq: Whole,
    /// The sample's own time, microseconds since 1970.
    time_us: Long,
    /// The field that decided, with its unit; null if no single one did.
    field: Option<String>,
    value: Option<f64>,
    /// What must be said beside the value; empty if there is nothing.
    note: String,
}

/// How an alert ended.
#[derive(SimpleObject)]
pub struct AlertCleared {
    /// Empty if its clear condition held.
    reason: String,
    /// Microseconds since 1970.
    at_us: Long,
}

/// What somebody said of an alert.
#[derive(SimpleObject)]
pub struct AlertRemark {
    principal: String,
    /// Microseconds since 1970.
    at_us: Long,
    comment: String,
}

impl From<EvidenceReply> for AlertEvidence {
    fn from(reply: EvidenceReply) -> Self {
        Self {
            boot: reply.boot,
            seq: Whole(reply.seq),
            time_us: Long(reply.time_us),
            field: reply.field,
            value: reply.value,
            note: reply.note,
        }
    }
}

impl From<ClearedReply> for AlertCleared {
    fn from(reply: ClearedReply) -> Self {
        Self {
            reason: reply.reason,
            at_us: Long(reply.at_us),
        }
    }
}

impl From<RemarkReply> for AlertRemark {
    fn from(reply: RemarkReply) -> Self {
        Self {
            principal: reply.principal,
            at_us: Long(reply.at_us),
            comment: reply.comment,
        }
    }
}

impl From<AlertReply> for Alert {
    fn from(reply: AlertReply) -> Self {
        Self {
            id: ID(reply.alert_id),
            drone_id: ID(reply.drone_id),
            fleet_id: reply.fleet_id.map(ID),
            rule_id: ID(reply.rule_id),
            rule_version: reply.rule_version.map(Whole),
            instance: reply.instance,
            title: reply.title,
            severity: reply.severity.to_owned(),
            is_active: reply.is_active,
            is_acknowledged: reply.is_acknowledged,
            raised: reply.raised.into(),
            newest: reply.newest.into(),
            changed_us: Long(reply.changed_us),
            turns: reply.turns,
            cleared: reply.cleared.map(Into::into),
            acknowledged: reply.acknowledged.map(Into::into),
            comments: reply.comments.into_iter().map(Into::into).collect(),
        }
    }
}

/// Which alerts; what is not said takes every one.
#[derive(Default, InputObject)]
pub struct AlertsFilter {
    is_active: Option<bool>,
    is_acknowledged: Option<bool>,
    /// At least as bad, such as `warning`.
    severity: Option<String>,
    fleet_id: Option<ID>,
    drone_id: Option<ID>,
    rule_id: Option<ID>,
    /// True: as the database has them, all of them.
    history: Option<bool>,
    /// Raised since then, as the database has it; RFC 3339 or microseconds since 1970.
    from: Option<String>,
    /// Raised before that.
    to: Option<String>,
}

/// Alerts, the newest first.
#[derive(SimpleObject)]
pub struct AlertPage {
    nodes: Vec<Alert>,
    /// The `after` of the next page; null when the list is over.
    next_after: Option<String>,
}

/// A page of alerts.
pub(super) async fn list(
    session: &Session,
    filter: AlertsFilter,
    (first, after): (Option<i32>, Option<String>),
) -> Result<AlertPage, Problem> {
    let _turn = session.turn().await?;
    let asked = AlertQuery {
        active: filter.is_active,
        acknowledged: filter.is_acknowledged,
        severity: filter.severity,
        fleet_id: filter.fleet_id.map(|id| id.0),
        drone_id: filter.drone_id.map(|id| id.0),
        rule_id: filter.rule_id.map(|id| id.0),
        history: filter.history,
        from: filter.from,
        to: filter.to,
        after,
        limit: first.map(|first| usize::try_from(first).unwrap_or(0)),
    };
    let list = page(&session.gateway, session.principal(), asked).await?;
    Ok(AlertPage {
        nodes: list.alerts.into_iter().map(Into::into).collect(),
        next_after: list.next_after,
    })
}

/// Whether somebody has seen an alert, or says something else about it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Said {
    Acknowledge,
    Comment,
}

/// Says something of an alert.
pub(super) async fn answer(
    session: &Session,
    (drone, alert): (&ID, &ID),
    (said, comment): (Said, String),
) -> Result<Alert, Problem> {
    let (gateway, principal) = (&session.gateway, session.principal());
    allow(principal, Action::AnswerAlerts)?;
    let drone = input::drone_id(drone).map_err(|problem| problem.at("droneId"))?;
    let about = (&drone, alert_id(alert)?);
    let seen: SeenAlert = match said {
        Said::Acknowledge => gateway.acknowledge(principal, about, comment).await?,
        Said::Comment => gateway.comment(principal, about, comment).await?,
    };
    Ok(AlertReply::from(&seen).into())
}

/// What news of alerts are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum AlertUpdateKind {
    /// Alerts that are active; more of them follow until `isComplete`.
    Snapshot,
    /// What one record changed.
    Changes,
    /// Everything since the cursor was told.
    Resumed,
    /// Something is missing here, for the reason that `detail` says; a snapshot follows.
    Gap,
    /// This client was too slow: the subscription ends, and goes on with the cursor.
    Behind,
    /// Nothing happened.
    Heartbeat,
}

/// News of alerts.
#[derive(SimpleObject)]
pub struct AlertUpdate {
    kind: AlertUpdateKind,
    /// Where a client goes on that has taken this; null in a gap.
    cursor: Option<String>,
    /// False while more of a snapshot follow.
    is_complete: bool,
    /// Alerts of a snapshot.
    active: Vec<Alert>,
    changes: Vec<AlertChange>,
    detail: Option<String>,
}

/// What happened to one alert; it may be told twice: `id` and `turns` of the alert name it.
#[derive(SimpleObject)]
pub struct AlertChange {
    /// `raised`, `escalated`, `cleared`, `acknowledged`, `commented`.
    what: String,
    alert_id: ID,
    /// Null if only the database has it any more.
    alert: Option<Alert>,
}

impl From<ChangeReply> for AlertChange {
    fn from(reply: ChangeReply) -> Self {
        Self {
            what: reply.what.to_owned(),
            alert_id: ID(reply.alert_id),
            alert: reply.alert.map(Into::into),
        }
    }
}

impl From<AlertDown> for AlertUpdate {
    fn from(frame: AlertDown) -> Self {
        let kind = match &frame {
            AlertDown::Snapshot { .. } => AlertUpdateKind::Snapshot,
            AlertDown::Alerts { .. } => AlertUpdateKind::Changes,
            AlertDown::Resumed { .. } => AlertUpdateKind::Resumed,
            AlertDown::Gap { .. } => AlertUpdateKind::Gap,
            AlertDown::Behind { .. } => AlertUpdateKind::Behind,
            AlertDown::Heartbeat { .. } => AlertUpdateKind::Heartbeat,
        };
        let mut update = Self {
            kind,
            cursor: frame.cursor().map(str::to_owned),
            is_complete: true,
            active: Vec::new(),
            changes: Vec::new(),
            detail: None,
        };
        match frame {
            AlertDown::Snapshot {
                is_complete,
                alerts,
                ..
            } => {
                update.is_complete = is_complete;
                update.active = alerts.into_iter().map(Into::into).collect();
            }
            AlertDown::Alerts { changes, .. } => {
                update.changes = changes.into_iter().map(Into::into).collect();
            }
            AlertDown::Gap { reason, detail } => {
                update.detail = Some(format!("{reason}: {detail}"));
            }
            AlertDown::Behind { detail, .. } => update.detail = Some(detail),
            AlertDown::Resumed { .. } | AlertDown::Heartbeat { .. } => {}
        }
        update
    }
}

/// Alerts that are watched.
pub(super) struct Watched {
    feed: AlertFeed,
}

impl Watched {
    pub async fn begin(
        session: &Session,
        filter: AlertsFilter,
        from: Option<String>,
    ) -> Result<Self, Problem> {
        let from = from.as_deref().map(AlertCursor::from_text).transpose()?;
        let filter = AlertQuery {
            active: filter.is_active,
            acknowledged: filter.is_acknowledged,
            severity: filter.severity,
            fleet_id: filter.fleet_id.map(|id| id.0),
            drone_id: filter.drone_id.map(|id| id.0),
            rule_id: filter.rule_id.map(|id| id.0),
            ..AlertQuery::default()
        }
        .filter()?;
        let (gateway, caller) = (Arc::clone(&session.gateway), Arc::clone(&session.caller));
        let feed = AlertFeed::open(gateway, caller, filter, from).await?;
        Ok(Self { feed })
    }

    pub fn next(&mut self) -> BoxFuture<'_, Result<AlertUpdate, Problem>> {
        Box::pin(async { Ok(AlertDown::from(self.feed.next().await?).into()) })
    }
}
