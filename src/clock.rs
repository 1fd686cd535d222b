//! The wall clock, read here and nowhere else.

use std::time::{SystemTime, UNIX_EPOCH};

use aerostream_domain::UtcMicros;

/// Microseconds since 1970 by this machine's clock; 0 if the clock stands before that.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that reads the wall clock"
)]
pub fn utc_now() -> UtcMicros {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    UtcMicros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// This moment on the monotonic clock, for deadlines.
#[must_use]
pub fn monotonic_now() -> tokio::time::Instant {
    tokio::time::Instant::now()
}
