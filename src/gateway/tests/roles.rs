//! Every route with every role: what is not allowed is denied.

mod rules;

use axum::http::Method;

use super::support::{Fixture, start};
use crate::gateway::auth::Role;

/// A route, a body that it would take, and the statuses for drone (alpha), relay, viewer, operator
/// and admin of fleet red, and for nobody.
type Line = (Method, &'static str, &'static str, [u16; 6]);

const SAMPLE: &str = r#"{"drone_id":"alpha","wind":{"speed_m_s":1}}"#;
const FOREIGN: &str = r#"{"drone_id":"bravo","wind":{"speed_m_s":1}}"#;
const FLEET: &str = r#"{"fleet_id":"green"}"#;
const ENROL: &str = r#"{"drone_id":"new","fleet_id":"red"}"#;
const ENROL_BLUE: &str = r#"{"drone_id":"new-2","fleet_id":"blue"}"#;
const REVOKE: &str = r#"{"token_id":"abc","expires":4000000000}"#;

const HOLD: &str = r#"{"command":"hold"}"#;
const HOLD_ALL: &str = r#"{"drone_ids":["alpha"],"command":"hold"}"#;
const ACCEPTED: &str = r#"{"outcome":"accepted"}"#;
const COMMENT: &str = r#"{"comment":"seen"}"#;
const DIGEST: &str = r#"{"digest":"0123456789abcdef"}"#;

const LINES: &[Line] = &[
    (
        Method::POST,
        "/api/v1/drones/alpha/commands",
        HOLD,
        [403, 403, 403, 202, 403, 401],
    ),
    (
        Method::POST,
        "/api/v1/drones/bravo/commands",
        HOLD,
        [403, 403, 403, 404, 403, 401],
    ),
    (
        Method::GET,
        "/api/v1/drones/alpha/commands",
        "",
        [200, 403, 200, 200, 200, 401],
    ),
    (
        Method::GET,
        "/api/v1/drones/bravo/commands",
        "",
        [404, 403, 404, 404, 404, 401],
    ),
    (
        Method::POST,
        "/api/v1/commands",
        HOLD_ALL,
        [403, 403, 403, 202, 403, 401],
    ),
    (
        Method::GET,
        "/api/v1/commands/0000-00000000000000000000000000000000",
        "",
        [404, 403, 404, 404, 404, 401],
    ),
    (
        Method::GET,
        "/api/v1/command-groups/00000000000000000000000000000000",
        "",
        [404, 403, 404, 404, 404, 401],
    ),
    (
        Method::POST,
        "/api/v1/commands/0000-00000000000000000000000000000000/cancel",
        "",
        [403, 403, 403, 404, 403, 401],
    ),
    (
        Method::POST,
        "/api/v1/commands/0000-00000000000000000000000000000000/confirm",
        DIGEST,
        [403, 403, 403, 404, 403, 401],
    ),
    (
        Method::GET,
        "/api/v1/drones/alpha/commands/next?boot=1&boot_clock_us=1",
        "",
        [200, 200, 403, 403, 403, 401],
    ),
    (
        Method::GET,
        "/api/v1/drones/bravo/commands/next?boot=1&boot_clock_us=1",
        "",
        [404, 404, 403, 403, 403, 401],
    ),
    (
        Method::POST,
        "/api/v1/drones/alpha/commands/0000-00000000000000000000000000000000/answer",
        ACCEPTED,
        [200, 200, 403, 403, 403, 401],
    ),
    (
        Method::GET,
        "/api/v1/alerts",
        "",
        [403, 403, 200, 200, 200, 401],
    ),
    (
        Method::GET,
        "/api/v1/drones/alpha/alerts",
        "",
        [200, 403, 200, 200, 200, 401],
    ),
    (
        Method::GET,
        "/api/v1/drones/bravo/alerts",
        "",
        [404, 403, 404, 404, 404, 401],
    ),
    (
        Method::GET,
        "/api/v1/drones/alpha/alerts/00000000000000000000000000000000",
        "",
        [404, 403, 404, 404, 404, 401],
    ),
    (
        Method::POST,
        "/api/v1/drones/alpha/alerts/00000000000000000000000000000000/acknowledge",
        "",
        [403, 403, 403, 404, 403, 401],
    ),
    (
        Method::POST,
        "/api/v1/drones/alpha/alerts/00000000000000000000000000000000/comments",
        COMMENT,
        [403, 403, 403, 404, 403, 401],
    ),
    // Who may is told the way of a WebSocket; see `ws`.
    (
        Method::GET,
        "/ws/v1/fleet",
        "",
        [400, 400, 400, 400, 400, 401],
    ),
    (
        Method::GET,
        "/ws/v1/alerts",
        "",
        [400, 400, 400, 400, 400, 401],
    ),
    (
        Method::GET,
        "/graphql/ws",
        "",
        [400, 400, 400, 400, 400, 401],
    ),
    (Method::GET, "/", "", [200; 6]),
    (Method::GET, "/healthz", "", [200; 6]),
    (Method::GET, "/readyz", "", [200; 6]),
    (Method::GET, "/metrics", "", [200; 6]),
    (
        Method::POST,
        "/api/v1/telemetry",
        SAMPLE,
        [200, 200, 403, 403, 403, 401],
    ),
    (
        Method::POST,
        "/api/v1/telemetry",
        FOREIGN,
        [403, 403, 403, 403, 403, 401],
    ),
    (
        Method::GET,
        "/api/v1/drones",
        "",
        [403, 403, 200, 200, 200, 401],
    ),
    (
        Method::GET,
        "/api/v1/drones/alpha",
        "",
        [200, 403, 200, 200, 200, 401],
    ),
    (
        Method::GET,
        "/api/v1/drones/bravo",
        "",
        [404, 403, 404, 404, 404, 401],
    ),
    (
        Method::GET,
        "/api/v1/drones/alpha/telemetry",
        "",
        [200, 403, 200, 200, 200, 401],
    ),
    (
        Method::GET,
        "/api/v1/drones/bravo/telemetry",
        "",
        [404, 403, 404, 404, 404, 401],
    ),
    (
        Method::GET,
        "/api/v1/fleets",
        "",
        [403, 403, 200, 200, 200, 401],
    ),
    (
        Method::GET,
        "/api/v1/fleets/red/drones",
        "",
        [403, 403, 200, 200, 200, 401],
    ),
    (
        Method::GET,
        "/api/v1/fleets/blue/drones",
        "",
        [403, 403, 404, 404, 404, 401],
    ),
    (
        Method::POST,
        "/api/v1/fleets",
        FLEET,
        [403, 403, 403, 403, 403, 401],
    ),
    (
        Method::PATCH,
        "/api/v1/fleets/red",
        "{}",
        [403, 403, 403, 403, 200, 401],
    ),
    (
        Method::PATCH,
        "/api/v1/fleets/blue",
        "{}",
        [403, 403, 403, 403, 404, 401],
    ),
    (
        Method::POST,
        "/api/v1/drones",
        ENROL,
        [403, 403, 403, 403, 201, 401],
    ),
    (
        Method::POST,
        "/api/v1/drones",
        ENROL_BLUE,
        [403, 403, 403, 403, 403, 401],
    ),
    (
        Method::POST,
        "/api/v1/drones/bravo/retire",
        "",
        [403, 403, 403, 403, 404, 401],
    ),
    (
        Method::POST,
        "/api/v1/tokens/revoke",
        REVOKE,
        [403, 403, 403, 403, 403, 401],
    ),
    (
        Method::POST,
        "/api/v1/drones/new/retire",
        "",
        [403, 403, 403, 403, 200, 401],
    ),
];

async fn statuses(fixture: &Fixture, (method, path, body, _): &Line) -> Vec<u16> {
    let mut statuses = Vec::new();
    for role in Role::ALL {
        let fleets: &[&str] = if role == Role::Drone { &[] } else { &["red"] };
        let token = fixture.token(role, fleets);
        statuses.push(
            fixture
                .send(method.clone(), path, &token, body)
                .await
                .status,
        );
    }
    statuses.push(
        fixture
            .send(method.clone(), path, "not.a.token", body)
            .await
            .status,
    );
    statuses
}

#[tokio::test]
async fn every_route_with_every_role() {
    let fixture = start().await;
    for line in LINES.iter().chain(rules::LINES) {
        let got = statuses(&fixture, line).await;
        assert_eq!(got, line.3, "{} {} {}", line.0, line.1, line.2);
    }
}

#[tokio::test]
async fn a_token_without_fleets_reaches_nothing() {
    let fixture = start().await;
    let token = fixture.token(Role::Admin, &[]);
    let fleets = fixture.get("/api/v1/fleets", &token).await.json();
    assert_eq!(fleets["fleets"].as_array().map(Vec::len), Some(0));
    assert_eq!(
        fixture.get("/api/v1/drones/alpha", &token).await.status,
        404
    );
    assert_eq!(
        fixture.get("/api/v1/drones/nobody", &token).await.status,
        404
    );
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems_too() {
    let fixture = start().await;
    let answer = fixture.get("/api/v2/drones", "").await;
    assert_eq!(answer.problem().1, "not_found");
    let answer = fixture.send(Method::DELETE, "/api/v1/drones", "", "").await;
    assert_eq!(answer.problem().1, "method_not_allowed");
}
