//! Finds partitions that a member has and gets nothing of although there is something.
//!
//! What a group says and what its client does can come apart when brokers die at the wrong moment;
//! nobody is told then, and the records of the partition wait for ever.

use std::collections::BTreeMap;
use std::time::Duration;

use aerostream_domain::Offset;
use aerostream_log::{Bounds, Partition, Topic};
use tokio::time::Instant;

type Held = (Topic, Partition);

/// Looks at every started partition once in a while.
#[derive(Debug)]
pub(super) struct StallWatch {
    every: Duration,
    looked: Instant,
    /// Partitions that were behind the log at the last look, and where they were.
    behind: BTreeMap<Held, Offset>,
}

impl StallWatch {
    pub(super) fn new(every: Duration, now: Instant) -> Self {
        Self {
            every,
            looked: now,
            behind: BTreeMap::new(),
        }
    }

    /// Partitions to ask the log about; none while it is not time for a look.
    pub(super) fn to_ask(&self, started: &BTreeMap<Held, Offset>, now: Instant) -> Vec<Held> {
        if now.duration_since(self.looked) < self.every {
            return Vec::new();
        }
        started.keys().copied().collect()
    }

    /// Takes the log's answer; the partitions that stood still since the last look although there
    /// were records to get.
    pub(super) fn look(
        &mut self,
        started: &BTreeMap<Held, Offset>,
        bounds: &BTreeMap<Held, Bounds>,
        now: Instant,
    ) -> Vec<Held> {
        let is_behind = |(held, next): &(&Held, &Offset)| {
            bounds.get(held).is_some_and(|bounds| **next < bounds.end)
        };
        let behind: BTreeMap<Held, Offset> = started
            .iter()
            .filter(is_behind)
            .map(|(held, next)| (*held, *next))
            .collect();
        let stalled = behind
            .iter()
            .filter(|(held, next)| self.behind.get(held) == Some(next))
            .map(|(held, _)| *held)
            .collect();
        self.behind = behind;
        self.looked = now;
        stalled
    }

    /// The log did not answer: nobody gets anything, and nothing can be said.
    pub(super) fn forget(&mut self, now: Instant) {
        self.behind.clear();
        self.looked = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_secs(10);

    fn held(partition: u16) -> Held {
        (Topic::Telemetry, Partition(partition))
    }

    fn bounds(ends: [u64; 3]) -> BTreeMap<Held, Bounds> {
        let start = Offset(0);
        let ends = ends.into_iter().zip(0..);
        ends.map(|(end, p)| {
            (
                held(p),
                Bounds {
                    start,
                    end: Offset(end),
                },
            )
        })
        .collect()
    }

    fn places(nexts: [u64; 3]) -> BTreeMap<Held, Offset> {
        nexts
            .into_iter()
            .zip(0..)
            .map(|(next, p)| (held(p), Offset(next)))
            .collect()
    }

    #[test]
    fn a_partition_stalls_when_it_stands_still_behind_the_log_for_two_looks() {
        let begun = Instant::now();
        let mut watch = StallWatch::new(EVERY, begun);
        let started = places([5, 5, 5]);
        assert!(watch.to_ask(&started, begun).is_empty());
        let now = begun + EVERY;
        assert_eq!(watch.to_ask(&started, now).len(), 3);
        // The first is at the end, the others are behind; nobody knows yet whether they move.
        assert!(watch.look(&started, &bounds([5, 9, 9]), now).is_empty());
        assert!(watch.to_ask(&started, now).is_empty());
        let moved = places([5, 6, 5]);
        let now = now + EVERY;
        assert_eq!(watch.look(&moved, &bounds([7, 9, 9]), now), [held(2)]);
    }

    #[test]
    fn nobody_stalls_while_the_log_is_away_or_before_it_was_looked_at_twice() {
        let mut now = Instant::now();
        let mut watch = StallWatch::new(EVERY, now);
        let started = places([5, 5, 5]);
        assert!(watch.look(&started, &bounds([9, 9, 9]), now).is_empty());
        now += EVERY;
        watch.forget(now);
        assert!(watch.look(&started, &bounds([9, 9, 9]), now).is_empty());
        // What the log says nothing of is not behind.
        assert!(watch.look(&started, &BTreeMap::new(), now).is_empty());
        assert!(watch.look(&started, &bounds([9, 9, 9]), now).is_empty());
    }
}
