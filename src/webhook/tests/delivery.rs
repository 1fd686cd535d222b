//! What a target is told, and of what it is not told.

use aerostream_domain::alert::Severity::{Critical, Emergency, Warning};
use serde_json::json;

use super::*;

#[tokio::test]
async fn every_change_comes_once_in_its_order_and_signed() {
    let world = World::new().await;
    let running = world.start(world.config());
    world.claim(1).await;
    let raised_at = world.journal(Some(epoch(1)), of("a", vec![raised(7, Warning)]));
    let raised_at = raised_at.await;
    world
        .journal(Some(epoch(1)), of("a", vec![escalated(7, Critical)]))
        .await;
    world.journal(None, acknowledged("a", 7)).await;
    world
        .journal(
            Some(epoch(1)),
            of("a", vec![cleared(7), raised(8, Warning)]),
        )
        .await;
    let posts = world.service.until_taken(5).await;
    let what: Vec<_> = posts.iter().map(|post| post.told().1).collect();
    assert_eq!(
        what,
        ["raised", "escalated", "acknowledged", "cleared", "raised"]
    );
    let first = &posts[0];
    assert_eq!(
        first.id,
        format!("{}_0_{raised_at}_0", "00000000000000000000000000000007")
    );
    assert_eq!(first.body["type"], "alert.raised");
    let data = &first.body["data"];
    assert_eq!(data["drone_id"], "a");
    assert_eq!(data["fleet_id"], "red");
    assert_eq!(data["alert"]["severity"], "warning");
    assert_eq!(data["alert"]["title"], "Battery low");
    assert_eq!(data["alert"]["raised"]["value"], json!(14.5));
    let acknowledged = &posts[2].body["data"]["alert"]["acknowledged"];
    assert_eq!(acknowledged["principal"], "ann");
    assert_eq!(posts[3].body["data"]["alert"]["is_active"], false);
    running.stop().await;
    assert_eq!(world.service.posts().len(), 5, "each once");
}

#[tokio::test]
async fn a_target_is_told_of_its_fleets_and_from_its_severity_on() {
    let world = World::new().await;
    let target = TargetConfig {
        fleets: vec!["red".to_owned()],
        severity: Some("critical".to_owned()),
        ..world.target()
    };
    let running = world.start(Config {
        targets: vec![target],
        ..world.config()
    });
    world.claim(1).await;
    let told = [
        of("b", vec![raised(1, Emergency)]),
        of("nobodys", vec![raised(2, Emergency)]),
        of("a", vec![raised(3, Warning)]),
        of("a", vec![escalated(3, Emergency)]),
        of("a", vec![cleared(3)]),
    ];
    for kind in told {
        world.journal(Some(epoch(1)), kind).await;
    }
    let posts = world.service.until_taken(2).await;
    let told: Vec<_> = posts.iter().map(|post| post.told()).collect();
    let red = |what: &str| ("a".to_owned(), what.to_owned());
    assert_eq!(told, [red("escalated"), red("cleared")]);
    running.stop().await;
    assert_eq!(world.service.posts().len(), 2);
}

/// The claim rule: a process that lost its shard tells nobody anything.
#[tokio::test]
async fn what_an_owner_wrote_behind_its_successors_claim_is_not_told() {
    let world = World::new().await;
    let running = world.start(world.config());
    world.claim(1).await;
    world.claim(5).await;
    world
        .journal(Some(epoch(1)), of("a", vec![raised(1, Warning)]))
        .await;
    // An older claim, read late, changes nothing.
    world.claim(1).await;
    world
        .journal(Some(epoch(1)), of("a", vec![raised(2, Warning)]))
        .await;
    world
        .journal(Some(epoch(5)), of("a", vec![raised(3, Warning)]))
        .await;
    // A repetition changes nothing.
    world
        .journal(Some(epoch(5)), of("a", vec![raised(3, Warning)]))
        .await;
    world
        .journal(Some(epoch(5)), of("a", vec![cleared(3)]))
        .await;
    let posts = world.service.until_taken(2).await;
    running.stop().await;
    assert_eq!(world.service.posts().len(), 2, "{posts:?}");
    for post in posts {
        assert!(post.id.starts_with("00000000000000000000000000000003_"));
    }
}

/// The claim in force is kept with the position.
#[tokio::test]
async fn the_claim_rule_holds_across_a_restart() {
    let world = World::new().await;
    let running = world.start(world.config());
    world.claim(5).await;
    world
        .journal(Some(epoch(5)), of("a", vec![raised(1, Warning)]))
        .await;
    world.service.until_taken(1).await;
    running.stop().await;
    world
        .journal(Some(epoch(1)), of("a", vec![raised(2, Warning)]))
        .await;
    world
        .journal(Some(epoch(5)), of("a", vec![cleared(1)]))
        .await;
    let again = world.start(world.config());
    let posts = world.service.until_taken(2).await;
    again.stop().await;
    assert_eq!(world.service.posts().len(), 2, "{posts:?}");
    let cleared = &posts[1].body;
    assert_eq!(cleared["type"], "alert.cleared");
    assert_eq!(cleared["data"]["alert"], json!(null), "nobody knows it");
}
