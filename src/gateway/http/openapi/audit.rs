//! Who did what.

use super::doc::{ADMIN, Doc, id_schema, text};
use super::drones::moment;
use crate::error::ErrorCode;
use crate::gateway::http::audit::AuditPage;

/// `GET /api/v1/audit`.
pub fn list() -> Doc {
    Doc::new("listAudit", "audit", "Tells who did what", ADMIN)
        .about(
            "Every command, cancel and confirmation, and every change of fleets, drones and \
             tokens, newest first, of the token's fleets. What is about no fleet, such as the end \
             of a token, is for admins of every fleet. Rows come a moment after what they tell.",
        )
        .query("fleet", "Of this fleet only.", id_schema(), None)
        .query("drone", "Of this drone only.", id_schema(), None)
        .query(
            "principal",
            "By this subject of a token only.",
            text(),
            None,
        )
        .query("from", "First moment.", moment(), None)
        .query("to", "Moment behind the last.", moment(), None)
        .query("after", "The answer's `next_after`.", text(), None)
        .limit()
        .answer::<AuditPage>(200, "A page of the audit")
        .refuses(&[ErrorCode::NotFound, ErrorCode::Unavailable])
}
