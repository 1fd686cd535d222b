//! Vectors in a local frame.

use std::ops::{Add, Mul, Sub};

/// Standard gravity, m/s².
pub const GRAVITY_M_S2: f64 = 9.806_65;

/// A vector in the local frame: north, east and up.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Vec3 {
    pub north: f64,
    pub east: f64,
    pub up: f64,
}

impl Vec3 {
    #[must_use]
    pub const fn new(north: f64, east: f64, up: f64) -> Self {
        Self { north, east, up }
    }

    /// Length of the whole vector.
    #[must_use]
    pub fn norm(self) -> f64 {
        (self.horizontal().powi(2) + self.up * self.up).sqrt()
    }

    /// Length of the horizontal part.
    #[must_use]
    pub fn horizontal(self) -> f64 {
        self.north.hypot(self.east)
    }

    /// Direction of the horizontal part, radians clockwise from north, -pi to pi.
    #[must_use]
    pub fn bearing(self) -> f64 {
        self.east.atan2(self.north)
    }

    /// The vector, shortened to `limit` if it is longer.
    #[must_use]
    pub fn limited(self, limit: f64) -> Self {
        let norm = self.norm();
        if norm > limit {
            self * (limit / norm)
        } else {
            self
        }
    }

    /// The vector with its horizontal and vertical parts shortened apart.
    #[must_use]
    pub fn limited_apart(self, horizontal: f64, vertical: f64) -> Self {
        let flat = Self::new(self.north, self.east, 0.0).limited(horizontal);
        Self::new(flat.north, flat.east, self.up.clamp(-vertical, vertical))
    }
}

impl Add for Vec3 {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self::new(
            self.north + other.north,
            self.east + other.east,
            self.up + other.up,
        )
    }
}

impl Sub for Vec3 {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self + other * -1.0
    }
}

impl Mul<f64> for Vec3 {
    type Output = Self;
    fn mul(self, factor: f64) -> Self {
        Self::new(self.north * factor, self.east * factor, self.up * factor)
    }
}

/// An angle in radians brought to -pi..=pi.
#[must_use]
pub fn wrapped(angle: f64) -> f64 {
    let turn = std::f64::consts::TAU;
    angle - turn * (angle / turn).round()
}

/// Share of the way that a first-order lag goes in one step.
#[must_use]
pub fn lag_share(dt_s: f64, lag_s: f64) -> f64 {
    1.0 - (-dt_s / lag_s).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn angles_wrap_to_half_a_turn_either_way() {
        for angle in [-7.0_f64, -3.2, 0.0, 3.2, 9.5] {
            let back = wrapped(angle);
            assert!(back.abs() <= std::f64::consts::PI + 1e-12);
            assert!((back.sin() - angle.sin()).abs() < 1e-12);
            assert!((back.cos() - angle.cos()).abs() < 1e-12);
        }
    }

    #[test]
    fn limits_keep_the_direction() {
        let v = Vec3::new(3.0, 4.0, 0.0).limited(1.0);
        assert!((v.norm() - 1.0).abs() < 1e-12);
        assert!((v.bearing() - 4.0_f64.atan2(3.0)).abs() < 1e-12);
        let apart = Vec3::new(30.0, 40.0, -9.0).limited_apart(5.0, 2.0);
        assert!((apart.horizontal() - 5.0).abs() < 1e-12);
        assert!((apart.up + 2.0).abs() < 1e-12);
    }
}
