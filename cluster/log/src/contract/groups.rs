//! Groups: every partition has one member, which gets records only from where it starts.

use std::collections::BTreeSet;

use aerostream_domain::Offset;
use bytes::Bytes;
use tokio::time::timeout;

use super::{NOTHING_FOR, PATIENCE, append_all, wide};
use crate::port::{Append, EventLog, GroupEvent, GroupReader, LogError, Record};
use crate::topic::{DEAD_LETTER_PARTITIONS, Partition, Topic};

type Held = BTreeSet<(Topic, Partition)>;

/// A member as a worker would hold it.
struct Member {
    reader: Box<dyn GroupReader>,
    held: Held,
}

impl Member {
    async fn join(log: &dyn EventLog) -> Self {
        let reader = log.join(vec![Topic::DeadLetters], "contract").await;
        Self {
            reader: reader.expect("a healthy log has groups"),
            held: Held::new(),
        }
    }

    /// One event; the records that it brought.
    async fn step(&mut self) -> Vec<Record> {
        match self.reader.next(wide(NOTHING_FOR)).await {
            Ok(GroupEvent::Assigned(held)) => {
                for partition in held {
                    assert!(self.held.insert(partition), "{partition:?} assigned twice");
                }
            }
            Ok(GroupEvent::Revoked(held)) => {
                for partition in held {
                    assert!(self.held.remove(&partition), "{partition:?} was not held");
                }
            }
            Ok(GroupEvent::Records(records)) => return records,
            Err(LogError::Unavailable { .. }) => {}
            Err(error) => panic!("a member failed: {error}"),
        }
        Vec::new()
    }

    async fn start(&mut self, partition: u16, offset: u64) {
        let partition = Partition(partition);
        let started = self
            .reader
            .start(Topic::DeadLetters, partition, Offset(offset));
        started.await.expect("the offset is inside");
    }
}

fn every_partition() -> Held {
    (0..DEAD_LETTER_PARTITIONS)
        .map(|p| (Topic::DeadLetters, Partition(p)))
        .collect()
}

fn letter(partition: u16) -> Append {
    Append {
        topic: Topic::DeadLetters,
        partition: Partition(partition),
        key: Bytes::new(),
        payload: Bytes::from(format!("letter of {partition}")),
    }
}

async fn in_time(what: &str, future: impl Future<Output = ()>) {
    assert!(timeout(PATIENCE, future).await.is_ok(), "{what}: too slow");
}

pub(super) async fn assign_every_partition_once(log: &dyn EventLog) {
    let letters = (0..DEAD_LETTER_PARTITIONS).flat_map(|p| [letter(p), letter(p)]);
    append_all(log, letters.collect()).await;
    let mut first = Member::join(log).await;
    in_time("a lone member gets everything", async {
        while first.held != every_partition() {
            assert_eq!(first.step().await, [], "nothing was started");
        }
    })
    .await;
    assert_eq!(first.step().await, [], "nothing was started");
    begins_where_it_starts(&mut first).await;
    shares_with_a_second(log, &mut first).await;
}

async fn begins_where_it_starts(member: &mut Member) {
    member.start(2, 1).await;
    let mut came = Vec::new();
    in_time("records of the started partition", async {
        while came.is_empty() {
            came = member.step().await;
        }
    })
    .await;
    let place = |r: &Record| (r.partition.0, r.offset.0);
    assert_eq!(came.iter().map(place).collect::<Vec<_>>(), [(2, 1)]);

    member.start(2, 0).await;
    let mut came = Vec::new();
    in_time("records of the partition begun again", async {
        while came.len() < 2 {
            came.extend(member.step().await);
        }
    })
    .await;
    assert_eq!(came.iter().map(place).collect::<Vec<_>>(), [(2, 0), (2, 1)]);

    let partition = Partition(3);
    let outside = member
        .reader
        .start(Topic::DeadLetters, partition, Offset(3));
    let outside = outside.await;
    assert!(
        matches!(outside, Err(LogError::OutOfRange { .. })),
        "{outside:?}"
    );
    member
        .reader
        .report(Topic::DeadLetters, Partition(2), Offset(2));
}

async fn shares_with_a_second(log: &dyn EventLog, first: &mut Member) {
    let mut second = Member::join(log).await;
    in_time("two members share", async {
        loop {
            let shared: Held = first.held.union(&second.held).copied().collect();
            let both = !first.held.is_empty() && !second.held.is_empty();
            if both && first.held.is_disjoint(&second.held) && shared == every_partition() {
                break;
            }
            first.step().await;
            second.step().await;
        }
    })
    .await;
    drop(second);
    in_time("the rest goes back", async {
        while first.held != every_partition() {
            first.step().await;
        }
    })
    .await;
}
