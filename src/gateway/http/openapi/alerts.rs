//! Alerts: what is wrong or was, and who has seen it.

use aerostream_domain::alert::Severity;
use serde_json::json;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};

use super::doc::{COMMANDERS, Doc, READERS, READERS_AND_DRONE, id_schema, text};
use crate::error::ErrorCode;
use crate::gateway::http::alerts::{Acknowledgement, AlertList, Comment};
use crate::gateway::json::alert::AlertReply;

const TAG: &str = "alerts";
const DRONE: &str = "my-first-drone";
const ALERT: &str = "0123456789abcdef0123456789abcdef";

fn flag() -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::Boolean).into()
}

fn severities() -> RefOr<Schema> {
    let names = Severity::ALL.map(Severity::as_str);
    let schema = ObjectBuilder::new().schema_type(Type::String);
    schema.enum_values(Some(names)).into()
}

fn alert(doc: Doc) -> Doc {
    let schema = ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some("^[0-9a-fA-F]{32}$"));
    doc.id("id", "The drone's id.", DRONE).segment(
        "alert",
        "The alert's id.",
        RefOr::from(schema),
        ALERT,
    )
}

fn filters(doc: Doc) -> Doc {
    let active = "Only those that are active, or that are over.";
    let acknowledged = "Only those that somebody has seen, or that nobody has.";
    let severity = "Only alerts at least as bad.";
    let fleet = "Only of drones of this fleet.";
    let history = "True: as the database has them, all of them.";
    let moment = "Alerts of the database that were raised within; RFC 3339 or microseconds since \
                  1970.";
    let after = "The `next_after` of the page before.";
    let warning = Some("warning".into());
    doc.query("active", active, flag(), Some(true.into()))
        .query("acknowledged", acknowledged, flag(), None)
        .query("severity", severity, severities(), warning)
        .query("fleet_id", fleet, id_schema(), None)
        .query("rule_id", "Only of this rule.", id_schema(), None)
        .query("history", history, flag(), None)
        .query("from", moment, text(), None)
        .query("to", moment, text(), None)
        .query("after", after, text(), None)
        .limit()
}

/// `GET /api/v1/alerts`.
pub fn list() -> Doc {
    let doc = Doc::new("listAlerts", TAG, "Lists alerts", READERS).about(
        "The newest first. Without `history`, `from` and `to` they come from the drones' actors, \
         without the database: those that are active, and of each drone the last 32 that are \
         over. A page of the database may be shorter than its limit, even empty, and still have \
         a `next_after`.",
    );
    filters(doc)
        .query("drone_id", "Only of this drone.", id_schema(), None)
        .answer::<AlertList>(200, "A page of alerts")
        .refuses(&[ErrorCode::NotFound])
}

/// `GET /api/v1/drones/{id}/alerts`.
pub fn of_drone() -> Doc {
    let summary = "Lists the alerts of a drone";
    let doc = Doc::new("listDroneAlerts", TAG, summary, READERS_AND_DRONE)
        .about("As `listAlerts`.")
        .id("id", "The drone's id.", DRONE);
    filters(doc).answer::<AlertList>(200, "A page of alerts")
}

/// `GET /api/v1/drones/{id}/alerts/{alert}`.
pub fn show() -> Doc {
    let summary = "Tells what became of an alert";
    alert(Doc::new("getAlert", TAG, summary, READERS_AND_DRONE))
        .answer::<AlertReply>(200, "The alert")
}

/// `POST /api/v1/drones/{id}/alerts/{alert}/acknowledge`.
pub fn acknowledge() -> Doc {
    let summary = "Says that somebody has seen an alert";
    alert(Doc::new("acknowledgeAlert", TAG, summary, COMMANDERS))
        .about(
            "Answered when it is durable. The first one stays: who acknowledges second is told \
             who was first. An alert may be over before anybody has seen it. The body may be \
             missing.",
        )
        .body::<Acknowledgement>(&json!({ "comment": "calling the pilot" }))
        .answer::<AlertReply>(200, "It is durable")
        .refuses(&[ErrorCode::DeadlinePassed])
}

/// `POST /api/v1/drones/{id}/alerts/{alert}/comments`.
pub fn comment() -> Doc {
    let summary = "Says something about an alert";
    alert(Doc::new("commentAlert", TAG, summary, COMMANDERS))
        .about("Answered when it is durable.")
        .body::<Comment>(&json!({ "comment": "battery was replaced" }))
        .answer::<AlertReply>(200, "It is durable")
        .refuses(&[ErrorCode::DeadlinePassed])
}
