//! Mean wind that grows with height, and Dryden turbulence at low altitude.

use super::noise::Noise;
use super::vector::Vec3;

const FEET_PER_METRE: f64 = 3.280_84;
const METRE_PER_S_PER_KNOT: f64 = 0.514_444;
/// Roughness of open farmland, m.
const ROUGHNESS_M: f64 = 0.05;
/// Turbulence is frozen in the air: slower flight than this still meets it at this speed, m/s.
const PASSING_SPEED_MIN: f64 = 2.0;
/// The low-altitude model ends at 1000 ft; the lower bound keeps its lengths above zero.
const HEIGHT_FT: std::ops::RangeInclusive<f64> = 6.0..=1000.0;

/// What the air of a place is like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Climate {
    /// Mean wind at 10 m, m/s.
    pub speed_10m_m_s: f64,
    /// Where it comes from, radians from north.
    pub from_rad: f64,
    /// Wind at 20 ft that sets turbulence, knots: 15 light, 30 moderate, 45 severe.
    pub turbulence_kt: f64,
}

/// Wind at one place as time passes.
#[derive(Debug, Clone)]
pub struct Wind {
    climate: Climate,
    along: f64,
    across: Shaped,
    vertical: Shaped,
    gust: Vec3,
}

/// Lengths and intensities at a height.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dryden {
    /// Scale length along and across, m.
    pub length_uv_m: f64,
    /// Scale length of the vertical part, m.
    pub length_w_m: f64,
    /// Standard deviation along and across, m/s.
    pub sigma_uv_m_s: f64,
    /// Standard deviation of the vertical part, m/s.
    pub sigma_w_m_s: f64,
}

impl Dryden {
    /// MIL-F-8785C below 1000 ft.
    #[must_use]
    pub fn at(height_m: f64, turbulence_kt: f64) -> Self {
        let h = (height_m * FEET_PER_METRE).clamp(*HEIGHT_FT.start(), *HEIGHT_FT.end());
        let base = 0.177 + 0.000_823 * h;
        let sigma_w = 0.1 * turbulence_kt * METRE_PER_S_PER_KNOT;
        Self {
            length_uv_m: h / base.powf(1.2) / FEET_PER_METRE,
            length_w_m: h / FEET_PER_METRE,
            sigma_uv_m_s: sigma_w / base.powf(0.4),
            sigma_w_m_s: sigma_w,
        }
    }
}

/// White noise through (1 + √3 τs) / (1 + τs)², with variance 1.
#[derive(Debug, Clone, Copy, Default)]
struct Shaped {
    once: f64,
    twice: f64,
}

impl Shaped {
    /// One exact step of any length: the noise has the covariance that keeps the states stationary
    /// at [[1, ½], [½, ½]].
    fn step(&mut self, dt_over_tau: f64, noise: &mut Noise) -> f64 {
        let e = (-dt_over_tau).exp();
        let e2 = e * e;
        let b = dt_over_tau;
        let q11 = 1.0 - e2;
        let q12 = 0.5 - e2 * (b + 0.5);
        let q22 = 0.5 - e2 * (b * b + b + 0.5);
        let l11 = q11.max(0.0).sqrt();
        let l21 = if l11 > 0.0 { q12 / l11 } else { 0.0 };
        let l22 = (q22 - l21 * l21).max(0.0).sqrt();
        let (n1, n2) = (noise.normal(), noise.normal());
        let once = e * self.once + l11 * n1;
        self.twice = e * (b * self.once + self.twice) + l21 * n1 + l22 * n2;
        self.once = once;
        // √3 x1 + (1 - √3) x2 has variance 2.
        let root3 = 3.0_f64.sqrt();
        (root3 * self.once + (1.0 - root3) * self.twice) / 2.0_f64.sqrt()
    }
}

impl Wind {
    /// Air at rest in its turbulence; it is stationary after some scale lengths.
    #[must_use]
    pub fn new(climate: Climate) -> Self {
        Self {
            climate,
            along: 0.0,
            across: Shaped::default(),
            vertical: Shaped::default(),
            gust: Vec3::default(),
        }
    }

    /// Mean wind at a height above ground, by the logarithmic profile; where it blows to.
    #[must_use]
    pub fn mean(&self, height_m: f64) -> Vec3 {
        let profile = |h: f64| ((h.max(0.0) + ROUGHNESS_M) / ROUGHNESS_M).ln();
        let speed = self.climate.speed_10m_m_s * profile(height_m) / profile(10.0);
        let (sin, cos) = self.climate.from_rad.sin_cos();
        Vec3::new(-speed * cos, -speed * sin, 0.0)
    }

    /// Turbulence of the last step.
    #[must_use]
    pub fn gust(&self) -> Vec3 {
        self.gust
    }

    /// Moves the turbulence on for an aircraft at a height and airspeed.
    pub fn step(&mut self, dt_s: f64, height_m: f64, airspeed_m_s: f64, noise: &mut Noise) {
        let dryden = Dryden::at(height_m, self.climate.turbulence_kt);
        let speed = airspeed_m_s.max(PASSING_SPEED_MIN);
        let per_uv = dt_s * speed / dryden.length_uv_m;
        let per_w = dt_s * speed / dryden.length_w_m;
        let e = (-per_uv).exp();
        self.along = e * self.along + (1.0 - e * e).sqrt() * noise.normal();
        let u = dryden.sigma_uv_m_s * self.along;
        let v = dryden.sigma_uv_m_s * self.across.step(per_uv, noise);
        let w = dryden.sigma_w_m_s * self.vertical.step(per_w, noise);
        let (sin, cos) = self.climate.from_rad.sin_cos();
        self.gust = Vec3::new(u * cos - v * sin, u * sin + v * cos, w);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIGHT: Climate = Climate {
        speed_10m_m_s: 4.0,
        from_rad: 0.0,
        turbulence_kt: 15.0,
    };

    #[test]
    fn mean_wind_follows_the_logarithmic_profile() {
        let wind = Wind::new(LIGHT);
        assert!((wind.mean(10.0).north + 4.0).abs() < 1e-9);
        assert!(wind.mean(0.0).norm() < 1e-9);
        let expected = 4.0 * (100.05_f64 / 0.05).ln() / (10.05_f64 / 0.05).ln();
        assert!((wind.mean(100.0).horizontal() - expected).abs() < 1e-9);
    }

    #[test]
    fn intensities_are_those_of_the_standard() {
        // At 1000 ft the factor is 1, so the three intensities and lengths are equal.
        let high = Dryden::at(304.8, 30.0);
        assert!((high.sigma_w_m_s - 3.0 * METRE_PER_S_PER_KNOT).abs() < 1e-9);
        assert!((high.sigma_uv_m_s - high.sigma_w_m_s).abs() < 1e-6);
        assert!((high.length_uv_m - 304.8).abs() < 0.1);
        assert!((Dryden::at(30.0, 30.0).length_w_m - 30.0).abs() < 1e-9);
    }

    #[test]
    fn turbulence_has_its_variance_at_any_step() {
        for dt in [0.02, 0.1, 1.0] {
            let (mut wind, mut noise) = (Wind::new(LIGHT), Noise::new(5, 0));
            let dryden = Dryden::at(20.0, 15.0);
            let (mut u2, mut v2, mut w2) = (0.0, 0.0, 0.0);
            // Long enough for about 4000 independent values of the slowest part.
            let n = (4000.0 * dryden.length_uv_m / 20.0 / dt) as u32;
            for _ in 0..n {
                wind.step(dt, 20.0, 20.0, &mut noise);
                u2 += wind.gust().north.powi(2) / f64::from(n);
                v2 += wind.gust().east.powi(2) / f64::from(n);
                w2 += wind.gust().up.powi(2) / f64::from(n);
            }
            let uv = dryden.sigma_uv_m_s.powi(2);
            assert!((u2 / uv - 1.0).abs() < 0.12, "{dt}: u {}", u2 / uv);
            assert!((v2 / uv - 1.0).abs() < 0.12, "{dt}: v {}", v2 / uv);
            let w = dryden.sigma_w_m_s.powi(2);
            assert!((w2 / w - 1.0).abs() < 0.12, "{dt}: w {}", w2 / w);
        }
    }
}
