//! Points in time with their clock in the type.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

/// Microseconds since 1970-01-01T00:00:00Z, as a drone, gateway or log wrote them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UtcMicros(pub i64);

/// Microseconds since a drone's power-up, by the drone's own boot clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BootMicros(pub u64);

impl UtcMicros {
    /// 2020-01-01T00:00:00Z: a drone's UTC before this is an unset clock, not a time.
    pub const EARLIEST_PLAUSIBLE: Self = Self(1_577_836_800_000_000);

    /// This point moved back by a boot clock's reading; saturates.
    #[must_use]
    pub fn minus_boot(self, boot: BootMicros) -> Self {
        Self(self.0.saturating_sub_unsigned(boot.0))
    }

    /// This point moved on by a boot clock's reading; saturates.
    #[must_use]
    pub fn plus_boot(self, boot: BootMicros) -> Self {
        Self(self.0.saturating_add_unsigned(boot.0))
    }

    /// Distance to another point, whichever comes first.
    #[must_use]
    pub fn distance(self, other: Self) -> Duration {
        Duration::from_micros(self.0.abs_diff(other.0))
    }
}

impl BootMicros {
    /// One year: a boot clock beyond this is corrupt, not a time.
    pub const LATEST_PLAUSIBLE: Self = Self(365 * 24 * 60 * 60 * 1_000_000);
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

impl Add<Duration> for UtcMicros {
    type Output = Self;
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(micros(duration)))
    }
}

impl Sub<Duration> for UtcMicros {
    type Output = Self;
    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(micros(duration)))
    }
}

impl fmt::Display for UtcMicros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} us", self.0)
    }
}
