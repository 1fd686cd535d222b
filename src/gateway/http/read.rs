//! Questions about drones: who is there, how they are, how they were.

use std::sync::Arc;
use std::time::Duration;

use super::reply::{AnyObject, Json};
use aerostream_actors::LiveView;
use aerostream_domain::drone::live::Stamp;
use aerostream_domain::{DroneId, FleetId, Sample, UtcMicros};
use aerostream_proto::v1;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::history::asked::{Export, export};
use super::history::{self, Format, steps};
use super::input::{self, PAGE_DEFAULT};
use super::openapi::samples;
use super::problem::Refusal;
use super::{Asking, Segment, Shared};
use crate::clock;
use crate::error::{ErrorCode, Problem};
use crate::gateway::auth::Action;
use crate::gateway::ingest::unavailable;
use crate::gateway::json::enums::{Lower, Whole};
use crate::gateway::json::shape::{self, Time, parse_time};
use crate::gateway::limit::RETRY_AFTER;
use crate::gateway::list::{self, Listed};
use crate::gateway::ports::{History, HistoryError, HistoryRequest, PastSample, Steps};
use crate::gateway::state::{Gateway, allow, no_drone};

/// What is told of the past unless the caller says otherwise.
pub(in crate::gateway) const PAST_DEFAULT: Duration = Duration::from_secs(600);

/// Which page.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Page {
    /// Id of the last entry of the page before.
    pub after: Option<String>,
    pub limit: Option<usize>,
}

/// `GET /api/v1/drones`: drones that were heard and that the caller may see, by id. A page may be
/// shorter than its limit; the list is over when there is no `next_after`.
pub async fn drones(
    State(gateway): Shared,
    Asking(caller, _permit): Asking,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Json<DronePage>, Refusal> {
    allow(&caller.principal, Action::ReadFleet)?;
    let page = input::query(page)?;
    let limit = input::limit(page.limit, PAGE_DEFAULT, gateway.config.http.page_max)?;
    let after = page.after.as_deref().map(input::drone_id).transpose()?;
    let page = list::page(&gateway, &caller.principal, after, limit, |_| true);
    let page = page.await?;
    Ok(Json(DronePage {
        drones: page.drones.iter().map(line).collect(),
        next_after: page.next_after.map(|drone| drone.to_string()),
    }))
}

/// A page of drones.
#[derive(Debug, Serialize, ToSchema)]
pub struct DronePage {
    drones: Vec<DroneLine>,
    /// The `after` of the next page; null when the list is over.
    next_after: Option<String>,
}

/// A drone in a list, with what was last heard of it.
#[derive(Debug, Serialize, ToSchema)]
struct DroneLine {
    drone_id: String,
    /// Null for a drone that was never enrolled.
    fleet_id: Option<String>,
    #[schema(value_type = Option<String>)]
    boot: Option<Whole>,
    /// When the gateway last heard it, microseconds since 1970, UTC.
    received_us: Option<i64>,
    latitude_deg: Option<f64>,
    longitude_deg: Option<f64>,
    /// Above home.
    relative_altitude_m: Option<f64>,
    battery_percent: Option<f32>,
    armed: Option<bool>,
}

fn line(listed: &Listed) -> DroneLine {
    let Listed { summary, fleet } = listed;
    DroneLine {
        drone_id: summary.drone.to_string(),
        fleet_id: fleet.as_ref().map(FleetId::to_string),
        boot: summary.boot.map(|boot| Whole(boot.0)),
        received_us: summary.last_received.map(|at| at.0),
        latitude_deg: summary.latitude_deg,
        longitude_deg: summary.longitude_deg,
        relative_altitude_m: summary.relative_altitude_m,
        battery_percent: summary.battery_percent,
        armed: summary.armed,
    }
}

/// `GET /api/v1/drones/{id}`: live state from the drone's actor; the database is not asked.
pub async fn drone(
    State(gateway): Shared,
    Asking(caller, _permit): Asking,
    Segment(drone): Segment,
) -> Result<Json<DroneReply>, Refusal> {
    let drone = input::drone_id(&drone)?;
    let fleet = gateway.allow_drone(&caller.principal, Action::ReadDrone, &drone)?;
    let view = gateway.behind.drones.live(&drone).await;
    let view = view.map_err(|reason| unavailable(&reason))?;
    if view.is_none() && fleet.is_none() {
        return Err(no_drone().into());
    }
    let live = view.map(|view| live(view, clock::utc_now()));
    let (drone_id, fleet_id) = (drone.to_string(), fleet.map(|fleet| fleet.to_string()));
    Ok(Json(DroneReply {
        drone_id,
        fleet_id,
        live,
    }))
}

/// Answers with samples are written out field by field: passing through a JSON value would turn
/// each 32-bit number into a longer 64-bit one.
#[derive(Debug, Serialize, ToSchema)]
pub struct DroneReply {
    drone_id: String,
    /// Null for a drone that was never enrolled.
    fleet_id: Option<String>,
    /// Null for a drone that was not heard.
    live: Option<Live>,
}

/// What a drone's actor knows.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::gateway) struct Live {
    /// The current power-up.
    #[schema(value_type = Option<String>)]
    boot: Option<Whole>,
    /// When it was, microseconds since 1970, UTC.
    power_up_us: Option<i64>,
    /// When the gateway last heard the drone, microseconds since 1970, UTC.
    received_us: Option<i64>,
    /// How long ago that is.
    age_ms: Option<i64>,
    /// Samples of this drone that were applied.
    samples: u64,
    /// Whether its actor is awake.
    hot: bool,
    /// Place in the event log of the newest record behind this.
    offset: Option<u64>,
    /// The newest sample's `seq`, `time_us`, `time`, `basis` and `since_boot_us`.
    #[schema(value_type = Option<AnyObject>, inline)]
    newest: Option<Value>,
    /// The newest value of each group.
    #[schema(value_type = samples::Sample)]
    groups: shape::Sample,
    /// Of each group its `seq`, `time_us` and `age_ms`; of lists by their ids or names.
    #[schema(value_type = AnyObject, inline)]
    stamps: Map<String, Value>,
}

/// Puts live state into JSON.
pub(in crate::gateway) fn live(view: LiveView, now: UtcMicros) -> Live {
    let state = view.live;
    let newest = state.newest.map(|newest| {
        json!({
            "seq": newest.seq.0,
            "time_us": newest.time.0,
            "time": Time(newest.time.0),
            "basis": Lower(v1::TimeBasis::from(newest.basis)),
            "since_boot_us": newest.since_boot.map(|since| since.0),
        })
    });
    let stamp = |stamp: &Stamp| {
        json!({
            "seq": stamp.seq.0,
            "time_us": stamp.time.0,
            "age_ms": age_ms(stamp.time, now),
        })
    };
    let stamps = &state.stamps;
    let single = [
        ("position", stamps.position),
        ("velocity", stamps.velocity),
        ("attitude", stamps.attitude),
        ("link", stamps.link),
        ("home", stamps.home),
        ("mission", stamps.mission),
        ("health", stamps.health),
        ("wind", stamps.wind),
        ("state", stamps.state),
        ("text", stamps.text),
    ];
    let mut told = Map::new();
    for (group, at) in single {
        if let Some(at) = at {
            told.insert(group.to_owned(), stamp(&at));
        }
    }
    for (group, list) in [("gnss", &stamps.gnss), ("battery", &stamps.battery)] {
        let entries = list.iter().map(|(id, at)| (id.to_string(), stamp(at)));
        told.insert(group.to_owned(), Value::Object(entries.collect()));
    }
    let extras = stamps
        .extras
        .iter()
        .map(|(name, at)| (name.clone(), stamp(at)));
    told.insert("extras".to_owned(), Value::Object(extras.collect()));
    let content = Sample {
        content: state.groups,
        ..Sample::default()
    };
    let groups = shape::Sample {
        seq: None,
        ..v1::Sample::from(content).into()
    };
    Live {
        boot: state.boot.map(|boot| Whole(boot.0)),
        power_up_us: state.power_up.map(|at| at.0),
        received_us: state.received.map(|at| at.0),
        age_ms: state.received.map(|at| age_ms(at, now)),
        samples: state.samples,
        hot: view.hot,
        offset: view.offset.map(|offset| offset.0),
        newest,
        groups,
        stamps: told,
    }
}

/// Milliseconds since a point in time; negative if the drone's clock is ahead.
fn age_ms(time: UtcMicros, now: UtcMicros) -> i64 {
    now.0.saturating_sub(time.0) / 1000
}

/// Which part of the past.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Past {
    /// First moment, RFC 3339 or microseconds since 1970.
    from: Option<String>,
    /// Moment behind the last.
    to: Option<String>,
    limit: Option<usize>,
    /// Paths of the wanted fields, by commas.
    fields: Option<String>,
    /// Length of the steps of time in place of samples.
    step: Option<String>,
    format: Option<String>,
    /// Metres that a track may be off.
    simplify_m: Option<String>,
}

#[derive(Debug, Serialize)]
struct PastReply {
    boot: Whole,
    time_us: i64,
    time: Time,
    basis: Lower<v1::TimeBasis>,
    #[serde(flatten)]
    sample: shape::Sample,
}

/// `GET /api/v1/drones/{id}/telemetry`: the past, the last ten minutes by default, oldest first.
///
/// As JSON it is a page: when there may be more samples than the limit, the newest are told and
/// `next_to` is the `to` to go on with; samples of that one moment come again. With `step` it is
/// steps of time. The other formats are exports, which stream all there is.
pub async fn past(
    State(gateway): Shared,
    Asking(caller, permit): Asking,
    Segment(drone): Segment,
    past: Result<Query<Past>, QueryRejection>,
) -> Result<Response, Refusal> {
    let drone = input::drone_id(&drone)?;
    gateway.allow_drone(&caller.principal, Action::ReadDrone, &drone)?;
    let past = input::query(past)?;
    let config = &gateway.config.http;
    let format = Format::parse(past.format.as_deref())?;
    let simplify_m = history::simplify_m(past.simplify_m.as_deref(), format)?;
    let fields = history::fields(past.fields.as_deref())?;
    let range = range(&past, clock::utc_now())?;
    let max = match format {
        Format::Json => config.history_max,
        Format::Csv | Format::GeoJson | Format::Parquet => config.export_rows_max,
    };
    let limit = input::limit(past.limit, max, max)?;
    // Whoever names a limit goes on from page to page.
    let steps_max = past.limit.map_or(max, |_| usize::MAX);
    let step_s = history::step(past.step.as_deref(), &range, steps_max)?;
    let steps = step_s.map(|step_s| Steps {
        from: range.start,
        to: range.end,
        step_s,
        limit: u32::try_from(limit).unwrap_or(u32::MAX),
    });
    let request = HistoryRequest::newest(drone.clone(), range, limit).with_fields(fields);
    let stored = stored(&gateway)?;
    match (format, steps) {
        (Format::Json, None) => Ok(page(stored, request).await?.into_response()),
        (Format::Json, Some(steps)) => {
            let summaries = stored.summaries(&drone, steps).await.map_err(not_read)?;
            Ok(Json(steps::answer(&drone, steps, fields, &summaries)).into_response())
        }
        (_, steps) => {
            let place = gateway.exports.take(&caller.principal.subject)?;
            let wanted = Export {
                request,
                steps,
                limit: past.limit,
                format,
                simplify_m,
            };
            export(&gateway, wanted, (permit, place)).await
        }
    }
}

async fn page(
    history: &Arc<dyn History>,
    request: HistoryRequest,
) -> Result<Json<PastPage>, Problem> {
    let samples = history.samples(&request).await.map_err(not_read)?;
    // The earliest moment is asked for again, since others of it may have been left out.
    let first = samples.first().filter(|_| samples.len() == request.limit);
    let next_to = first.map(|first| first.sample.time.0 + 1);
    let samples: Vec<PastReply> = samples.into_iter().map(past_reply).collect();
    Ok(Json(PastPage {
        drone_id: request.drone.to_string(),
        from_us: request.range.start.0,
        to_us: request.range.end.0,
        samples,
        next_to,
    }))
}

/// A page of the past.
#[derive(Debug, Serialize, ToSchema)]
pub struct PastPage {
    drone_id: String,
    /// First moment, microseconds since 1970, UTC.
    from_us: i64,
    /// Moment behind the last.
    to_us: i64,
    #[schema(value_type = Vec<samples::RecordedSample>)]
    samples: Vec<PastReply>,
    /// The `to` to go on with; null when this is all.
    next_to: Option<i64>,
}

fn past_reply(past: PastSample) -> PastReply {
    let recorded = v1::RecordedSample::from(&past.sample);
    PastReply {
        boot: Whole(past.boot.0),
        time_us: recorded.time_us,
        time: Time(recorded.time_us),
        basis: Lower(recorded.basis()),
        sample: recorded.sample.unwrap_or_default().into(),
    }
}

pub(in crate::gateway) fn moment(
    field: &'static str,
    text: Option<&String>,
) -> Result<Option<UtcMicros>, Problem> {
    let Some(text) = text else {
        return Ok(None);
    };
    // A plus sign of RFC 3339 is a space once a form decoder had it.
    let parsed = text
        .parse()
        .ok()
        .or_else(|| parse_time(&text.replace(' ', "+")));
    parsed.map(|moment| Some(UtcMicros(moment))).ok_or_else(|| {
        let detail = "must be RFC 3339, such as `2026-05-01T12:00:00Z`, or microseconds since 1970";
        Problem::new(ErrorCode::Invalid, detail).at(field)
    })
}

fn range(past: &Past, now: UtcMicros) -> Result<std::ops::Range<UtcMicros>, Problem> {
    let to = moment("to", past.to.as_ref())?.unwrap_or(now);
    let from = moment("from", past.from.as_ref())?.unwrap_or(to - PAST_DEFAULT);
    if from < to {
        return Ok(from..to);
    }
    Err(Problem::new(ErrorCode::Invalid, "must be earlier than `to`").at("from"))
}

/// Asks the database, if there is one and it answers.
pub(in crate::gateway) async fn samples(
    gateway: &Gateway,
    request: &HistoryRequest,
) -> Result<Vec<PastSample>, Problem> {
    stored(gateway)?.samples(request).await.map_err(not_read)
}

/// True if the database knows the drone. A gateway without one knows no past.
pub(in crate::gateway) async fn has_past(
    gateway: &Gateway,
    drone: &DroneId,
) -> Result<bool, Problem> {
    match &gateway.behind.history {
        Some(history) => history.knows(drone).await.map_err(not_read),
        None => Ok(false),
    }
}

pub(super) fn stored(gateway: &Gateway) -> Result<&Arc<dyn History>, Problem> {
    let history = gateway.behind.history.as_ref();
    history.ok_or_else(|| {
        Problem::new(ErrorCode::Unavailable, "this gateway has no database")
            .retry_after(RETRY_AFTER)
    })
}

pub(super) fn not_read(error: HistoryError) -> Problem {
    let source = error.source.to_string();
    tracing::warn!(error = %error, error.source = source, "history not read");
    let detail = "the database does not answer now; live state does";
    Problem::new(ErrorCode::Unavailable, detail).retry_after(RETRY_AFTER)
}
