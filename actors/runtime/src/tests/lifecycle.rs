//! Restarts, marks, passive drones.

use std::sync::Arc;
use std::time::Duration;

use aerostream_cluster::ClaimedShard;
use aerostream_domain::{Epoch, Offset};
use aerostream_log::memory::MemoryLog;
use aerostream_log::{Partition, Topic, decode};
use aerostream_proto::v1;

use super::support::*;
use crate::{BuiltInRules, Config, Hooks, Node};

const PATIENCE: Duration = Duration::from_secs(10);

/// Marks of a shard, the oldest first, and who wrote them.
fn marks(log: &MemoryLog, partition: Partition) -> Vec<(Epoch, v1::ShardMark)> {
    let records = log.records(Topic::State, partition);
    let marks = records.iter().filter_map(|record| {
        let state = decode::<v1::StateRecord>(&record.payload).ok()?;
        match state.kind? {
            v1::state_record::Kind::Mark(mark) => Some((state.epoch?.into(), mark)),
            v1::state_record::Kind::Drone(_) => None,
        }
    });
    marks.collect()
}

/// Its marks of the journal end at the next owner's claim: behind it that owner's records would be
/// read back under the epoch that ended, as void.
fn assert_marks_end_at(claim: Offset, log: &MemoryLog, shard: &ClaimedShard) {
    let marks = marks(log, shard.shard.into());
    let own = marks.iter().filter(|(epoch, _)| *epoch == shard.epoch);
    let furthest = own.map(|(_, mark)| mark.journal_offset).max();
    assert_eq!(furthest, Some(claim.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drained_node_starts_again_where_it_was() {
    let it = start(config()).await;
    for seq in 1..20 {
        it.insist(batch("a", 1, vec![sample(seq)])).await;
    }
    let before = it.live("a").await;
    let log = Arc::clone(&it.log);
    it.node.drain(PATIENCE).await;
    let it = start_on(log, "second", config()).await;
    let after = it.live("a").await;
    assert_eq!(after.live, before.live);
    assert!(!after.hot);
    assert_eq!(
        it.insist(batch("a", 1, vec![sample(20)])).await,
        acknowledged(1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_node_replays_the_tail_behind_its_mark() {
    let config_ = Config {
        snapshot_every_ms: 3_600_000,
        ..config()
    };
    let it = start(config_.clone()).await;
    it.insist(batch("a", 1, vec![sample(1)])).await;
    it.insist(batch("a", 2, vec![sample(2)])).await;
    it.insist(batch("b", 7, vec![sample(3)])).await;
    let before = (it.live("a").await.live, it.live("b").await.live);
    let again = start_on(Arc::clone(&it.log), "second", config_).await;
    assert_eq!(
        (again.live("a").await.live, again.live("b").await.live),
        before
    );
    assert_eq!(
        again.insist(batch("a", 2, vec![sample(3)])).await,
        acknowledged(1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn replay_after_a_mark_needs_nothing_below_it() {
    let it = start(config()).await;
    for seq in 1..50 {
        it.insist(batch("a", 1, vec![sample(seq)])).await;
    }
    let (before, partition) = (it.live("a").await.live, it.partition("a"));
    let log = Arc::clone(&it.log);
    it.node.drain(PATIENCE).await;
    let marks = marks(&log, partition);
    let (_, mark) = marks.last().expect("a drained shard has a mark");
    log.drop_below(
        Topic::Telemetry,
        partition,
        aerostream_domain::Offset(mark.telemetry_offset),
    );
    log.drop_below(
        Topic::Journal,
        partition,
        aerostream_domain::Offset(mark.journal_offset),
    );
    log.compact(Topic::State);
    let again = start_on(log, "second", config()).await;
    assert_eq!(again.live("a").await.live, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mark_stays_below_an_append_that_is_not_durable() {
    let it = start(config()).await;
    it.insist(batch("a", 1, vec![sample(1)])).await;
    it.log.hold(Topic::Telemetry);
    let handle = it.handle.clone();
    let sent = tokio::spawn(async move { send(&handle, batch("a", 1, vec![sample(2)])).await });
    until("it waits", async || it.log.held(Topic::Telemetry) == 1).await;
    let shard = usize::from(it.partition("a").0);
    let end = it.log.records(Topic::Telemetry, it.partition("a")).len() as u64;
    it.handle.flush().await.unwrap();
    let mark = it.handle.status().await.unwrap()[shard].mark.unwrap();
    assert!(
        mark.0.0 <= end,
        "{mark:?} is behind the held record at {end}"
    );
    it.log.release(Topic::Telemetry);
    sent.await.unwrap();
    until("the mark moves on", async || {
        it.handle.status().await.unwrap()[shard].mark.unwrap().0.0 == end + 1
    })
    .await;
}

#[tokio::test]
async fn an_owner_that_is_replaced_marks_nothing_behind_the_next_claim() {
    let it = start(config()).await;
    it.insist(batch("a", 1, vec![sample(1)])).await;
    let shard = it.ownership.shards()[usize::from(it.partition("a").0)];
    let end = || it.log.records(Topic::Journal, shard.shard.into()).len() as u64;
    let next_claim = Offset(end());
    for incarnation in ["second", "third"] {
        claim(&it.log, incarnation).await;
    }
    // What must not happen has no sign to wait for: some rounds of snapshots.
    tokio::time::sleep(Duration::from_millis(500)).await;
    it.node.drain(PATIENCE).await;
    assert_marks_end_at(next_claim, &it.log, &shard);
}

#[tokio::test]
async fn an_owner_that_is_replaced_at_its_start_marks_nothing_behind_the_next_claim() {
    let log = Arc::new(MemoryLog::new(
        aerostream_domain::ShardCount::new(SHARDS).unwrap(),
    ));
    let ownership = claim(&log, "first").await;
    let shard = ownership.shards()[0];
    let next_claim = Offset(log.records(Topic::Journal, shard.shard.into()).len() as u64);
    for incarnation in ["second", "third"] {
        claim(&log, incarnation).await;
    }
    let others = (Arc::new(BuiltInRules::default()) as _, Hooks::default());
    let node = Node::start(config(), log.clone(), ownership, others).await;
    node.unwrap().drain(PATIENCE).await;
    assert_marks_end_at(next_claim, &log, &shard);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_drone_becomes_passive_and_wakes_at_once() {
    let it = start(Config {
        idle_after_s: 0,
        ..config()
    })
    .await;
    it.insist(batch("a", 1, vec![sample(1)])).await;
    let hot = it.live("a").await;
    until("it is passive", async || !it.live("a").await.hot).await;
    let passive = it.live("a").await;
    assert_eq!(passive.live, hot.live);
    assert_eq!(
        it.insist(batch("a", 1, vec![sample(2)])).await,
        acknowledged(1)
    );
    assert_eq!(it.live("a").await.live.newest.unwrap().seq.0, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshots_of_older_epochs_are_deleted_behind_newer_ones() {
    let it = start(config()).await;
    it.insist(batch("a", 1, vec![sample(1)])).await;
    let log = Arc::clone(&it.log);
    it.node.drain(PATIENCE).await;
    let it = start_on(log, "second", config()).await;
    it.insist(batch("a", 1, vec![sample(2)])).await;
    let log = Arc::clone(&it.log);
    let partition = it.partition("a");
    it.node.drain(PATIENCE).await;
    log.compact(Topic::State);
    let states = log.records(Topic::State, partition);
    let kept = states
        .iter()
        .filter(|record| record.key.starts_with(b"a@"))
        .count();
    assert_eq!(kept, 1);
}
