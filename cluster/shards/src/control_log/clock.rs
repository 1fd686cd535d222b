//! The live clock: time that passes only while the control log is written to.

use std::time::Duration;

use aerostream_domain::UtcMicros;

/// The most that the clock advances from one record to the next. A log that was out of reach for an
/// hour, or whose clock jumped by one, has advanced it by no more than this.
pub const STEP_MAX: Duration = Duration::from_millis(750);

/// Microseconds of the live clock since the `Version` record that started it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LiveMicros(pub u64);

impl LiveMicros {
    /// Time from `earlier` to this; zero if it is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

/// Sum of the times between records, each from zero to [`STEP_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LiveClock {
    /// What it shows.
    pub now: LiveMicros,
    /// The log's time of the last record.
    pub last_record: UtcMicros,
}

impl LiveClock {
    /// A clock that shows zero at a record.
    #[must_use]
    pub const fn start(at: UtcMicros) -> Self {
        Self {
            now: LiveMicros(0),
            last_record: at,
        }
    }

    /// Goes on to the next record.
    pub fn advance(&mut self, at: UtcMicros) {
        let passed_us =
            at.0.saturating_sub(self.last_record.0)
                .max(0)
                .unsigned_abs();
        let step_us = passed_us.min(STEP_MAX.as_micros() as u64);
        self.now = LiveMicros(self.now.0.saturating_add(step_us));
        self.last_record = at;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_an_outage_nor_a_jump_is_time() {
        let check = |times_ms: &[i64], expected_ms: u64| {
            let mut clock = LiveClock::start(UtcMicros(0));
            for time_ms in times_ms {
                clock.advance(UtcMicros(time_ms * 1000));
            }
            assert_eq!(clock.now, LiveMicros(expected_ms * 1000), "{times_ms:?}");
        };
        check(&[], 0);
        check(&[500, 1000, 1750], 1750);
        check(&[3_600_000], 750);
        check(&[-3_600_000], 0);
        check(&[-3_600_000, -3_599_900], 100);
        check(&[-1000, 0, -1000, 0], 1500);
        check(&[i64::MAX / 1000, i64::MIN / 1000], 750);
    }
}
