//! The past of a drone, page by page, of each sample only what is asked for.

use std::ops::Range;
use std::sync::Arc;

use aerostream_domain::{DroneId, UtcMicros};
use aerostream_proto::v1;
use async_graphql::connection::PageInfo;
use async_graphql::{SelectionField, SimpleObject};

use super::cursor;
use super::drone::first_of;
use super::groups::Groups;
use super::session::Session;
use crate::clock;
use crate::error::{ErrorCode, Problem};
use crate::gateway::http::input::PAGE_DEFAULT;
use crate::gateway::http::read::{self, PAST_DEFAULT};
use crate::gateway::json::enums::{Long, Lower, Whole};
use crate::gateway::json::shape::{Base64, Time};
use crate::gateway::ports::{FieldSet, HistoryRequest, Key, Order, PastSample};

/// Fields of a sample that come with it, whatever is asked for.
const ALWAYS: [&str; 6] = ["boot", "seq", "timeUs", "time", "basis", "__typename"];
/// Groups whose fields are one value in the database.
const WHOLE: [&str; 1] = ["extras"];

/// A sample as it was received.
#[derive(SimpleObject)]
pub struct TelemetrySample {
    /// Id of the power-up of the drone.
    boot: Whole,
    seq: Long,
    /// Microseconds since 1970.
    time_us: Long,
    time: Time,
    /// How its time was settled.
    basis: Lower<v1::TimeBasis>,
    /// The drone's own clock, microseconds since its power-up.
    since_boot_us: Option<Long>,
    /// `telemetry`, or the name of the source's message.
    kind: String,
    /// The source's message, if it was kept.
    raw: Option<Base64>,
    #[graphql(flatten)]
    groups: Groups,
}

impl From<PastSample> for TelemetrySample {
    fn from(past: PastSample) -> Self {
        let recorded = v1::RecordedSample::from(&past.sample);
        let (time_us, basis) = (recorded.time_us, recorded.basis());
        let mut sample = recorded.sample.unwrap_or_default();
        Self {
            boot: Whole(past.boot.0),
            seq: sample.seq.unwrap_or_default().into(),
            time_us: Long(time_us),
            time: Time(time_us),
            basis: Lower(basis),
            since_boot_us: sample.since_boot_us.map(Long::from),
            kind: std::mem::take(&mut sample.kind),
            raw: sample.raw.take().map(Base64),
            groups: sample.into(),
        }
    }
}

/// A sample and its place.
#[derive(SimpleObject)]
pub struct TelemetryEdge {
    cursor: String,
    node: Arc<TelemetrySample>,
}

/// A page of a drone's samples, oldest first.
#[derive(SimpleObject)]
pub struct TelemetryConnection {
    edges: Vec<TelemetryEdge>,
    nodes: Vec<Arc<TelemetrySample>>,
    page_info: PageInfo,
    /// First moment that was asked for, microseconds since 1970.
    from_us: Long,
    /// Moment behind the last.
    to_us: Long,
}

/// What was asked.
pub struct Asked {
    pub from: Option<Time>,
    pub to: Option<Time>,
    pub first: Option<i32>,
    pub after: Option<String>,
}

impl TelemetryConnection {
    /// The page behind a cursor.
    pub(super) async fn page(
        session: &Session,
        drone: &DroneId,
        asked: Asked,
        fields: FieldSet,
    ) -> Result<Self, Problem> {
        let limit = first_of(
            asked.first,
            PAGE_DEFAULT,
            session.gateway.config.http.history_max,
        )?;
        let range = range(&asked, clock::utc_now())?;
        let after = asked.after.as_deref();
        let after = after.map(|text| cursor::sample(text, drone)).transpose()?;
        let request = HistoryRequest {
            drone: drone.clone(),
            range: range.clone(),
            // One more tells whether there is another page.
            limit: limit + 1,
            fields,
            order: Order::Oldest,
            after,
        };
        let mut samples = {
            let _turn = session.turn().await?;
            read::samples(&session.gateway, &request).await?
        };
        let has_next_page = samples.len() > limit;
        samples.truncate(limit);
        let page_info = PageInfo {
            has_previous_page: after.is_some(),
            has_next_page,
            start_cursor: samples.first().map(|first| place(drone, first)),
            end_cursor: samples.last().map(|last| place(drone, last)),
        };
        let (edges, nodes) = samples
            .into_iter()
            .map(|sample| {
                let cursor = place(drone, &sample);
                let node = Arc::new(TelemetrySample::from(sample));
                let edge = TelemetryEdge {
                    cursor,
                    node: Arc::clone(&node),
                };
                (edge, node)
            })
            .unzip();
        Ok(Self {
            edges,
            nodes,
            page_info,
            from_us: Long(range.start.0),
            to_us: Long(range.end.0),
        })
    }
}

fn place(drone: &DroneId, past: &PastSample) -> String {
    let key = Key {
        time: past.sample.time,
        boot: past.boot,
        seq: past.sample.seq,
    };
    cursor::of_sample(drone, key)
}

fn range(asked: &Asked, now: UtcMicros) -> Result<Range<UtcMicros>, Problem> {
    let to = asked.to.map_or(now, |to| UtcMicros(to.0));
    let from = asked.from.map(|from| UtcMicros(from.0));
    let from = from.unwrap_or(to - PAST_DEFAULT);
    if from < to {
        return Ok(from..to);
    }
    Err(Problem::new(ErrorCode::Invalid, "must be earlier than `to`").at("from"))
}

/// What of each sample is asked for by a selection of a page.
pub fn fields(page: &SelectionField<'_>) -> Result<FieldSet, Problem> {
    let mut paths = Vec::new();
    for part in page.selection_set() {
        match part.name() {
            "nodes" => sample(&part, &mut paths),
            "edges" => {
                let nodes = part.selection_set().filter(|part| part.name() == "node");
                nodes.for_each(|node| sample(&node, &mut paths));
            }
            _ => {}
        }
    }
    FieldSet::from_paths(paths.iter().map(String::as_str)).map_err(|unknown| {
        // The schema has a field that the database does not know.
        Problem::new(ErrorCode::Internal, unknown.to_string())
    })
}

/// The paths that a selection of a sample names.
fn sample(node: &SelectionField<'_>, paths: &mut Vec<String>) {
    for group in node.selection_set() {
        let name = group.name();
        if ALWAYS.contains(&name) {
            continue;
        }
        let of_group = snake_case(name);
        let inner: Vec<SelectionField<'_>> = group.selection_set().collect();
        if inner.is_empty() || WHOLE.contains(&name) {
            paths.push(of_group);
            continue;
        }
        for field in inner {
            let told = match field.name() {
                // Which members a group has is known once it is read.
                "__typename" => of_group.clone(),
                field => format!("{of_group}.{}", snake_case(field)),
            };
            paths.push(told);
        }
    }
}

/// `latitudeDeg` as the JSON has it: `latitude_deg`.
fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_schema_lead_back_to_those_of_the_json() {
        for (camel, snake) in [
            ("latitudeDeg", "latitude_deg"),
            ("northMS", "north_m_s"),
            ("rollRateDegS", "roll_rate_deg_s"),
            ("sinceBootUs", "since_boot_us"),
            ("kind", "kind"),
        ] {
            assert_eq!(snake_case(camel), snake);
        }
    }
}
