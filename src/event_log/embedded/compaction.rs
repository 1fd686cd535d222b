//! Compaction of the state topic: which records are superseded and may go.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use aerostream_domain::UtcMicros;
use aerostream_log::Partition;
use bytes::Bytes;

/// How long a superseded record stays, for readers that were told of an end before its successor.
pub(super) const SUPERSEDED_KEPT: Duration = Duration::from_secs(30);
/// How long the deletion of a key stays, for readers that have seen the key.
pub(super) const DELETION_KEPT: Duration = Duration::from_secs(24 * 3600);

/// A record of the state topic, as compaction sees it.
#[derive(Debug, Clone)]
pub(super) struct StateRecord {
    pub(super) partition: Partition,
    pub(super) offset: u64,
    pub(super) at: UtcMicros,
    pub(super) key: Bytes,
    /// Bytes of key and payload.
    pub(super) bytes: u64,
    pub(super) deletes: bool,
}

/// A record that may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Expired {
    pub(super) partition: Partition,
    pub(super) offset: u64,
    pub(super) bytes: u64,
}

/// The newest record of every key, and what waits to go.
#[derive(Default)]
pub(super) struct Compaction {
    newest: HashMap<(Partition, Bytes), Expired>,
    superseded: VecDeque<(UtcMicros, Expired)>,
    deletions: VecDeque<StateRecord>,
}

impl Compaction {
    /// Notes a record that was written, in offset order within its partition.
    pub(super) fn note(&mut self, record: StateRecord) {
        let this = Expired {
            partition: record.partition,
            offset: record.offset,
            bytes: record.bytes,
        };
        let key = (record.partition, record.key.clone());
        if let Some(older) = self.newest.insert(key, this) {
            self.superseded.push_back((record.at, older));
        }
        if record.deletes {
            self.deletions.push_back(record);
        }
    }

    /// Takes up to `count` records out that may go now. The last record of a partition stays,
    /// because it tells a restart where the partition ends.
    pub(super) fn take_expired(
        &mut self,
        now: UtcMicros,
        count: usize,
        ends: &[u64],
    ) -> Vec<Expired> {
        let mut expired = Vec::new();
        let due = |at: UtcMicros, kept: Duration| at + kept <= now;
        while expired.len() < count {
            match self.superseded.front() {
                Some(&(at, older)) if due(at, SUPERSEDED_KEPT) => expired.push(older),
                _ => break,
            }
            self.superseded.pop_front();
        }
        for _ in 0..self
            .deletions
            .len()
            .min(count.saturating_sub(expired.len()))
        {
            let Some(deletion) = self.deletions.pop_front() else {
                break;
            };
            if !due(deletion.at, DELETION_KEPT) {
                self.deletions.push_front(deletion);
                break;
            }
            let end = ends.get(usize::from(deletion.partition.0));
            if end.is_some_and(|&end| deletion.offset + 1 == end) {
                self.deletions.push_back(deletion);
                continue;
            }
            let key = (deletion.partition, deletion.key);
            // A key that was written again has superseded its deletion.
            if let Some(newest) = self.newest.get(&key)
                && newest.offset == deletion.offset
            {
                expired.push(*newest);
                self.newest.remove(&key);
            }
        }
        expired
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(offset: u64, key: &'static str, deletes: bool) -> StateRecord {
        StateRecord {
            partition: Partition(0),
            offset,
            at: UtcMicros(0),
            key: Bytes::from_static(key.as_bytes()),
            bytes: 1,
            deletes,
        }
    }

    fn offsets(expired: &[Expired]) -> Vec<u64> {
        expired.iter().map(|expired| expired.offset).collect()
    }

    #[test]
    fn what_is_superseded_or_deleted_goes_later() {
        let mut compaction = Compaction::default();
        for record in [
            state(0, "a", false),
            state(1, "b", false),
            state(2, "a", false),
            state(3, "b", true),
        ] {
            compaction.note(record);
        }
        let mut take = |at: Duration, end: u64| {
            offsets(&compaction.take_expired(UtcMicros(0) + at, 10, &[end]))
        };
        assert!(take(SUPERSEDED_KEPT / 2, 4).is_empty());
        assert_eq!(take(SUPERSEDED_KEPT, 4), [0, 1]);
        assert!(take(SUPERSEDED_KEPT, 4).is_empty());
        assert!(take(DELETION_KEPT, 4).is_empty(), "the last one stays");
        assert_eq!(take(DELETION_KEPT, 5), [3]);
        assert!(take(DELETION_KEPT * 2, 5).is_empty());
    }

    #[test]
    fn a_key_written_again_keeps_its_newest_record() {
        let mut compaction = Compaction::default();
        compaction.note(state(0, "a", true));
        compaction.note(state(1, "a", false));
        let now = UtcMicros(0) + DELETION_KEPT;
        assert_eq!(offsets(&compaction.take_expired(now, 10, &[2])), [0]);
        assert!(compaction.take_expired(now, 10, &[2]).is_empty());
    }
}
