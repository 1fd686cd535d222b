//! What a satellite receiver makes of a position and a velocity.

use super::noise::Noise;
use super::vector::Vec3;

/// Rate of the receiver, Hz.
pub const RATE_HZ: f64 = 8.0;
/// Reported horizontal uncertainty, m.
pub const HORIZONTAL_UNCERTAINTY_M: f32 = 0.9;
/// Reported vertical uncertainty, m.
pub const VERTICAL_UNCERTAINTY_M: f32 = 1.78;
/// Reported horizontal dilution of precision.
pub const HDOP: f32 = 0.7;
/// Reported vertical dilution of precision.
pub const VDOP: f32 = 1.1;

const POSITION: Markov = Markov {
    memory: 0.76,
    drive: 0.02 * 0.8,
};
const VELOCITY: Markov = Markov {
    memory: 0.54,
    drive: 0.4 * 0.05,
};
const POSITION_VERTICAL: f64 = 1.5;
const VELOCITY_VERTICAL: f64 = 1.2;
/// Slow wander of a real receiver: standard deviation in m, and time constant in s.
const WANDER_SIGMA_M: f64 = 1.2;
const WANDER_S: f64 = 300.0;

/// First-order Gauss-Markov process at the receiver's rate.
#[derive(Debug, Clone, Copy)]
struct Markov {
    memory: f64,
    drive: f64,
}

impl Markov {
    fn sigma(self) -> f64 {
        self.drive / (1.0 - self.memory * self.memory).sqrt()
    }

    /// Moves on by any number of receiver periods at once, whole or not, with the same statistics.
    fn step(self, value: &mut Vec3, periods: f64, vertical: f64, noise: &mut Noise) {
        let memory = self.memory.powf(periods);
        let fresh = self.sigma() * (1.0 - memory * memory).sqrt();
        step_axes(value, memory, fresh, vertical, noise);
    }
}

fn step_axes(value: &mut Vec3, memory: f64, fresh: f64, vertical: f64, noise: &mut Noise) {
    value.north = memory * value.north + fresh * noise.normal();
    value.east = memory * value.east + fresh * noise.normal();
    value.up = memory * value.up + vertical * fresh * noise.normal();
}

/// Errors of one receiver.
#[derive(Debug, Clone, Default)]
pub struct Gps {
    position: Vec3,
    velocity: Vec3,
    wander: Vec3,
}

impl Gps {
    /// A receiver whose slow wander has settled.
    #[must_use]
    pub fn new(noise: &mut Noise) -> Self {
        let mut gps = Self::default();
        step_axes(
            &mut gps.wander,
            0.0,
            WANDER_SIGMA_M,
            POSITION_VERTICAL,
            noise,
        );
        gps
    }

    /// Moves the errors on.
    pub fn step(&mut self, dt_s: f64, noise: &mut Noise) {
        let periods = dt_s * RATE_HZ;
        POSITION.step(&mut self.position, periods, POSITION_VERTICAL, noise);
        VELOCITY.step(&mut self.velocity, periods, VELOCITY_VERTICAL, noise);
        let memory = (-dt_s / WANDER_S).exp();
        let fresh = WANDER_SIGMA_M * (1.0 - memory * memory).sqrt();
        step_axes(&mut self.wander, memory, fresh, POSITION_VERTICAL, noise);
    }

    /// Error of the position, m.
    #[must_use]
    pub fn position_error(&self) -> Vec3 {
        self.position + self.wander
    }

    /// Error of the velocity, m/s.
    #[must_use]
    pub fn velocity_error(&self) -> Vec3 {
        self.velocity
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fast_noise_has_the_variance_of_its_recursion() {
        for periods in [1.0, 8.0, 0.5] {
            let (mut gps, mut noise) = (Gps::default(), Noise::new(3, 0));
            let (mut p2, mut up2, mut v2) = (0.0, 0.0, 0.0);
            let n = 40_000;
            for _ in 0..n {
                gps.step(periods / RATE_HZ, &mut noise);
                p2 += gps.position.north.powi(2) / f64::from(n);
                up2 += gps.position.up.powi(2) / f64::from(n);
                v2 += gps.velocity.east.powi(2) / f64::from(n);
            }
            let expected = 0.016_f64.powi(2) / (1.0 - 0.76 * 0.76);
            assert!((p2 / expected - 1.0).abs() < 0.08, "{}", p2 / expected);
            assert!((up2 / expected / 2.25 - 1.0).abs() < 0.08);
            let expected = 0.02_f64.powi(2) / (1.0 - 0.54 * 0.54);
            assert!((v2 / expected - 1.0).abs() < 0.08, "{}", v2 / expected);
        }
    }

    #[test]
    fn wander_is_slow_and_bounded() {
        let mut noise = Noise::new(9, 0);
        let mut gps = Gps::new(&mut noise);
        let before = gps.wander;
        gps.step(1.0, &mut noise);
        assert!((gps.wander - before).norm() < 0.8);
        let mut squares = 0.0;
        for _ in 0..20_000 {
            gps.step(300.0, &mut noise);
            squares += gps.wander.north.powi(2) / 20_000.0;
        }
        assert!((squares / WANDER_SIGMA_M.powi(2) - 1.0).abs() < 0.1);
    }
}
