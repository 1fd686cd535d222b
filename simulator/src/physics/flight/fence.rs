//! The aircraft's own fence: how far from home and how high it may fly.

use super::Phase;
use crate::physics::vector::Vec3;

/// Over ground from home at most, m; every mission stays well within.
const RADIUS_M: f64 = 2_000.0;
/// Above home at most, m; the 120 m of the open category.
const HEIGHT_M: f64 = 120.0;
/// It acts this long before it would be outside, since it cannot stop at once, s.
const AHEAD_S: f64 = 2.0;

/// A fence that is off until an operator turns it on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fence {
    is_on: bool,
    /// It acts once on the way out, so that an operator can fly the aircraft back.
    is_breached: bool,
}

impl Fence {
    /// Turns it on or off; an aircraft that is outside is in breach from then on.
    pub(super) fn turn(&mut self, is_on: bool) {
        *self = Self {
            is_on,
            is_breached: false,
        };
    }

    /// True if it lets the aircraft be at a place that is so far from home.
    pub(super) fn allows(self, from_home: Vec3) -> bool {
        !self.is_on || (from_home.horizontal() <= RADIUS_M && from_home.up <= HEIGHT_M)
    }

    /// True once when an aircraft at a place from home is about to leave.
    pub(super) fn stops(&mut self, from_home: Vec3, velocity_m_s: Vec3) -> bool {
        let was_breached = self.is_breached;
        let soon = from_home + velocity_m_s * AHEAD_S;
        self.is_breached = !self.allows(from_home) || !self.allows(soon);
        self.is_breached && !was_breached
    }
}

impl Phase {
    /// True if the fence stops it: it does not stop what comes down, comes home or stays.
    pub(super) fn is_fenced(self) -> bool {
        matches!(
            self,
            Self::Takeoff | Self::Turn | Self::Cruise | Self::Goto | Self::Orbit
        )
    }
}
