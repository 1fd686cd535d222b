//! What every adapter must keep to, as one suite that runs over any of them.
//!
//! [`keeps_to_the_port`] runs over one fresh log with at least [`SHARDS_MIN`] shards; each check
//! has a partition of its own. Checks panic with what was expected, as tests do.

mod groups;
mod reading;
mod restarts;

use std::sync::Arc;
use std::time::Duration;

use aerostream_domain::{Offset, UtcMicros};
use bytes::Bytes;
use futures::future::join_all;
use tokio::time::timeout;

use crate::port::{Append, AppendError, Appended, EventLog, LogError, ReadLimits, Reader, Record};
use crate::topic::{Partition, Topic};

pub use restarts::{keeps_what_it_acknowledged, survives_restart};

/// Fewest shards that the suite needs.
pub const SHARDS_MIN: u16 = 8;
/// How long anything may take that must happen.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a read waits that must bring nothing.
const NOTHING_FOR: Duration = Duration::from_millis(200);

/// Runs every check that needs no restart, over a log that nothing was written to.
pub async fn keeps_to_the_port(log: Arc<dyn EventLog>) {
    let log = log.as_ref();
    offsets_are_dense_and_begin_at_zero(log, Partition(0)).await;
    order_holds_under_concurrency(log, Partition(1)).await;
    wrong_partitions_are_refused(log).await;
    reading::begins_at_any_offset(log, Partition(2)).await;
    reading::follows_the_tail(log, Partition(3)).await;
    reading::keeps_limits(log, Partition(4)).await;
    reading::brings_several_partitions(log, [Partition(5), Partition(6)]).await;
    reading::surfaces_newer_versions(log, Partition(7)).await;
    reading::keeps_the_newest_of_each_key(log, Partition(0)).await;
    groups::assign_every_partition_once(log).await;
}

/// A record of the telemetry topic.
fn telemetry(partition: Partition, payload: String) -> Append {
    Append {
        topic: Topic::Telemetry,
        partition,
        key: Bytes::from_static(b"alpha"),
        payload: payload.into(),
    }
}

/// Limits that are in nobody's way.
const fn wide(wait_max: Duration) -> ReadLimits {
    ReadLimits {
        records_max: 10_000,
        bytes_max: 16 * 1024 * 1024,
        wait_max,
    }
}

async fn append_all(log: &dyn EventLog, appends: Vec<Append>) -> Vec<Appended> {
    let pending: Vec<_> = appends
        .into_iter()
        .map(|append| log.append(append))
        .collect();
    let outcomes = timeout(PATIENCE, join_all(pending)).await;
    let outcomes = outcomes.expect("appends end in time");
    outcomes
        .into_iter()
        .map(|outcome| outcome.expect("a healthy log takes records"))
        .collect()
}

/// Reads on until `count` records have come.
async fn read_count(reader: &mut dyn Reader, count: usize) -> Vec<Record> {
    let mut records = Vec::new();
    let reading = async {
        while records.len() < count {
            match reader.next(wide(PATIENCE)).await {
                Ok(more) => records.extend(more),
                Err(LogError::Unavailable { .. }) => {}
                Err(error) => panic!("reading failed: {error}"),
            }
        }
    };
    let done = timeout(PATIENCE, reading).await.is_ok();
    assert!(done, "only {} of {count} records came", records.len());
    records
}

async fn read_from(
    log: &dyn EventLog,
    topic: Topic,
    partition: Partition,
    from: u64,
    count: usize,
) -> Vec<Record> {
    let reader = log.read(topic, vec![(partition, Offset(from))]).await;
    let mut reader = reader.expect("the offset is inside");
    read_count(reader.as_mut(), count).await
}

async fn offsets_are_dense_and_begin_at_zero(log: &dyn EventLog, partition: Partition) {
    let appends: Vec<_> = (0..100)
        .map(|n| telemetry(partition, format!("record {n}")))
        .collect();
    let appended = append_all(log, appends.clone()).await;
    let offsets: Vec<u64> = appended.iter().map(|a| a.offset.0).collect();
    assert_eq!(offsets, (0..100).collect::<Vec<u64>>());
    assert!(appended.is_sorted_by_key(|a| a.at), "times go back");
    assert!(appended[0].at > UtcMicros::EARLIEST_PLAUSIBLE);

    let bounds = log.bounds(Topic::Telemetry, partition).await;
    let bounds = bounds.expect("a healthy log knows its bounds");
    assert_eq!((bounds.start, bounds.end), (Offset(0), Offset(100)));

    let records = read_from(log, Topic::Telemetry, partition, 0, 100).await;
    let expected: Vec<_> = appends
        .into_iter()
        .zip(appended)
        .map(|(append, appended)| Record {
            topic: append.topic,
            partition,
            offset: appended.offset,
            at: appended.at,
            key: append.key,
            payload: append.payload,
        })
        .collect();
    assert_eq!(records, expected, "what is read is what was written");
}

async fn order_holds_under_concurrency(log: &dyn EventLog, partition: Partition) {
    const WRITERS: usize = 4;
    const EACH: usize = 200;
    let writer = |writer: usize| async move {
        let mut pending = Vec::new();
        for n in 0..EACH {
            pending.push(log.append(telemetry(partition, format!("{writer} {n}"))));
            tokio::task::yield_now().await;
        }
        for outcome in timeout(PATIENCE, join_all(pending)).await.expect("in time") {
            outcome.expect("a healthy log takes records");
        }
    };
    join_all((0..WRITERS).map(writer)).await;

    let records = read_from(log, Topic::Telemetry, partition, 0, WRITERS * EACH).await;
    let mut next = [0; WRITERS];
    for (record, offset) in records.iter().zip(0..) {
        assert_eq!(record.offset, Offset(offset), "offsets are dense");
        let text = std::str::from_utf8(&record.payload).expect("as written");
        let (writer, n) = text.split_once(' ').expect("as written");
        let writer: usize = writer.parse().expect("as written");
        assert_eq!(n, next[writer].to_string(), "order of writer {writer}");
        next[writer] += 1;
    }
    assert_eq!(next, [EACH; WRITERS]);
}

async fn wrong_partitions_are_refused(log: &dyn EventLog) {
    let outcome = log.append(telemetry(Partition(5_000), String::new())).await;
    assert!(
        matches!(outcome, Err(AppendError::Refused { .. })),
        "{outcome:?}"
    );
    let bounds = log.bounds(Topic::Registry, Partition(1)).await;
    assert!(matches!(bounds, Err(LogError::Failed { .. })), "{bounds:?}");
}
