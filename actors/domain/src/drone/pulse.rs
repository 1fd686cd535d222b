//! How often a drone is heard: what its silence is measured by.

use std::time::Duration;

use crate::units::UtcMicros;

/// Gaps beyond this are pauses, not a rhythm.
const GAP_MAX: Duration = Duration::from_secs(60);
/// What one gap weighs: an eighth.
const WEIGHT: u32 = 8;

/// The usual time between two records of a drone, by the gateways' clocks: a function of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pulse {
    /// Milliseconds; 0: not known yet.
    pub interval_ms: u32,
}

impl Pulse {
    /// The usual interval; zero if it is not known.
    #[must_use]
    pub fn interval(self) -> Duration {
        Duration::from_millis(u64::from(self.interval_ms))
    }

    pub(super) fn heard(&mut self, before: Option<UtcMicros>, now: UtcMicros) {
        let Some(before) = before.filter(|before| *before < now) else {
            return;
        };
        let gap = now.distance(before);
        if gap > GAP_MAX {
            return;
        }
        let gap_ms = gap.as_millis() as u32;
        self.interval_ms = match self.interval_ms {
            0 => gap_ms,
            known => (known * (WEIGHT - 1) + gap_ms) / WEIGHT,
        };
    }
}
