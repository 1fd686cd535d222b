//! Doors of rules and fences.

use axum::http::Method;

use super::Line;

const RULE: &str = r#"{"rule_id":"r","title":"t",
    "levels":[{"severity":"warning","raise":{"field":"wind.speed_m_s","op":">","value":9}}],
    "clear":{"field":"wind.speed_m_s","op":"<","value":8}}"#;
const TEST: &str = r#"{"rule_id":"wind"}"#;
const FENCE: &str = r#"{"fence_id":"f","kind":"keep_in","ceiling_m":100}"#;

pub const LINES: &[Line] = &[
    (
        Method::GET,
        "/api/v1/fleets/red/rules?effective=true",
        "",
        [403, 403, 200, 200, 200, 401],
    ),
    (
        Method::GET,
        "/api/v1/fleets/blue/rules",
        "",
        [403, 403, 404, 404, 404, 401],
    ),
    (
        Method::POST,
        "/api/v1/fleets/red/rules",
        RULE,
        [403, 403, 403, 403, 201, 401],
    ),
    (
        Method::POST,
        "/api/v1/fleets/blue/rules",
        RULE,
        [403, 403, 403, 403, 404, 401],
    ),
    (
        Method::GET,
        "/api/v1/fleets/red/rules/r",
        "",
        [403, 403, 200, 200, 200, 401],
    ),
    (
        Method::PUT,
        "/api/v1/fleets/red/rules/r",
        RULE,
        [403, 403, 403, 403, 200, 401],
    ),
    (
        Method::PUT,
        "/api/v1/fleets/blue/rules/r",
        RULE,
        [403, 403, 403, 403, 404, 401],
    ),
    (
        Method::DELETE,
        "/api/v1/fleets/red/rules/r",
        "",
        [403, 403, 403, 403, 200, 401],
    ),
    (
        Method::DELETE,
        "/api/v1/fleets/blue/rules/r",
        "",
        [403, 403, 403, 403, 404, 401],
    ),
    (
        Method::GET,
        "/api/v1/drones/alpha/rules?effective=true",
        "",
        [200, 403, 200, 200, 200, 401],
    ),
    (
        Method::GET,
        "/api/v1/drones/bravo/rules",
        "",
        [404, 403, 404, 404, 404, 401],
    ),
    (
        Method::POST,
        "/api/v1/drones/alpha/rules",
        RULE,
        [403, 403, 403, 403, 201, 401],
    ),
    (
        Method::POST,
        "/api/v1/drones/bravo/rules",
        RULE,
        [403, 403, 403, 403, 404, 401],
    ),
    (
        Method::GET,
        "/api/v1/drones/alpha/rules/r",
        "",
        [200, 403, 200, 200, 200, 401],
    ),
    (
        Method::PUT,
        "/api/v1/drones/alpha/rules/r",
        RULE,
        [403, 403, 403, 403, 200, 401],
    ),
    (
        Method::PUT,
        "/api/v1/drones/bravo/rules/r",
        RULE,
        [403, 403, 403, 403, 404, 401],
    ),
    (
        Method::DELETE,
        "/api/v1/drones/alpha/rules/r",
        "",
        [403, 403, 403, 403, 200, 401],
    ),
    (
        Method::DELETE,
        "/api/v1/drones/bravo/rules/r",
        "",
        [403, 403, 403, 403, 404, 401],
    ),
    (
        Method::GET,
        "/api/v1/rules/fields",
        "",
        [403, 403, 200, 200, 200, 401],
    ),
    (
        Method::POST,
        "/api/v1/fleets/red/rules/test",
        TEST,
        [403, 403, 200, 200, 200, 401],
    ),
    (
        Method::POST,
        "/api/v1/fleets/blue/rules/test",
        TEST,
        [403, 403, 404, 404, 404, 401],
    ),
    (
        Method::GET,
        "/api/v1/fleets/red/fences",
        "",
        [403, 403, 200, 200, 200, 401],
    ),
    (
        Method::GET,
        "/api/v1/fleets/blue/fences",
        "",
        [403, 403, 404, 404, 404, 401],
    ),
    (
        Method::POST,
        "/api/v1/fleets/red/fences",
        FENCE,
        [403, 403, 403, 403, 201, 401],
    ),
    (
        Method::POST,
        "/api/v1/fleets/blue/fences",
        FENCE,
        [403, 403, 403, 403, 404, 401],
    ),
    (
        Method::GET,
        "/api/v1/fleets/red/fences/f",
        "",
        [403, 403, 200, 200, 200, 401],
    ),
    (
        Method::PUT,
        "/api/v1/fleets/red/fences/f",
        FENCE,
        [403, 403, 403, 403, 200, 401],
    ),
    (
        Method::DELETE,
        "/api/v1/fleets/red/fences/f",
        "",
        [403, 403, 403, 403, 200, 401],
    ),
    (
        Method::DELETE,
        "/api/v1/fleets/blue/fences/f",
        "",
        [403, 403, 403, 403, 404, 401],
    ),
];
