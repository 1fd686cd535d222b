//! What fleets are counted and shown by: a few facts of a drone in a fixed number of bytes.

use crate::drone::live::LiveState;
use crate::ids::BootId;
use crate::sample::{FlightMode, LandedState};
use crate::units::UtcMicros;

/// Samples are counted in windows of this length by receipt; two are kept.
pub const RATE_WINDOW_S: u32 = 5;
const RATE_WINDOW_US: i64 = RATE_WINDOW_S as i64 * 1_000_000;

/// The newest of what lists and summaries tell of a drone; it is copied, never pointed to.
#[derive(Debug, Clone, Copy)]
pub struct Brief {
    /// Receipt of the newest record; `i64::MIN` before the first.
    received_us: i64,
    boot: u64,
    // Not a number stands for unknown: no valid sample holds one.
    latitude_deg: f64,
    longitude_deg: f64,
    relative_altitude_m: f64,
    battery_percent: f32,
    heading_deg: f32,
    ground_speed_m_s: f32,
    window: u32,
    /// How often it was renewed; it wraps around.
    renewals: u32,
    /// What its keeper noted at the last renewal.
    round: u32,
    // Nobody sends 65,535 samples within a window.
    samples: u16,
    samples_before: u16,
    armed: Option<bool>,
    landed: Option<LandedState>,
    mode: Option<FlightMode>,
}

/// A million drones are as many of these.
const _: () = assert!(size_of::<Brief>() <= 72);

impl Default for Brief {
    fn default() -> Self {
        Self {
            received_us: i64::MIN,
            boot: 0,
            latitude_deg: f64::NAN,
            longitude_deg: f64::NAN,
            relative_altitude_m: f64::NAN,
            battery_percent: f32::NAN,
            heading_deg: f32::NAN,
            ground_speed_m_s: f32::NAN,
            window: 0,
            renewals: 0,
            round: 0,
            samples: 0,
            samples_before: 0,
            armed: None,
            landed: None,
            mode: None,
        }
    }
}

impl Brief {
    /// Takes the facts from a live state in this round of its keeper; what was counted stays.
    pub fn renew(&mut self, live: &LiveState, round: u32) {
        let (Some(boot), Some(received)) = (live.boot, live.received) else {
            return;
        };
        let position = live.groups.position.unwrap_or_default();
        let velocity = live.groups.velocity.unwrap_or_default();
        let state = live.groups.state.unwrap_or_default();
        let battery = live.groups.battery.first();
        *self = Self {
            received_us: received.0,
            boot: boot.0,
            latitude_deg: position.latitude_deg.unwrap_or(f64::NAN),
            longitude_deg: position.longitude_deg.unwrap_or(f64::NAN),
            relative_altitude_m: position.relative_altitude_m.unwrap_or(f64::NAN),
            battery_percent: battery
                .and_then(|pack| pack.remaining_percent)
                .unwrap_or(f32::NAN),
            heading_deg: velocity.heading_deg.unwrap_or(f32::NAN),
            ground_speed_m_s: velocity.ground_speed_m_s.unwrap_or(f32::NAN),
            renewals: self.renewals.wrapping_add(1),
            round,
            armed: state.armed,
            landed: state.landed_state,
            mode: state.flight_mode,
            ..*self
        };
    }

    /// Counts samples by their receipt; what is older than the two windows is left out.
    pub fn count(&mut self, received: UtcMicros, samples: usize) {
        let window = window_of(received);
        let samples = u16::try_from(samples).unwrap_or(u16::MAX);
        if window > self.window {
            let follows = window == self.window + 1;
            self.samples_before = if follows { self.samples } else { 0 };
            self.samples = samples;
            self.window = window;
        } else if window == self.window {
            self.samples = self.samples.saturating_add(samples);
        } else if window + 1 == self.window {
            self.samples_before = self.samples_before.saturating_add(samples);
        }
    }

    /// Samples received in the window of `now` and the one before it.
    #[must_use]
    pub fn samples(&self, now: UtcMicros) -> u64 {
        let current = window_of(now);
        let counts = [
            (Some(self.window), self.samples),
            (self.window.checked_sub(1), self.samples_before),
        ];
        let recent = |window: u32| window == current || window + 1 == current;
        let counted = counts
            .into_iter()
            .filter(|(window, _)| window.is_some_and(recent));
        counted.map(|(_, samples)| u64::from(samples)).sum()
    }

    /// Receipt of the newest record; `None` for a drone that was never heard.
    #[must_use]
    pub fn received(&self) -> Option<UtcMicros> {
        (self.received_us != i64::MIN).then_some(UtcMicros(self.received_us))
    }

    /// The current boot.
    #[must_use]
    pub fn boot(&self) -> Option<BootId> {
        self.received().map(|_| BootId(self.boot))
    }

    /// Degrees north and east, WGS 84.
    #[must_use]
    pub fn position(&self) -> Option<(f64, f64)> {
        let is_known = !self.latitude_deg.is_nan() && !self.longitude_deg.is_nan();
        is_known.then_some((self.latitude_deg, self.longitude_deg))
    }

    /// Metres above home.
    #[must_use]
    pub fn relative_altitude_m(&self) -> Option<f64> {
        (!self.relative_altitude_m.is_nan()).then_some(self.relative_altitude_m)
    }

    /// Where the nose points, degrees, 0 to 360.
    #[must_use]
    pub fn heading_deg(&self) -> Option<f32> {
        (!self.heading_deg.is_nan()).then_some(self.heading_deg)
    }

    /// Metres per second over ground.
    #[must_use]
    pub fn ground_speed_m_s(&self) -> Option<f32> {
        (!self.ground_speed_m_s.is_nan()).then_some(self.ground_speed_m_s)
    }

    /// How often it was renewed; it wraps around.
    #[must_use]
    pub const fn renewals(&self) -> u32 {
        self.renewals
    }

    /// The keeper's round of the last renewal; 0 before the first.
    #[must_use]
    pub const fn round(&self) -> u32 {
        self.round
    }

    /// State of charge of the first pack, 0 to 100.
    #[must_use]
    pub fn battery_percent(&self) -> Option<f32> {
        (!self.battery_percent.is_nan()).then_some(self.battery_percent)
    }

    /// Whether the motors may turn.
    #[must_use]
    pub fn armed(&self) -> Option<bool> {
        self.armed
    }

    /// Whether it touches the ground.
    #[must_use]
    pub fn landed(&self) -> Option<LandedState> {
        self.landed
    }

    /// The flight mode.
    #[must_use]
    pub fn mode(&self) -> Option<FlightMode> {
        self.mode
    }
}

fn window_of(at: UtcMicros) -> u32 {
    u32::try_from(at.0.max(0) / RATE_WINDOW_US).unwrap_or(u32::MAX - 1)
}

/// How long a time the counts of [`Brief::samples`] reach back from `now`, in milliseconds.
#[must_use]
pub fn rate_reach_ms(now: UtcMicros) -> u64 {
    let into_window_us = now.0.max(0) % RATE_WINDOW_US;
    (RATE_WINDOW_US + into_window_us).unsigned_abs() / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_windows_of_samples_are_kept() {
        let at = |seconds: i64| UtcMicros(seconds * 1_000_000);
        let mut brief = Brief::default();
        assert_eq!(brief.samples(at(1000)), 0);
        brief.count(at(1000), 3);
        brief.count(at(1004), 4);
        assert_eq!(brief.samples(at(1004)), 7);
        assert_eq!(brief.samples(at(1009)), 7, "the window before counts");
        assert_eq!(brief.samples(at(1010)), 0, "an older one does not");
        brief.count(at(1005), 1);
        brief.count(at(1003), 1);
        assert_eq!(
            brief.samples(at(1006)),
            9,
            "late ones count where they belong"
        );
        brief.count(at(994), 50);
        assert_eq!(brief.samples(at(1006)), 9, "too late to count");
        brief.count(at(1020), 2);
        assert_eq!(brief.samples(at(1020)), 2, "a pause ends what was before");
        assert_eq!(rate_reach_ms(at(1020)), 5_000);
        assert_eq!(rate_reach_ms(UtcMicros(1_024_999_000)), 9_999);
    }
}
