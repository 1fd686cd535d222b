//! Finds records that a member was not given.
//!
//! The topics of groups are neither compacted nor written in transactions, so each record follows
//! the one before it by one. A client that leaves some out does not say so: librdkafka asks where a
//! partition ends when it is assigned, and an answer that comes while a broker dies can move a
//! partition to its end long after it was started elsewhere. What is left out would be lost, since
//! the offsets that a worker stores only grow.

use std::collections::BTreeMap;

use aerostream_domain::Offset;
use aerostream_log::{Partition, Topic};

type Held = (Topic, Partition);

/// What to do with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// It is the next one.
    Take,
    /// It was given already, or the partition is not started.
    Skip,
    /// Records before it are missing: go back to the next one.
    GoBack(Offset),
}

/// Gaps that were met.
#[derive(Debug, Default)]
pub(super) struct Gaps {
    /// Of each partition the last one: which record was due, and which came.
    met: BTreeMap<Held, (Offset, Offset)>,
}

impl Gaps {
    /// Judges a record of a partition whose next one is `due`. The same record behind the same gap
    /// again, after going back, is what the log has: then there is nothing to go back for.
    pub(super) fn judge(&mut self, held: Held, due: Option<Offset>, came: Offset) -> Step {
        let Some(due) = due.filter(|&due| came >= due) else {
            return Step::Skip;
        };
        if came == due {
            return Step::Take;
        }
        if self.met.insert(held, (due, came)) == Some((due, came)) {
            self.met.remove(&held);
            return Step::Take;
        }
        Step::GoBack(due)
    }

    /// The member could not go back, so that the gap says nothing of the log yet.
    pub(super) fn forget(&mut self, held: Held) {
        self.met.remove(&held);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELD: Held = (Topic::Telemetry, Partition(1));

    fn step(gaps: &mut Gaps, due: u64, came: u64) -> Step {
        gaps.judge(HELD, Some(Offset(due)), Offset(came))
    }

    #[test]
    fn records_come_one_after_the_other() {
        let mut gaps = Gaps::default();
        assert_eq!(step(&mut gaps, 564, 564), Step::Take);
        assert_eq!(step(&mut gaps, 565, 12), Step::Skip);
        assert_eq!(gaps.judge(HELD, None, Offset(564)), Step::Skip);
    }

    #[test]
    fn a_jump_ahead_goes_back_each_time() {
        let mut gaps = Gaps::default();
        assert_eq!(step(&mut gaps, 564, 840), Step::GoBack(Offset(564)));
        // Fetched before the member went back.
        assert_eq!(step(&mut gaps, 564, 841), Step::GoBack(Offset(564)));
        assert_eq!(step(&mut gaps, 564, 564), Step::Take);
        assert_eq!(step(&mut gaps, 565, 840), Step::GoBack(Offset(565)));
    }

    #[test]
    fn a_gap_that_stays_is_the_logs() {
        let mut gaps = Gaps::default();
        assert_eq!(step(&mut gaps, 5, 9), Step::GoBack(Offset(5)));
        assert_eq!(step(&mut gaps, 5, 9), Step::Take);
        // Unless the member never went back.
        assert_eq!(step(&mut gaps, 5, 9), Step::GoBack(Offset(5)));
        gaps.forget(HELD);
        assert_eq!(step(&mut gaps, 5, 9), Step::GoBack(Offset(5)));
        // Others are judged anew.
        assert_eq!(step(&mut gaps, 10, 12), Step::GoBack(Offset(10)));
    }
}
