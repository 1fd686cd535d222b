//! What a rule may look at: a value of live state, with its name, its unit and its parts.

use std::time::Duration;

use super::id::Instance;
use crate::drone::live::LiveState;
use crate::sample::{
    Battery, Extra, FixType, FlightMode, Gnss, LandedState, MissionState, SystemStatus,
};

/// How fast a drone is taken to fly home, metres per second: the cruise speed of PX4.
const HOME_SPEED_M_S: f64 = 5.0;
/// What PX4 adds to the time that it takes to fly home: a tenth and 100 seconds.
const HOME_TIME_FACTOR: f64 = 1.1;
const HOME_TIME_SPARE_S: f64 = 100.0;
/// Satellite glitch and bad accelerometer, of MAVLink's ESTIMATOR_STATUS_FLAGS.
const ESTIMATOR_FAULTS: u32 = 1024 | 2048;
/// Attitude and height filter, of MAVLink's MAV_SYS_STATUS_SENSOR.
const SENSOR_AHRS: u32 = 0x0020_0000;

/// Of how many like parts a field speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Per {
    Drone,
    Battery,
    Gnss,
    Fence,
}

/// What kind of value a field has, and how it is written in a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// A number in this unit; empty: a plain number.
    Number(&'static str),
    /// True or false.
    Flag,
    /// One of these names; the value is the place in the list.
    Name(&'static [&'static str]),
}

/// A value that a rule may compare.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Field {
    /// One of the fields of the model.
    Known(&'static Known),
    /// A number or flag among the extras, by its name.
    Extra(String),
}

/// A field of the model. Two are equal if their names are.
#[derive(Debug)]
pub struct Known {
    pub name: &'static str,
    pub kind: FieldKind,
    pub per: Per,
    /// Groups whose change may change it: bits of [`group`].
    pub groups: u16,
    read: fn(&View<'_>) -> Option<f64>,
}

impl PartialEq for Known {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Known {}

impl std::hash::Hash for Known {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

/// Bits of the groups of a sample.
pub mod group {
    pub const POSITION: u16 = 1;
    pub const VELOCITY: u16 = 1 << 1;
    pub const ATTITUDE: u16 = 1 << 2;
    pub const GNSS: u16 = 1 << 3;
    pub const BATTERY: u16 = 1 << 4;
    pub const LINK: u16 = 1 << 5;
    pub const HOME: u16 = 1 << 6;
    pub const MISSION: u16 = 1 << 7;
    pub const HEALTH: u16 = 1 << 8;
    pub const WIND: u16 = 1 << 9;
    pub const STATE: u16 = 1 << 10;
    pub const TEXT: u16 = 1 << 11;
    pub const EXTRAS: u16 = 1 << 12;
    /// Every group: what depends on the time alone.
    pub const ALL: u16 = (1 << 13) - 1;
}

/// What a field is read from.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    pub live: &'a LiveState,
    pub battery: Option<&'a Battery>,
    pub gnss: Option<&'a Gnss>,
    /// How deep the drone is within what the fence allows, metres.
    pub fence_depth_m: Option<f64>,
}

impl<'a> View<'a> {
    /// The drone as seen by one instance; `None` if there is no such part any more.
    #[must_use]
    pub fn of(live: &'a LiveState, instance: &Instance) -> Option<Self> {
        let mut view = Self {
            live,
            battery: None,
            gnss: None,
            fence_depth_m: None,
        };
        let groups = &live.groups;
        match instance {
            Instance::Drone | Instance::Fence(_) => {}
            Instance::Battery(id) => {
                view.battery = Some(groups.battery.iter().find(|pack| pack.id == *id)?);
            }
            Instance::Gnss(id) => {
                view.gnss = Some(groups.gnss.iter().find(|receiver| receiver.id == *id)?);
            }
        }
        Some(view)
    }
}

impl Field {
    /// The field of this name: one of [`Field::all`], or `extras.` and a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        if let Some(extra) = name.strip_prefix("extras.") {
            return (!extra.is_empty()).then(|| Self::Extra(extra.to_owned()));
        }
        FIELDS
            .iter()
            .find(|field| field.name == name)
            .map(Self::Known)
    }

    /// Every field of the model.
    #[must_use]
    pub fn all() -> &'static [Known] {
        FIELDS
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Known(known) => known.name.to_owned(),
            Self::Extra(name) => format!("extras.{name}"),
        }
    }

    /// What kind of value it has.
    #[must_use]
    pub fn kind(&self) -> FieldKind {
        match self {
            Self::Known(known) => known.kind,
            Self::Extra(_) => FieldKind::Number(""),
        }
    }

    /// Of how many parts it speaks.
    #[must_use]
    pub fn per(&self) -> Per {
        match self {
            Self::Known(known) => known.per,
            Self::Extra(_) => Per::Drone,
        }
    }

    /// Groups whose change may change it.
    #[must_use]
    pub fn groups(&self) -> u16 {
        match self {
            Self::Known(known) => known.groups,
            Self::Extra(_) => group::EXTRAS,
        }
    }

    /// Its value; `None` if the drone did not tell it.
    #[must_use]
    pub fn read(&self, view: &View<'_>) -> Option<f64> {
        match self {
            Self::Known(known) => (known.read)(view),
            Self::Extra(name) => {
                let extras = &view.live.groups.extras;
                match &extras.iter().find(|(known, _)| known == name)?.1 {
                    Extra::Number(value) => Some(*value),
                    Extra::Integer(value) => Some(*value as f64),
                    Extra::Flag(value) => Some(f64::from(u8::from(*value))),
                    Extra::Text(_) => None,
                }
            }
        }
    }
}

const fn number(
    name: &'static str,
    unit: &'static str,
    (per, groups): (Per, u16),
    read: fn(&View<'_>) -> Option<f64>,
) -> Known {
    Known {
        name,
        kind: FieldKind::Number(unit),
        per,
        groups,
        read,
    }
}

const fn flag(name: &'static str, groups: u16, read: fn(&View<'_>) -> Option<f64>) -> Known {
    Known {
        name,
        kind: FieldKind::Flag,
        per: Per::Drone,
        groups,
        read,
    }
}

const fn named(
    name: &'static str,
    names: &'static [&'static str],
    (per, groups): (Per, u16),
    read: fn(&View<'_>) -> Option<f64>,
) -> Known {
    Known {
        name,
        kind: FieldKind::Name(names),
        per,
        groups,
        read,
    }
}

/// `field!("wind.speed_m_s", "m/s", WIND, wind.speed_m_s)`: a number of a group that a drone has once.
macro_rules! of_drone {
    ($name:literal, $unit:literal, $groups:expr, $group:ident . $field:ident) => {
        number($name, $unit, (Per::Drone, $groups), |view| {
            Some(f64::from(view.live.groups.$group.as_ref()?.$field?))
        })
    };
}

macro_rules! of_battery {
    ($name:literal, $unit:literal, $field:ident) => {
        number($name, $unit, (Per::Battery, group::BATTERY), |view| {
            Some(f64::from(view.battery?.$field?))
        })
    };
}

macro_rules! of_gnss {
    ($name:literal, $unit:literal, $field:ident) => {
        number($name, $unit, (Per::Gnss, group::GNSS), |view| {
            Some(f64::from(view.gnss?.$field?))
        })
    };
}

const FIX_TYPES: &[&str] = &[
    "no_gps",
    "no_fix",
    "fix_2d",
    "fix_3d",
    "fix_dgps",
    "rtk_float",
    "rtk_fixed",
];
const FLIGHT_MODES: &[&str] = &[
    "ready",
    "takeoff",
    "hold",
    "mission",
    "return_to_launch",
    "land",
    "offboard",
    "follow_me",
    "manual",
    "altctl",
    "posctl",
    "acro",
    "stabilized",
    "orbit",
    "other",
];
const LANDED_STATES: &[&str] = &["on_ground", "in_air", "taking_off", "landing"];
/// Numbered as MAV_STATE is, so that `critical` and what is worse compares greater.
const SYSTEM_STATUSES: &[&str] = &[
    "uninit",
    "boot",
    "calibrating",
    "standby",
    "active",
    "critical",
    "emergency",
    "power_off",
    "flight_termination",
];
const MISSION_STATES: &[&str] = &["no_mission", "not_started", "active", "paused", "complete"];

static FIELDS: &[Known] = &[
    of_drone!(
        "position.latitude_deg",
        "deg",
        group::POSITION,
        position.latitude_deg
    ),
    of_drone!(
        "position.longitude_deg",
        "deg",
        group::POSITION,
        position.longitude_deg
    ),
    of_drone!(
        "position.absolute_altitude_m",
        "m",
        group::POSITION,
        position.absolute_altitude_m
    ),
    of_drone!(
        "position.ellipsoid_altitude_m",
        "m",
        group::POSITION,
        position.ellipsoid_altitude_m
    ),
    of_drone!(
        "position.relative_altitude_m",
        "m",
        group::POSITION,
        position.relative_altitude_m
    ),
    of_drone!(
        "position.terrain_altitude_m",
        "m",
        group::POSITION,
        position.terrain_altitude_m
    ),
    number(
        "position.height_m",
        "m",
        (Per::Drone, group::POSITION),
        height_m,
    ),
    of_drone!(
        "velocity.north_m_s",
        "m/s",
        group::VELOCITY,
        velocity.north_m_s
    ),
    of_drone!(
        "velocity.east_m_s",
        "m/s",
        group::VELOCITY,
        velocity.east_m_s
    ),
    of_drone!(
        "velocity.down_m_s",
        "m/s",
        group::VELOCITY,
        velocity.down_m_s
    ),
    of_drone!(
        "velocity.ground_speed_m_s",
        "m/s",
        group::VELOCITY,
        velocity.ground_speed_m_s
    ),
    of_drone!(
        "velocity.air_speed_m_s",
        "m/s",
        group::VELOCITY,
        velocity.air_speed_m_s
    ),
    of_drone!(
        "attitude.roll_deg",
        "deg",
        group::ATTITUDE,
        attitude.roll_deg
    ),
    of_drone!(
        "attitude.pitch_deg",
        "deg",
        group::ATTITUDE,
        attitude.pitch_deg
    ),
    number(
        "attitude.tilt_deg",
        "deg",
        (Per::Drone, group::ATTITUDE),
        tilt_deg,
    ),
    named(
        "gnss.fix_type",
        FIX_TYPES,
        (Per::Gnss, group::GNSS),
        |view| Some(fix_type(view.gnss?.fix_type?)),
    ),
    of_gnss!("gnss.num_satellites", "", num_satellites),
    of_gnss!("gnss.hdop", "", hdop),
    of_gnss!("gnss.vdop", "", vdop),
    of_gnss!(
        "gnss.horizontal_uncertainty_m",
        "m",
        horizontal_uncertainty_m
    ),
    of_gnss!("gnss.vertical_uncertainty_m", "m", vertical_uncertainty_m),
    of_gnss!(
        "gnss.velocity_uncertainty_m_s",
        "m/s",
        velocity_uncertainty_m_s
    ),
    of_battery!("battery.remaining_percent", "%", remaining_percent),
    of_battery!("battery.voltage_v", "V", voltage_v),
    of_battery!("battery.current_battery_a", "A", current_battery_a),
    of_battery!("battery.temperature_degc", "degC", temperature_degc),
    of_battery!("battery.time_remaining_s", "s", time_remaining_s),
    number(
        "battery.lowest_cell_v",
        "V",
        (Per::Battery, group::BATTERY),
        |view| {
            let cells = view.battery?.cells_v.iter().copied();
            cells.min_by(f32::total_cmp).map(f64::from)
        },
    ),
    number(
        "battery.age_s",
        "s",
        (Per::Battery, group::ALL),
        battery_age_s,
    ),
    number(
        "battery.return_ratio",
        "",
        (Per::Battery, group::BATTERY | group::HOME),
        return_ratio,
    ),
    of_drone!("link.rssi_dbm", "dBm", group::LINK, link.rssi_dbm),
    of_drone!(
        "link.remote_rssi_dbm",
        "dBm",
        group::LINK,
        link.remote_rssi_dbm
    ),
    of_drone!("link.noise_dbm", "dBm", group::LINK, link.noise_dbm),
    of_drone!("link.loss_percent", "%", group::LINK, link.loss_percent),
    of_drone!("link.latency_ms", "ms", group::LINK, link.latency_ms),
    of_drone!("home.distance_m", "m", group::HOME, home.distance_m),
    of_drone!(
        "mission.distance_to_item_m",
        "m",
        group::MISSION,
        mission.distance_to_item_m
    ),
    named(
        "mission.state",
        MISSION_STATES,
        (Per::Drone, group::MISSION),
        |view| Some(mission_state(view.live.groups.mission?.state?)),
    ),
    of_drone!(
        "health.cpu_load_percent",
        "%",
        group::HEALTH,
        health.cpu_load_percent
    ),
    of_drone!(
        "health.vibration_m_s2",
        "m/s2",
        group::HEALTH,
        health.vibration_m_s2
    ),
    flag("health.estimator_fault", group::HEALTH, estimator_fault),
    number(
        "health.sensors_failed",
        "",
        (Per::Drone, group::HEALTH),
        |view| Some(f64::from(failed_sensors(view)?.count_ones())),
    ),
    of_drone!("wind.speed_m_s", "m/s", group::WIND, wind.speed_m_s),
    of_drone!("wind.vertical_m_s", "m/s", group::WIND, wind.vertical_m_s),
    flag("state.armed", group::STATE, |view| {
        Some(f64::from(u8::from(view.live.groups.state?.armed?)))
    }),
    named(
        "state.flight_mode",
        FLIGHT_MODES,
        (Per::Drone, group::STATE),
        |view| Some(flight_mode(view.live.groups.state?.flight_mode?)),
    ),
    named(
        "state.landed_state",
        LANDED_STATES,
        (Per::Drone, group::STATE),
        |view| Some(landed_state(view.live.groups.state?.landed_state?)),
    ),
    named(
        "state.system_status",
        SYSTEM_STATUSES,
        (Per::Drone, group::STATE),
        |view| Some(system_status(view.live.groups.state?.system_status?)),
    ),
    of_drone!("text.severity", "", group::TEXT, text.severity),
    number(
        "fence.depth_m",
        "m",
        (Per::Fence, group::POSITION),
        |view| view.fence_depth_m,
    ),
];

/// Above the ground if terrain data say so, else above home.
fn height_m(view: &View<'_>) -> Option<f64> {
    let position = view.live.groups.position?;
    position.terrain_altitude_m.or(position.relative_altitude_m)
}

/// The greater of roll and pitch, whichever way.
fn tilt_deg(view: &View<'_>) -> Option<f64> {
    let attitude = view.live.groups.attitude?;
    let (roll, pitch) = (attitude.roll_deg?, attitude.pitch_deg?);
    Some(f64::from(roll.abs().max(pitch.abs())))
}

/// Time between the pack's newest sample and the drone's newest, by their own clock.
fn battery_age_s(view: &View<'_>) -> Option<f64> {
    let id = view.battery?.id;
    let stamps = &view.live.stamps.battery;
    let stamp = stamps.iter().find(|(known, _)| *known == id)?.1;
    let newest = view.live.newest?.time;
    let age = if newest > stamp.time {
        newest.distance(stamp.time)
    } else {
        Duration::ZERO
    };
    Some(age.as_secs_f64())
}

/// Time that the pack lasts, over the time that it takes to fly home.
fn return_ratio(view: &View<'_>) -> Option<f64> {
    let lasts_s = f64::from(view.battery?.time_remaining_s?);
    let distance_m = f64::from(view.live.groups.home?.distance_m?);
    Some(lasts_s / (HOME_TIME_FACTOR * distance_m / HOME_SPEED_M_S + HOME_TIME_SPARE_S))
}

fn failed_sensors(view: &View<'_>) -> Option<u32> {
    let health = view.live.groups.health?;
    Some(health.sensors_present? & health.sensors_enabled? & !health.sensors_healthy?)
}

fn estimator_fault(view: &View<'_>) -> Option<f64> {
    let flags = view.live.groups.health?.estimator_flags;
    let by_flags = flags.map(|flags| flags & ESTIMATOR_FAULTS != 0);
    let by_sensors = failed_sensors(view).map(|failed| failed & SENSOR_AHRS != 0);
    let fault = match (by_flags, by_sensors) {
        (None, None) => return None,
        (flags, sensors) => flags.unwrap_or(false) || sensors.unwrap_or(false),
    };
    Some(f64::from(u8::from(fault)))
}

fn fix_type(fix: FixType) -> f64 {
    match fix {
        FixType::NoGps => 0.0,
        FixType::NoFix => 1.0,
        FixType::Fix2d => 2.0,
        FixType::Fix3d => 3.0,
        FixType::FixDgps => 4.0,
        FixType::RtkFloat => 5.0,
        FixType::RtkFixed => 6.0,
    }
}

fn flight_mode(mode: FlightMode) -> f64 {
    match mode {
        FlightMode::Ready => 0.0,
        FlightMode::Takeoff => 1.0,
        FlightMode::Hold => 2.0,
        FlightMode::Mission => 3.0,
        FlightMode::ReturnToLaunch => 4.0,
        FlightMode::Land => 5.0,
        FlightMode::Offboard => 6.0,
        FlightMode::FollowMe => 7.0,
        FlightMode::Manual => 8.0,
        FlightMode::Altctl => 9.0,
        FlightMode::Posctl => 10.0,
        FlightMode::Acro => 11.0,
        FlightMode::Stabilized => 12.0,
        FlightMode::Orbit => 13.0,
        FlightMode::Other => 14.0,
    }
}

fn landed_state(state: LandedState) -> f64 {
    match state {
        LandedState::OnGround => 0.0,
        LandedState::InAir => 1.0,
        LandedState::TakingOff => 2.0,
        LandedState::Landing => 3.0,
    }
}

fn system_status(status: SystemStatus) -> f64 {
    match status {
        SystemStatus::Boot => 1.0,
        SystemStatus::Calibrating => 2.0,
        SystemStatus::Standby => 3.0,
        SystemStatus::Active => 4.0,
        SystemStatus::Critical => 5.0,
        SystemStatus::Emergency => 6.0,
        SystemStatus::PowerOff => 7.0,
        SystemStatus::FlightTermination => 8.0,
    }
}

fn mission_state(state: MissionState) -> f64 {
    match state {
        MissionState::NoMission => 0.0,
        MissionState::NotStarted => 1.0,
        MissionState::Active => 2.0,
        MissionState::Paused => 3.0,
        MissionState::Complete => 4.0,
    }
}
