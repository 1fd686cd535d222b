//! Sync before visible before acknowledged, and disks that fail.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Condvar, Mutex, MutexGuard};

use aerostream_log::AppendError;
use futures::FutureExt;

use super::*;

/// What a test wants of the disk.
#[derive(Default)]
struct Wish {
    stop_before_write: bool,
    stop_before_sync: bool,
    fail_write: bool,
    fail_sync: bool,
    /// Groups that are written and groups that are synced.
    written: u64,
    synced: u64,
}

#[derive(Default)]
struct TestDisk {
    wish: Mutex<Wish>,
    changed: Condvar,
}

impl TestDisk {
    fn wish(&self) -> MutexGuard<'_, Wish> {
        self.wish.lock().expect("no test panics inside")
    }

    fn change(&self, change: impl FnOnce(&mut Wish)) {
        change(&mut self.wish());
        self.changed.notify_all();
    }

    fn wait_while(&self, stopped: impl Fn(&Wish) -> bool) -> MutexGuard<'_, Wish> {
        let waiting = self.changed.wait_while(self.wish(), |wish| stopped(wish));
        waiting.expect("no test panics inside")
    }
}

impl DiskHook for TestDisk {
    fn before_write(&self, _records: usize) -> io::Result<()> {
        let wish = self.wait_while(|wish| wish.stop_before_write);
        if wish.fail_write {
            return Err(io::Error::from_raw_os_error(28));
        }
        Ok(())
    }

    fn before_sync(&self) -> io::Result<()> {
        self.wish().written += 1;
        let wish = self.wait_while(|wish| wish.stop_before_sync);
        if wish.fail_sync {
            return Err(io::Error::from_raw_os_error(5));
        }
        Ok(())
    }

    fn after_sync(&self) {
        self.wish().synced += 1;
    }
}

#[tokio::test]
async fn a_record_is_synced_then_seen_then_acknowledged() {
    let directory = directory();
    let disk = Arc::new(TestDisk::default());
    let log = open_on(config(directory.path()), disk.clone());
    disk.change(|wish| wish.stop_before_sync = true);
    let mut pending = append(&log, Topic::Telemetry, "one");
    eventually("the group is written", async || disk.wish().written == 1).await;
    assert!(
        (&mut pending).now_or_never().is_none(),
        "acknowledged unsynced"
    );
    assert_eq!(start_and_end(&log, Topic::Telemetry).await, (0, 0));
    assert!(offsets(&log, Topic::Telemetry, 0).await.is_empty());
    assert_eq!(log.stats().groups, 0);

    disk.change(|wish| wish.stop_before_sync = false);
    let appended = pending.await.expect("the disk works");
    assert_eq!(appended.offset, Offset(0));
    assert_eq!(offsets(&log, Topic::Telemetry, 0).await, [0]);
}

#[tokio::test]
async fn every_acknowledged_group_had_its_sync() {
    let directory = directory();
    let disk = Arc::new(TestDisk::default());
    let log = open_on(config(directory.path()), disk.clone());
    for round in 0..20 {
        let pending: Vec<_> = (0..round)
            .map(|n| append(&log, Topic::Journal, format!("{round} {n}")))
            .collect();
        for outcome in futures::future::join_all(pending).await {
            outcome.expect("the disk works");
        }
        let stats = log.stats();
        assert!(stats.groups <= stats.syncs, "{stats:?}");
        assert_eq!(stats.syncs, disk.wish().synced);
    }
    assert_eq!(log.stats().records, 190);
    assert!(log.stats().groups >= 19);
}

/// After this failure nothing is taken until a restart; then all that was acknowledged is there.
async fn check_failure(fail: impl FnOnce(&mut Wish), says: &str) {
    let directory = directory();
    let disk = Arc::new(TestDisk::default());
    let log = open_on(config(directory.path()), disk.clone());
    append(&log, Topic::Telemetry, "good")
        .await
        .expect("the disk works");

    disk.change(|wish| wish.stop_before_write = true);
    let failing = append(&log, Topic::Telemetry, "failing");
    eventually("the group is taken", async || log.queue.is_empty()).await;
    let waiting = append(&log, Topic::Telemetry, "waiting");
    disk.change(|wish| {
        wish.stop_before_write = false;
        fail(wish);
    });
    match failing.await {
        Err(AppendError::Unknown { reason, .. }) => assert!(reason.contains(says), "{reason}"),
        other => panic!("expected Unknown, got {other:?}"),
    }
    let later = append(&log, Topic::Journal, "later");
    for refused in [waiting.await, later.await] {
        match refused {
            Err(AppendError::Refused { reason, .. }) => {
                assert!(
                    reason.contains(says) && reason.contains("restart"),
                    "{reason}"
                );
            }
            other => panic!("expected Refused, got {other:?}"),
        }
    }
    assert_eq!(offsets(&log, Topic::Telemetry, 0).await, [0]);

    drop(log);
    let log = open(directory.path());
    let appended = append(&log, Topic::Telemetry, "again").await;
    let next = appended.expect("the disk works again").offset.0;
    // The failed one was unknown: either it is there or it is not.
    assert!((1..=2).contains(&next), "{next}");
    let all: Vec<u64> = (0..=next).collect();
    assert_eq!(offsets(&log, Topic::Telemetry, 0).await, all);
}

#[tokio::test]
async fn a_full_disk_stops_the_log_until_a_restart() {
    check_failure(|wish| wish.fail_write = true, "No space left").await;
}

#[tokio::test]
async fn a_failed_sync_stops_the_log_until_a_restart() {
    check_failure(|wish| wish.fail_sync = true, "Input/output error").await;
}

#[tokio::test]
async fn a_full_queue_refuses_at_once() {
    let directory = directory();
    let disk = Arc::new(TestDisk::default());
    let config = Config {
        queue_records_max: 3,
        ..config(directory.path())
    };
    let log = open_on(config, disk.clone());
    disk.change(|wish| wish.stop_before_write = true);
    let mut taken = vec![append(&log, Topic::Telemetry, "first")];
    eventually("the group is taken", async || log.queue.is_empty()).await;
    taken.extend((0..3).map(|_| append(&log, Topic::Telemetry, "waits")));
    let refused = append(&log, Topic::Telemetry, "too many").now_or_never();
    match refused {
        Some(Err(AppendError::Refused { reason, .. })) => {
            assert!(reason.contains("3 of 3 records"), "{reason}");
        }
        other => panic!("expected Refused at once, got {other:?}"),
    }
    disk.change(|wish| wish.stop_before_write = false);
    for outcome in futures::future::join_all(taken).await {
        outcome.expect("what was taken is written");
    }
}

/// A disk with as much room as the test says.
struct SmallDisk {
    free: AtomicU64,
    asked: AtomicBool,
}

impl DiskHook for SmallDisk {
    fn free_bytes(&self, _real: u64) -> u64 {
        self.asked.store(true, Ordering::Relaxed);
        self.free.load(Ordering::Relaxed)
    }
}

#[tokio::test]
async fn a_nearly_full_disk_refuses_until_there_is_room() {
    let directory = directory();
    let disk = Arc::new(SmallDisk {
        free: AtomicU64::new(MIB - 1),
        asked: AtomicBool::new(false),
    });
    let log = open_on(config(directory.path()), disk.clone());
    let taken = async || append(&log, Topic::Journal, "x").await.is_ok();
    eventually("the room is seen", async || {
        disk.asked.load(Ordering::Relaxed)
    })
    .await;
    eventually("everything is refused", async || !taken().await).await;
    disk.free.store(2 * MIB, Ordering::Relaxed);
    eventually("records are taken again", taken).await;
}
