//! The way of a sample through a drone's actor.

use std::sync::Arc;

use aerostream_domain::RefusalCode;
use aerostream_log::Topic;

use super::support::*;
use crate::{Config, IngestOutcome, SampleVerdict, Unavailable};

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_acknowledged_when_its_record_is_durable() {
    let it = start(config()).await;
    it.log.hold(Topic::Telemetry);
    let handle = it.handle.clone();
    let sent = tokio::spawn(async move { send(&handle, batch("a", 1, vec![sample(1)])).await });
    until("the append waits", async || {
        it.log.held(Topic::Telemetry) == 1
    })
    .await;
    assert!(!sent.is_finished());
    assert!(
        it.handle.live(&drone("a")).await.unwrap().is_none(),
        "live state is of the log"
    );
    it.log.release(Topic::Telemetry);
    assert_eq!(sent.await.unwrap(), IngestOutcome::Settled(acknowledged(1)));
    let live = it.live("a").await;
    assert_eq!(
        live.live.groups.position.unwrap().relative_altitude_m,
        Some(1.0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_is_acknowledged_without_a_second_record() {
    let it = start(config()).await;
    assert_eq!(
        it.insist(batch("a", 1, vec![sample(1), sample(2)])).await,
        acknowledged(2)
    );
    assert_eq!(
        it.insist(batch("a", 1, vec![sample(1), sample(2)])).await,
        repeated(2)
    );
    assert_eq!(it.recorded("a"), [1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_of_a_pending_sample_shares_its_fate() {
    let it = start(config()).await;
    it.insist(batch("a", 1, vec![sample(1)])).await;
    it.log.hold(Topic::Telemetry);
    let send_two = || {
        let handle = it.handle.clone();
        tokio::spawn(async move { send(&handle, batch("a", 1, vec![sample(2)])).await })
    };
    let first = send_two();
    until("the append waits", async || {
        it.log.held(Topic::Telemetry) == 1
    })
    .await;
    let second = send_two();
    it.handle.status().await.unwrap();
    assert!(!second.is_finished(), "the original is not durable yet");
    it.log.release(Topic::Telemetry);
    assert_eq!(
        first.await.unwrap(),
        IngestOutcome::Settled(acknowledged(1))
    );
    assert_eq!(second.await.unwrap(), IngestOutcome::Settled(repeated(1)));
    assert_eq!(it.recorded("a"), [1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_content_under_the_same_number_is_a_conflict() {
    let it = start(config()).await;
    it.insist(batch("a", 1, vec![sample(1)])).await;
    let verdicts = it
        .insist(batch("a", 1, vec![text_sample(1, "other"), sample(2)]))
        .await;
    let SampleVerdict::Refused(refusal) = &verdicts[0] else {
        panic!("{verdicts:?}")
    };
    assert_eq!(refusal.code, RefusalCode::Conflict);
    assert_eq!(verdicts[1..], acknowledged(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_boot_record_is_read_back_before_the_first_telemetry() {
    let it = start(config()).await;
    it.log.hold(Topic::Journal);
    let handle = it.handle.clone();
    let sent = tokio::spawn(async move { send(&handle, batch("a", 9, vec![sample(1)])).await });
    until("the boot record waits", async || {
        it.log.held(Topic::Journal) == 1
    })
    .await;
    assert_eq!(it.log.held(Topic::Telemetry), 0);
    assert!(it.recorded("a").is_empty());
    it.log.release(Topic::Journal);
    assert_eq!(sent.await.unwrap(), IngestOutcome::Settled(acknowledged(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn overload_is_refused_before_the_mailbox() {
    let it = start(Config {
        batches_in_flight_max: 2,
        ..config()
    })
    .await;
    it.insist(batch("a", 1, vec![sample(1)])).await;
    it.log.hold(Topic::Telemetry);
    let waiting: Vec<_> = (2..4)
        .map(|seq| {
            let handle = it.handle.clone();
            tokio::spawn(async move { send(&handle, batch("a", 1, vec![sample(seq)])).await })
        })
        .collect();
    until("both wait", async || it.log.held(Topic::Telemetry) == 2).await;
    let third = it.send(batch("a", 1, vec![sample(4)])).await;
    assert!(matches!(
        third,
        IngestOutcome::Retry(Unavailable::Overloaded { limit: 2, .. })
    ));
    it.log.release(Topic::Telemetry);
    for sent in waiting {
        assert_eq!(sent.await.unwrap(), IngestOutcome::Settled(acknowledged(1)));
    }
    assert_eq!(
        it.insist(batch("a", 1, vec![sample(4)])).await,
        acknowledged(1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_drone_cannot_take_the_whole_node() {
    let it = start(Config {
        batches_per_drone_max: 1,
        ..config()
    })
    .await;
    it.insist(batch("a", 1, vec![sample(1)])).await;
    it.log.hold(Topic::Telemetry);
    let handle = it.handle.clone();
    let first = tokio::spawn(async move { send(&handle, batch("a", 1, vec![sample(2)])).await });
    until("it waits", async || it.log.held(Topic::Telemetry) == 1).await;
    let second = it.send(batch("a", 1, vec![sample(3)])).await;
    assert!(matches!(
        second,
        IngestOutcome::Retry(Unavailable::Overloaded { limit: 1, .. })
    ));
    it.log.release(Topic::Telemetry);
    assert_eq!(
        first.await.unwrap(),
        IngestOutcome::Settled(acknowledged(1))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_gathered_from_every_shard_in_order() {
    let it = start(config()).await;
    let names: Vec<String> = (0..10).map(|number| format!("drone-{number}")).collect();
    for name in &names {
        it.insist(batch(name, 1, vec![sample(1)])).await;
    }
    let first = it.handle.list(None, 6).await.unwrap();
    let second = it.handle.list(first.next_after.clone(), 6).await.unwrap();
    let listed: Vec<String> = first
        .drones
        .iter()
        .chain(&second.drones)
        .map(|it| it.drone.to_string())
        .collect();
    assert_eq!(listed, names);
    assert_eq!(second.next_after, None);
    assert_eq!(first.drones[0].latitude_deg, Some(47.0));
}

#[test]
fn no_message_of_ours_is_remotable() {
    use ractor::Message;
    let remotable = [
        <crate::message::DroneMsg as Message>::serializable(),
        <crate::message::ShardMsg as Message>::serializable(),
        <crate::message::NodeMsg as Message>::serializable(),
    ];
    assert_eq!(remotable, [false; 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_successor_ends_the_acknowledgements() {
    let it = start(config()).await;
    it.insist(batch("a", 1, vec![sample(1)])).await;
    let (log, ownership) = (Arc::clone(&it.log), it.ownership.clone());
    let watch = tokio::spawn(async move {
        aerostream_cluster::watch_control_log(&*log, &ownership)
            .await
            .unwrap()
    });
    it.log.hold(Topic::Telemetry);
    let handle = it.handle.clone();
    let sent = tokio::spawn(async move { send(&handle, batch("a", 1, vec![sample(2)])).await });
    until("it waits", async || it.log.held(Topic::Telemetry) == 1).await;
    let log = Arc::clone(&it.log);
    let successor = tokio::spawn(async move { claim(&log, "second").await });
    assert_eq!(watch.await.unwrap().incarnation, "second");
    it.log.release(Topic::Telemetry);
    successor.await.unwrap();
    let outcome = sent.await.unwrap();
    assert!(
        matches!(outcome, IngestOutcome::Retry(Unavailable::NotOwner { .. })),
        "{outcome:?}"
    );
}
