//! What goes wrong on the way.

use std::time::Duration;

use serde_json::json;

use super::drone::TestDrone;
use super::{Stage, hold};
use crate::gateway::auth::Role;
use crate::gateway::tests::support::eventually;

#[tokio::test]
async fn a_drone_that_is_not_there_gets_its_command_when_it_comes_back() {
    let stage = Stage::open().await;
    let Stage {
        door,
        drone,
        operator,
    } = stage;
    drop(drone);
    let sessions = door.fixture.gateway.behind.drones.sessions().clone();
    let alpha = super::drone("alpha");
    eventually("the stream ends", async || sessions.get(&alpha).is_none()).await;
    let answer = super::give(&door.fixture, &operator, "k1", &hold()).await;
    assert_eq!(answer.json()["state"], "queued");
    let mut drone = TestDrone::connect(&door, 1).await;
    let down = drone.command().await;
    assert_eq!(answer.json()["command_id"], down.command_id.as_str());
}

#[tokio::test]
async fn a_drone_that_connects_again_gets_it_again_in_a_newer_order() {
    let mut stage = Stage::open().await;
    let id = stage.given("k1", &hold()).await;
    let first = stage.drone.command().await;
    // The answer is lost with the connection.
    stage.drone = TestDrone::connect(&stage.door, 1).await;
    let second = stage.drone.command().await;
    assert_eq!((&first.command_id, &second.command_id), (&id, &id));
    let order = |down: &aerostream_proto::v1::DownCommand| down.order.unwrap().counter;
    assert!(order(&second) > order(&first));
    stage.drone.answer(&second, "accepted").await;
    stage.drone.holds().await;
    assert_eq!(stage.end(&id).await, "confirmed");
}

#[tokio::test]
async fn nothing_is_sent_again_to_a_drone_that_was_powered_up_anew() {
    let mut stage = Stage::open().await;
    let id = stage.given("k1", &hold()).await;
    stage.drone.command().await;
    // The power-up of a higher boot is later here.
    stage.drone.silence();
    let mut drone = TestDrone::connect_at(&stage.door, 2, 1_000_000).await;
    assert_eq!(stage.end(&id).await, "unknown");
    assert!(drone.hears_nothing().await);
}

#[tokio::test]
async fn of_two_commands_the_newer_one_counts() {
    let mut stage = Stage::open().await;
    let first = stage.given("k1", &hold()).await;
    assert_eq!(stage.drone.command().await.command_id, first);
    let second = stage.given("k2", &json!({ "command": "return" })).await;
    let down = stage.drone.command().await;
    assert_eq!(down.command_id, second);
    assert_eq!(stage.end(&first).await, "superseded");
    stage.drone.answer(&down, "denied").await;
    assert_eq!(stage.end(&second).await, "rejected");
}

#[tokio::test]
async fn a_cancel_before_it_goes_out_ends_it() {
    let mut stage = Stage::open().await;
    let terminate = json!({ "command": "terminate" });
    let id = stage.given("k1", &terminate).await;
    let path = format!("/api/v1/commands/{id}/cancel");
    assert_eq!(stage.post(&path, &json!({})).await.status, 202);
    assert_eq!(stage.end(&id).await, "cancelled");
    assert!(stage.drone.hears_nothing().await);
    let list = stage
        .fixture()
        .get(super::COMMANDS, &stage.operator)
        .await
        .json();
    assert_eq!(list["commands"][0]["state"], "cancelled");
}

#[tokio::test]
async fn a_silent_drone_is_sent_nothing_and_its_command_ends() {
    let mut stage = Stage::open().await;
    stage.drone.silence();
    // Silence is the condition: nothing happens when it has lasted long enough.
    tokio::time::sleep(Duration::from_millis(1_700)).await;
    let body = json!({ "command": "hold", "time_to_live_ms": 300 });
    let id = stage.given("k1", &body).await;
    assert_eq!(stage.end(&id).await, "expired");
    assert!(stage.drone.hears_nothing().await);
    assert_eq!(stage.ask(&id, "").await["attempts"], 0);
}

#[tokio::test]
async fn while_the_log_is_down_only_an_emergency_goes_through() {
    let mut stage = Stage::open().await;
    stage.fixture().log.set_out_of_reach(true);
    let refused = stage.give("k1", &hold()).await;
    assert_eq!(refused.problem().1, "unavailable");
    assert!(stage.drone.hears_nothing().await);
    let emergency = json!({ "command": "hold", "emergency": true });
    let (answer, down) = tokio::join!(
        super::give(&stage.door.fixture, &stage.operator, "k2", &emergency),
        async {
            let down = stage.drone.command().await;
            stage.drone.answer(&down, "accepted").await;
            down
        }
    );
    let told = answer.json();
    assert_eq!(
        (&told["state"], &told["answer"]["outcome"]),
        (&json!("unrecorded"), &json!("accepted"))
    );
    assert_eq!(told["command_id"], down.command_id.as_str());
    stage.fixture().log.set_out_of_reach(false);
    let id = down.command_id;
    let drones = stage.fixture().gateway.behind.drones.clone();
    let parsed = aerostream_domain::command::CommandId::parse(&id).unwrap();
    eventually("it is journalled when the log is back", async || {
        let view = drones.command(parsed, None, Duration::ZERO).await;
        view.is_ok_and(|view| view.is_some())
    })
    .await;
    assert_eq!(stage.ask(&id, "").await["state"], "unrecorded");
}

#[tokio::test]
async fn a_terminate_past_the_log_takes_two_steps() {
    let mut stage = Stage::open().await;
    stage.fixture().log.set_out_of_reach(true);
    let mut body = json!({ "command": "terminate", "emergency": true });
    let first = stage.give("k1", &body).await;
    assert_eq!(first.problem().2, "confirm");
    assert!(stage.drone.hears_nothing().await);
    let digest = aerostream_domain::command::Command::Terminate {}.digest();
    body["confirm"] = json!(format!("{digest:016x}"));
    let (answer, down) = tokio::join!(
        super::give(&stage.door.fixture, &stage.operator, "k1", &body),
        stage.drone.command()
    );
    assert_eq!(answer.json()["state"], "unrecorded");
    assert!(down.exclusive);
}

#[tokio::test]
async fn a_viewer_sees_and_does_not_command() {
    let stage = Stage::open().await;
    let id = stage.given("k1", &hold()).await;
    let viewer = stage.fixture().token(Role::Viewer, &["red"]);
    let path = format!("/api/v1/commands/{id}");
    assert_eq!(stage.fixture().get(&path, &viewer).await.status, 200);
    let foreign = stage.fixture().token(Role::Operator, &["blue"]);
    assert_eq!(stage.fixture().get(&path, &foreign).await.status, 404);
    let refused = super::give(stage.fixture(), &viewer, "k2", &hold()).await;
    assert_eq!(refused.status, 403);
}

/// The append that nobody heard of happens after all: the command has the id that was told.
#[tokio::test]
async fn a_wish_of_unknown_fate_is_told_with_its_id() {
    use aerostream_log::Topic;

    let door = crate::gateway::tests::support::start_with(|config| {
        config.commands.append_timeout_ms = 100;
    });
    let door = crate::gateway::tests::grpc::open_over(door.await).await;
    let mut drone = TestDrone::connect(&door, 1).await;
    let operator = door.fixture.token(Role::Operator, &["red"]);
    door.fixture.log.hold(Topic::Journal);
    let answer = super::give(&door.fixture, &operator, "k1", &hold()).await;
    let (status, _, field) = answer.problem();
    assert_eq!(status, 504);
    let id = field.strip_prefix("commands.").unwrap().to_owned();
    door.fixture.log.release(Topic::Journal);
    assert_eq!(drone.command().await.command_id, id);
    let again = super::give(&door.fixture, &operator, "k1", &hold()).await;
    assert_eq!(
        (again.status, &again.json()["command_id"]),
        (202, &json!(id))
    );
    assert!(drone.hears_nothing().await, "it is one command");
}
