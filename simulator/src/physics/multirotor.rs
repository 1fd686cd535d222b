//! A multirotor as a point mass whose thrust points where its tilt says.

use super::rotor_power::{Demand, RotorPower};
use super::vector::{GRAVITY_M_S2, Vec3, lag_share, wrapped};

/// Build and envelope of a multirotor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Frame {
    pub mass_kg: f64,
    /// Most thrust of all rotors, N.
    pub thrust_max_n: f64,
    /// Drag of the rotors, N per m/s.
    pub rotor_drag: f64,
    pub rotor: RotorPower,
    pub tilt_max_rad: f64,
    /// Seconds until the thrust points where it is wanted.
    pub attitude_lag_s: f64,
    /// Seconds until the thrust is as big as wanted.
    pub motor_lag_s: f64,
    pub accel_max_m_s2: f64,
    pub jerk_max_m_s3: f64,
    pub yaw_rate_max_rad_s: f64,
    pub yaw_accel_max_rad_s2: f64,
}

impl Frame {
    /// 2 kg with the rotor of [`RotorPower::REFERENCE`] and the envelope of PX4's defaults.
    pub const QUAD: Self = Self {
        mass_kg: 2.04,
        thrust_max_n: 44.0,
        rotor_drag: 0.3,
        rotor: RotorPower::REFERENCE,
        tilt_max_rad: std::f64::consts::FRAC_PI_4,
        attitude_lag_s: 0.15,
        motor_lag_s: 0.05,
        accel_max_m_s2: 3.0,
        jerk_max_m_s3: 4.0,
        yaw_rate_max_rad_s: std::f64::consts::FRAC_PI_3,
        yaw_accel_max_rad_s2: std::f64::consts::PI / 9.0,
    };

    /// Drag at a velocity through the air, N: linear by the rotors, quadratic by the fuselage.
    #[must_use]
    pub fn drag(&self, through_air: Vec3, density: f64) -> Vec3 {
        let quadratic = 0.5 * density * self.rotor.drag_area_m2 * through_air.norm();
        through_air * -(self.rotor_drag + quadratic)
    }
}

/// What the multirotor is asked to do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Order {
    /// Over ground, m/s.
    pub velocity: Vec3,
    /// Where the nose shall point, radians from north.
    pub yaw_rad: f64,
}

/// The air around it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Air {
    /// Wind that the autopilot has learnt to lean against.
    pub mean: Vec3,
    /// Wind that it has not.
    pub gust: Vec3,
    /// kg/m³.
    pub density: f64,
}

/// A multirotor in motion.
#[derive(Debug, Clone, PartialEq)]
pub struct Multirotor {
    pub frame: Frame,
    pub position: Vec3,
    pub velocity: Vec3,
    pub yaw_rad: f64,
    pub yaw_rate_rad_s: f64,
    wanted: Vec3,
    direction: Vec3,
    thrust_n: f64,
}

/// Wanted acceleration per missing speed, 1/s.
const VELOCITY_GAIN: f64 = 1.4;
/// Vertical acceleration stays below this share of the horizontal limit.
const VERTICAL_SHARE: f64 = 0.8;

impl Multirotor {
    /// At rest on the ground.
    #[must_use]
    pub fn new(frame: Frame, position: Vec3, yaw_rad: f64) -> Self {
        Self {
            frame,
            position,
            velocity: Vec3::default(),
            yaw_rad,
            yaw_rate_rad_s: 0.0,
            wanted: Vec3::default(),
            direction: Vec3::new(0.0, 0.0, 1.0),
            thrust_n: 0.0,
        }
    }

    /// Acceleration that the autopilot wants now, m/s²; limited in size and in jerk.
    #[must_use]
    pub fn wanted_accel(&self) -> Vec3 {
        self.wanted
    }

    /// Stops every motion, as the ground does.
    pub fn rest(&mut self) {
        self.velocity = Vec3::default();
        self.wanted = Vec3::default();
        self.direction = Vec3::new(0.0, 0.0, 1.0);
        self.thrust_n = 0.0;
        self.yaw_rate_rad_s = 0.0;
    }

    /// Flies on for a step and tells the electrical power that it took, watts.
    pub fn step(&mut self, dt_s: f64, order: Order, air: Air) -> f64 {
        self.want(dt_s, order.velocity);
        self.turn(dt_s, order.yaw_rad);
        let thrust = self.thrust(dt_s, air);
        let frame = &self.frame;
        let through_air = self.velocity - air.mean - air.gust;
        let force = thrust + frame.drag(through_air, air.density);
        let accel = force * (1.0 / frame.mass_kg) - Vec3::new(0.0, 0.0, GRAVITY_M_S2);
        let before = self.velocity;
        self.velocity = before + accel * dt_s;
        self.position = self.position + (before + self.velocity) * (0.5 * dt_s);
        frame.rotor.demand_w(Demand {
            airspeed_m_s: through_air.horizontal(),
            climb_m_s: through_air.up,
            load: thrust.up / (frame.mass_kg * GRAVITY_M_S2),
            mass_kg: frame.mass_kg,
            density: air.density,
        })
    }

    fn want(&mut self, dt_s: f64, velocity: Vec3) {
        let limit = self.frame.accel_max_m_s2;
        let target = ((velocity - self.velocity) * VELOCITY_GAIN)
            .limited_apart(limit, limit * VERTICAL_SHARE);
        let change = (target - self.wanted).limited(self.frame.jerk_max_m_s3 * dt_s);
        self.wanted = self.wanted + change;
    }

    fn turn(&mut self, dt_s: f64, yaw_rad: f64) {
        let frame = &self.frame;
        let off = wrapped(yaw_rad - self.yaw_rad);
        // The fastest rate from which the nose can still stop in time, a step ahead.
        let stopping = (2.0 * frame.yaw_accel_max_rad_s2 * off.abs()).sqrt();
        let rate = stopping.min(off.abs() / dt_s).min(frame.yaw_rate_max_rad_s) * off.signum();
        let change = frame.yaw_accel_max_rad_s2 * dt_s;
        self.yaw_rate_rad_s += (rate - self.yaw_rate_rad_s).clamp(-change, change);
        self.yaw_rad = wrapped(self.yaw_rad + self.yaw_rate_rad_s * dt_s);
    }

    fn thrust(&mut self, dt_s: f64, air: Air) -> Vec3 {
        let frame = &self.frame;
        let lean = frame.drag(self.velocity - air.mean, air.density);
        let mut force = (self.wanted + Vec3::new(0.0, 0.0, GRAVITY_M_S2)) * frame.mass_kg - lean;
        force.up = force.up.max(0.1 * frame.mass_kg * GRAVITY_M_S2);
        let sideways = force.up * frame.tilt_max_rad.tan();
        let force = force.limited_apart(sideways, frame.thrust_max_n);
        let size = force.norm().min(frame.thrust_max_n);
        let direction = force * (1.0 / force.norm());
        let attitude = lag_share(dt_s, frame.attitude_lag_s);
        let leaned = self.direction + (direction - self.direction) * attitude;
        self.direction = leaned * (1.0 / leaned.norm());
        self.thrust_n += (size - self.thrust_n) * lag_share(dt_s, frame.motor_lag_s);
        self.direction * self.thrust_n
    }

    /// Roll (right is positive) and pitch (nose up is positive), radians.
    #[must_use]
    pub fn tilt_rad(&self) -> (f64, f64) {
        let (sin, cos) = self.yaw_rad.sin_cos();
        let t = self.direction;
        let forward = t.north * cos + t.east * sin;
        let right = t.east * cos - t.north * sin;
        (right.atan2(forward.hypot(t.up)), -forward.atan2(t.up))
    }
}

/// Speed from which it can still stop within a distance, m/s.
#[must_use]
pub fn approach_speed_m_s(distance_m: f64, cruise_m_s: f64) -> f64 {
    // Half of the acceleration limit leaves room for jerk and wind.
    let braking = (2.0 * 1.5 * distance_m).sqrt();
    cruise_m_s.min(braking).min(0.8 * distance_m)
}

#[cfg(test)]
mod tests {
    use super::super::atmosphere::SEA_LEVEL_DENSITY;
    use super::*;

    const CALM: Air = Air {
        mean: Vec3::new(0.0, 0.0, 0.0),
        gust: Vec3::new(0.0, 0.0, 0.0),
        density: SEA_LEVEL_DENSITY,
    };

    fn still() -> Order {
        Order {
            velocity: Vec3::default(),
            yaw_rad: 0.0,
        }
    }

    #[test]
    fn a_falling_body_reaches_the_closed_form_speed() {
        let linear = Frame {
            mass_kg: 1.0,
            rotor_drag: 1.0,
            rotor: RotorPower {
                drag_area_m2: 0.0,
                ..RotorPower::REFERENCE
            },
            ..Frame::QUAD
        };
        for frame in [linear, Frame::QUAD] {
            let mut v = Vec3::default();
            for _ in 0..20_000 {
                let drag = frame.drag(v, SEA_LEVEL_DENSITY) * (1.0 / frame.mass_kg);
                v = v + (drag - Vec3::new(0.0, 0.0, GRAVITY_M_S2)) * 0.01;
            }
            let a = 0.5 * SEA_LEVEL_DENSITY * frame.rotor.drag_area_m2;
            let (b, c) = (frame.rotor_drag, frame.mass_kg * GRAVITY_M_S2);
            let expected = if a == 0.0 {
                c / b
            } else {
                ((b * b + 4.0 * a * c).sqrt() - b) / (2.0 * a)
            };
            assert!((v.up + expected).abs() < 1e-6, "{} {expected}", v.up);
        }
    }

    #[test]
    fn hovering_takes_hover_power_and_stays() {
        let mut quad = Multirotor::new(Frame::QUAD, Vec3::new(0.0, 0.0, 50.0), 0.0);
        let mut watts = 0.0;
        for _ in 0..600 {
            watts = quad.step(0.1, still(), CALM);
        }
        let rated = 20.0 / (2.04 * GRAVITY_M_S2);
        assert!(
            (watts - 168.5).abs() < 168.5 * (rated - 1.0).abs() + 0.5,
            "{watts}"
        );
        assert!(quad.velocity.norm() < 1e-3);
    }

    #[test]
    fn jerk_acceleration_and_tilt_stay_in_their_limits() {
        let mut quad = Multirotor::new(Frame::QUAD, Vec3::new(0.0, 0.0, 50.0), 0.0);
        let mut last = quad.wanted_accel();
        for i in 0..2000 {
            let velocity = match i / 200 % 4 {
                0 => Vec3::new(12.0, 0.0, 0.0),
                1 => Vec3::new(-12.0, 5.0, 3.0),
                2 => Vec3::new(0.0, -12.0, -1.5),
                _ => Vec3::default(),
            };
            let order = Order {
                velocity,
                ..still()
            };
            quad.step(0.05, order, CALM);
            let wanted = quad.wanted_accel();
            assert!((wanted - last).norm() <= 4.0 * 0.05 + 1e-9);
            assert!(wanted.horizontal() <= 3.0 + 1e-9);
            last = wanted;
            let (roll, pitch) = quad.tilt_rad();
            assert!(roll.hypot(pitch) < Frame::QUAD.tilt_max_rad);
        }
    }

    #[test]
    fn tilt_in_steady_flight_balances_drag() {
        let mut quad = Multirotor::new(Frame::QUAD, Vec3::new(0.0, 0.0, 50.0), 0.0);
        let order = Order {
            velocity: Vec3::new(10.0, 0.0, 0.0),
            ..still()
        };
        for _ in 0..1000 {
            quad.step(0.1, order, CALM);
        }
        let drag = Frame::QUAD.drag(quad.velocity, SEA_LEVEL_DENSITY).norm();
        let expected = (drag / (2.04 * GRAVITY_M_S2)).atan();
        let (roll, pitch) = quad.tilt_rad();
        assert!((pitch + expected).abs() < 1e-3 && roll.abs() < 1e-3);
        assert!((quad.velocity.north - 10.0).abs() < 0.01);
    }

    #[test]
    fn stops_at_a_point_without_running_past_it() {
        for dt in [0.02, 0.1, 0.2] {
            let mut quad = Multirotor::new(Frame::QUAD, Vec3::new(0.0, 0.0, 50.0), 0.0);
            let mut furthest = 0.0_f64;
            for _ in 0..(60.0 / dt) as u32 {
                let left = 200.0 - quad.position.north;
                let speed = approach_speed_m_s(left.abs(), 10.0) * left.signum();
                let order = Order {
                    velocity: Vec3::new(speed, 0.0, 0.0),
                    ..still()
                };
                quad.step(dt, order, CALM);
                furthest = furthest.max(quad.position.north);
            }
            assert!(furthest < 201.0, "{dt}: {furthest}");
            assert!((quad.position.north - 200.0).abs() < 0.2);
        }
    }

    #[test]
    fn turning_keeps_its_rate_and_ends_on_its_heading() {
        let mut quad = Multirotor::new(Frame::QUAD, Vec3::default(), 0.0);
        for _ in 0..200 {
            quad.turn(0.1, 2.5);
            assert!(quad.yaw_rate_rad_s.abs() <= Frame::QUAD.yaw_rate_max_rad_s + 1e-9);
        }
        assert!(wrapped(quad.yaw_rad - 2.5).abs() < 0.02);
    }
}
