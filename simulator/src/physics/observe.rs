//! From a flight to what the drone says of it: groups at the rates of a real autopilot.

mod asked;

pub use asked::Due;

use aerostream_domain::sample::{
    Attitude, Battery, Content, Dialect, FixType, FlightMode, Gnss, Health, Home, LandedState,
    Link, Mission, MissionState, Position, State, SystemStatus, Text, Velocity, Wind,
};

use super::flight::{Body, Event, Flight, Kind, Phase};
use super::gps;
use super::vector::Vec3;

/// Height of the ellipsoid's sea level below the geoid around the default home, m.
const GEOID_M: f64 = 46.0;
/// A range finder sees the ground up to here, m.
const RANGE_FINDER_M: f64 = 40.0;
/// Gyroscope, accelerometer, magnetometer, barometer, GPS, attitude control, battery.
const SENSORS: u32 = 0x0201_002f;

/// Seconds between two observations of a group; position, velocity and attitude are in all of them.
const GNSS_S: f64 = 1.0;
const STATE_S: f64 = 1.0;
const BATTERY_S: f64 = 2.0;
const HEALTH_S: f64 = 1.0;
const MISSION_S: f64 = 1.0;
const LINK_S: f64 = 1.0;
const WIND_S: f64 = 2.0;
const HOME_S: f64 = 10.0;

/// When each group is due next, seconds of the flight's time.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Observer {
    gnss_s: f64,
    state_s: f64,
    battery_s: f64,
    health_s: f64,
    mission_s: f64,
    link_s: f64,
    wind_s: f64,
    home_s: f64,
    phase: Option<Phase>,
    /// Home as it was told last.
    home: Option<Vec3>,
    asked: Vec<asked::Asked>,
}

fn due(next_s: &mut f64, now_s: f64, every_s: f64) -> bool {
    if now_s < *next_s {
        return false;
    }
    *next_s = (*next_s + every_s).max(now_s + 0.5 * every_s);
    true
}

fn rounded(value: f64, per_unit: f64) -> f64 {
    (value * per_unit).round() / per_unit
}

fn hundredths(value: f64) -> Option<f32> {
    Some(rounded(value, 100.0) as f32)
}

fn degrees_360(radians: f64) -> Option<f32> {
    let degrees = rounded(radians.to_degrees().rem_euclid(360.0), 100.0);
    Some(if degrees >= 360.0 {
        0.0
    } else {
        degrees as f32
    })
}

impl Observer {
    /// Everything is due again, as after a power-up.
    #[must_use]
    pub fn after_boot() -> Self {
        Self::default()
    }

    /// What the drone says now.
    pub fn observe(&mut self, flight: &mut Flight) -> Content {
        let now_s = flight.time_s();
        let at = flight.position() + flight.gps.position_error();
        let mut content = Content {
            position: Some(position(flight, at)),
            velocity: Some(velocity(flight)),
            attitude: Some(attitude(flight)),
            ..Content::default()
        };
        let changed = self.phase != Some(flight.mission.phase);
        self.phase = Some(flight.mission.phase);
        if due(&mut self.state_s, now_s, STATE_S) || changed {
            content.state = Some(state(flight));
        }
        if due(&mut self.gnss_s, now_s, GNSS_S) {
            content.gnss.push(gnss(flight));
        }
        if due(&mut self.battery_s, now_s, BATTERY_S) {
            content.battery.push(battery(flight));
        }
        if due(&mut self.health_s, now_s, HEALTH_S) {
            content.health = Some(health(flight));
        }
        if due(&mut self.mission_s, now_s, MISSION_S) {
            content.mission = mission(flight);
        }
        if due(&mut self.link_s, now_s, LINK_S) {
            content.link = Some(link(at));
        }
        if due(&mut self.wind_s, now_s, WIND_S) && flight.mission.phase.is_flying() {
            content.wind = Some(wind(flight));
        }
        let moved = self.home.replace(flight.home) != Some(flight.home);
        if due(&mut self.home_s, now_s, HOME_S) || moved {
            content.home = Some(home(flight, at));
        }
        content.text = flight.mission.take_event().map(text);
        content
    }
}

fn position(flight: &Flight, at: Vec3) -> Position {
    let (latitude, longitude) = flight.start.home.degrees(at.north, at.east);
    let amsl = flight.start.ground_m + at.up;
    let above = flight.position().up;
    Position {
        latitude_deg: Some(rounded(latitude, 1e7)),
        longitude_deg: Some(rounded(longitude, 1e7)),
        absolute_altitude_m: Some(rounded(amsl, 1000.0)),
        ellipsoid_altitude_m: Some(rounded(amsl + GEOID_M, 1000.0)),
        // By the barometer, which the aircraft flies by and which satellites do not move.
        relative_altitude_m: Some(rounded(above - flight.home.up, 1000.0)),
        terrain_altitude_m: (above <= RANGE_FINDER_M).then(|| rounded(above, 100.0)),
    }
}

fn velocity(flight: &Flight) -> Velocity {
    let v = flight.velocity() + flight.gps.velocity_error();
    let facing = match &flight.body {
        Body::Multirotor(quad) => quad.yaw_rad,
        Body::FixedWing(wing) => wing.heading_rad,
    };
    let air_speed = match &flight.body {
        // Only a wing has a probe for it.
        Body::Multirotor(_) => None,
        Body::FixedWing(wing) => hundredths(wing.airspeed_m_s),
    };
    Velocity {
        north_m_s: hundredths(v.north),
        east_m_s: hundredths(v.east),
        down_m_s: hundredths(-v.up),
        ground_speed_m_s: hundredths(v.horizontal()),
        air_speed_m_s: air_speed,
        heading_deg: degrees_360(facing),
        course_deg: (v.horizontal() > 0.5)
            .then(|| degrees_360(v.bearing()))
            .flatten(),
    }
}

fn attitude(flight: &Flight) -> Attitude {
    let (roll, pitch, yaw, yaw_rate) = match &flight.body {
        Body::Multirotor(quad) => {
            let (roll, pitch) = quad.tilt_rad();
            (roll, pitch, quad.yaw_rad, quad.yaw_rate_rad_s)
        }
        Body::FixedWing(wing) => (
            wing.bank_rad,
            wing.pitch_rad(),
            wing.heading_rad,
            wing.turn_rate_rad_s,
        ),
    };
    Attitude {
        roll_deg: hundredths(roll.to_degrees()),
        pitch_deg: hundredths(pitch.to_degrees()),
        yaw_deg: hundredths(yaw.to_degrees()),
        yaw_rate_deg_s: hundredths(yaw_rate.to_degrees()),
        ..Attitude::default()
    }
}

/// PX4's custom mode: main mode 4 (auto) in bits 16 to 23 and its sub mode in bits 24 to 31.
fn px4_mode(sub: u32) -> Option<u32> {
    Some(4 << 16 | sub << 24)
}

fn state(flight: &Flight) -> State {
    let phase = flight.mission.phase;
    let (mode, sub) = match phase {
        Phase::Idle | Phase::Swap | Phase::Armed => (FlightMode::Ready, 1),
        Phase::Takeoff => (FlightMode::Takeoff, 2),
        Phase::Turn | Phase::Cruise => (FlightMode::Mission, 4),
        _ if flight.mission.is_returning() => (FlightMode::ReturnToLaunch, 5),
        Phase::Return | Phase::Descend | Phase::Land | Phase::Landed => (FlightMode::Land, 6),
        Phase::Hold | Phase::Goto => (FlightMode::Hold, 3),
        Phase::Orbit => (FlightMode::Orbit, 3),
        Phase::Terminated => (FlightMode::Other, 0),
    };
    let landed = match phase {
        Phase::Takeoff => LandedState::TakingOff,
        Phase::Turn | Phase::Cruise | Phase::Return => LandedState::InAir,
        Phase::Hold | Phase::Goto | Phase::Orbit => LandedState::InAir,
        Phase::Terminated if flight.position().up > 0.0 => LandedState::InAir,
        Phase::Descend | Phase::Land => LandedState::Landing,
        _ => LandedState::OnGround,
    };
    let status = if phase == Phase::Terminated {
        SystemStatus::FlightTermination
    } else if !phase.is_armed() {
        SystemStatus::Standby
    } else if flight.battery.soc() < 0.05 {
        SystemStatus::Emergency
    } else if flight.battery.soc() < 0.1 {
        SystemStatus::Critical
    } else {
        SystemStatus::Active
    };
    State {
        armed: Some(phase.is_armed()),
        flight_mode: Some(mode),
        flight_mode_raw: px4_mode(sub),
        dialect: Some(Dialect::Px4),
        landed_state: Some(landed),
        system_status: Some(status),
    }
}

fn gnss(flight: &Flight) -> Gnss {
    // Satellites come and go over minutes.
    let seen = 17.0 + 3.0 * (flight.time_s() / 140.0 + flight.start.wait_s).sin();
    Gnss {
        id: 0,
        fix_type: Some(FixType::Fix3d),
        fix_type_raw: Some(3),
        num_satellites: Some(seen as u8),
        hdop: Some(gps::HDOP),
        vdop: Some(gps::VDOP),
        horizontal_uncertainty_m: Some(gps::HORIZONTAL_UNCERTAINTY_M),
        vertical_uncertainty_m: Some(gps::VERTICAL_UNCERTAINTY_M),
        velocity_uncertainty_m_s: Some(0.1),
    }
}

fn battery(flight: &Flight) -> Battery {
    let pack = &flight.battery;
    let cells = pack.pack().cells;
    let cell = rounded(pack.voltage_v() / f64::from(cells), 1000.0) as f32;
    Battery {
        id: 0,
        remaining_percent: Some((pack.soc() * 100.0).round() as f32),
        voltage_v: Some(rounded(pack.voltage_v(), 1000.0) as f32),
        current_battery_a: hundredths(pack.current_a()),
        capacity_consumed_ah: Some(rounded(pack.consumed_ah(), 1000.0) as f32),
        temperature_degc: hundredths(pack.temperature_degc()),
        time_remaining_s: pack
            .time_remaining_s()
            .map(|s| s.round().min(1_000_000.0) as f32),
        cells_v: vec![cell; usize::from(cells)],
    }
}

fn health(flight: &Flight) -> Health {
    let flying = flight.mission.phase.is_flying();
    let shaking = match flight.start.kind {
        Kind::Multirotor => 6.0,
        Kind::FixedWing => 3.0,
    };
    Health {
        sensors_present: Some(SENSORS),
        sensors_enabled: Some(SENSORS),
        sensors_healthy: Some(SENSORS),
        cpu_load_percent: Some(if flying { 43.0 } else { 21.0 }),
        vibration_m_s2: hundredths(if flying {
            shaking + 0.2 * flight.velocity().norm()
        } else {
            0.05
        }),
        estimator_flags: Some(0x033f),
    }
}

fn mission(flight: &Flight) -> Option<Mission> {
    let (current, total) = flight.mission.progress()?;
    let state = match flight.mission.phase {
        _ if flight.mission.is_complete() => MissionState::Complete,
        Phase::Turn | Phase::Cruise => MissionState::Active,
        Phase::Idle | Phase::Armed | Phase::Takeoff => MissionState::NotStarted,
        _ => MissionState::Paused,
    };
    let left = (flight.mission.target() - flight.position()).horizontal();
    Some(Mission {
        current: Some(current),
        total: Some(total),
        state: Some(state),
        distance_to_item_m: (state == MissionState::Active).then(|| rounded(left, 10.0) as f32),
    })
}

/// A link whose signal falls with the square of the distance.
fn link(at: Vec3) -> Link {
    let rssi = -42.0 - 20.0 * (at.norm().max(10.0) / 10.0).log10();
    Link {
        rssi_dbm: Some(rounded(rssi, 1.0) as f32),
        remote_rssi_dbm: Some(rounded(rssi - 2.0, 1.0) as f32),
        noise_dbm: Some(-102.0),
        loss_percent: Some(rounded((-80.0 - rssi).max(0.0), 10.0) as f32),
        latency_ms: Some(rounded(18.0 + at.norm() / 100.0, 1.0) as f32),
    }
}

fn wind(flight: &Flight) -> Wind {
    let here = flight.wind_here();
    Wind {
        speed_m_s: hundredths(here.horizontal()),
        direction_from_deg: degrees_360(here.bearing() + std::f64::consts::PI),
        vertical_m_s: hundredths(here.up),
    }
}

fn home(flight: &Flight, at: Vec3) -> Home {
    let place = flight.home;
    let (latitude_deg, longitude_deg) = flight.start.home.degrees(place.north, place.east);
    Home {
        latitude_deg: Some(rounded(latitude_deg, 1e7)),
        longitude_deg: Some(rounded(longitude_deg, 1e7)),
        absolute_altitude_m: Some(rounded(flight.start.ground_m + place.up, 1000.0)),
        distance_m: Some(rounded((at - place).horizontal(), 10.0) as f32),
    }
}

fn text(event: Event) -> Text {
    let (severity, text) = match event {
        Event::Armed => (6, "armed"),
        Event::Takeoff => (6, "takeoff"),
        Event::WaypointReached => (6, "waypoint reached"),
        Event::MissionComplete => (6, "mission complete, returning"),
        Event::LowBattery => (4, "low battery, returning"),
        Event::CriticalBattery => (1, "critical battery, landing now"),
        Event::FenceBreached => (4, "fence reached, holding"),
        Event::Landed => (6, "landed"),
        Event::BatteryChanged => (6, "battery changed"),
    };
    Text {
        severity: Some(severity),
        text: text.to_owned(),
    }
}
