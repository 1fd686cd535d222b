//! How records lie in the storage engine.
//!
//! A topic is a row of segments, each a keyspace of its own. In it a record's key is its partition
//! and offset, big-endian, so that a partition is one range in offset order. The value is the time
//! of the append, the length of the record's key, that key, and the payload.

use aerostream_domain::{Offset, UtcMicros};
use aerostream_log::{Append, Partition, Record, Topic};
use bytes::Bytes;

const AT_BYTES: usize = 8;
const KEY_LENGTH_BYTES: usize = 2;
const HEAD_BYTES: usize = AT_BYTES + KEY_LENGTH_BYTES;

/// Longest key of a record, in bytes.
pub(super) const KEY_BYTES_MAX: usize = u16::MAX as usize;

/// Bytes of a record's place within a segment.
pub(super) type Place = [u8; 10];

pub(super) fn place(partition: Partition, offset: u64) -> Place {
    let mut place = [0; 10];
    place[..2].copy_from_slice(&partition.0.to_be_bytes());
    place[2..].copy_from_slice(&offset.to_be_bytes());
    place
}

pub(super) fn parse_place(place: &[u8]) -> Option<(Partition, u64)> {
    let (partition, offset) = place.split_first_chunk()?;
    Some((
        Partition(u16::from_be_bytes(*partition)),
        u64::from_be_bytes(offset.try_into().ok()?),
    ))
}

/// Value of a record whose key is at most [`KEY_BYTES_MAX`] long.
pub(super) fn value(append: &Append, at: UtcMicros) -> Vec<u8> {
    let length = HEAD_BYTES + append.key.len() + append.payload.len();
    let mut value = Vec::with_capacity(length);
    value.extend_from_slice(&at.0.to_be_bytes());
    value.extend_from_slice(&(append.key.len() as u16).to_be_bytes());
    value.extend_from_slice(&append.key);
    value.extend_from_slice(&append.payload);
    value
}

/// Record at a place; `None` if its bytes are not what [`value`] writes.
pub(super) fn record(topic: Topic, place: &[u8], value: &[u8]) -> Option<Record> {
    let (partition, offset) = parse_place(place)?;
    let (at, rest) = value.split_first_chunk::<AT_BYTES>()?;
    let (key_length, rest) = rest.split_first_chunk::<KEY_LENGTH_BYTES>()?;
    let key_length = usize::from(u16::from_be_bytes(*key_length));
    let mut payload = Bytes::copy_from_slice(rest);
    if payload.len() < key_length {
        return None;
    }
    let key = payload.split_to(key_length);
    Some(Record {
        topic,
        partition,
        offset: Offset(offset),
        at: UtcMicros(i64::from_be_bytes(*at)),
        key,
        payload,
    })
}

/// Bytes that count against the limits for a value in the storage engine.
pub(super) fn counted(value_bytes: usize) -> u64 {
    value_bytes.saturating_sub(HEAD_BYTES) as u64
}

/// What is known of a segment without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SegmentHead {
    pub(super) created_at: UtcMicros,
    /// When its last record was written and how many bytes it has; `None` while it grows.
    pub(super) closed: Option<(UtcMicros, u64)>,
    /// Offset of its first record in each partition.
    pub(super) base: Vec<u64>,
}

impl SegmentHead {
    pub(super) fn encode(&self) -> Vec<u8> {
        let (closed_at, bytes) = self.closed.unwrap_or((UtcMicros(i64::MIN), 0));
        let mut head = Vec::with_capacity(24 + 8 * self.base.len());
        head.extend_from_slice(&self.created_at.0.to_be_bytes());
        head.extend_from_slice(&closed_at.0.to_be_bytes());
        head.extend_from_slice(&bytes.to_be_bytes());
        for base in &self.base {
            head.extend_from_slice(&base.to_be_bytes());
        }
        head
    }

    pub(super) fn decode(head: &[u8]) -> Option<Self> {
        let (numbers, rest) = head.as_chunks::<8>();
        let [created_at, closed_at, bytes, base @ ..] = numbers else {
            return None;
        };
        let closed_at = i64::from_be_bytes(*closed_at);
        let bytes = u64::from_be_bytes(*bytes);
        rest.is_empty().then(|| Self {
            created_at: UtcMicros(i64::from_be_bytes(*created_at)),
            closed: (closed_at != i64::MIN).then_some((UtcMicros(closed_at), bytes)),
            base: base.iter().map(|base| u64::from_be_bytes(*base)).collect(),
        })
    }
}

/// Name of a segment's keyspace, and its key among the heads.
pub(super) fn segment_name(topic: Topic, number: u64) -> String {
    format!("{topic}-{number:012}")
}

pub(super) fn parse_segment_name(name: &str) -> Option<(Topic, u64)> {
    let (topic, number) = name.rsplit_once('-')?;
    let topic = Topic::ALL.into_iter().find(|t| t.suffix() == topic)?;
    Some((topic, number.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_comes_back_as_it_was() {
        let append = Append {
            topic: Topic::Journal,
            partition: Partition(515),
            key: Bytes::from_static(b"alpha"),
            payload: Bytes::from_static(b"\x01payload"),
        };
        let bytes = value(&append, UtcMicros(-7));
        let place = place(append.partition, u64::MAX - 1);
        let expected = Record {
            topic: append.topic,
            partition: append.partition,
            offset: Offset(u64::MAX - 1),
            at: UtcMicros(-7),
            key: append.key,
            payload: append.payload,
        };
        assert_eq!(record(Topic::Journal, &place, &bytes), Some(expected));
        assert_eq!(counted(bytes.len()), 13);
        assert_eq!(record(Topic::Journal, &place, &bytes[..11]), None);
        assert_eq!(record(Topic::Journal, &place[1..], &bytes), None);
    }

    #[test]
    fn a_head_comes_back_as_it_was() {
        for closed in [None, Some((UtcMicros(9), 77))] {
            let head = SegmentHead {
                created_at: UtcMicros(5),
                closed,
                base: vec![0, 3, u64::MAX],
            };
            assert_eq!(SegmentHead::decode(&head.encode()), Some(head));
        }
        assert_eq!(SegmentHead::decode(&[0; 23]), None);
        assert_eq!(SegmentHead::decode(&[0; 25]), None);
    }

    #[test]
    fn names_of_segments_sort_by_number() {
        for topic in Topic::ALL {
            let name = segment_name(topic, 12);
            assert_eq!(parse_segment_name(&name), Some((topic, 12)));
            assert!(name < segment_name(topic, 100));
        }
        assert_eq!(parse_segment_name("heads"), None);
    }
}
