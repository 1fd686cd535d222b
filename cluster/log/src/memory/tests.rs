use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;

use super::*;
use crate::contract;
use crate::port::ReadLimits;

const HERE: (Topic, Partition) = (Topic::Journal, Partition(1));

fn log() -> MemoryLog {
    MemoryLog::new(ShardCount::new(contract::SHARDS_MIN).expect("in range"))
}

fn append(log: &MemoryLog, payload: &'static str) -> PendingAppend {
    log.append(Append {
        topic: HERE.0,
        partition: HERE.1,
        key: Bytes::new(),
        payload: Bytes::from_static(payload.as_bytes()),
    })
}

fn payloads(log: &MemoryLog) -> Vec<Bytes> {
    let records = log.records(HERE.0, HERE.1);
    records.into_iter().map(|record| record.payload).collect()
}

#[tokio::test]
async fn keeps_to_the_port() {
    contract::keeps_to_the_port(Arc::new(log())).await;
    contract::keeps_what_it_acknowledged(Arc::new(log()), async |log| log).await;
    contract::survives_restart(Arc::new(log()), async || ()).await;
}

#[tokio::test]
async fn fails_as_it_is_told() {
    let log = log();
    log.fail_next(HERE.0, 1, Fault::Refused);
    log.fail_next(HERE.0, 1, Fault::UnknownWritten);
    log.fail_next(HERE.0, 1, Fault::UnknownNotWritten);
    let refused = append(&log, "a").await;
    assert!(matches!(refused, Err(AppendError::Refused { .. })));
    for payload in ["b", "c"] {
        let unknown = append(&log, payload).await;
        assert!(matches!(unknown, Err(AppendError::Unknown { .. })));
    }
    let taken = append(&log, "d").await.expect("no fault is left");
    assert_eq!(taken.offset, Offset(1));
    assert_eq!(payloads(&log), ["b", "d"]);

    log.fail_next(HERE.0, usize::MAX, Fault::Refused);
    assert!(append(&log, "e").await.is_err());
    log.heal(HERE.0);
    assert!(append(&log, "f").await.is_ok());
}

#[tokio::test]
async fn holds_appends_back_until_they_are_released() {
    let log = log();
    log.hold(HERE.0);
    let mut first = append(&log, "a");
    let mut second = append(&log, "b");
    assert_eq!(log.held(HERE.0), 2);
    assert!((&mut first).now_or_never().is_none());
    assert!(payloads(&log).is_empty(), "nobody sees it yet");
    log.release_next(HERE.0, 1);
    assert_eq!(first.await.expect("released").offset, Offset(0));
    assert!((&mut second).now_or_never().is_none());
    log.release(HERE.0);
    assert_eq!(second.await.expect("released").offset, Offset(1));
    assert!(append(&log, "c").await.is_ok());
}

#[tokio::test]
async fn what_retention_dropped_is_out_of_range() {
    let log = log();
    let nothing = ReadLimits {
        records_max: 1,
        bytes_max: 1,
        wait_max: Duration::ZERO,
    };
    let mut reader = log
        .read(HERE.0, vec![(HERE.1, Offset(0))])
        .await
        .expect("the start is inside");
    for payload in ["a", "b", "c"] {
        append(&log, payload).await.expect("a healthy log");
    }
    log.drop_below(HERE.0, HERE.1, Offset(2));
    let outside = reader.next(nothing).await;
    assert!(matches!(
        outside,
        Err(LogError::OutOfRange {
            asked: Offset(0),
            start: Offset(2),
            end: Offset(3),
            ..
        })
    ));
    assert_eq!(payloads(&log), ["c"]);
}

#[tokio::test]
async fn out_of_reach_is_told_and_passes() {
    let log = log();
    log.set_out_of_reach(true);
    assert!(matches!(
        append(&log, "a").await,
        Err(AppendError::Refused { .. })
    ));
    let bounds = EventLog::bounds(&log, HERE.0, HERE.1).await;
    assert!(matches!(bounds, Err(LogError::Unavailable { .. })));
    log.set_out_of_reach(false);
    assert!(append(&log, "a").await.is_ok());
    log.set_unreadable(true);
    assert!(append(&log, "b").await.is_ok());
    let bounds = EventLog::bounds(&log, HERE.0, HERE.1).await;
    assert!(matches!(bounds, Err(LogError::Unavailable { .. })));
    log.set_unreadable(false);
    assert_eq!(payloads(&log), ["a", "b"]);
}

#[tokio::test]
async fn times_never_go_back() {
    let clock = Arc::new(std::sync::atomic::AtomicI64::new(10));
    let read = Arc::clone(&clock);
    let log = MemoryLog::with_clock(ShardCount::DEFAULT, move || {
        UtcMicros(read.load(std::sync::atomic::Ordering::Relaxed))
    });
    let first = append(&log, "a").await.expect("a healthy log");
    clock.store(5, std::sync::atomic::Ordering::Relaxed);
    let second = append(&log, "b").await.expect("a healthy log");
    assert_eq!((first.at, second.at), (UtcMicros(10), UtcMicros(10)));
}
