//! One aircraft's working day: wait, climb, fly its waypoints, come back, land, get a fresh pack.

mod fence;
mod mission;
mod orders;

use super::atmosphere::{density, temperature_degc};
use super::battery::{Battery, Pack};
use super::fixed_wing::{self, FixedWing, loiter_course_rad};
use super::geo::Origin;
use super::gps::Gps;
use super::multirotor::{self, Air, Multirotor, approach_speed_m_s};
use super::noise::Noise;
use super::vector::{Vec3, wrapped};
use super::wind::{Climate, Wind};

pub use fence::Fence;
pub use mission::{Event, Mission, Phase, Progress};
pub use orders::Refused;

/// What kind of aircraft it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    Multirotor,
    FixedWing,
}

/// How an aircraft starts its day.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Start {
    pub kind: Kind,
    /// Where it takes off, and its home until it is told of another.
    pub home: Origin,
    /// Height of the ground there above mean sea level, m.
    pub ground_m: f64,
    pub climate: Climate,
    /// State of charge of the first pack, 0 to 1.
    pub soc: f64,
    /// Age of its packs: share of the capacity that is left, 0 to 1.
    pub health: f64,
    /// Seconds on the ground before the first take-off.
    pub wait_s: f64,
    /// It goes home when the battery is this low, 0 to 1; 0 turns that off.
    pub return_soc: f64,
    /// Kelvin above the standard day.
    pub warmer_k: f64,
}

/// The body that flies.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    Multirotor(Multirotor),
    FixedWing(FixedWing),
}

/// One aircraft with everything around it that changes.
#[derive(Debug, Clone)]
pub struct Flight {
    pub start: Start,
    pub body: Body,
    pub battery: Battery,
    pub wind: Wind,
    pub gps: Gps,
    pub mission: Mission,
    /// Where it returns to and what heights are told from, metres from the start and its ground.
    pub home: Vec3,
    pub fence: Fence,
    noise: Noise,
    time_s: f64,
    air: AirNow,
}

/// Air at the aircraft's height, worked out once a second since it changes slowly.
#[derive(Debug, Clone, Copy, PartialEq)]
struct AirNow {
    density: f64,
    temperature_degc: f64,
    until_s: f64,
}

/// Power of everything but the propulsion, watts.
const AVIONICS_W: f64 = 12.0;
/// Power of the electronics while standing by, watts.
const STANDBY_W: f64 = 4.0;
const AIR_LASTS_S: f64 = 1.0;
/// Fastest fall of an aircraft without propulsion.
const FALL_M_S_MAX: f64 = 25.0;
/// How far home may be when it turns to descending, m.
const HOME_REACHED_M: f64 = 2.0;

impl Flight {
    /// An aircraft at home; the same start and noise give the same day.
    #[must_use]
    pub fn new(start: Start, mut noise: Noise) -> Self {
        let heading = noise.between(-std::f64::consts::PI, std::f64::consts::PI);
        let (body, pack) = match start.kind {
            Kind::Multirotor => (
                Body::Multirotor(Multirotor::new(
                    multirotor::Frame::QUAD,
                    Vec3::default(),
                    heading,
                )),
                Pack::SIX_CELLS,
            ),
            Kind::FixedWing => (
                Body::FixedWing(FixedWing::new(
                    fixed_wing::Frame::WING,
                    Vec3::default(),
                    heading,
                )),
                Pack::FOUR_CELLS,
            ),
        };
        let pack = Pack {
            health: start.health,
            ..pack
        };
        let ambient = temperature_degc(start.ground_m, start.warmer_k);
        Self {
            battery: Battery::new(pack, start.soc, ambient),
            wind: Wind::new(start.climate),
            gps: Gps::new(&mut noise),
            mission: Mission::new(start.wait_s),
            home: Vec3::default(),
            fence: Fence::default(),
            start,
            body,
            noise,
            time_s: 0.0,
            air: AirNow {
                density: density(start.ground_m, start.warmer_k),
                temperature_degc: ambient,
                until_s: AIR_LASTS_S,
            },
        }
    }

    /// Seconds since the day began.
    #[must_use]
    pub fn time_s(&self) -> f64 {
        self.time_s
    }

    /// Metres from the start and above its ground, which is as high everywhere.
    #[must_use]
    pub fn position(&self) -> Vec3 {
        match &self.body {
            Body::Multirotor(quad) => quad.position,
            Body::FixedWing(wing) => wing.position,
        }
    }

    /// Velocity over ground, m/s.
    #[must_use]
    pub fn velocity(&self) -> Vec3 {
        match &self.body {
            Body::Multirotor(quad) => quad.velocity,
            Body::FixedWing(wing) => wing.velocity,
        }
    }

    /// Wind at the aircraft, gusts included; where it blows to, m/s.
    #[must_use]
    pub fn wind_here(&self) -> Vec3 {
        self.wind.mean(self.position().up) + self.wind.gust()
    }

    /// Lives on for some seconds in equal steps of at most `step_s`.
    pub fn advance(&mut self, seconds: f64, step_s: f64) {
        if seconds <= 0.0 {
            return;
        }
        let steps = (seconds / step_s).ceil().max(1.0);
        let dt_s = seconds / steps;
        for _ in 0..steps as u64 {
            self.step(dt_s);
        }
        self.gps.step(seconds, &mut self.noise);
    }

    fn step(&mut self, dt_s: f64) {
        self.time_s += dt_s;
        let position = self.position();
        if self.time_s >= self.air.until_s {
            let altitude = self.start.ground_m + position.up;
            self.air = AirNow {
                density: density(altitude, self.start.warmer_k),
                temperature_degc: temperature_degc(altitude, self.start.warmer_k),
                until_s: self.time_s + AIR_LASTS_S,
            };
        }
        let power_w = if self.mission.phase.is_flying() {
            let airspeed = (self.velocity() - self.wind_here()).norm();
            self.wind.step(dt_s, position.up, airspeed, &mut self.noise);
            AVIONICS_W + self.fly(dt_s)
        } else {
            if self.mission.phase == Phase::Terminated {
                self.fall(dt_s);
            }
            STANDBY_W
        };
        self.battery.draw(power_w, dt_s, self.air.temperature_degc);
        self.decide();
    }

    fn fly(&mut self, dt_s: f64) -> f64 {
        let mean = self.wind.mean(self.position().up);
        let gust = self.wind.gust();
        let mission = &self.mission;
        let power_w = match &mut self.body {
            Body::Multirotor(quad) => {
                let order = multirotor_order(quad, mission);
                let air = Air {
                    mean,
                    gust,
                    density: self.air.density,
                };
                quad.step(dt_s, order, air)
            }
            Body::FixedWing(wing) => {
                let order = wing_order(wing, mission);
                wing.step(dt_s, order, mean + gust, self.air.density)
            }
        };
        self.touch_ground();
        power_w
    }

    /// Where the nose points, radians from north.
    #[must_use]
    pub fn facing_rad(&self) -> f64 {
        match &self.body {
            Body::Multirotor(quad) => quad.yaw_rad,
            Body::FixedWing(wing) => wing.heading_rad,
        }
    }

    /// Without propulsion: down, ever faster until the air holds it.
    fn fall(&mut self, dt_s: f64) {
        let (position, velocity) = match &mut self.body {
            Body::Multirotor(quad) => (&mut quad.position, &mut quad.velocity),
            Body::FixedWing(wing) => (&mut wing.position, &mut wing.velocity),
        };
        if position.up <= 0.0 {
            *velocity = Vec3::default();
            return;
        }
        let slowed = (1.0 - 0.3 * dt_s).max(0.0);
        let up = (velocity.up - 9.81 * dt_s).max(-FALL_M_S_MAX);
        *velocity = Vec3::new(velocity.north * slowed, velocity.east * slowed, up);
        *position = Vec3::new(
            position.north + velocity.north * dt_s,
            position.east + velocity.east * dt_s,
            (position.up + up * dt_s).max(0.0),
        );
    }

    fn touch_ground(&mut self) {
        let landing = self.mission.phase == Phase::Land;
        let (position, velocity) = match &mut self.body {
            Body::Multirotor(quad) => (&mut quad.position, &mut quad.velocity),
            Body::FixedWing(wing) => (&mut wing.position, &mut wing.velocity),
        };
        if position.up > 0.0 {
            return;
        }
        position.up = 0.0;
        velocity.up = velocity.up.max(0.0);
        if landing {
            match &mut self.body {
                Body::Multirotor(quad) => quad.rest(),
                Body::FixedWing(wing) => wing.rest(),
            }
        }
    }

    fn decide(&mut self) {
        let facts = mission::Facts {
            kind: self.start.kind,
            time_s: self.time_s,
            position: self.position(),
            home: self.home,
            soc: self.battery.soc(),
            return_soc: self.start.return_soc,
            facing: self.facing_rad(),
        };
        let from_home = facts.position - self.home;
        let is_stopped = self.fence.stops(from_home, self.velocity());
        if is_stopped && self.mission.phase.is_fenced() {
            self.mission.stop_at_fence(facts);
        }
        self.mission.decide(facts, &mut self.noise);
        self.mission.measure(facts);
        if self.mission.take_swap() {
            let pack = *self.battery.pack();
            self.battery = Battery::new(pack, 1.0, self.air.temperature_degc);
        }
    }
}

fn toward(offset: Vec3, speed_m_s: f64, climb_m_s: f64) -> Vec3 {
    let distance = offset.horizontal();
    if distance < 1e-6 {
        return Vec3::new(0.0, 0.0, climb_m_s);
    }
    let share = speed_m_s / distance;
    Vec3::new(offset.north * share, offset.east * share, climb_m_s)
}

/// Along a circle around a centre seen at an offset; what it is off the circle it corrects.
fn around(to_centre: Vec3, mission: &Mission, climb_m_s: f64) -> Vec3 {
    let (radius_m, speed_m_s) = (mission.radius_m(), mission.speed_m_s());
    let distance_m = to_centre.horizontal();
    if distance_m < 1e-6 {
        return Vec3::new(speed_m_s, 0.0, climb_m_s);
    }
    let (north, east) = (to_centre.north / distance_m, to_centre.east / distance_m);
    let turn = radius_m.signum();
    // Clockwise as seen from above the centre is to the right.
    let inward = (0.5 * (distance_m - radius_m.abs())).clamp(-speed_m_s, speed_m_s);
    let along = (speed_m_s * speed_m_s - inward * inward).max(0.0).sqrt();
    Vec3::new(
        inward * north + along * turn * east,
        inward * east - along * turn * north,
        climb_m_s,
    )
}

fn multirotor_order(quad: &Multirotor, mission: &Mission) -> multirotor::Order {
    const CLIMB_M_S: f64 = 3.0;
    const SINK_M_S: f64 = 1.5;
    let target = mission.target();
    let offset = target - quad.position;
    let speed = approach_speed_m_s(offset.horizontal(), mission.speed_m_s());
    let hold = approach_speed_m_s(offset.horizontal(), 2.0);
    let level = (0.8 * offset.up).clamp(-SINK_M_S, CLIMB_M_S);
    let height = quad.position.up;
    let velocity = match mission.phase {
        Phase::Takeoff => {
            let gentle = if height < 5.0 { 1.5 } else { CLIMB_M_S };
            toward(offset, hold, (0.8 * offset.up).clamp(0.5, gentle))
        }
        Phase::Cruise | Phase::Return | Phase::Goto => toward(offset, speed, level),
        Phase::Orbit => around(offset, mission, level),
        Phase::Descend => toward(offset, hold, -SINK_M_S),
        Phase::Land => {
            let sink = match height {
                h if h < 1.0 => 0.3,
                h if h < 5.0 => 0.7,
                _ => SINK_M_S,
            };
            toward(offset, hold, -sink)
        }
        _ => toward(offset, hold, level),
    };
    // Close to a point its bearing turns quickly and says nothing.
    let aims = matches!(
        mission.phase,
        Phase::Turn | Phase::Cruise | Phase::Return | Phase::Goto | Phase::Orbit
    );
    let yaw_rad = if aims && offset.horizontal() > 5.0 {
        offset.bearing()
    } else {
        mission.heading_rad()
    };
    multirotor::Order { velocity, yaw_rad }
}

fn wing_order(wing: &FixedWing, mission: &Mission) -> fixed_wing::Order {
    let frame = &wing.frame;
    let offset = mission.target() - wing.position;
    let level = (0.4 * offset.up).clamp(-frame.sink_max_m_s, frame.climb_max_m_s);
    let circle = loiter_course_rad(offset, frame.loiter_radius_m);
    let (course_rad, airspeed_m_s, climb_m_s) = match mission.phase {
        Phase::Takeoff => (
            mission.heading_rad(),
            frame.airspeed_trim_m_s,
            // It climbs once it has the speed for it.
            if wing.airspeed_m_s < frame.airspeed_min_m_s {
                0.0
            } else {
                4.0
            },
        ),
        Phase::Descend => (circle, 13.0, -1.5),
        Phase::Hold | Phase::Orbit => (circle, frame.airspeed_trim_m_s, level),
        Phase::Land => {
            let sink = if wing.position.up < 3.0 { 0.4 } else { 1.2 };
            (mission.heading_rad(), 11.0, -sink)
        }
        _ => (offset.bearing(), frame.airspeed_trim_m_s, level),
    };
    fixed_wing::Order {
        course_rad: wrapped(course_rad),
        airspeed_m_s,
        climb_m_s,
    }
}

#[cfg(test)]
mod tests;
