//! Commands through the real process to a simulated drone that flies, over a kill -9, to Postgres.

use std::time::Duration;

use aerostream_simulator::Config;
use aerostream_simulator::config::Physics;
use serde_json::{Value, json};

use crate::support::{Load, Servers, System, ask, client, connect, fleet, wait_for, wait_until};

/// A return ends on the ground, a minute or so behind its beginning.
const PATIENCE: Duration = Duration::from_secs(180);
const DRONE: &str = "sim-00000";

async fn give(system: &System, key: &str, body: &Value) -> Value {
    let request = client()
        .post(system.url(&format!("/api/v1/drones/{DRONE}/commands")))
        .bearer_auth(system.token("operator"))
        .header("idempotency-key", key)
        .json(body);
    let answer = ask(request).await;
    assert_eq!(answer.status, 202, "{}", answer.json);
    answer.json
}

/// The end of a command, asked for through any restart.
async fn end(system: &System, given: &Value) -> Value {
    let id = given["command_id"].as_str().expect("an id").to_owned();
    wait_for(PATIENCE, "the end of a command", async || {
        let request = client()
            .get(system.url(&format!("/api/v1/commands/{id}?wait_ms=5000")))
            .bearer_auth(system.token("operator"));
        let answer = request.send().await.ok()?;
        let state: Value = answer.json().await.ok()?;
        (state["is_final"] == true).then_some(state)
    })
    .await
}

async fn live(system: &System) -> Value {
    system.get(&format!("/api/v1/drones/{DRONE}")).await.json
}

#[tokio::test(flavor = "multi_thread")]
async fn a_simulated_drone_obeys_and_the_ledger_ends_behind_a_kill() {
    let servers = Servers::shared().await;
    let database = servers.postgres().await.database().await;
    let system = System::embedded(&servers).await.database(&database);
    let mut up = system.start().await;
    let load = Load::start(
        &system,
        Config {
            drones: 1,
            rate_hz: 5.0,
            batch: 1,
            connections: 1,
            physics: Physics::Integrated,
            fixed_wing_percent: 0.0,
            ..fleet()
        },
    );
    wait_until(PATIENCE, "it flies", async || {
        let state = &live(&system).await["live"]["groups"]["state"];
        state["landed_state"] == "in_air"
    })
    .await;
    let held = end(
        &system,
        &give(&system, "hold", &json!({ "command": "hold" })).await,
    )
    .await;
    assert_eq!(held["state"], "confirmed", "{held}");

    let position = live(&system).await["live"]["groups"]["position"].clone();
    let degrees = |name: &str| position[name].as_f64().expect("a position");
    let there = json!({
        "command": "goto",
        "parameters": {
            "latitude_deg": degrees("latitude_deg") + 0.001,
            "longitude_deg": degrees("longitude_deg"),
            "altitude_m": 50
        }
    });
    let gone = end(&system, &give(&system, "goto", &there).await).await;
    assert_eq!(gone["state"], "confirmed", "{gone}");

    // Killed in mid-command: what the journal has goes on.
    let given = give(&system, "return", &json!({ "command": "return" })).await;
    up.kill9();
    let mut up = system.start().await;
    let returned = end(&system, &given).await;
    assert_eq!(returned["state"], "confirmed", "{returned}");
    assert_eq!(
        give(&system, "hold", &json!({ "command": "hold" })).await["command_id"],
        held["command_id"]
    );

    drop(load);
    assert!(up.drain().success());
    let mut connection = connect(&database).await;
    let rows: Vec<(String, String)> =
        sqlx::query_as("SELECT name, state FROM command ORDER BY received_at")
            .fetch_all(&mut connection)
            .await
            .expect("rows");
    let expected = [
        ("hold", "confirmed"),
        ("goto", "confirmed"),
        ("return", "confirmed"),
    ];
    let expected = expected.map(|(name, state)| (name.to_owned(), state.to_owned()));
    assert_eq!(rows, expected);
}
