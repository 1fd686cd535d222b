//! Reading and following.

use std::collections::BTreeMap;

use aerostream_domain::Offset;
use aerostream_proto::v1::Epoch;
use bytes::Bytes;
use futures::future::join;

use super::{NOTHING_FOR, PATIENCE, append_all, read_count, read_from, telemetry, wide};
use crate::codec::{self, DecodeError};
use crate::port::{Append, EventLog, LogError, ReadLimits};
use crate::topic::{Partition, Topic};

pub(super) async fn begins_at_any_offset(log: &dyn EventLog, partition: Partition) {
    let appends = (0..20).map(|n| telemetry(partition, n.to_string()));
    append_all(log, appends.collect()).await;
    for from in [0, 7, 19] {
        let count = 20 - from as usize;
        let records = read_from(log, Topic::Telemetry, partition, from, count).await;
        assert_eq!(records[0].offset, Offset(from));
        assert_eq!(records.len(), count);
    }

    let at_end = log.read(Topic::Telemetry, vec![(partition, Offset(20))]);
    let mut at_end = at_end.await.expect("the end is inside");
    let nothing = at_end.next(wide(NOTHING_FOR)).await;
    assert_eq!(nothing.expect("a healthy log").len(), 0);

    let outside = log
        .read(Topic::Telemetry, vec![(partition, Offset(21))])
        .await;
    match outside.map(|_| "a reader") {
        Err(LogError::OutOfRange {
            asked, start, end, ..
        }) => assert_eq!(
            (asked, start, end),
            (Offset(21), Offset(0), Offset(20)),
            "the error says what is there"
        ),
        other => panic!("expected OutOfRange, got {other:?}"),
    }
}

pub(super) async fn follows_the_tail(log: &dyn EventLog, partition: Partition) {
    let reader = log.read(Topic::Telemetry, vec![(partition, Offset(0))]);
    let mut reader = reader.await.expect("the start is inside");
    let nothing = reader.next(wide(NOTHING_FOR)).await;
    assert_eq!(nothing.expect("a healthy log").len(), 0);
    for n in 0..3_u64 {
        // The reader is already waiting when the record comes.
        let append = log.append(telemetry(partition, n.to_string()));
        let (records, appended) = join(read_count(reader.as_mut(), 1), append).await;
        let appended = appended.expect("a healthy log takes records");
        assert_eq!(records.len(), 1);
        assert_eq!(records[0].offset, Offset(n));
        assert_eq!(records[0].at, appended.at);
    }
}

pub(super) async fn keeps_limits(log: &dyn EventLog, partition: Partition) {
    let appends = (0..10).map(|_| telemetry(partition, "x".repeat(1_000)));
    append_all(log, appends.collect()).await;
    let reader = log.read(Topic::Telemetry, vec![(partition, Offset(0))]);
    let mut reader = reader.await.expect("the start is inside");
    let mut next = async |records_max, bytes_max| {
        let limits = ReadLimits {
            records_max,
            bytes_max,
            wait_max: PATIENCE,
        };
        let records = reader.next(limits).await.expect("a healthy log");
        records.iter().map(|r| r.offset.0).collect::<Vec<u64>>()
    };
    assert_eq!(next(1, 1 << 20).await, [0]);
    let three = next(3, 1 << 20).await;
    assert!(!three.is_empty() && three.len() <= 3, "{three:?}");
    let first = three.last().expect("some came") + 1;
    assert_eq!(next(10, 10).await, [first], "one record always fits");
    let two = next(10, 2_500).await;
    assert!(!two.is_empty() && two.len() <= 2, "{two:?}");
}

pub(super) async fn brings_several_partitions(log: &dyn EventLog, both: [Partition; 2]) {
    let appends = (0..100).map(|n| telemetry(both[n % 2], n.to_string()));
    append_all(log, appends.collect()).await;
    let from = both.map(|partition| (partition, Offset(10))).to_vec();
    let mut reader = log
        .read(Topic::Telemetry, from)
        .await
        .expect("the offsets are inside");
    let mut next = BTreeMap::from(both.map(|partition| (partition, 10)));
    for record in read_count(reader.as_mut(), 80).await {
        let next = next.get_mut(&record.partition).expect("as asked");
        assert_eq!(record.offset, Offset(*next));
        *next += 1;
    }
    assert_eq!(next, BTreeMap::from(both.map(|partition| (partition, 50))));
}

pub(super) async fn surfaces_newer_versions(log: &dyn EventLog, partition: Partition) {
    let epoch = Epoch {
        generation: 1,
        offset: 2,
    };
    let readable = codec::encode(&epoch);
    let mut newer = readable.to_vec();
    newer[0] = codec::VERSION + 1;
    let append = |payload: Bytes| Append {
        payload,
        ..telemetry(partition, String::new())
    };
    append_all(log, vec![append(readable), append(newer.into())]).await;
    let records = read_from(log, Topic::Telemetry, partition, 0, 2).await;
    let decode = |n: usize| codec::decode::<Epoch>(&records[n].payload);
    assert_eq!(decode(0), Ok(epoch));
    let version = codec::VERSION + 1;
    assert_eq!(decode(1), Err(DecodeError::Newer { version }));
}

/// Compaction may happen at any time or never: what counts is what the topic folds to.
pub(super) async fn keeps_the_newest_of_each_key(log: &dyn EventLog, partition: Partition) {
    let state = |key: &'static str, payload: &'static str| Append {
        topic: Topic::State,
        partition,
        key: Bytes::from_static(key.as_bytes()),
        payload: Bytes::from_static(payload.as_bytes()),
    };
    // In turn, so that no two of a key are written at once.
    for (key, payload) in [("a", "1"), ("b", "1"), ("a", "2"), ("c", "1"), ("b", "")] {
        append_all(log, vec![state(key, payload)]).await;
    }
    // At once: the earlier one may never be seen.
    append_all(log, vec![state("c", "2"), state("c", "3")]).await;
    let bounds = log.bounds(Topic::State, partition).await;
    let end = bounds.expect("a healthy log knows its bounds").end;
    assert_eq!(end, Offset(7));

    let reader = log.read(Topic::State, vec![(partition, Offset(0))]);
    let mut reader = reader.await.expect("the start is inside");
    let mut folded = BTreeMap::new();
    let mut next = Offset(0);
    while next < end {
        for record in reader.next(wide(PATIENCE)).await.expect("a healthy log") {
            assert!(record.offset >= next, "offsets go back");
            next = Offset(record.offset.0 + 1);
            if record.payload.is_empty() {
                folded.remove(&record.key);
            } else {
                folded.insert(record.key, record.payload);
            }
        }
    }
    let expected = [("a", "2"), ("c", "3")].map(|(k, v)| (Bytes::from(k), Bytes::from(v)));
    assert_eq!(folded, BTreeMap::from(expected));
}
