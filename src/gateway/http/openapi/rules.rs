//! Rules that raise alerts, and fences.

use serde_json::{Value, json};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};

use super::doc::{ADMIN, Doc, READERS, READERS_AND_DRONE, id_schema, whole};
use crate::error::ErrorCode;
use crate::gateway::http::fences::{FencePage, FenceRemoved};
use crate::gateway::http::rules::{RuleFields, RuleList, RuleRemoved};
use crate::gateway::json::fence::FenceShape;
use crate::gateway::json::rule::RuleShape;
use crate::gateway::rules::rehearse::{RuleTest, RuleTestResult};

const TAG: &str = "rules";
const FLEET: &str = "alps";
const DRONE: &str = "alpha";
const RULE: &str = "hot";
const FENCE: &str = "airport";
const TAKEN: &[ErrorCode] = &[ErrorCode::Conflict, ErrorCode::DeadlinePassed];

fn flag() -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::Boolean).into()
}

fn rule(title: &str) -> Value {
    json!({
        "rule_id": RULE, "title": title, "when": "armed",
        "levels": [
            { "severity": "warning", "for_s": 5,
              "raise": { "field": "battery.temperature_degc", "op": ">", "value": 60 } },
            { "severity": "critical",
              "raise": { "field": "battery.temperature_degc", "op": ">", "value": 75 } }
        ],
        "clear": { "field": "battery.temperature_degc", "op": "<", "value": 55 },
        "clear_for_s": 10
    })
}

fn fence(name: &str) -> Value {
    json!({
        "fence_id": FENCE, "name": name, "kind": "keep_out", "height": "absolute",
        "ceiling_m": 1500,
        "geometry": { "type": "Polygon", "coordinates": [
            [[8.52, 47.44], [8.58, 47.44], [8.58, 47.48], [8.52, 47.48], [8.52, 47.44]]
        ] }
    })
}

fn listed(doc: Doc) -> Doc {
    doc.query(
        "effective",
        "All rules that count, built-in ones and those of the fleet included, each with its \
         `origin`; only its own unless true.",
        flag(),
        Some(true.into()),
    )
    .answer::<RuleList>(200, "The rules, by id")
}

fn removed(doc: Doc) -> Doc {
    doc.query(
        "version",
        "Only if nobody changed it since that version.",
        whole(0, i64::MAX),
        None,
    )
    .refuses(TAKEN)
}

fn of_fleet(doc: Doc) -> Doc {
    doc.id("id", "The fleet's id.", FLEET)
}

fn of_drone(doc: Doc) -> Doc {
    doc.id("id", "The drone's id.", DRONE)
}

fn one_rule(doc: Doc) -> Doc {
    doc.segment("rule", "The rule's id.", id_schema(), RULE)
}

fn one_fence(doc: Doc) -> Doc {
    doc.segment("fence", "The fence's id.", id_schema(), FENCE)
}

/// `GET /api/v1/rules/fields`.
pub fn fields() -> Doc {
    let summary = "Lists the fields that a rule may compare";
    Doc::new("listRuleFields", TAG, summary, READERS)
        .about(
            "With kind, unit and parts. Numbers and flags among the extras are compared by \
             `extras.` and their name. All fields of a rule that speak of parts must speak of the \
             same ones.",
        )
        .answer::<RuleFields>(200, "Every field of the model")
}

/// `GET /api/v1/fleets/{id}/rules`.
pub fn list_of_fleet() -> Doc {
    let doc = Doc::new("listFleetRules", TAG, "Lists the rules of a fleet", READERS);
    listed(of_fleet(doc))
}

/// `GET /api/v1/drones/{id}/rules`.
pub fn list_of_drone() -> Doc {
    let summary = "Lists the rules of a drone";
    let doc = Doc::new("listDroneRules", TAG, summary, READERS_AND_DRONE);
    listed(of_drone(doc))
}

const BELOW: &str = "A drone's rule stands in the place of its fleet's of the same id, and a \
                     fleet's in that of the built-in one.";

/// `POST /api/v1/fleets/{id}/rules`.
pub fn create_of_fleet() -> Doc {
    let doc = Doc::new("createFleetRule", TAG, "Gives a fleet a new rule", ADMIN);
    of_fleet(doc)
        .about(BELOW)
        .body::<RuleShape>(&rule("Battery hot"))
        .answer::<RuleShape>(201, "The rule as it is made")
        .refuses(TAKEN)
}

/// `POST /api/v1/drones/{id}/rules`.
pub fn create_of_drone() -> Doc {
    let doc = Doc::new("createDroneRule", TAG, "Gives a drone a new rule", ADMIN);
    of_drone(doc)
        .about(BELOW)
        .body::<RuleShape>(&rule("Battery hot"))
        .answer::<RuleShape>(201, "The rule as it is made")
        .refuses(TAKEN)
}

/// `GET /api/v1/fleets/{id}/rules/{rule}`.
pub fn show_of_fleet() -> Doc {
    let summary = "Shows a rule as it counts for a fleet";
    one_rule(of_fleet(Doc::new("getFleetRule", TAG, summary, READERS)))
        .about("Also a built-in one; `origin` tells whose it is.")
        .answer::<RuleShape>(200, "The rule")
}

/// `GET /api/v1/drones/{id}/rules/{rule}`.
pub fn show_of_drone() -> Doc {
    let summary = "Shows a rule as it counts for a drone";
    let doc = Doc::new("getDroneRule", TAG, summary, READERS_AND_DRONE);
    one_rule(of_drone(doc))
        .about("Also its fleet's or a built-in one; `origin` tells whose it is.")
        .answer::<RuleShape>(200, "The rule")
}

const REPLACED: &str = "With `version`, only if nobody changed it since that version. \
                        `enabled: false` switches off what lies below as well.";

/// `PUT /api/v1/fleets/{id}/rules/{rule}`.
pub fn put_of_fleet() -> Doc {
    let summary = "Makes or replaces a rule of a fleet";
    one_rule(of_fleet(Doc::new("putFleetRule", TAG, summary, ADMIN)))
        .about(REPLACED)
        .body::<RuleShape>(&rule("Battery too hot"))
        .answer::<RuleShape>(200, "The rule as it is now")
        .refuses(TAKEN)
}

/// `PUT /api/v1/drones/{id}/rules/{rule}`.
pub fn put_of_drone() -> Doc {
    let summary = "Makes or replaces a rule of a drone";
    one_rule(of_drone(Doc::new("putDroneRule", TAG, summary, ADMIN)))
        .about(REPLACED)
        .body::<RuleShape>(&rule("Battery too hot"))
        .answer::<RuleShape>(200, "The rule as it is now")
        .refuses(TAKEN)
}

/// `DELETE /api/v1/fleets/{id}/rules/{rule}`.
pub fn remove_of_fleet() -> Doc {
    let summary = "Takes a rule of a fleet away";
    let doc = one_rule(of_fleet(Doc::new("deleteFleetRule", TAG, summary, ADMIN)));
    removed(doc)
        .about("What lies below it counts again.")
        .answer::<RuleRemoved>(200, "It is taken away")
}

/// `DELETE /api/v1/drones/{id}/rules/{rule}`.
pub fn remove_of_drone() -> Doc {
    let summary = "Takes a rule of a drone away";
    let doc = one_rule(of_drone(Doc::new("deleteDroneRule", TAG, summary, ADMIN)));
    removed(doc)
        .about("What lies below it counts again.")
        .answer::<RuleRemoved>(200, "It is taken away")
}

/// `POST /api/v1/fleets/{id}/rules/test`.
pub fn test() -> Doc {
    of_fleet(Doc::new(
        "testRule",
        TAG,
        "Tries a rule on the past",
        READERS,
    ))
    .about(
        "Would it have fired in the last hour, or within a day at most? The rule need not be \
             kept, nor the fences. The stored samples of each drone are judged as they would have \
             been, in the order of their own times; what the drone told before the first moment is \
             not known. Needs the database.",
    )
    .body::<RuleTest>(&json!({ "rule": rule("Battery hot") }))
    .answer::<RuleTestResult>(200, "What would have been raised, by drone")
    .refuses(&[ErrorCode::Invalid])
}

/// `GET /api/v1/fleets/{id}/fences`.
pub fn fences() -> Doc {
    of_fleet(Doc::new(
        "listFences",
        TAG,
        "Lists the fences of a fleet",
        READERS,
    ))
    .pages("fence")
    .answer::<FencePage>(200, "A page of fences")
}

/// `POST /api/v1/fleets/{id}/fences`.
pub fn create_fence() -> Doc {
    of_fleet(Doc::new(
        "createFence",
        TAG,
        "Gives a fleet a new fence",
        ADMIN,
    ))
    .about(
        "Rules look at it by `fence.depth_m`; the built-in rule `fence` raises an alert when a \
             drone is in breach. Places are longitude first, as in GeoJSON.",
    )
    .body::<FenceShape>(&fence("Airport"))
    .answer::<FenceShape>(201, "The fence as it is made")
    .refuses(TAKEN)
}

/// `GET /api/v1/fleets/{id}/fences/{fence}`.
pub fn show_fence() -> Doc {
    one_fence(of_fleet(Doc::new(
        "getFence",
        TAG,
        "Shows a fence",
        READERS,
    )))
    .answer::<FenceShape>(200, "The fence")
}

/// `PUT /api/v1/fleets/{id}/fences/{fence}`.
pub fn put_fence() -> Doc {
    let summary = "Makes or replaces a fence";
    one_fence(of_fleet(Doc::new("putFence", TAG, summary, ADMIN)))
        .about("With `version`, only if nobody changed it since that version.")
        .body::<FenceShape>(&fence("Zurich airport"))
        .answer::<FenceShape>(200, "The fence as it is now")
        .refuses(TAKEN)
}

/// `DELETE /api/v1/fleets/{id}/fences/{fence}`.
pub fn remove_fence() -> Doc {
    let doc = Doc::new("deleteFence", TAG, "Takes a fence away", ADMIN);
    removed(one_fence(of_fleet(doc)))
        .about("Alerts about it end.")
        .answer::<FenceRemoved>(200, "It is taken away")
}
