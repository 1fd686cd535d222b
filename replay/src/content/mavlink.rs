//! MAVLink messages in the words of the domain.

use aerostream_domain::sample::{
    Attitude, Battery, FixType, Gnss, Health, Home, Link, Mission, MissionState, Position, State,
    SystemStatus, Text, Velocity, Wind,
};
use aerostream_domain::validate::TEXT_BYTES_MAX;

use super::draft::Draft;
use super::modes;
use crate::message::Value;

/// `MAV_AUTOPILOT_INVALID`: a ground station, a gimbal, a companion computer.
const NO_AUTOPILOT: i64 = 8;
/// Bit of `base_mode`.
const ARMED: i64 = 128;
const U16_UNKNOWN: i64 = 0xffff;

/// Says what the message has in common with others.
pub fn fill(draft: &mut Draft<'_>) {
    match &*draft.message.name {
        "HEARTBEAT" => heartbeat(draft),
        "GLOBAL_POSITION_INT" => global_position(draft),
        "ATTITUDE" => attitude(draft),
        "VFR_HUD" => vfr_hud(draft),
        "GPS_RAW_INT" => receiver(draft, 0),
        "GPS2_RAW" => receiver(draft, 1),
        "SYS_STATUS" => system_status(draft),
        "BATTERY_STATUS" => battery(draft),
        "HOME_POSITION" => home(draft),
        "MISSION_CURRENT" => mission(draft),
        "WIND" => wind(draft),
        "STATUSTEXT" => text(draft),
        _ => {}
    }
}

fn unless(unknown: f64, factor: f64) -> impl Fn(f64) -> Option<f64> {
    move |value| (value != unknown).then_some(value / factor)
}

fn heartbeat(draft: &mut Draft<'_>) {
    let autopilot = draft.integer("autopilot").unwrap_or(NO_AUTOPILOT);
    if autopilot == NO_AUTOPILOT {
        return;
    }
    let dialect = modes::dialect(autopilot);
    let vehicle = draft.integer("type").unwrap_or_default();
    let mode = draft.integer("custom_mode");
    let armed = draft.integer("base_mode").map(|mode| mode & ARMED != 0);
    draft.content.state = Some(State {
        armed,
        flight_mode: mode.map(|mode| modes::of_heartbeat(dialect, vehicle, mode)),
        flight_mode_raw: draft.whole("custom_mode", None),
        dialect: Some(dialect),
        landed_state: None,
        system_status: draft.code("system_status", |code| {
            Some(match code {
                1 => SystemStatus::Boot,
                2 => SystemStatus::Calibrating,
                3 => SystemStatus::Standby,
                4 => SystemStatus::Active,
                5 => SystemStatus::Critical,
                6 => SystemStatus::Emergency,
                7 => SystemStatus::PowerOff,
                8 => SystemStatus::FlightTermination,
                _ => return None,
            })
        }),
    });
}

/// Latitude and longitude, unless both are 0: how autopilots without a fix say that they have none.
fn place(draft: &mut Draft<'_>, names: [&str; 2]) -> Option<(f64, f64)> {
    let [latitude, longitude] = names.map(|name| draft.integer(name));
    let (latitude, longitude) = (latitude?, longitude?);
    let unknown = i64::from(i32::MAX);
    let fits = latitude.abs() <= 900_000_000 && longitude.abs() <= 1_800_000_000;
    if latitude == unknown || longitude == unknown || !fits || (latitude, longitude) == (0, 0) {
        return None;
    }
    names.iter().for_each(|name| draft.said(name));
    Some((latitude as f64 / 1e7, longitude as f64 / 1e7))
}

fn global_position(draft: &mut Draft<'_>) {
    if let Some((latitude, longitude)) = place(draft, ["lat", "lon"]) {
        draft.content.position = Some(Position {
            latitude_deg: Some(latitude),
            longitude_deg: Some(longitude),
            absolute_altitude_m: draft.wide("alt", -1e3..=1e5, |mm| Some(mm / 1e3)),
            relative_altitude_m: draft.wide("relative_alt", -1e4..=1e5, |mm| Some(mm / 1e3)),
            ..Position::default()
        });
    }
    let speed = |cm: f64| Some(cm / 100.0);
    draft.content.velocity = Some(Velocity {
        north_m_s: draft.narrow("vx", -1e3..=1e3, speed),
        east_m_s: draft.narrow("vy", -1e3..=1e3, speed),
        down_m_s: draft.narrow("vz", -1e3..=1e3, speed),
        heading_deg: draft.narrow("hdg", 0.0..=360.0, unless(65535.0, 100.0)),
        ..Velocity::default()
    });
}

fn attitude(draft: &mut Draft<'_>) {
    let degrees = |radians: f64| Some(radians.to_degrees());
    draft.content.attitude = Some(Attitude {
        roll_deg: draft.narrow("roll", -180.0..=180.0, degrees),
        pitch_deg: draft.narrow("pitch", -180.0..=180.0, degrees),
        yaw_deg: draft.narrow("yaw", -180.0..=360.0, degrees),
        roll_rate_deg_s: draft.narrow("rollspeed", -1e4..=1e4, degrees),
        pitch_rate_deg_s: draft.narrow("pitchspeed", -1e4..=1e4, degrees),
        yaw_rate_deg_s: draft.narrow("yawspeed", -1e4..=1e4, degrees),
    });
}

fn vfr_hud(draft: &mut Draft<'_>) {
    if draft.is_also_told("GLOBAL_POSITION_INT") {
        return;
    }
    draft.content.velocity = Some(Velocity {
        ground_speed_m_s: draft.narrow("groundspeed", 0.0..=1e3, Some),
        air_speed_m_s: draft.narrow("airspeed", 0.0..=1e3, Some),
        heading_deg: draft.narrow("heading", 0.0..=360.0, Some),
        ..Velocity::default()
    });
}

/// What `GPS_FIX_TYPE` and PX4 number alike.
pub fn fix(code: i64) -> Option<FixType> {
    Some(match code {
        0 => FixType::NoGps,
        1 => FixType::NoFix,
        2 => FixType::Fix2d,
        3 => FixType::Fix3d,
        4 => FixType::FixDgps,
        5 => FixType::RtkFloat,
        6 => FixType::RtkFixed,
        _ => return None,
    })
}

fn receiver(draft: &mut Draft<'_>, id: u8) {
    let code = draft.integer("fix_type");
    let dilution = || unless(65535.0, 100.0);
    // An accuracy of 0 is how receivers without a fix say that they know none.
    let accuracy = || unless(0.0, 1000.0);
    draft.content.gnss = vec![Gnss {
        id,
        fix_type: code.and_then(fix),
        fix_type_raw: draft.whole("fix_type", None),
        num_satellites: draft.whole("satellites_visible", Some(255)),
        hdop: draft.narrow("eph", 0.0..=100.0, dilution()),
        vdop: draft.narrow("epv", 0.0..=100.0, dilution()),
        horizontal_uncertainty_m: draft.narrow("h_acc", 0.0..=1e5, accuracy()),
        vertical_uncertainty_m: draft.narrow("v_acc", 0.0..=1e5, accuracy()),
        velocity_uncertainty_m_s: draft.narrow("vel_acc", 0.0..=1e3, accuracy()),
    }];
}

fn system_status(draft: &mut Draft<'_>) {
    draft.content.health = Some(Health {
        sensors_present: draft.whole("onboard_control_sensors_present", None),
        sensors_enabled: draft.whole("onboard_control_sensors_enabled", None),
        sensors_healthy: draft.whole("onboard_control_sensors_health", None),
        cpu_load_percent: draft.narrow("load", 0.0..=100.0, |load| Some(load / 10.0)),
        ..Health::default()
    });
    draft.content.link = Some(Link {
        loss_percent: draft.narrow("drop_rate_comm", 0.0..=100.0, |rate| Some(rate / 100.0)),
        ..Link::default()
    });
    if draft.is_also_told("BATTERY_STATUS") {
        return;
    }
    draft.content.battery = vec![Battery {
        id: 0,
        voltage_v: draft.narrow("voltage_battery", 0.0..=1e3, unless(65535.0, 1000.0)),
        current_battery_a: draft.narrow("current_battery", -1e4..=1e4, unless(-1.0, 100.0)),
        remaining_percent: draft.narrow("battery_remaining", 0.0..=100.0, unless(-1.0, 1.0)),
        ..Battery::default()
    }];
}

fn battery(draft: &mut Draft<'_>) {
    let (voltage_v, cells_v) = voltages(draft);
    draft.content.battery = vec![Battery {
        id: draft.whole("id", None).unwrap_or_default(),
        remaining_percent: draft.narrow("battery_remaining", 0.0..=100.0, unless(-1.0, 1.0)),
        voltage_v,
        current_battery_a: draft.narrow("current_battery", -1e4..=1e4, unless(-1.0, 100.0)),
        capacity_consumed_ah: draft.narrow("current_consumed", 0.0..=1e4, unless(-1.0, 1000.0)),
        temperature_degc: draft.narrow("temperature", -100.0..=200.0, unless(32767.0, 100.0)),
        time_remaining_s: draft.narrow("time_remaining", 0.0..=1e6, unless(0.0, 1.0)),
        cells_v,
    }];
}

/// The pack's voltage is the sum of its cells; one number alone is that of the whole pack. Cells
/// beyond the tenth are unknown at 0, the others at the highest number.
fn voltages(draft: &mut Draft<'_>) -> (Option<f32>, Vec<f32>) {
    let list = |name: &str, unknown: i64| -> Vec<i64> {
        let Some(Value::List(values)) = draft.message.field(name) else {
            return Vec::new();
        };
        let known = values.iter().filter_map(Value::integer);
        known.filter(|mv| *mv != unknown).collect()
    };
    let mut millivolts = list("voltages", U16_UNKNOWN);
    millivolts.extend(list("voltages_ext", 0));
    draft.said("voltages");
    draft.said("voltages_ext");
    if millivolts.is_empty() {
        return (None, Vec::new());
    }
    let volts = |mv: i64| (mv as f64 / 1000.0) as f32;
    let cells = match millivolts.len() {
        1 => Vec::new(),
        _ => millivolts.iter().map(|mv| volts(*mv)).collect(),
    };
    (Some(volts(millivolts.iter().sum())), cells)
}

fn home(draft: &mut Draft<'_>) {
    let Some((latitude, longitude)) = place(draft, ["latitude", "longitude"]) else {
        return;
    };
    draft.content.home = Some(Home {
        latitude_deg: Some(latitude),
        longitude_deg: Some(longitude),
        absolute_altitude_m: draft.wide("altitude", -1e3..=1e5, |mm| Some(mm / 1e3)),
        distance_m: None,
    });
}

fn mission(draft: &mut Draft<'_>) {
    draft.content.mission = Some(Mission {
        current: draft.whole("seq", None),
        // 0: the autopilot does not tell. The highest number, for no mission, is left as it is.
        total: match draft.integer("total") {
            Some(U16_UNKNOWN) => None,
            _ => draft.whole("total", Some(0)),
        },
        state: draft.code("mission_state", |code| {
            Some(match code {
                1 => MissionState::NoMission,
                2 => MissionState::NotStarted,
                3 => MissionState::Active,
                4 => MissionState::Paused,
                5 => MissionState::Complete,
                _ => return None,
            })
        }),
        distance_to_item_m: None,
    });
}

fn wind(draft: &mut Draft<'_>) {
    let direction = |degrees: f64| {
        Some(if degrees < 0.0 {
            degrees + 360.0
        } else {
            degrees
        })
    };
    draft.content.wind = Some(Wind {
        speed_m_s: draft.narrow("speed", 0.0..=150.0, Some),
        direction_from_deg: draft.narrow("direction", 0.0..=360.0, direction),
        vertical_m_s: None,
    });
}

fn text(draft: &mut Draft<'_>) {
    let Some(text) = draft.text("text", TEXT_BYTES_MAX) else {
        return;
    };
    draft.content.text = Some(Text {
        severity: match draft.integer("severity") {
            Some(0..=7) => draft.whole("severity", None),
            _ => None,
        },
        text,
    });
}
