//! Fleets, and the tokens that reach them.

use serde_json::json;

use super::doc::{ADMIN, Doc, READERS};
use crate::error::ErrorCode;
use crate::gateway::http::registry::{
    DroneEntryPage, EndedToken, FleetChange, FleetPage, FleetReply, NewFleet, TokenEnded,
};

const TAG: &str = "fleets";
const FLEET: &str = "alps";

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
