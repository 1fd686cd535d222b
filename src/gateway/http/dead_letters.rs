//! What was refused for its content: listed, shown, and sent again.
//!
//! Whoever changes the registry of a fleet may look at the letters of its drones; letters that name
//! no enrolled drone are for administrators of every fleet.

use std::fmt::Write as _;
use std::time::Duration;

use aerostream_domain::DroneId;
use aerostream_proto::v1;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use prost::Message;
use serde::Deserialize;
use serde_json::{Value, json};

use super::input::{self, PAGE_DEFAULT};
use super::problem::Refusal;
use super::read::moment;
use super::reply::Json;
use super::telemetry::{replies, whole_problem};
use super::{Asking, Segment, Shared};
use crate::clock;
use crate::error::{ErrorCode, Problem};
use crate::gateway::auth::{Action, Caller, Principal, Role, Scope};
use crate::gateway::dead_letter::Content;
use crate::gateway::dead_letter::find::{self, Found, LetterId, PageLimits, Wanted};
use crate::gateway::dead_letter::replay::incoming;
use crate::gateway::json::enums::{Lower, Whole};
use crate::gateway::json::request::Shape;
use crate::gateway::json::shape::{Base64, Time};
use crate::gateway::limit::RETRY_AFTER;
use crate::gateway::metrics::Door;
use crate::gateway::state::{Gateway, allow};

/// Longest time that the log is asked for, for one answer.
const SEARCH_MAX: Duration = Duration::from_secs(20);

/// Which letters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    drone: Option<String>,
    code: Option<String>,
    /// First moment, RFC 3339 or microseconds since 1970.
    from: Option<String>,
    /// Moment behind the last.
    to: Option<String>,
    /// The `next_after` of the page before.
    after: Option<String>,
    limit: Option<usize>,
}

/// `GET /api/v1/dead-letters`: newest first. A page may be shorter than its limit; the list is over
/// when there is no `next_after`.
pub async fn list(
    State(gateway): Shared,
    Asking(caller, _permit): Asking,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<Value>, Refusal> {
    allow(&caller.principal, Action::HandleDeadLetters)?;
    let asked = input::query(asked)?;
    let drone = asked.drone.as_deref().map(input::drone_id).transpose()?;
    if let Some(drone) = &drone {
        gateway.allow_drone(&caller.principal, Action::HandleDeadLetters, drone)?;
    }
    let wanted = Wanted {
        drone,
        code: asked.code,
        from: moment("from", asked.from.as_ref())?,
        to: moment("to", asked.to.as_ref())?,
    };
    if let (Some(from), Some(to)) = (wanted.from, wanted.to)
        && from >= to
    {
        let problem = Problem::new(ErrorCode::Invalid, "must be earlier than `to`");
        return Err(problem.at("from").into());
    }
    let config = &gateway.config.http;
    let limits = PageLimits {
        lines_max: input::limit(asked.limit, PAGE_DEFAULT, config.page_max)?,
        scan_max: config.dead_letter_scan_max,
    };
    let after = asked.after.as_deref().map(str::parse).transpose()?;
    let tell = |found: Found| visible(&gateway, &caller.principal, &found).then(|| line(&found));
    let page = find::page(&*gateway.behind.log, &wanted, after, limits, tell);
    let page = in_time(page).await?;
    let next_after = page.next_after.map(|after| after.to_string());
    Ok(Json(
        json!({ "dead_letters": page.lines, "next_after": next_after }),
    ))
}

/// `GET /api/v1/dead-letters/{id}`: one letter with what was refused.
pub async fn show(
    State(gateway): Shared,
    Asking(caller, _permit): Asking,
    Segment(id): Segment,
) -> Result<Json<Value>, Refusal> {
    let found = found(&gateway, &caller.principal, &id).await?;
    let mut told = line(&found);
    if let Ok(letter) = &found.letter {
        told["raw"] = json!(Base64(letter.raw.to_vec()));
        if let Ok(text) = std::str::from_utf8(&letter.raw) {
            told["raw_text"] = text.into();
        }
        told["decoded"] = decoded(letter).into();
        let refused = incoming(letter).err();
        told["replayable"] = refused.is_none().into();
        told["not_replayable_since"] = refused.map(|problem| problem.detail.to_string()).into();
    }
    Ok(Json(told))
}

/// `POST /api/v1/dead-letters/{id}/replay`: sends what was refused the way of every sample, as it
/// is judged now. The letter stays; sending it twice stores it once.
pub async fn replay(
    State(gateway): Shared,
    Asking(caller, _permit): Asking,
    Segment(id): Segment,
) -> Result<Json<Value>, Refusal> {
    let found = found(&gateway, &caller.principal, &id).await?;
    let letter = found.letter.map_err(|error| {
        let detail = format!("dead letter {id} cannot be read: {error}");
        Problem::new(ErrorCode::Invalid, detail).at("id")
    })?;
    let batches = incoming(&letter)?;
    // Sending is a relay's right; the administrator's fleets bound it.
    let sender = Caller {
        principal: Principal {
            role: Role::Relay,
            ..caller.principal.clone()
        },
        usage: caller.usage.clone(),
    };
    let arrival = gateway.ingest.arrival(&sender, Door::Replay);
    let outcomes = gateway.ingest.batches(arrival, batches).await;
    let shape = match outcomes.len() {
        1 => Shape::Batch,
        _ => Shape::Batches,
    };
    let problem = whole_problem(shape, &outcomes);
    let results = replies(shape, outcomes);
    tracing::info!(
        dead_letter.id = id,
        caller.subject = caller.principal.subject,
        taken = problem.is_none(),
        "dead letter replayed"
    );
    match problem {
        Some(problem) => Err(Refusal::with_results(problem, results)),
        None => Ok(Json(json!({ "id": id, "results": results }))),
    }
}

async fn in_time<T>(search: impl Future<Output = Result<T, Problem>>) -> Result<T, Problem> {
    let late = |_| {
        let detail = "the event log did not give the dead letters in time";
        Problem::new(ErrorCode::DeadlinePassed, detail).retry_after(RETRY_AFTER)
    };
    let deadline = clock::monotonic_now() + SEARCH_MAX;
    tokio::time::timeout_at(deadline, search)
        .await
        .map_err(late)?
}

/// The letter of an id, for somebody who may see it. To others it is not there.
async fn found(gateway: &Gateway, caller: &Principal, id: &str) -> Result<Found, Problem> {
    allow(caller, Action::HandleDeadLetters)?;
    let id: LetterId = id.parse()?;
    let found = in_time(find::one(&*gateway.behind.log, id)).await?;
    if visible(gateway, caller, &found) {
        return Ok(found);
    }
    let detail = format!("there is no dead letter {id} of a drone of your fleets");
    Err(Problem::new(ErrorCode::NotFound, detail).at("id"))
}

fn visible(gateway: &Gateway, caller: &Principal, found: &Found) -> bool {
    caller.scope == Scope::All
        || found.drone().is_some_and(|drone: DroneId| {
            let fleet = gateway.registry().fleet_of(&drone);
            fleet.is_some_and(|fleet| caller.scope.contains(&fleet))
        })
}

fn line(found: &Found) -> Value {
    let mut told = json!({
        "id": found.id.to_string(),
        "at_us": found.at.0,
        "at": Time(found.at.0),
    });
    match &found.letter {
        Ok(letter) => {
            told["drone_id"] = found.drone().map(|drone| drone.to_string()).into();
            told["boot"] = json!(letter.boot.map(Whole));
            told["seq"] = letter.seq.into();
            told["principal"] = letter.principal.as_str().into();
            told["code"] = letter.code.as_str().into();
            told["field"] = letter.field.as_str().into();
            told["detail"] = letter.detail.as_str().into();
            told["encoding"] = letter.encoding.as_str().into();
            told["content"] = json!(Lower::<Content>::of(letter.content));
            told["raw_bytes"] = letter.raw.len().into();
        }
        Err(error) => {
            told["code"] = "unreadable".into();
            told["detail"] = error.to_string().into();
        }
    }
    told
}

/// Protobuf in words for people; `None` if it is something else.
fn decoded(letter: &v1::DeadLetter) -> Option<String> {
    fn words<M: Message + Default + std::fmt::Debug>(raw: &[u8]) -> Option<String> {
        let mut text = String::new();
        write!(text, "{:#?}", M::decode(raw).ok()?).ok()?;
        Some(text)
    }
    if letter.encoding != "protobuf" {
        return None;
    }
    match letter.content() {
        Content::Sample => words::<v1::Sample>(&letter.raw),
        Content::Batch => words::<v1::Batch>(&letter.raw),
        Content::Request => words::<v1::IngestRequest>(&letter.raw),
        Content::RecordedSample => words::<v1::RecordedSample>(&letter.raw),
        Content::Record | Content::WebhookMessage | Content::Unspecified => None,
    }
}
