//! The simulator's clock.

use std::time::UNIX_EPOCH;

/// UTC in microseconds since 1970.
#[must_use]
pub fn utc_now_us() -> i64 {
    UNIX_EPOCH.elapsed().map_or(0, |since| {
        i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
    })
}

/// Microseconds in a number of seconds; saturates.
#[must_use]
pub fn micros(seconds: f64) -> i64 {
    (seconds * 1e6) as i64
}
