//! Samples on their way into `telemetry`, already encoded, so that a run's memory is its bytes.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aerostream_domain::{BootId, DroneId, RecordedSample, UtcMicros};
use bytes::BytesMut;

use super::offsets::{Span, Spans, Stored};
use super::partition::Day;
use super::row::encode;

/// First time that a row may have: 2000-01-01.
const TIME_MIN: UtcMicros = UtcMicros(946_684_800_000_000);
/// First time that a row may not have: 2200-01-01.
const TIME_END: UtcMicros = UtcMicros(7_258_118_400_000_000);
/// Microseconds of a minute.
const MINUTE_US: i64 = 60_000_000;

/// Why a sample cannot be a row. The doors refuse such samples, so this is never seen unless they
/// are broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unstorable {
    #[error("its time {0} is not between the years 2000 and 2200")]
    Time(UtcMicros),
    #[error("its seq {0} is above 2^63 - 1")]
    Seq(u64),
}

/// Where a sample came from, in the caller's own numbering.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub record: u32,
    pub sample: u32,
}

/// Samples that are stored in one transaction, together with the offsets behind them.
#[derive(Debug, Default)]
pub struct Run {
    rows: BytesMut,
    keys: Vec<Key>,
    drones: Vec<DroneId>,
    indexes: HashMap<DroneId, u32>,
    spans: Spans,
}

#[derive(Debug, Clone, Copy)]
struct Key {
    timestamp: i64,
    boot: i64,
    seq: i64,
    /// Index in `drones`; after [`Run::arrange`] the drone's number.
    drone: i32,
    start: u32,
    length: u32,
    place: Place,
}

impl Key {
    fn identity(&self) -> (i32, i64, i64, i64) {
        (self.drone, self.timestamp, self.boot, self.seq)
    }

    fn time(&self) -> UtcMicros {
        encode::utc(self.timestamp)
    }

    fn range(&self) -> std::ops::Range<usize> {
        self.start as usize..(self.start + self.length) as usize
    }
}

/// A run in the order of the table, without repeats.
#[derive(Debug)]
pub(super) struct Arranged<'a> {
    rows: &'a mut BytesMut,
    keys: Vec<Key>,
    /// Samples that another one of the run had said already, word for word.
    pub repeated: u64,
    /// Samples whose identity another one of the run has, with other content.
    pub conflicts: Vec<Place>,
    /// Rows left out because their day is not kept any more.
    pub expired: BTreeMap<Day, u64>,
}

impl Run {
    /// Adds a sample.
    ///
    /// # Errors
    /// If no row can hold it; the run is unchanged.
    pub fn push(
        &mut self,
        drone: &DroneId,
        boot: BootId,
        sample: &RecordedSample,
        place: Place,
    ) -> Result<(), Unstorable> {
        if sample.time < TIME_MIN || sample.time >= TIME_END {
            return Err(Unstorable::Time(sample.time));
        }
        let seq = i64::try_from(sample.seq.0).map_err(|_| Unstorable::Seq(sample.seq.0))?;
        let start = self.rows.len();
        encode::row(&mut self.rows, boot, sample);
        let drone = self.index_of(drone);
        self.keys.push(Key {
            timestamp: encode::timestamp(sample.time),
            boot: boot.0 as i64,
            seq,
            drone,
            start: start as u32,
            length: (self.rows.len() - start) as u32,
            place,
        });
        Ok(())
    }

    /// Notes that the run holds what a partition has between two positions. Calls for one
    /// partition follow each other.
    pub fn cover(&mut self, partition: u16, from: Stored, to: Stored) {
        let span = self.spans.entry(partition).or_insert(Span { from, to });
        span.to = to;
    }

    /// Samples in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// True if it holds no samples; it may still move offsets.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Bytes of its rows.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.rows.len()
    }

    /// What it takes for granted and leaves behind, per partition.
    #[must_use]
    pub fn spans(&self) -> &Spans {
        &self.spans
    }

    /// Days of its samples.
    #[must_use]
    pub fn days(&self) -> BTreeSet<Day> {
        self.keys.iter().map(|key| Day::of(key.time())).collect()
    }

    pub(super) fn drones(&self) -> &[DroneId] {
        &self.drones
    }

    fn index_of(&mut self, drone: &DroneId) -> i32 {
        // A batch has many samples of one drone, so the last one is often the same.
        if let Some(last) = self.keys.last()
            && self.drones[last.drone as usize] == *drone
        {
            return last.drone;
        }
        if let Some(&index) = self.indexes.get(drone) {
            return index as i32;
        }
        let index = self.drones.len() as u32;
        self.drones.push(drone.clone());
        self.indexes.insert(drone.clone(), index);
        index as i32
    }

    /// Sorts by drone and time, leaves out repeats and rows of days before `kept_from`. Nothing is
    /// lost by it: a run can be arranged again.
    pub(super) fn arrange(&mut self, refs: &[i32], kept_from: Day) -> Arranged<'_> {
        let mut keys = self.keys.clone();
        for key in &mut keys {
            key.drone = refs[key.drone as usize];
            encode::set_drone_ref(&mut self.rows[key.range()], key.drone);
        }
        let mut expired = BTreeMap::new();
        keys.retain(|key| {
            let day = Day::of(key.time());
            let kept = day >= kept_from;
            if !kept {
                *expired.entry(day).or_default() += 1;
            }
            kept
        });
        // Stable: of samples with one identity the first in the log stays first.
        keys.sort_by_key(Key::identity);
        let mut arranged = Arranged {
            rows: &mut self.rows,
            keys: Vec::with_capacity(keys.len()),
            repeated: 0,
            conflicts: Vec::new(),
            expired,
        };
        for key in keys {
            arranged.add(key);
        }
        arranged
    }
}

impl Arranged<'_> {
    fn add(&mut self, key: Key) {
        match self.keys.last() {
            Some(last) if last.identity() == key.identity() => {
                let content = |key: &Key| encode::content_of(&self.rows[key.range()]);
                if content(last) == content(&key) {
                    self.repeated += 1;
                } else {
                    self.conflicts.push(key.place);
                }
            }
            _ => self.keys.push(key),
        }
    }

    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// The rows, in order.
    pub fn rows(&self) -> impl Iterator<Item = &[u8]> {
        self.keys.iter().map(|key| &self.rows[key.range()])
    }

    /// Where the row with this identity came from.
    pub fn place_of(&self, identity: (i32, i64, i64, i64)) -> Option<Place> {
        let found = self.keys.binary_search_by_key(&identity, Key::identity);
        found.ok().map(|index| self.keys[index].place)
    }

    /// Drones with rows in each minute, for the rollups.
    pub fn minutes(&self) -> BTreeMap<UtcMicros, Vec<i32>> {
        let mut minutes: BTreeMap<UtcMicros, Vec<i32>> = BTreeMap::new();
        let mut last = None;
        for key in &self.keys {
            let time = key.time().0;
            let minute = UtcMicros(time - time.rem_euclid(MINUTE_US));
            // Sorted by drone and time: equal pairs follow each other.
            if last != Some((key.drone, minute)) {
                minutes.entry(minute).or_default().push(key.drone);
                last = Some((key.drone, minute));
            }
        }
        minutes
    }
}
