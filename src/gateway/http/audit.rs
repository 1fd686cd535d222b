//! Who did what: pages of the audit, newest first.

use std::str::FromStr;

use aerostream_domain::{FleetId, Offset, UtcMicros};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::problem::Refusal;
use super::read::{moment, stored};
use super::reply::Json;
use super::{Asking, Shared, input};
use crate::error::{ErrorCode, Problem};
use crate::gateway::auth::{Action, Principal, Scope};
use crate::gateway::json::shape::Time;
use crate::gateway::limit::RETRY_AFTER;
use crate::gateway::ports::{AuditPlace, AuditQuestion, AuditRow};
use crate::gateway::state::{Gateway, allow};

/// Rows of a page if not said otherwise.
const PAGE_DEFAULT: usize = 100;

/// Which rows.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    fleet: Option<String>,
    drone: Option<String>,
    principal: Option<String>,
    /// First moment, RFC 3339 or microseconds since 1970.
    from: Option<String>,
    /// Moment behind the last.
    to: Option<String>,
    /// The `next_after` of the page before.
    after: Option<String>,
    limit: Option<usize>,
}

/// A page of the audit.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditPage {
    audit: Vec<AuditEntry>,
    /// The `after` of the next page; null when the list is over.
    next_after: Option<String>,
}

/// What was done, by whom, and how it went.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditEntry {
    /// When, RFC 3339.
    #[schema(value_type = String, format = DateTime)]
    at: Time,
    /// Subject of the token.
    principal: String,
    /// Role of the token; empty for what the system did by itself.
    role: String,
    /// Id of the token, which a revocation names.
    token_id: String,
    /// `http` or `grpc`.
    door: String,
    /// Other end of the connection.
    address: String,
    /// Such as `command`, `cancel_command`, `enrol_drone`, `revoke_token`.
    action: String,
    /// Empty for what is about no fleet.
    fleet_id: String,
    /// Empty for what is not about one drone.
    drone_id: String,
    /// The command, fleet, drone or revocation that it is about.
    subject: String,
    detail: String,
    /// `taken`, `without_effect` or `stale`.
    result: String,
}

/// `GET /api/v1/audit`: rows of the token's fleets; what is about no fleet is for admins of all.
pub async fn list(
    State(gateway): Shared,
    Asking(caller, _permit): Asking,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<AuditPage>, Refusal> {
    allow(&caller.principal, Action::ReadAudit)?;
    let asked = input::query(asked)?;
    let limit = input::limit(asked.limit, PAGE_DEFAULT, gateway.config.http.page_max)?;
    let mut question = question(&gateway, &caller.principal, &asked)?;
    // One more tells whether the list goes on.
    question.limit = u32::try_from(limit + 1).unwrap_or(u32::MAX);
    let rows = stored(&gateway)?.audit(&question).await;
    let mut rows = rows.map_err(|error| {
        let error = &error as &dyn std::error::Error;
        tracing::warn!(error, "audit not read");
        let detail = "the database cannot be asked now; the audit is there when it is back";
        Problem::new(ErrorCode::Unavailable, detail).retry_after(RETRY_AFTER)
    })?;
    let goes_on = rows.len() > limit;
    rows.truncate(limit);
    let last = rows.last().filter(|_| goes_on);
    let next_after = last.map(|row| Cursor(row.place.clone()).to_string());
    let audit = rows.into_iter().map(entry).collect();
    Ok(Json(AuditPage { audit, next_after }))
}

fn question(
    gateway: &Gateway,
    principal: &Principal,
    asked: &Asked,
) -> Result<AuditQuestion, Problem> {
    let drone = asked.drone.as_deref().map(input::drone_id).transpose()?;
    if let Some(drone) = &drone {
        gateway.allow_drone(principal, Action::ReadAudit, drone)?;
    }
    let fleet = asked.fleet.as_deref().map(input::fleet_id).transpose()?;
    let fleets = match (fleet, &principal.scope) {
        (Some(fleet), _) => {
            gateway.allow_fleet(principal, Action::ReadAudit, &fleet)?;
            Some(vec![fleet])
        }
        (None, Scope::All) => None,
        (None, Scope::Fleets(fleets)) => Some(fleets.iter().cloned().collect::<Vec<FleetId>>()),
    };
    let (from, to) = (
        moment("from", asked.from.as_ref())?,
        moment("to", asked.to.as_ref())?,
    );
    if let (Some(from), Some(to)) = (from, to)
        && from >= to
    {
        let problem = Problem::new(ErrorCode::Invalid, "must be earlier than `to`");
        return Err(problem.at("from"));
    }
    let after = asked
        .after
        .as_deref()
        .map(str::parse::<Cursor>)
        .transpose()?;
    Ok(AuditQuestion {
        from,
        to,
        fleets,
        drone,
        principal: asked.principal.clone(),
        after: after.map(|Cursor(place)| place),
        limit: 0,
    })
}

fn entry(row: AuditRow) -> AuditEntry {
    AuditEntry {
        at: Time(row.place.at.0),
        principal: row.principal,
        role: row.role,
        token_id: row.token_id,
        door: row.door,
        address: row.address,
        action: row.action,
        fleet_id: row.fleet,
        drone_id: row.drone,
        subject: row.subject,
        detail: row.detail,
        result: row.result,
    }
}

/// Where a page ended, as clients give it back.
struct Cursor(AuditPlace);

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(place) = self;
        let AuditPlace {
            at,
            topic,
            partition,
            offset,
        } = place;
        write!(f, "{}-{topic}-{partition}-{}", at.0, offset.0)
    }
}

impl FromStr for Cursor {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let parts: Vec<&str> = text.split('-').collect();
        let place = || {
            let [at, topic, partition, offset] = parts[..] else {
                return None;
            };
            Some(AuditPlace {
                at: UtcMicros(at.parse().ok()?),
                topic: topic.to_owned(),
                partition: partition.parse().ok()?,
                offset: Offset(
                    offset
                        .parse::<u64>()
                        .ok()
                        .filter(|it| *it <= i64::MAX as u64)?,
                ),
            })
        };
        place().map(Self).ok_or_else(|| {
            let detail = "must be the `next_after` of the page before";
            Problem::new(ErrorCode::Invalid, detail).at("after")
        })
    }
}
