//! A fixed wing: coordinated turns, lagging airspeed and climb, polar-curve power.

use super::vector::{GRAVITY_M_S2, Vec3, lag_share, wrapped};

/// Build and envelope of a fixed wing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Frame {
    pub mass_kg: f64,
    /// Wing area, m².
    pub area_m2: f64,
    /// Drag coefficient without lift.
    pub drag_zero: f64,
    /// Induced drag per lift coefficient squared.
    pub drag_induced: f64,
    /// Shaft and propeller together.
    pub efficiency: f64,
    pub bank_max_rad: f64,
    pub roll_lag_s: f64,
    pub airspeed_lag_s: f64,
    pub climb_lag_s: f64,
    pub airspeed_min_m_s: f64,
    pub airspeed_trim_m_s: f64,
    pub airspeed_max_m_s: f64,
    pub climb_max_m_s: f64,
    pub sink_max_m_s: f64,
    pub loiter_radius_m: f64,
}

impl Frame {
    /// 2 kg with 0.3 m² and the envelope of PX4's defaults.
    pub const WING: Self = Self {
        mass_kg: 2.0,
        area_m2: 0.3,
        drag_zero: 0.04,
        drag_induced: 0.06,
        efficiency: 0.55,
        bank_max_rad: 0.872_665,
        roll_lag_s: 0.4,
        airspeed_lag_s: 1.5,
        climb_lag_s: 0.8,
        airspeed_min_m_s: 10.0,
        airspeed_trim_m_s: 15.0,
        airspeed_max_m_s: 20.0,
        climb_max_m_s: 5.0,
        sink_max_m_s: 2.0,
        loiter_radius_m: 80.0,
    };

    /// Electrical power, watts: parasite, induced and climb power over the efficiency, never
    /// negative.
    #[must_use]
    pub fn power_w(&self, airspeed_m_s: f64, climb_m_s: f64, load: f64, density: f64) -> f64 {
        let v = airspeed_m_s.max(0.5 * self.airspeed_min_m_s);
        let weight = self.mass_kg * GRAVITY_M_S2;
        let parasite = 0.5 * density * v.powi(3) * self.area_m2 * self.drag_zero;
        let lift = weight * load;
        let induced = 2.0 * self.drag_induced * lift * lift / (density * v * self.area_m2);
        ((parasite + induced + weight * climb_m_s) / self.efficiency).max(0.0)
    }

    /// Rate of a coordinated turn, rad/s.
    #[must_use]
    pub fn turn_rate_rad_s(bank_rad: f64, airspeed_m_s: f64) -> f64 {
        GRAVITY_M_S2 * bank_rad.tan() / airspeed_m_s
    }
}

/// What the wing is asked to do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Order {
    /// Track over ground, radians from north.
    pub course_rad: f64,
    pub airspeed_m_s: f64,
    pub climb_m_s: f64,
}

/// A fixed wing in motion.
#[derive(Debug, Clone, PartialEq)]
pub struct FixedWing {
    pub frame: Frame,
    pub position: Vec3,
    /// Over ground.
    pub velocity: Vec3,
    pub heading_rad: f64,
    pub turn_rate_rad_s: f64,
    pub bank_rad: f64,
    pub airspeed_m_s: f64,
    climb_m_s: f64,
}

/// Wanted turn rate per course error, 1/s.
const COURSE_GAIN: f64 = 0.6;
/// Below this airspeed the wheels, not the wing, decide, m/s.
const ROLLING_M_S: f64 = 4.0;

impl FixedWing {
    /// At rest on the ground.
    #[must_use]
    pub fn new(frame: Frame, position: Vec3, heading_rad: f64) -> Self {
        Self {
            frame,
            position,
            velocity: Vec3::default(),
            heading_rad,
            turn_rate_rad_s: 0.0,
            bank_rad: 0.0,
            airspeed_m_s: 0.0,
            climb_m_s: 0.0,
        }
    }

    /// Stops every motion, as the ground does.
    pub fn rest(&mut self) {
        *self = Self::new(self.frame, self.position, self.heading_rad);
    }

    /// Flies on for a step and tells the electrical power that it took, watts.
    pub fn step(&mut self, dt_s: f64, order: Order, wind: Vec3, density: f64) -> f64 {
        let frame = &self.frame;
        let wanted_speed = order.airspeed_m_s.clamp(0.0, frame.airspeed_max_m_s);
        self.airspeed_m_s +=
            (wanted_speed - self.airspeed_m_s) * lag_share(dt_s, frame.airspeed_lag_s);
        let wanted_bank = self.wanted_bank(order.course_rad);
        let frame = &self.frame;
        self.bank_rad += (wanted_bank - self.bank_rad) * lag_share(dt_s, frame.roll_lag_s);
        let flying = self.airspeed_m_s.max(ROLLING_M_S);
        self.turn_rate_rad_s = Frame::turn_rate_rad_s(self.bank_rad, flying);
        self.heading_rad = wrapped(self.heading_rad + self.turn_rate_rad_s * dt_s);
        let climb = order
            .climb_m_s
            .clamp(-frame.sink_max_m_s, frame.climb_max_m_s);
        self.climb_m_s += (climb - self.climb_m_s) * lag_share(dt_s, frame.climb_lag_s);
        let along = (self.airspeed_m_s.powi(2) - self.climb_m_s.powi(2))
            .max(0.0)
            .sqrt();
        let (sin, cos) = self.heading_rad.sin_cos();
        let before = self.velocity;
        self.velocity = Vec3::new(along * cos, along * sin, self.climb_m_s) + wind;
        self.position = self.position + (before + self.velocity) * (0.5 * dt_s);
        let load = 1.0 / self.bank_rad.cos();
        frame.power_w(self.airspeed_m_s, self.climb_m_s, load, density)
    }

    /// Bank that brings the track, not the nose, onto the course.
    fn wanted_bank(&self, course_rad: f64) -> f64 {
        let tracking = self.velocity.horizontal() > ROLLING_M_S;
        let track = if tracking {
            self.velocity.bearing()
        } else {
            self.heading_rad
        };
        let rate = COURSE_GAIN * wrapped(course_rad - track);
        let bank = (rate * self.airspeed_m_s.max(ROLLING_M_S) / GRAVITY_M_S2).atan();
        let limit = if self.airspeed_m_s < ROLLING_M_S {
            0.0
        } else {
            self.frame.bank_max_rad
        };
        bank.clamp(-limit, limit)
    }

    /// Nose over the horizon, radians: the climb angle and the angle of attack that carries the
    /// load.
    #[must_use]
    pub fn pitch_rad(&self) -> f64 {
        if self.airspeed_m_s < ROLLING_M_S {
            return 0.0;
        }
        let attack = 0.06 * (self.frame.airspeed_trim_m_s / self.airspeed_m_s).powi(2);
        (self.climb_m_s / self.airspeed_m_s).clamp(-1.0, 1.0).asin() + attack.min(0.25)
    }
}

/// Course that flies a right-hand circle around a point seen at an offset, radians.
#[must_use]
pub fn loiter_course_rad(to_centre: Vec3, radius_m: f64) -> f64 {
    let off = (to_centre.horizontal() - radius_m) / radius_m;
    // Far outside it flies in, on the circle along it, inside it flies out.
    to_centre.bearing() - std::f64::consts::FRAC_PI_2
        + off.clamp(-1.0, 1.0) * std::f64::consts::FRAC_PI_2
}

#[cfg(test)]
mod tests {
    use super::super::atmosphere::SEA_LEVEL_DENSITY;
    use super::*;

    fn flying() -> FixedWing {
        let mut wing = FixedWing::new(Frame::WING, Vec3::new(0.0, 0.0, 100.0), 0.0);
        wing.airspeed_m_s = 15.0;
        wing.velocity = Vec3::new(15.0, 0.0, 0.0);
        wing
    }

    #[test]
    fn a_coordinated_turn_has_its_rate_and_radius() {
        let bank = 30.0_f64.to_radians();
        let rate = Frame::turn_rate_rad_s(bank, 15.0);
        assert!((rate - 0.37745).abs() < 1e-4, "{rate}");
        let radius = 15.0 / rate;
        assert!((radius - 225.0 / (GRAVITY_M_S2 * bank.tan())).abs() < 1e-9);
    }

    #[test]
    fn banked_flight_turns_as_its_bank_says() {
        let mut wing = flying();
        for _ in 0..400 {
            // A course that stays ahead keeps the bank at its limit.
            let order = Order {
                course_rad: wing.velocity.bearing() + 1.5,
                airspeed_m_s: 15.0,
                climb_m_s: 0.0,
            };
            wing.step(0.05, order, Vec3::default(), SEA_LEVEL_DENSITY);
        }
        let expected = (0.6_f64 * 1.5).min(Frame::turn_rate_rad_s(Frame::WING.bank_max_rad, 15.0));
        assert!(
            (wing.turn_rate_rad_s / expected - 1.0).abs() < 0.02,
            "{}",
            wing.turn_rate_rad_s
        );
    }

    #[test]
    fn power_is_least_where_the_closed_form_says() {
        let frame = Frame::WING;
        let weight = frame.mass_kg * GRAVITY_M_S2;
        let rho = SEA_LEVEL_DENSITY;
        // d/dV (a V³ + b / V) = 0 at V⁴ = b / 3a.
        let a = 0.5 * rho * frame.area_m2 * frame.drag_zero;
        let b = 2.0 * frame.drag_induced * weight * weight / (rho * frame.area_m2);
        let v = (b / (3.0 * a)).powf(0.25);
        let at = |v| frame.power_w(v, 0.0, 1.0, rho);
        assert!(at(v) < at(v * 1.02) && at(v) < at(v * 0.98));
        let climbing = frame.power_w(15.0, 3.0, 1.0, rho) - at(15.0);
        assert!((climbing - weight * 3.0 / 0.55).abs() < 1e-9);
    }

    #[test]
    fn keeps_its_course_in_a_crosswind() {
        let mut wing = flying();
        let order = Order {
            course_rad: 0.0,
            airspeed_m_s: 15.0,
            climb_m_s: 0.0,
        };
        for _ in 0..1200 {
            wing.step(0.1, order, Vec3::new(0.0, 5.0, 0.0), SEA_LEVEL_DENSITY);
        }
        assert!(wing.velocity.bearing().abs() < 0.01);
        assert!((wing.heading_rad + (5.0_f64 / 15.0).asin()).abs() < 0.02);
    }

    #[test]
    fn loiters_around_its_centre() {
        let mut wing = flying();
        let mut worst = 0.0_f64;
        for i in 0..4000 {
            let to_centre = Vec3::new(-wing.position.north, 100.0 - wing.position.east, 0.0);
            let order = Order {
                course_rad: loiter_course_rad(to_centre, 80.0),
                airspeed_m_s: 15.0,
                climb_m_s: 0.0,
            };
            wing.step(0.1, order, Vec3::default(), SEA_LEVEL_DENSITY);
            if i > 2000 {
                worst = worst.max((to_centre.horizontal() - 80.0).abs());
            }
        }
        assert!(worst < 25.0, "{worst}");
    }
}
