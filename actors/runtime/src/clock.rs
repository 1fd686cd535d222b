//! The wall clock for what the actors write by themselves; what they are told carries its time.

use std::time::UNIX_EPOCH;

use aerostream_domain::UtcMicros;

/// Now.
pub(crate) fn utc_now() -> UtcMicros {
    let since = UNIX_EPOCH.elapsed().unwrap_or_default();
    UtcMicros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
