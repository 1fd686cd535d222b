//! Fleets, and the tokens that reach them.

use aerostream_domain::CellSize;
use serde_json::json;
use utoipa::openapi::schema::{ObjectBuilder, Type};

use super::doc::{ADMIN, Doc, READERS, id_schema, whole};
use crate::error::ErrorCode;
use crate::gateway::http::registry::{
    DroneEntryPage, EndedToken, FleetChange, FleetPage, FleetReply, NewFleet, TokenEnded,
};
use crate::gateway::json::summary::Summary;
use crate::gateway::summary::WITHIN_S_MAX;

const TAG: &str = "fleets";
const FLEET: &str = "alps";

/// `GET /api/v1/fleet/summary`.
pub fn summary() -> Doc {
    let cell = ObjectBuilder::new()
        .schema_type(Type::Number)
        .minimum(Some(CellSize::DEG_MIN))
        .maximum(Some(CellSize::DEG_MAX));
    Doc::new("getFleetSummary", TAG, "Tells a fleet in numbers", READERS)
        .about(
            "How many drones by state, mode and battery, and how many per cell of the map; counted \
             by the shards, no drone is asked.",
        )
        .query(
            "fleet",
            "One fleet; all that the token sees unless set.",
            id_schema(),
            None,
        )
        .query(
            "cell_deg",
            "Side of the map's cells, degrees. No map unless set.",
            cell,
            Some(1.into()),
        )
        .query(
            "within_s",
            "Seconds within which a drone counts as heard.",
            whole(1, WITHIN_S_MAX as i64),
            Some(60.into()),
        )
        .answer::<Summary>(200, "The fleet in numbers")
        .refuses(&[ErrorCode::NotFound])
}

/// `GET /api/v1/fleets`.
pub fn list() -> Doc {
    Doc::new(
        "listFleets",
        TAG,
        "Lists the fleets that the token may see",
        READERS,
    )
    .pages("fleet")
    .answer::<FleetPage>(200, "A page of fleets")
}

/// `POST /api/v1/fleets`.
pub fn create() -> Doc {
    Doc::new("createFleet", TAG, "Makes a fleet", ADMIN)
        .about("In a `closed` fleet only enrolled drones may send; in an `auto` fleet any may.")
        .body::<NewFleet>(&json!({
            "fleet_id": FLEET, "name": "Alps", "enrolment": "closed", "drones_max": 100
        }))
        .answer::<FleetReply>(201, "The fleet as it is made")
        .refuses(&[ErrorCode::Conflict, ErrorCode::DeadlinePassed])
}

/// `PATCH /api/v1/fleets/{id}`.
pub fn change() -> Doc {
    Doc::new("changeFleet", TAG, "Changes what the body names", ADMIN)
        .about("With `version`, only if nobody changed the fleet since that version.")
        .id("id", "The fleet's id.", FLEET)
        .body::<FleetChange>(&json!({ "name": "The Alps", "drones_max": 200 }))
        .answer::<FleetReply>(200, "The fleet as it is now")
        .refuses(&[ErrorCode::Conflict, ErrorCode::DeadlinePassed])
}

/// `GET /api/v1/fleets/{id}/drones`.
pub fn drones() -> Doc {
    Doc::new(
        "listFleetDrones",
        TAG,
        "Lists the enrolled drones of a fleet",
        READERS,
    )
    .about("By id, whether they were heard or not.")
    .id("id", "The fleet's id.", FLEET)
    .pages("drone")
    .answer::<DroneEntryPage>(200, "A page of enrolled drones")
}

/// `POST /api/v1/tokens/revoke`.
pub fn revoke() -> Doc {
    Doc::new("revokeToken", "tokens", "Ends a token", ADMIN)
        .about("A token's id does not tell its fleets, so this needs a token that reaches all.")
        .body::<EndedToken>(&json!({
            "token_id": "0d7a5c1e", "expires": 4_102_444_800_u64, "reason": "laptop lost"
        }))
        .answer::<TokenEnded>(
            200,
            "The token is ended at every gateway that reads the registry",
        )
        .refuses(&[ErrorCode::Conflict, ErrorCode::DeadlinePassed])
}
