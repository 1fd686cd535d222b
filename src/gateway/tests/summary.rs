//! `GET /api/v1/fleet/summary`.

use axum::http::Method;
use serde_json::{Value, json};

use super::support::{Fixture, start, start_with};
use crate::gateway::auth::Role;

const PATH: &str = "/api/v1/fleet/summary";

async fn seen(fixture: &Fixture, drone: &str, body: Value) {
    let relay = fixture.token(Role::Relay, &["*"]);
    let mut body = body;
    body["drone_id"] = Value::from(drone);
    let answer = fixture
        .send(Method::POST, "/api/v1/telemetry", &relay, &body.to_string())
        .await;
    assert_eq!(answer.status, 200, "{:?}", answer.json());
}

/// `alpha` of red flies over Zurich, `bravo` of blue stands in Sydney.
pub async fn two_drones(fixture: &Fixture) {
    let alpha = json!({
        "position": {"latitude_deg": 47.4, "longitude_deg": 8.5},
        "battery": [{"id": 0, "remaining_percent": 71.5}],
        "state": {"armed": true, "landed_state": "in_air", "flight_mode": "mission"},
    });
    let bravo = json!({
        "position": {"latitude_deg": -33.9, "longitude_deg": 151.2},
        "state": {"armed": false, "landed_state": "on_ground"},
    });
    seen(fixture, "alpha", alpha).await;
    seen(fixture, "bravo", bravo).await;
}

#[tokio::test]
async fn a_summary_counts_what_the_caller_sees() {
    let fixture = start().await;
    two_drones(&fixture).await;
    let all = fixture.token(Role::Viewer, &["*"]);
    let answer = fixture.get(&format!("{PATH}?cell_deg=10"), &all).await;
    let mut told = answer.json();
    assert_eq!(answer.status, 200, "{told}");
    let rate = told["rate"].take();
    assert_eq!(rate["samples"], 2);
    assert!(told["at_us"].take().as_i64().is_some_and(|at| at > 0));
    let expected = json!({
        "at_us": null, "within_s": 30, "fleet_id": null,
        "drones": {"total": 2, "heard": 2, "silent": 0, "hot": 2, "passive": 0, "failed": 0},
        "armed": {"armed": 1, "disarmed": 1, "unknown": 0},
        "landed_state": {"in_air": 1, "on_ground": 1},
        "flight_mode": {"mission": 1, "unknown": 1},
        "battery": {"buckets": [0, 0, 0, 0, 0, 0, 0, 1, 0, 0], "unknown": 1},
        "cells": {
            "cell_deg": 10.0,
            "told": [
                {"south_deg": -40.0, "west_deg": 150.0, "drones": 1},
                {"south_deg": 40.0, "west_deg": 0.0, "drones": 1},
            ],
            "left_out": 0, "drones_left_out": 0, "without_position": 0,
        },
        "rate": null,
    });
    assert_eq!(told, expected);

    let red = fixture.token(Role::Operator, &["red"]);
    let total = async |path: &str, token: &str| {
        let told = fixture.get(path, token).await.json();
        (
            told["drones"]["total"].clone(),
            told["armed"]["armed"].clone(),
        )
    };
    assert_eq!(total(PATH, &red).await, (json!(1), json!(1)));
    let blue = format!("{PATH}?fleet=blue");
    assert_eq!(total(&blue, &all).await, (json!(1), json!(0)));
    let none = fixture.token(Role::Viewer, &[]);
    assert_eq!(total(PATH, &none).await, (json!(0), json!(0)));
}

#[tokio::test]
async fn what_is_wrong_with_a_question_is_told() {
    let fixture = start().await;
    let red = fixture.token(Role::Viewer, &["red"]);
    let cases = [
        ("?cell_deg=0", (422, "invalid", "cell_deg")),
        ("?cell_deg=-1", (422, "invalid", "cell_deg")),
        ("?cell_deg=NaN", (422, "invalid", "cell_deg")),
        ("?cell_deg=inf", (422, "invalid", "cell_deg")),
        ("?cell_deg=91", (422, "invalid", "cell_deg")),
        ("?cell_deg=wide", (422, "invalid", "query")),
        ("?within_s=0", (422, "invalid", "within_s")),
        ("?within_s=-5", (422, "invalid", "query")),
        ("?within_s=99999999999", (422, "invalid", "within_s")),
        ("?fleet=no%20id", (422, "invalid", "fleet")),
        ("?fleet=none", (404, "not_found", "fleet")),
        ("?fleet=blue", (404, "not_found", "fleet")),
        ("?size=3", (422, "invalid", "query")),
    ];
    for (query, (status, code, field)) in cases {
        let answer = fixture.get(&format!("{PATH}{query}"), &red).await;
        let expected = (status, code.to_owned(), field.to_owned());
        assert_eq!(answer.problem(), expected, "{query}: {:?}", answer.json());
    }
    let drone = fixture.token(Role::Drone, &[]);
    assert_eq!(fixture.get(PATH, &drone).await.status, 403);
    assert_eq!(fixture.get(PATH, "forged").await.status, 401);
}

#[tokio::test]
async fn cells_that_have_no_room_are_counted() {
    let fixture = start_with(|config| config.summary.cells_max = 1).await;
    two_drones(&fixture).await;
    let all = fixture.token(Role::Viewer, &["*"]);
    let told = fixture
        .get(&format!("{PATH}?cell_deg=1"), &all)
        .await
        .json();
    let cells = &told["cells"];
    assert_eq!(cells["told"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&cells["left_out"], &cells["drones_left_out"]),
        (&json!(1), &json!(1))
    );
}
