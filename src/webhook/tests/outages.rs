//! Services, databases and processes that are away: nothing is lost, and nobody else waits.

use std::collections::BTreeSet;

use aerostream_domain::alert::Severity::Warning;
use axum::http::StatusCode;
use serde_json::Value;

use super::*;

async fn raise(world: &World, drone: &str, id: u128) {
    world
        .journal(Some(epoch(1)), of(drone, vec![raised(id, Warning)]))
        .await;
}

#[tokio::test]
async fn a_service_that_was_down_gets_everything_and_each_drones_in_order() {
    let world = World::new().await;
    world.service.answers(|_| StatusCode::SERVICE_UNAVAILABLE);
    // Less room than messages.
    let running = world.start(Config {
        messages_max: 3,
        ..world.config()
    });
    world.claim(1).await;
    for id in 1..=10 {
        raise(&world, "a", id).await;
        world
            .journal(Some(epoch(1)), of("a", vec![cleared(id)]))
            .await;
    }
    let service = &world.service;
    service.until("tried", || service.posts().len() >= 3).await;
    assert!(service.taken().is_empty());
    service.answers(|_| StatusCode::OK);
    let posts = service.until_taken(20).await;
    let ids = posts.iter().map(|post| &post.body["data"]["alert_id"]);
    let ids: Vec<_> = ids.collect();
    let expected: Vec<_> = (1..=10u128)
        .flat_map(|id| [id, id])
        .map(|id| Value::from(AlertId(id).to_string()))
        .collect();
    assert_eq!(ids, expected.iter().collect::<Vec<_>>());
    running.stop().await;
    assert!(world.letters().is_empty());
}

#[tokio::test]
async fn a_message_that_fails_holds_up_no_other_drone_and_no_other_target() {
    let world = World::new().await;
    let fails = |body: &Value| match body["data"]["drone_id"] == "a" {
        true => StatusCode::INTERNAL_SERVER_ERROR,
        false => StatusCode::OK,
    };
    world.service.answers(fails);
    let down = TargetConfig {
        name: "down".to_owned(),
        // Nobody listens there.
        url: "http://127.0.0.1:1/".to_owned(),
        ..world.target()
    };
    let running = world.start(Config {
        targets: vec![down, world.target()],
        ..world.config()
    });
    world.claim(1).await;
    raise(&world, "a", 1).await;
    raise(&world, "b", 2).await;
    let posts = world.service.until_taken(1).await;
    assert_eq!(posts[0].told().0, "b");
    world.service.answers(|_| StatusCode::OK);
    world.service.until_taken(2).await;
    running.stop().await;
}

#[tokio::test]
async fn what_is_refused_or_too_old_is_a_dead_letter_behind_one_try() {
    let world = World::new().await;
    let answer = |body: &Value| match body["data"]["drone_id"] == "a" {
        true => StatusCode::UNPROCESSABLE_ENTITY,
        false => StatusCode::BAD_GATEWAY,
    };
    world.service.answers(answer);
    let running = world.start(Config {
        give_up_after_s: 60,
        ..world.config()
    });
    world.claim(1).await;
    raise(&world, "a", 1).await;
    let long_ago = UtcMicros(utc_now().0 - 61_000_000);
    let old = of("b", vec![raised(2, Warning)]);
    world.journal_at(long_ago, Some(epoch(1)), old).await;
    let service = &world.service;
    service
        .until("given up", || world.letters().len() == 2)
        .await;
    running.stop().await;
    let mut letters = world.letters();
    letters.sort_by(|a, b| a.drone_id.cmp(&b.drone_id));
    assert_eq!(
        letters
            .iter()
            .map(|it| it.code.as_str())
            .collect::<Vec<_>>(),
        ["webhook_refused", "webhook_undelivered"]
    );
    let content = v1::DeadLetterContent::WebhookMessage;
    assert!(letters.iter().all(|letter| letter.content() == content));
    assert!(letters[0].detail.contains("422"), "{}", letters[0].detail);
    let body: Value = serde_json::from_slice(&letters[0].raw).unwrap();
    assert_eq!(body["data"]["alert_id"], AlertId(1).to_string());
    assert_eq!(service.posts().len(), 2, "one try each");
    // They are over: the next process does not try them again.
    let again = world.start(world.config());
    raise(&world, "a", 3).await;
    service.until("posted", || service.posts().len() == 3).await;
    again.stop().await;
}

#[tokio::test]
async fn killed_at_any_moment_it_loses_nothing_and_repeats_by_the_same_id() {
    let world = World::new().await;
    let config = || Config {
        position_interval_ms: 20,
        ..world.config()
    };
    world.start(config()).stop().await;
    // The first start writes down where it begins.
    let mut running = world.start(config());
    world.claim(1).await;
    for id in 1..=60u128 {
        let drone = if id % 2 == 0 { "a" } else { "b" };
        raise(&world, drone, id).await;
        if id % 7 == 0 {
            tokio::time::sleep(Duration::from_millis(id as u64 % 5 * 10)).await;
            running.kill().await;
            running = world.start(config());
        }
    }
    let service = &world.service;
    let told = || -> BTreeSet<String> {
        let posts = service.taken().into_iter();
        posts.map(|post| post.id).collect()
    };
    service.until("all told", || told().len() == 60).await;
    running.stop().await;
    assert_eq!(told().len(), 60, "what comes again has the id that it had");
}

#[tokio::test]
async fn processes_share_the_shards_of_a_target() {
    let world = World::new().await;
    let first = world.start(world.config());
    world.claim(1).await;
    raise(&world, "a", 1).await;
    world.service.until_taken(1).await;
    let second = world.start(world.config());
    for id in 2..=20 {
        raise(&world, "a", id).await;
    }
    world.service.until_taken(20).await;
    first.stop().await;
    raise(&world, "b", 21).await;
    let service = &world.service;
    let told = || service.taken().iter().any(|post| post.told().0 == "b");
    service.until("told by the other", told).await;
    second.stop().await;
}

#[tokio::test]
async fn a_database_that_goes_away_stops_no_delivery() {
    let world = World::new().await;
    let running = world.start(world.config());
    world.claim(1).await;
    raise(&world, "a", 1).await;
    world.service.until_taken(1).await;
    world.database.pool.close().await;
    raise(&world, "a", 2).await;
    // Raised before anybody remembers: without the database it is told by its id alone.
    world
        .journal(Some(epoch(1)), of("b", vec![cleared(9)]))
        .await;
    let posts = world.service.until_taken(3).await;
    let unknown = posts.iter().find(|post| post.told().0 == "b").unwrap();
    assert!(unknown.body["data"]["alert"].is_null());
    running.stop().await;
}

#[tokio::test]
async fn a_log_that_is_not_the_databases_stops_it() {
    let world = World::new().await;
    let running = world.start(world.config());
    world.claim(1).await;
    raise(&world, "a", 1).await;
    world.service.until_taken(1).await;
    running.stop().await;
    let other = World {
        log: MemoryLog::new(ShardCount::new(SHARDS).unwrap()),
        ..world
    };
    let running = other.start(other.config());
    let ended = tokio::time::timeout(PATIENCE, running.task).await;
    let error = ended.expect("in time").expect("no panic").unwrap_err();
    assert!(
        matches!(error, WebhookError::OffsetOutside { .. }),
        "{error}"
    );
}
