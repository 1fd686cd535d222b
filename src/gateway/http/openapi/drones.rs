//! Drones: who is there, how they are, how they were; enrolment.

use serde_json::json;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};

use super::doc::{ADMIN, Doc, READERS, READERS_AND_DRONE, whole};
use crate::error::ErrorCode;
use crate::gateway::http::read::{DronePage, DroneReply, PastPage};
use crate::gateway::http::registry::{DroneEntry, NewDrone};

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
    Doc::new("getDroneTelemetry", TAG, summary, READERS_AND_DRONE)
        .about(
            "The last ten minutes unless asked otherwise, oldest first. When there may be \
             more than the limit, the newest are told and `next_to` is the `to` to go on \
             with; samples of that one moment come again.",
        )
        .id("id", "The drone's id.", DRONE)
        .query(
            "from",
            "First moment. Ten minutes before `to` unless set.",
            moment(),
            None,
        )
        .query(
            "to",
            "Moment behind the last. Now unless set.",
            moment(),
            None,
        )
        .query(
            "limit",
            "Most samples of the answer, at most the setting `gateway.http.history_max`, which is \
             also the default.",
            whole(1, 10_000),
            Some(100.into()),
        )
        .answer::<PastPage>(200, "Samples of the past")
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
