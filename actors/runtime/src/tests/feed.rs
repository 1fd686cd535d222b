//! Feeds: order, snapshots, and what happens to subscribers when something else fails.

use std::sync::Arc;
use std::time::Duration;

use aerostream_domain::Offset;
use aerostream_log::Topic;
use aerostream_log::memory::Fault;

use super::support::*;
use crate::feed::teller::HELD_MAX;
use crate::{Config, FeedEvent, Frame, Subscription, Unavailable};

/// The next event; a feed that says nothing fails the test.
async fn event(subscription: &mut Subscription) -> FeedEvent {
    tokio::time::timeout(Duration::from_secs(20), subscription.next())
        .await
        .expect("the feed says something")
}

async fn frame(subscription: &mut Subscription) -> Arc<Frame> {
    match event(subscription).await {
        FeedEvent::Frame(frame) => frame,
        other => panic!("{other:?}"),
    }
}

fn seqs(frame: &Frame) -> Vec<u64> {
    frame.record.samples.iter().map(|it| it.seq.0).collect()
}

fn next_of(frame: &Frame) -> Offset {
    frame.cursor.expect("a recorded frame").telemetry
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_goes_out_when_its_record_is_durable_to_all_as_one_copy() {
    let it = start(config()).await;
    let mut first = it.handle.subscribe(&drone("a")).unwrap();
    let mut second = it.handle.subscribe(&drone("a")).unwrap();
    let before = first.snapshot().await.unwrap();
    assert!(before.view.is_none(), "a drone that was never heard");
    it.insist(batch("a", 1, vec![sample(1)])).await;
    it.insist(batch("b", 1, vec![sample(1)])).await;
    it.insist(batch("a", 1, vec![sample(2)])).await;
    for seq in [1, 2] {
        let (one, other) = (frame(&mut first).await, frame(&mut second).await);
        assert_eq!(seqs(&one), [seq]);
        assert!(Arc::ptr_eq(&one, &other), "one copy for both");
        assert!(next_of(&one) > before.cursor.telemetry);
    }
    assert!(first.is_told());
    let after = second.snapshot().await.unwrap();
    assert_eq!(after.view.unwrap().live.newest.unwrap().seq.0, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_and_the_updates_behind_its_cursor_leave_nothing_out() {
    let it = start(config()).await;
    it.insist(batch("a", 1, vec![sample(1)])).await;
    it.log.hold(Topic::Telemetry);
    let handle = it.handle.clone();
    let sent = tokio::spawn(async move { send(&handle, batch("a", 1, vec![sample(2)])).await });
    until("the append waits", async || {
        it.log.held(Topic::Telemetry) == 1
    })
    .await;
    let mut feed = it.handle.subscribe(&drone("a")).unwrap();
    let snapshot = feed.snapshot().await.unwrap();
    let view = snapshot.view.unwrap();
    assert_eq!(view.live.newest.unwrap().seq.0, 1, "2 is not durable");
    it.log.release(Topic::Telemetry);
    sent.await.unwrap();
    let update = frame(&mut feed).await;
    assert_eq!(seqs(&update), [2]);
    assert!(next_of(&update) > snapshot.cursor.telemetry);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_log_is_down_what_moves_is_marked_and_comes_recorded_later() {
    let it = start(config()).await;
    it.insist(batch("a", 1, vec![sample(1)])).await;
    let mut feed = it.handle.subscribe(&drone("a")).unwrap();
    it.log.set_out_of_reach(true);
    for seq in 2..4 {
        // The drone keeps what is not acknowledged and sends all of it again.
        it.send(batch("a", 1, (2..=seq).map(sample).collect()))
            .await;
        let shown = frame(&mut feed).await;
        assert!(shown.cursor.is_none());
        assert_eq!(seqs(&shown), [seq], "only what is new is shown");
    }
    it.log.set_out_of_reach(false);
    it.insist(batch("a", 1, vec![sample(2), sample(3)])).await;
    let recorded = frame(&mut feed).await;
    assert!(recorded.cursor.is_some());
    assert_eq!(seqs(&recorded), [2, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_hangs_is_shown_past_and_the_recorded_frame_follows() {
    let it = start(Config {
        feed_unrecorded_after_ms: 1,
        ..config()
    })
    .await;
    it.insist(batch("a", 1, vec![sample(1)])).await;
    let mut feed = it.handle.subscribe(&drone("a")).unwrap();
    it.log.hold(Topic::Telemetry);
    let handle = it.handle.clone();
    let sent = tokio::spawn(async move { send(&handle, batch("a", 1, vec![sample(2)])).await });
    let shown = frame(&mut feed).await;
    assert!(shown.cursor.is_none());
    it.log.release(Topic::Telemetry);
    sent.await.unwrap();
    let recorded = frame(&mut feed).await;
    assert!(recorded.cursor.is_some());
    assert_eq!(seqs(&recorded), [2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_of_unknown_fate_is_told_in_its_place_of_the_log() {
    let it = start(config()).await;
    it.insist(batch("a", 1, vec![sample(1)])).await;
    let mut feed = it.handle.subscribe(&drone("a")).unwrap();
    it.log.fail_next(Topic::Telemetry, 1, Fault::UnknownWritten);
    it.send(batch("a", 1, vec![sample(2)])).await;
    it.insist(batch("a", 1, vec![sample(3)])).await;
    let mut told = Vec::new();
    let mut last = Offset(0);
    while told.len() < 2 {
        let frame = frame(&mut feed).await;
        if frame.cursor.is_some() {
            assert!(next_of(&frame) > last, "in the order of the log");
            last = next_of(&frame);
            told.extend(seqs(&frame));
        }
    }
    assert_eq!(told, [2, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_is_held_back_behind_a_read_back_interrupts_the_feed() {
    let it = start(Config {
        feed_unrecorded_after_ms: 60_000,
        ..config()
    })
    .await;
    it.insist(batch("a", 1, vec![sample(1)])).await;
    let mut feed = it.handle.subscribe(&drone("a")).unwrap();
    it.log.set_unreadable(true);
    it.log.fail_next(Topic::Telemetry, 1, Fault::UnknownWritten);
    it.send(batch("a", 1, vec![sample(2)])).await;
    let last = 3 + HELD_MAX as u64;
    for seq in 3..=last {
        it.insist(batch("a", 1, vec![sample(seq)])).await;
    }
    it.log.set_unreadable(false);
    let told = loop {
        match event(&mut feed).await {
            FeedEvent::Frame(frame) if frame.cursor.is_none() => {}
            other => break other,
        }
    };
    assert!(matches!(told, FeedEvent::Interrupted), "{told:?}");
    // Whoever asks then has all in the state, and its cursor is behind what the log has to tell.
    let snapshot = feed.snapshot().await.unwrap();
    let live = snapshot.view.unwrap().live;
    assert_eq!((live.newest.unwrap().seq.0, live.samples), (last, last));
    it.insist(batch("a", 1, vec![sample(last + 1)])).await;
    let update = frame(&mut feed).await;
    assert_eq!(seqs(&update), [last + 1]);
    assert!(next_of(&update) > snapshot.cursor.telemetry);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drone_does_not_go_to_rest_while_an_append_is_read_back() {
    let it = start(Config {
        idle_after_s: 0,
        ..config()
    })
    .await;
    let other = (0..).map(|number| format!("b{number}"));
    let other = { other }.find(|name| it.partition(name) == it.partition("a"));
    let other = other.unwrap();
    for name in ["a", &other] {
        it.insist(batch(name, 1, vec![sample(1)])).await;
    }
    let mut feed = it.handle.subscribe(&drone("a")).unwrap();
    it.log.set_unreadable(true);
    it.log.fail_next(Topic::Telemetry, 1, Fault::UnknownWritten);
    it.send(batch("a", 1, vec![sample(2)])).await;
    // Another drone of the shard goes to rest behind it, so that this one had its turn.
    for seq in 2..5 {
        it.insist(batch(&other, 1, vec![sample(seq)])).await;
        until("the other is passive", async || !it.live(&other).await.hot).await;
    }
    it.log.set_unreadable(false);
    until("live state has what the log has", async || {
        it.live("a").await.live.newest.unwrap().seq.0 == 2
    })
    .await;
    let told = loop {
        let frame = frame(&mut feed).await;
        if frame.cursor.is_some() {
            break frame;
        }
    };
    assert_eq!(seqs(&told), [2], "and the feed tells it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_survives_passivation_and_wake_up() {
    let it = start(Config {
        idle_after_s: 0,
        ..config()
    })
    .await;
    let mut feed = it.handle.subscribe(&drone("a")).unwrap();
    for seq in 1..4 {
        it.insist(batch("a", 1, vec![sample(seq)])).await;
        until("the drone is passive", async || !it.live("a").await.hot).await;
        assert_eq!(seqs(&*frame(&mut feed).await), [seq]);
        let snapshot = feed.snapshot().await.unwrap();
        assert_eq!(snapshot.view.unwrap().live.newest.unwrap().seq.0, seq);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_survives_the_death_of_the_actor_and_is_told_of_it() {
    let it = start(config()).await;
    it.insist(batch("a", 1, vec![sample(1)])).await;
    let mut feed = it.handle.subscribe(&drone("a")).unwrap();
    it.send(batch("a", 1, vec![text_sample(9, "crash")])).await;
    assert!(matches!(event(&mut feed).await, FeedEvent::Interrupted));
    let snapshot = feed.snapshot().await.unwrap();
    assert_eq!(snapshot.view.unwrap().live.newest.unwrap().seq.0, 1);
    it.insist(batch("a", 1, vec![sample(2)])).await;
    let update = frame(&mut feed).await;
    assert_eq!(seqs(&update), [2]);
    assert!(next_of(&update) > snapshot.cursor.telemetry);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_recorded_goes_out_once_the_shard_is_lost() {
    let it = start(config()).await;
    it.insist(batch("a", 1, vec![sample(1)])).await;
    let mut feed = it.handle.subscribe(&drone("a")).unwrap();
    it.log.hold(Topic::Telemetry);
    let handle = it.handle.clone();
    let sent = tokio::spawn(async move { send(&handle, batch("a", 1, vec![sample(2)])).await });
    until("the append waits", async || {
        it.log.held(Topic::Telemetry) == 1
    })
    .await;
    it.ownership.fence();
    it.log.release(Topic::Telemetry);
    sent.await.unwrap();
    // While the append waited, it may have been shown as what is not recorded.
    let told = loop {
        match event(&mut feed).await {
            FeedEvent::Frame(frame) if frame.cursor.is_none() => {}
            other => break other,
        }
    };
    assert!(matches!(told, FeedEvent::Fenced), "{told:?}");
    assert!(!feed.is_held());
    let refused = it.handle.subscribe(&drone("a")).unwrap_err();
    assert!(matches!(refused, Unavailable::NotOwner { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_subscriber_is_told_how_much_it_missed_and_a_place_is_given_back() {
    let it = start(Config {
        feed_frames_max: 2,
        feed_drone_subscribers_max: 1,
        feed_subscribers_max: 2,
        ..config()
    })
    .await;
    let mut slow = it.handle.subscribe(&drone("a")).unwrap();
    for seq in 1..=5 {
        it.insist(batch("a", 1, vec![sample(seq)])).await;
    }
    let FeedEvent::Lagged(missed) = event(&mut slow).await else {
        panic!("two frames are kept, five came");
    };
    assert_eq!(missed + slow.skip(), 5);
    let refused = it.handle.subscribe(&drone("a")).unwrap_err();
    assert!(matches!(
        refused,
        Unavailable::Overloaded {
            what: "subscriptions of the drone",
            ..
        }
    ));
    let other = it.handle.subscribe(&drone("b")).unwrap();
    let refused = it.handle.subscribe(&drone("c")).unwrap_err();
    assert!(matches!(
        refused,
        Unavailable::Overloaded {
            what: "subscriptions of the node",
            ..
        }
    ));
    drop((slow, other));
    it.handle.subscribe(&drone("a")).unwrap();
}
