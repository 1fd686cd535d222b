//! Tests of the embedded log: the contract, and what only a log with a disk can get wrong.

mod disk;
mod keeping;
mod killed;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use aerostream_domain::{Offset, ShardCount, UtcMicros};
use aerostream_log::contract;
use aerostream_log::{Append, EventLog, Partition, PendingAppend, ReadLimits, Topic};
use bytes::Bytes;
use tempfile::TempDir;

use super::{Config, DiskHook, EmbeddedLog, MIB, OpenError, PlainDisk, Surroundings};

const PATIENCE: Duration = Duration::from_secs(60);

fn shards() -> ShardCount {
    ShardCount::new(contract::SHARDS_MIN).expect("in range")
}

/// A disk of tests may be fuller than that of an operator.
fn config(directory: &Path) -> Config {
    Config {
        directory: directory.to_owned(),
        free_bytes_min: MIB,
        ..Config::default()
    }
}

fn directory() -> TempDir {
    tempfile::tempdir().expect("a directory of the test")
}

fn open(directory: &Path) -> EmbeddedLog {
    EmbeddedLog::open(config(directory), shards()).expect("the directory is free")
}

fn open_on(config: Config, disk: Arc<dyn DiskHook>) -> EmbeddedLog {
    let surroundings = Surroundings {
        disk,
        ..Surroundings::default()
    };
    EmbeddedLog::open_in(config, shards(), surroundings).expect("the directory is free")
}

/// A clock that the test turns.
#[derive(Clone)]
struct Clock(Arc<AtomicI64>);

impl Clock {
    fn new() -> Self {
        Self(Arc::new(UtcMicros::EARLIEST_PLAUSIBLE.0.into()))
    }

    fn forward(&self, by: Duration) {
        self.0.fetch_add(by.as_micros() as i64, Ordering::Relaxed);
    }

    fn open(&self, config: Config) -> EmbeddedLog {
        let clock = self.clone();
        let surroundings = Surroundings {
            clock: Box::new(move || UtcMicros(clock.0.load(Ordering::Relaxed))),
            disk: Arc::new(PlainDisk),
        };
        EmbeddedLog::open_in(config, shards(), surroundings).expect("the directory is free")
    }
}

fn record(topic: Topic, key: &str, payload: impl Into<Bytes>) -> Append {
    Append {
        topic,
        partition: Partition(0),
        key: Bytes::copy_from_slice(key.as_bytes()),
        payload: payload.into(),
    }
}

fn append(log: &EmbeddedLog, topic: Topic, payload: impl Into<Bytes>) -> PendingAppend {
    log.append(record(topic, "alpha", payload))
}

/// Waits until something holds that happens on another thread.
async fn eventually(what: &str, holds: impl AsyncFn() -> bool) {
    let waiting = async {
        let mut look = tokio::time::interval(Duration::from_millis(10));
        while !holds().await {
            look.tick().await;
        }
    };
    let done = tokio::time::timeout(PATIENCE, waiting).await.is_ok();
    assert!(done, "{what}: too slow");
}

async fn start_and_end(log: &EmbeddedLog, topic: Topic) -> (u64, u64) {
    let bounds = log.bounds(topic, Partition(0)).await;
    let bounds = bounds.expect("the partition exists");
    (bounds.start.0, bounds.end.0)
}

/// All offsets of partition 0 from `from` to the end.
async fn offsets(log: &EmbeddedLog, topic: Topic, from: u64) -> Vec<u64> {
    let reader = log.read(topic, vec![(Partition(0), Offset(from))]).await;
    let mut reader = reader.expect("the offset is inside");
    let mut offsets = Vec::new();
    loop {
        let limits = ReadLimits {
            records_max: 1_000,
            bytes_max: 1 << 20,
            wait_max: Duration::ZERO,
        };
        let records = reader.next(limits).await.expect("a healthy log");
        if records.is_empty() {
            return offsets;
        }
        offsets.extend(records.iter().map(|record| record.offset.0));
    }
}

#[tokio::test]
async fn keeps_to_the_port() {
    let directory = directory();
    contract::keeps_to_the_port(Arc::new(open(directory.path()))).await;
}

#[tokio::test]
async fn keeps_what_it_acknowledged_when_closed() {
    let directory = directory();
    contract::keeps_what_it_acknowledged(Arc::new(open(directory.path())), async |log| {
        drop(log);
        let log: Arc<dyn EventLog> = Arc::new(open(directory.path()));
        log
    })
    .await;
}

#[tokio::test]
async fn a_directory_has_one_user_and_one_number_of_shards() {
    let directory = directory();
    let log = open(directory.path());
    let second = EmbeddedLog::open(config(directory.path()), shards());
    let message = match second {
        Err(error @ OpenError::InUse { .. }) => error.to_string(),
        Err(error) => panic!("expected InUse, got {error:?}"),
        Ok(_) => panic!("two logs in one directory"),
    };
    let process = format!("in use by process {}", std::process::id());
    assert!(message.contains(&process), "{message}");
    drop(log);

    let other = EmbeddedLog::open(config(directory.path()), ShardCount::DEFAULT);
    assert!(matches!(
        other.map(|_| ()),
        Err(OpenError::Shards {
            kept: contract::SHARDS_MIN,
            asked: 64,
            ..
        })
    ));
    open(directory.path());
}

#[test]
fn settings_that_make_no_sense_are_named() {
    let wrong = Config {
        kept_bytes_max: MIB,
        ..Config::default()
    };
    let error = EmbeddedLog::open(wrong, shards()).map(|_| ());
    let message = error.expect_err("the limit is below a segment").to_string();
    assert!(message.contains("kept_bytes_max"), "{message}");
}
