//! What is kept, what is dropped, and what happens when nothing may be dropped.

use aerostream_log::{AppendError, LogError};

use super::super::FloorHolder;
use super::super::compaction::SUPERSEDED_KEPT;
use super::*;

const KIB: usize = 1024;
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Segments of 64 KiB, 256 KiB in all.
fn small(directory: &Path) -> Config {
    Config {
        segment_bytes: 64 * KIB as u64,
        kept_bytes_max: 256 * KIB as u64,
        reserve_bytes: 64 * KIB as u64,
        ..config(directory)
    }
}

fn pass_floors(log: &EmbeddedLog, offset: u64) {
    for holder in [FloorHolder::Worker, FloorHolder::Owner] {
        log.set_retention_floor(holder, Topic::Telemetry, Partition(0), Offset(offset));
    }
}

async fn append_kib(log: &EmbeddedLog, topic: Topic) -> Result<u64, AppendError> {
    let appended = append(log, topic, vec![7; KIB]).await?;
    Ok(appended.offset.0)
}

#[tokio::test]
async fn age_drops_whole_segments_that_nobody_needs() {
    let directory = directory();
    let clock = Clock::new();
    let log = clock.open(config(directory.path()));
    for _ in 0..3 {
        append_kib(&log, Topic::Telemetry)
            .await
            .expect("a healthy log");
    }
    clock.forward(2 * DAY);
    let ended = async || log.store.segments_of(Topic::Telemetry).len() == 2;
    eventually("a day ends the segment", ended).await;
    append_kib(&log, Topic::Telemetry)
        .await
        .expect("a healthy log");

    clock.forward(8 * DAY);
    log.set_retention_floor(
        FloorHolder::Worker,
        Topic::Telemetry,
        Partition(0),
        Offset(3),
    );
    // The day's end of the second segment shows that the sweep has run.
    let swept = async || log.store.segments_of(Topic::Telemetry).len() == 3;
    eventually("the next segment ends", swept).await;
    assert_eq!(
        start_and_end(&log, Topic::Telemetry).await,
        (0, 4),
        "the owner needs it"
    );

    let limits = ReadLimits {
        records_max: 1,
        bytes_max: 1,
        wait_max: Duration::ZERO,
    };
    let behind = log.read(Topic::Telemetry, vec![(Partition(0), Offset(0))]);
    let mut behind = behind.await.expect("the start is inside");
    log.set_retention_floor(
        FloorHolder::Owner,
        Topic::Telemetry,
        Partition(0),
        Offset(3),
    );
    let dropped = async || start_and_end(&log, Topic::Telemetry).await == (3, 4);
    eventually("the segment is dropped", dropped).await;
    let outside = behind.next(limits).await;
    assert!(matches!(
        outside,
        Err(LogError::OutOfRange {
            asked: Offset(0),
            start: Offset(3),
            ..
        })
    ));
    assert_eq!(offsets(&log, Topic::Telemetry, 3).await, [3]);

    // Everything goes, and offsets and times still go on, also behind a restart.
    pass_floors(&log, 4);
    clock.forward(8 * DAY);
    let dropped = async || start_and_end(&log, Topic::Telemetry).await == (4, 4);
    eventually("the last record is dropped", dropped).await;
    drop((log, behind));
    let log = clock.open(config(directory.path()));
    assert_eq!(start_and_end(&log, Topic::Telemetry).await, (4, 4));
    assert_eq!(append_kib(&log, Topic::Telemetry).await.ok(), Some(4));
}

#[tokio::test]
async fn at_the_limit_telemetry_waits_for_those_who_need_records() {
    let directory = directory();
    let log = EmbeddedLog::open(small(directory.path()), shards()).expect("a free directory");
    let mut written = 0;
    let reason = loop {
        match append_kib(&log, Topic::Telemetry).await {
            Ok(offset) => written = offset + 1,
            Err(AppendError::Refused { reason, .. }) => break reason,
            Err(error) => panic!("expected Refused, got {error:?}"),
        }
        assert!(written < 100_000, "the limit is never felt");
    };
    assert!(reason.contains("still needed"), "{reason}");
    append(&log, Topic::Journal, "goes on within the reserve")
        .await
        .expect("the reserve is free");
    assert_eq!(start_and_end(&log, Topic::Telemetry).await, (0, written));

    pass_floors(&log, written);
    let taken = async || append_kib(&log, Topic::Telemetry).await.is_ok();
    eventually("telemetry is taken again", taken).await;
    let (start, _) = start_and_end(&log, Topic::Telemetry).await;
    assert!(start > 0 && start <= written, "{start}");
    eventually("the limit is kept", async || {
        log.kept_bytes() < 256 * KIB as u64
    })
    .await;
}

#[tokio::test]
async fn segments_are_found_again_after_a_restart() {
    let directory = directory();
    let large = || Config {
        kept_bytes_max: 64 * MIB,
        ..small(directory.path())
    };
    let log = EmbeddedLog::open(large(), shards()).expect("a free directory");
    let mut written = 0;
    while log.store.segments_of(Topic::Telemetry).len() < 4 {
        written = append_kib(&log, Topic::Telemetry).await.expect("room") + 1;
    }
    let bytes = log.kept_bytes();
    drop(log);
    let log = EmbeddedLog::open(large(), shards()).expect("a free directory");
    assert_eq!(log.kept_bytes(), bytes);
    assert_eq!(log.store.segments_of(Topic::Telemetry).len(), 4);
    let all: Vec<u64> = (0..written).collect();
    assert_eq!(offsets(&log, Topic::Telemetry, 0).await, all);
    let half = (written / 2) as usize;
    assert_eq!(
        offsets(&log, Topic::Telemetry, written / 2).await,
        all[half..]
    );
}

#[tokio::test]
async fn superseded_state_goes_later() {
    let directory = directory();
    let clock = Clock::new();
    let log = clock.open(config(directory.path()));
    for (key, payload) in [("a", "1"), ("b", "1"), ("a", "2")] {
        let appended = log.append(record(Topic::State, key, payload)).await;
        appended.expect("a healthy log");
    }
    assert_eq!(offsets(&log, Topic::State, 0).await, [0, 1, 2]);
    drop(log);
    let log = clock.open(config(directory.path()));
    clock.forward(SUPERSEDED_KEPT);
    let appended = log.append(record(Topic::State, "c", "1")).await;
    appended.expect("a healthy log");
    assert_eq!(offsets(&log, Topic::State, 0).await, [1, 2, 3]);
    assert_eq!(start_and_end(&log, Topic::State).await, (0, 4));
    assert_eq!(log.kept_bytes(), 6);
}
