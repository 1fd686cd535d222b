//! Drones: who is there, how they are, how they were; enrolment.

use serde_json::{Value, json};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{AnyOfBuilder, ObjectBuilder, Schema, Type};

use super::doc::{ADMIN, Doc, READERS, READERS_AND_DRONE, text, whole};
use crate::error::ErrorCode;
use crate::gateway::http::read::{DronePage, DroneReply, PastPage};
use crate::gateway::http::registry::{DroneEntry, NewDrone};
use crate::gateway::http::reply::AnyObject;
use crate::gateway::ports::FIELDS;

const TAG: &str = "drones";
const DRONE: &str = "my-first-drone";

/// `GET /api/v1/drones`.
pub fn list() -> Doc {
    Doc::new(
        "listDrones",
        TAG,
        "Lists the drones that were heard",
        READERS,
    )
    .about(
        "By id, those that the token may see. A page may be shorter than its limit; the list \
             is over when `next_after` is null.",
    )
    .pages("drone")
    .answer::<DronePage>(200, "A page of drones")
}

/// `POST /api/v1/drones`.
pub fn enrol() -> Doc {
    Doc::new("enrolDrone", TAG, "Enrols a drone", ADMIN)
        .body::<NewDrone>(&json!({
            "drone_id": DRONE, "fleet_id": "alps", "name": "First", "type": "quadrotor"
        }))
        .answer::<DroneEntry>(201, "The drone as it is enrolled")
        .refuses(&[
            ErrorCode::NotFound,
            ErrorCode::Conflict,
            ErrorCode::DeadlinePassed,
        ])
}

/// `GET /api/v1/drones/{id}`.
pub fn live() -> Doc {
    let summary = "Tells the live state of a drone";
    Doc::new("getDrone", TAG, summary, READERS_AND_DRONE)
        .about(
            "From the drone's actor, newest value of each group with its age; the database is not \
             asked. `live` is null for a drone that is enrolled and was not heard.",
        )
        .id("id", "The drone's id.", DRONE)
        .answer::<DroneReply>(200, "Live state")
}

/// `GET /api/v1/drones/{id}/telemetry`.
pub fn past() -> Doc {
    let summary = "Tells the past of a drone";
    let mut doc = Doc::new("getDroneTelemetry", TAG, summary, READERS_AND_DRONE)
        .about(
            "The last ten minutes unless asked otherwise, oldest first. As JSON it is a page: \
             when there may be more than the limit, the newest are told and `next_to` is the \
             `to` to go on with; samples of that one moment come again. With `step` it is steps \
             of time, and `next_from` is the `from` to go on with. The other formats are exports: \
             they stream everything, oldest first, up to the setting \
             `gateway.http.export_rows_max`, and break off rather than leave something out. \
             CSV and Parquet have one column for each field, so that of several receivers or \
             packs they show the first one only: `gnss.*` is of the first receiver, `battery.*` of \
             the first pack; JSON shows all. Their `battery.cells_v` and `extras` hold JSON. A \
             client that takes nothing of an export for `gateway.http.server.stall_timeout_ms` is \
             cut off.",
        )
        .id("id", "The drone's id.", DRONE);
    for (name, about, schema, example) in past_queries() {
        doc = doc.query(name, about, schema, example);
    }
    let page = doc.schema::<PastPage>();
    let steps = doc.schema::<AnyObject>();
    let json = AnyOfBuilder::new().item(page).item(steps).build();
    let forms = [
        ("application/json", Some(Schema::AnyOf(json).into())),
        ("text/csv", Some(text())),
        ("application/geo+json", None),
        ("application/vnd.apache.parquet", None),
    ];
    doc.answer_as(200, "Samples or steps of the past", &forms)
}

/// A parameter: name, meaning, schema and example.
type Parameter = (&'static str, &'static str, RefOr<Schema>, Option<Value>);

fn past_queries() -> [Parameter; 7] {
    let pattern = |pattern: String| {
        let schema = ObjectBuilder::new().schema_type(Type::String);
        RefOr::from(schema.pattern(Some(pattern)))
    };
    let paths: Vec<String> = FIELDS
        .iter()
        .map(|it| it.path.replace('.', "\\."))
        .collect();
    let path = format!("({})", paths.join("|"));
    let formats = ["json", "csv", "geojson", "parquet"];
    let format = ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(formats));
    let metres = ObjectBuilder::new()
        .schema_type(Type::Number)
        .exclusive_minimum(Some(0.0))
        .maximum(Some(100_000.0));
    [
        (
            "from",
            "First moment. Ten minutes before `to` unless set.",
            moment(),
            None,
        ),
        (
            "to",
            "Moment behind the last. Now unless set.",
            moment(),
            None,
        ),
        (
            "limit",
            "Most samples or steps of the answer, at most the setting `gateway.http.history_max`, \
             which is also the default; of an export at most `gateway.http.export_rows_max`.",
            whole(1, 5_000_000),
            Some(100.into()),
        ),
        (
            "fields",
            "Paths of the wanted fields, by commas, or whole groups such as `position`; only \
             their columns are read. Everything unless set.",
            pattern(format!("^{path}(,{path})*$")),
            None,
        ),
        (
            "step",
            "Length of the steps in place of samples, a multiple of 10 seconds up to 30 days: \
             average, least and greatest, and the last position of each.",
            pattern("^([1-9][0-9]{0,5}0s?|[1-9][0-9]{0,4}[mh]|[1-9][0-9]?d)$".to_owned()),
            None,
        ),
        (
            "format",
            "How the answer is written; `json` unless set.",
            format.into(),
            None,
        ),
        (
            "simplify_m",
            "For `format=geojson`: metres that the track may be off.",
            metres.into(),
            None,
        ),
    ]
}

/// RFC 3339, or microseconds since 1970.
pub fn moment() -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some(
            "^(-?[0-9]{1,16}|[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])\
             [Tt]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?[Zz])$",
        ))
        .description(Some(
            "RFC 3339 such as `2026-05-01T12:00:00Z`, or microseconds since 1970.",
        ))
        .into()
}

/// `POST /api/v1/drones/{id}/retire`.
pub fn retire() -> Doc {
    Doc::new("retireDrone", TAG, "Ends a drone's right to send", ADMIN)
        .about("Its history stays. Retiring it again changes nothing.")
        .id("id", "The drone's id.", DRONE)
        .answer::<DroneEntry>(200, "The drone as it is now")
        .refuses(&[ErrorCode::Conflict, ErrorCode::DeadlinePassed])
}
