//! Every field of the model, and how it is read.

use std::time::Duration;

use super::codes::{
    FIX_TYPES, FLIGHT_MODES, LANDED_STATES, MISSION_STATES, SYSTEM_STATUSES, fix_type, flight_mode,
    landed_state, mission_state, system_status,
};
use super::{FieldKind, Known, Per, View, group};

/// How fast a drone is taken to fly home, metres per second: the cruise speed of PX4.
const HOME_SPEED_M_S: f64 = 5.0;
/// What PX4 adds to the time that it takes to fly home: a tenth and 100 seconds.
const HOME_TIME_FACTOR: f64 = 1.1;
const HOME_TIME_SPARE_S: f64 = 100.0;
/// Satellite glitch and bad accelerometer, of MAVLink's ESTIMATOR_STATUS_FLAGS.
const ESTIMATOR_FAULTS: u32 = 1024 | 2048;
/// Attitude and height filter, of MAVLink's MAV_SYS_STATUS_SENSOR.
const SENSOR_AHRS: u32 = 0x0020_0000;

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

/// A number of a group that a drone has once: name, unit, group, and where it is.
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

pub(super) static FIELDS: &[Known] = &[
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
