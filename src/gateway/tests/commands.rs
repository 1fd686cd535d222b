//! Commands from the POST to the drone at the other end of its stream, and back.

mod drone;
mod stories;

use aerostream_domain::command::CommandId;
use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::{Value, json};

use self::drone::TestDrone;
use super::grpc::{Door, open_over};
use super::support::{Answer, Fixture, drone, start};
use crate::gateway::auth::Role;

const COMMANDS: &str = "/api/v1/drones/alpha/commands";

/// A gateway with the drone alpha on a stream, and an operator of its fleet.
struct Stage {
    door: Door,
    drone: TestDrone,
    operator: String,
}

impl Stage {
    async fn open() -> Self {
        let door = open_over(start().await).await;
        let drone = TestDrone::connect(&door, 1).await;
        let operator = door.fixture.token(Role::Operator, &["red"]);
        Self {
            door,
            drone,
            operator,
        }
    }

    fn fixture(&self) -> &Fixture {
        &self.door.fixture
    }

    async fn give(&self, key: &str, body: &Value) -> Answer {
        give(self.fixture(), &self.operator, key, body).await
    }

    /// Gives a command and tells its id.
    async fn given(&self, key: &str, body: &Value) -> String {
        let answer = self.give(key, body).await;
        assert_eq!(answer.status, 202, "{}", answer.json());
        answer.json()["command_id"].as_str().unwrap().to_owned()
    }

    async fn ask(&self, id: &str, query: &str) -> Value {
        let path = format!("/api/v1/commands/{id}{query}");
        let answer = self.fixture().get(&path, &self.operator).await;
        assert_eq!(answer.status, 200, "{}", answer.json());
        answer.json()
    }

    /// Waits for the end of a command and tells its state.
    async fn end(&self, id: &str) -> String {
        let end = self.ask(id, "?wait_ms=20000").await;
        assert_eq!(end["is_final"], true, "{end}");
        end["state"].as_str().unwrap().to_owned()
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        let body = body.to_string();
        let sent = self.fixture();
        sent.send(Method::POST, path, &self.operator, &body).await
    }
}

async fn give(fixture: &Fixture, token: &str, key: &str, body: &Value) -> Answer {
    let request = Request::builder()
        .method(Method::POST)
        .uri(COMMANDS)
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .header("idempotency-key", key)
        .body(Body::from(body.to_string()))
        .unwrap();
    fixture.call(request).await
}

fn hold() -> Value {
    json!({ "command": "hold" })
}

#[tokio::test]
async fn a_command_goes_to_the_drone_and_its_end_comes_back() {
    let mut stage = Stage::open().await;
    let id = stage.given("k1", &hold()).await;
    let down = stage.drone.command().await;
    assert_eq!(down.command_id, id);
    assert_eq!((down.boot, down.exclusive), (1, true));
    assert!(down.valid_until_boot_us > stage.drone.boot_clock_us());
    stage.drone.answer(&down, "accepted").await;
    let acknowledged = stage.ask(&id, "?wait_ms=100").await;
    assert_eq!(acknowledged["attempts"], 1, "{acknowledged}");
    stage.drone.holds().await;
    assert_eq!(stage.end(&id).await, "confirmed");
}

#[tokio::test]
async fn one_key_is_one_command() {
    let mut stage = Stage::open().await;
    let id = stage.given("k1", &hold()).await;
    assert_eq!(stage.given("k1", &hold()).await, id);
    let parsed = CommandId::parse(&id).unwrap();
    let drones = &stage.fixture().gateway.behind.drones;
    assert_eq!(parsed.shard, drones.shard_of(&drone("alpha")));
    let answer = stage.give("k1", &json!({ "command": "land" })).await;
    assert_eq!(answer.problem().1, "conflict");
    stage.drone.command().await;
    assert!(stage.drone.hears_nothing().await, "it is one command");
}

#[tokio::test]
async fn wrong_wishes_name_what_would_be_right() {
    let stage = Stage::open().await;
    let goto = |latitude: f64| {
        let parameters = json!({
            "latitude_deg": latitude, "longitude_deg": 8.0, "altitude_m": 30.0
        });
        json!({ "command": "goto", "parameters": parameters })
    };
    let cases = [
        (goto(91.0), 422, "parameters.latitude_deg"),
        (json!({ "command": "fly" }), 422, "command"),
        (
            json!({ "command": "hold", "time_to_live_ms": 5 }),
            422,
            "time_to_live_ms",
        ),
        (
            json!({ "command": "arm", "emergency": true }),
            422,
            "emergency",
        ),
        (json!({ "command": "hold", "confirm": "x" }), 422, "confirm"),
    ];
    for (body, status, field) in cases {
        let problem = stage.give("k", &body).await.problem();
        assert_eq!((problem.0, problem.2.as_str()), (status, field), "{body}");
    }
    let spaced = stage.give("a key", &hold()).await.problem();
    assert_eq!(spaced.2, "idempotency-key");
    let missing = stage.fixture().get(
        "/api/v1/commands/0000-00000000000000000000000000000000",
        &stage.operator,
    );
    assert_eq!(missing.await.status, 404);
    let foreign = "/api/v1/drones/bravo/commands";
    assert_eq!(stage.post(foreign, &hold()).await.status, 404);
}

#[tokio::test]
async fn a_dangerous_command_waits_for_its_confirmation() {
    let mut stage = Stage::open().await;
    let answer = stage
        .give("k1", &json!({ "command": "terminate" }))
        .await
        .json();
    assert_eq!(answer["needs_confirmation"], true, "{answer}");
    let id = answer["command_id"].as_str().unwrap().to_owned();
    assert!(stage.drone.hears_nothing().await);
    let path = format!("/api/v1/commands/{id}/confirm");
    let wrong = stage
        .post(&path, &json!({ "digest": "0000000000000000" }))
        .await;
    assert_eq!(wrong.problem().1, "conflict");
    stage.drone.speak().await;
    let confirmed = stage
        .post(&path, &json!({ "digest": answer["digest"] }))
        .await;
    assert_eq!(confirmed.status, 202);
    assert_eq!(stage.drone.command().await.command_id, id);
}

#[tokio::test]
async fn many_drones_have_an_entry_each_and_one_summary() {
    let mut stage = Stage::open().await;
    let body = json!({ "fleet_id": "red", "drone_ids": ["bravo"], "command": "return" });
    let answer = stage.post("/api/v1/commands", &body).await;
    assert_eq!(answer.status, 202);
    let summary = &answer.json()["summary"];
    assert_eq!(
        (&summary["queued"], &summary["not_found"]),
        (&json!(1), &json!(1))
    );
    let group = answer.json()["group_id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/command-groups/{group}");
    let red = stage.fixture().token(Role::Viewer, &["red"]);
    let told = stage.fixture().get(&path, &red).await;
    assert_eq!(told.status, 200, "{}", told.json());
    let told = told.json();
    assert_eq!(told["group_id"], answer.json()["group_id"]);
    assert_eq!(told["commands"][0]["drone_id"], "alpha");
    assert_eq!(told["commands"].as_array().map(Vec::len), Some(1));
    let blue = stage.fixture().token(Role::Viewer, &["blue"]);
    let told = stage.fixture().get(&path, &blue).await.problem();
    let expected = (404, "not_found".to_owned(), "group_id".to_owned());
    assert_eq!(told, expected, "nobody else's");
    let wrong = stage.fixture().get("/api/v1/command-groups/x", &red).await;
    assert_eq!(wrong.status, 422);
    let down = stage.drone.command().await;
    assert_eq!(down.drone_id, "alpha");
}

#[tokio::test]
async fn a_drone_that_only_speaks_rest_fetches_its_commands() {
    let stage = Stage::open().await;
    stage.drone.silence();
    let own = stage.fixture().token(Role::Drone, &[]);
    let id = stage.given("k1", &hold()).await;
    let next = "/api/v1/drones/alpha/commands/next?boot=1&boot_clock_us=90000000&wait_ms=1000";
    let mut fetched = Value::Null;
    for _ in 0..20 {
        fetched = stage.fixture().get(next, &own).await.json();
        if fetched["commands"][0]["command_id"] == id.as_str() {
            break;
        }
    }
    assert_eq!(fetched["commands"][0]["command"], "hold", "{fetched}");
    let path = format!("/api/v1/drones/alpha/commands/{id}/answer");
    let refused = json!({ "outcome": "denied", "detail": "not today" }).to_string();
    let answer = stage
        .fixture()
        .send(Method::POST, &path, &own, &refused)
        .await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    assert_eq!(stage.end(&id).await, "rejected");
    assert_eq!(stage.ask(&id, "").await["answer"]["detail"], "not today");
}
