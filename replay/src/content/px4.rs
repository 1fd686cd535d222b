//! PX4's own messages in the words of the domain.

use aerostream_domain::sample::{
    Attitude, Battery, Dialect, Gnss, Health, Home, Mission, Position, State, Text, Velocity, Wind,
};
use aerostream_domain::validate::{CELLS_MAX, TEXT_BYTES_MAX};

use super::draft::Draft;
use super::{mavlink, modes};
use crate::message::Value;

/// `vehicle_status.arming_state`.
const ARMED: i64 = 2;

/// Says what the message has in common with others.
pub fn fill(draft: &mut Draft<'_>) {
    match &*draft.message.name {
        "vehicle_global_position" => global_position(draft),
        "vehicle_local_position" => local_position(draft),
        "vehicle_attitude" => attitude(draft),
        "vehicle_gps_position" | "sensor_gps" => receiver(draft),
        "battery_status" => battery(draft),
        "vehicle_status" => status(draft),
        "home_position" => home(draft),
        "mission_result" => {
            draft.content.mission = Some(Mission {
                current: draft.whole("seq_current", None),
                total: draft.whole("seq_total", None),
                ..Mission::default()
            });
        }
        "wind" | "wind_estimate" => wind(draft),
        "cpuload" => {
            let percent = |share: f64| Some(share * 100.0);
            draft.content.health = Some(Health {
                cpu_load_percent: draft.narrow("load", 0.0..=100.0, percent),
                ..Health::default()
            });
        }
        "logged_message" => text(draft),
        _ => {}
    }
}

fn is_true(draft: &Draft<'_>, name: &str) -> bool {
    draft.integer(name) == Some(1)
}

fn global_position(draft: &mut Draft<'_>) {
    let fits = |value: f64, max: f64| value.abs() <= max;
    let place = draft.number("lat").zip(draft.number("lon"));
    let Some((latitude, longitude)) = place.filter(|at| fits(at.0, 90.0) && fits(at.1, 180.0))
    else {
        return;
    };
    draft.said("lat");
    draft.said("lon");
    draft.content.position = Some(Position {
        latitude_deg: Some(latitude),
        longitude_deg: Some(longitude),
        absolute_altitude_m: draft.wide("alt", -1e3..=1e5, Some),
        ellipsoid_altitude_m: draft.wide("alt_ellipsoid", -1e3..=1e5, Some),
        ..Position::default()
    });
}

/// Speeds that the estimator does not call valid stay extras.
fn local_position(draft: &mut Draft<'_>) {
    let mut velocity = Velocity::default();
    if is_true(draft, "v_xy_valid") {
        velocity.north_m_s = draft.narrow("vx", -1e3..=1e3, Some);
        velocity.east_m_s = draft.narrow("vy", -1e3..=1e3, Some);
    }
    if is_true(draft, "v_z_valid") {
        velocity.down_m_s = draft.narrow("vz", -1e3..=1e3, Some);
    }
    velocity.heading_deg = draft.narrow("heading", 0.0..=360.0, |radians| {
        let degrees = radians.to_degrees();
        Some(if degrees < 0.0 {
            degrees + 360.0
        } else {
            degrees
        })
    });
    draft.content.velocity = Some(velocity);
}

/// Angles of the quaternion, which stays an extra.
fn attitude(draft: &mut Draft<'_>) {
    let Some(Value::List(q)) = draft.message.field("q") else {
        return;
    };
    let q: Vec<f64> = q.iter().filter_map(Value::number).collect();
    let [w, x, y, z] = q[..] else { return };
    let roll = (2.0 * (w * x + y * z)).atan2(1.0 - 2.0 * (x * x + y * y));
    let pitch = (2.0 * (w * y - z * x)).clamp(-1.0, 1.0).asin();
    let yaw = (2.0 * (w * z + x * y)).atan2(1.0 - 2.0 * (y * y + z * z));
    let degrees = |radians: f64| (!radians.is_nan()).then(|| radians.to_degrees() as f32);
    draft.content.attitude = Some(Attitude {
        roll_deg: degrees(roll),
        pitch_deg: degrees(pitch),
        yaw_deg: degrees(yaw),
        ..Attitude::default()
    });
}

fn receiver(draft: &mut Draft<'_>) {
    let code = draft.integer("fix_type");
    draft.content.gnss = vec![Gnss {
        id: draft.message.instance,
        fix_type: code.and_then(mavlink::fix),
        fix_type_raw: draft.whole("fix_type", None),
        num_satellites: draft.whole("satellites_used", None),
        hdop: draft.narrow("hdop", 0.0..=100.0, Some),
        vdop: draft.narrow("vdop", 0.0..=100.0, Some),
        horizontal_uncertainty_m: draft.narrow("eph", 0.0..=1e5, Some),
        vertical_uncertainty_m: draft.narrow("epv", 0.0..=1e5, Some),
        velocity_uncertainty_m_s: draft.narrow("s_variance_m_s", 0.0..=1e3, Some),
    }];
}

fn battery(draft: &mut Draft<'_>) {
    let unless =
        |unknown: f64, factor: f64| move |value: f64| (value != unknown).then_some(value * factor);
    let cells_v = cells(draft);
    draft.content.battery = vec![Battery {
        id: draft.whole("id", None).unwrap_or(draft.message.instance),
        remaining_percent: draft.narrow("remaining", 0.0..=100.0, unless(-1.0, 100.0)),
        voltage_v: draft.narrow("voltage_v", 0.0..=1e3, Some),
        current_battery_a: draft.narrow("current_a", -1e4..=1e4, unless(-1.0, 1.0)),
        capacity_consumed_ah: draft.narrow("discharged_mah", 0.0..=1e4, |mah| {
            (mah != -1.0).then_some(mah / 1000.0)
        }),
        temperature_degc: draft.narrow("temperature", -100.0..=200.0, Some),
        time_remaining_s: draft.narrow("time_remaining_s", 0.0..=1e6, Some),
        cells_v,
    }];
}

/// Cells that were measured; the list itself stays an extra.
fn cells(draft: &Draft<'_>) -> Vec<f32> {
    let Some(Value::List(cells)) = draft.message.field("voltage_cell_v") else {
        return Vec::new();
    };
    let cells = cells.iter().filter_map(Value::number);
    let measured = cells.take_while(|volts| *volts > 0.0 && *volts <= 100.0);
    measured.take(CELLS_MAX).map(|volts| volts as f32).collect()
}

fn status(draft: &mut Draft<'_>) {
    let arming = draft.integer("arming_state");
    let mode = draft.integer("nav_state");
    draft.content.state = Some(State {
        armed: arming.map(|state| state == ARMED),
        flight_mode: mode.map(modes::of_nav_state),
        flight_mode_raw: draft.whole("nav_state", None),
        dialect: Some(Dialect::Px4),
        landed_state: None,
        system_status: None,
    });
}

/// A place that is not called valid stays in the extras.
fn home(draft: &mut Draft<'_>) {
    let place = draft.number("lat").zip(draft.number("lon"));
    let Some((latitude, longitude)) = place.filter(|_| is_true(draft, "valid_hpos")) else {
        return;
    };
    if latitude.abs() > 90.0 || longitude.abs() > 180.0 {
        return;
    }
    draft.said("lat");
    draft.said("lon");
    let mut home = Home {
        latitude_deg: Some(latitude),
        longitude_deg: Some(longitude),
        ..Home::default()
    };
    if is_true(draft, "valid_alt") {
        home.absolute_altitude_m = draft.wide("alt", -1e3..=1e5, Some);
    }
    draft.content.home = Some(home);
}

/// Where it comes from, by where it goes; the two parts stay extras.
fn wind(draft: &mut Draft<'_>) {
    let parts = draft
        .number("windspeed_north")
        .zip(draft.number("windspeed_east"));
    let Some((north, east)) = parts else { return };
    let speed = north.hypot(east);
    if speed.is_nan() || speed > 150.0 {
        return;
    }
    let from = (-east).atan2(-north).to_degrees();
    let from = if from < 0.0 { from + 360.0 } else { from };
    draft.content.wind = Some(Wind {
        speed_m_s: Some(speed as f32),
        direction_from_deg: Some(from as f32),
        vertical_m_s: None,
    });
}

/// A level is the digit of its severity.
fn text(draft: &mut Draft<'_>) {
    let Some(text) = draft.text("text", TEXT_BYTES_MAX) else {
        return;
    };
    let severity = draft.code("level", |level| match level {
        0x30..=0x37 => Some((level - 0x30) as u8),
        _ => None,
    });
    draft.content.text = Some(Text { severity, text });
}
