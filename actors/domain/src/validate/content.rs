//! Ranges and limits of what a sample says.

use std::fmt::Display;

use super::{
    CELLS_MAX, EXTRA_NAME_BYTES_MAX, EXTRA_TEXT_BYTES_MAX, EXTRAS_MAX, INSTANCES_MAX,
    KIND_BYTES_MAX, RAW_BYTES_MAX, Refusal, RefusalCode, TEXT_BYTES_MAX,
};
use crate::sample::{Battery, Content, Extra, Gnss};

/// Every range and limit of a content.
///
/// # Errors
/// The first field that is wrong, by its path, with what was found and what is right.
pub fn content(content: &Content) -> Result<(), Refusal> {
    kind(&content.kind)?;
    groups(content)?;
    instances("gnss", &content.gnss, |gnss| gnss.id)?;
    for (at, receiver) in content.gnss.iter().enumerate() {
        gnss(at, receiver)?;
    }
    instances("battery", &content.battery, |battery| battery.id)?;
    for (at, pack) in content.battery.iter().enumerate() {
        battery(at, pack)?;
    }
    if let Some(said) = &content.text {
        if let Some(severity) = said.severity {
            in_range(f64::from(severity), &severity, 0.0, 7.0, || {
                "text.severity".to_owned()
            })?;
        }
        text(&said.text, TEXT_BYTES_MAX, || "text.text".to_owned())?;
    }
    extras(&content.extras)?;
    match &content.raw {
        Some(raw) => at_most(raw.len(), RAW_BYTES_MAX, "bytes", || "raw".to_owned()),
        None => Ok(()),
    }
}

/// Checks each field of a group that is there: `path, group { field: from to }`.
macro_rules! ranges {
    ($path:expr, $group:expr, { $($field:ident: $low:literal to $high:literal,)* }) => {$(
        if let Some(value) = $group.$field {
            in_range(f64::from(value), &value, f64::from($low), f64::from($high), || {
                format!("{}.{}", $path, stringify!($field))
            })?;
        }
    )*};
}

fn groups(content: &Content) -> Result<(), Refusal> {
    if let Some(position) = &content.position {
        ranges!("position", position, {
            latitude_deg: -90 to 90,
            longitude_deg: -180 to 180,
            absolute_altitude_m: -1_000 to 100_000,
            ellipsoid_altitude_m: -1_000 to 100_000,
            relative_altitude_m: -10_000 to 100_000,
            terrain_altitude_m: -1_000 to 100_000,
        });
        together("position", position.latitude_deg, position.longitude_deg)?;
    }
    if let Some(velocity) = &content.velocity {
        ranges!("velocity", velocity, {
            north_m_s: -1_000 to 1_000,
            east_m_s: -1_000 to 1_000,
            down_m_s: -1_000 to 1_000,
            ground_speed_m_s: 0 to 1_000,
            air_speed_m_s: 0 to 1_000,
            heading_deg: 0 to 360,
            course_deg: 0 to 360,
        });
    }
    if let Some(attitude) = &content.attitude {
        ranges!("attitude", attitude, {
            roll_deg: -180 to 180,
            pitch_deg: -180 to 180,
            yaw_deg: -180 to 360,
            roll_rate_deg_s: -10_000 to 10_000,
            pitch_rate_deg_s: -10_000 to 10_000,
            yaw_rate_deg_s: -10_000 to 10_000,
        });
    }
    if let Some(home) = &content.home {
        ranges!("home", home, {
            latitude_deg: -90 to 90,
            longitude_deg: -180 to 180,
            absolute_altitude_m: -1_000 to 100_000,
            distance_m: 0 to 50_000_000,
        });
        together("home", home.latitude_deg, home.longitude_deg)?;
    }
    small_groups(content)
}

fn small_groups(content: &Content) -> Result<(), Refusal> {
    if let Some(link) = &content.link {
        ranges!("link", link, {
            rssi_dbm: -200 to 50,
            remote_rssi_dbm: -200 to 50,
            noise_dbm: -200 to 50,
            loss_percent: 0 to 100,
            latency_ms: 0 to 600_000,
        });
    }
    if let Some(mission) = &content.mission {
        ranges!("mission", mission, { distance_to_item_m: 0 to 50_000_000, });
    }
    if let Some(health) = &content.health {
        ranges!("health", health, { cpu_load_percent: 0 to 100, vibration_m_s2: 0 to 1_000, });
    }
    if let Some(wind) = &content.wind {
        ranges!("wind", wind, {
            speed_m_s: 0 to 150,
            direction_from_deg: 0 to 360,
            vertical_m_s: -100 to 100,
        });
    }
    Ok(())
}

fn gnss(at: usize, gnss: &Gnss) -> Result<(), Refusal> {
    ranges!(format_args!("gnss[{at}]"), gnss, {
        hdop: 0 to 100,
        vdop: 0 to 100,
        horizontal_uncertainty_m: 0 to 100_000,
        vertical_uncertainty_m: 0 to 100_000,
        velocity_uncertainty_m_s: 0 to 1_000,
    });
    Ok(())
}

fn battery(at: usize, battery: &Battery) -> Result<(), Refusal> {
    ranges!(format_args!("battery[{at}]"), battery, {
        remaining_percent: 0 to 100,
        voltage_v: 0 to 1_000,
        current_battery_a: -10_000 to 10_000,
        capacity_consumed_ah: 0 to 10_000,
        temperature_degc: -100 to 200,
        time_remaining_s: 0 to 1_000_000,
    });
    at_most(battery.cells_v.len(), CELLS_MAX, "cells", || {
        format!("battery[{at}].cells_v")
    })?;
    for (cell, value) in battery.cells_v.iter().enumerate() {
        in_range(f64::from(*value), value, 0.0, 100.0, || {
            format!("battery[{at}].cells_v[{cell}]")
        })?;
    }
    Ok(())
}

/// The widened `value` decides; `found` is shown, since a widened f32 has digits nobody sent.
fn in_range(
    value: f64,
    found: &dyn Display,
    low: f64,
    high: f64,
    path: impl FnOnce() -> String,
) -> Result<(), Refusal> {
    // NaN is in no range.
    if (low..=high).contains(&value) {
        return Ok(());
    }
    let detail = format!("found {found}; must be between {low} and {high}");
    Err(Refusal::new(RefusalCode::OutOfRange, path(), detail))
}

fn together(group: &str, latitude: Option<f64>, longitude: Option<f64>) -> Result<(), Refusal> {
    let (there, absent) = match (latitude, longitude) {
        (Some(_), None) => ("latitude_deg", "longitude_deg"),
        (None, Some(_)) => ("longitude_deg", "latitude_deg"),
        _ => return Ok(()),
    };
    Err(Refusal::new(
        RefusalCode::Missing,
        format!("{group}.{absent}"),
        format!("`{there}` is there without it; send both or none"),
    ))
}

fn at_most(
    found: usize,
    max: usize,
    unit: &str,
    path: impl FnOnce() -> String,
) -> Result<(), Refusal> {
    if found <= max {
        return Ok(());
    }
    let detail = format!("found {found} {unit}; must be at most {max}");
    Err(Refusal::new(RefusalCode::TooLong, path(), detail))
}

fn malformed(path: String, detail: impl Into<String>) -> Refusal {
    Refusal::new(RefusalCode::Malformed, path, detail)
}

fn kind(kind: &str) -> Result<(), Refusal> {
    at_most(kind.len(), KIND_BYTES_MAX, "bytes", || "kind".to_owned())?;
    match kind.chars().find(|found| !matches!(found, ' '..='~')) {
        Some(found) => Err(malformed(
            "kind".to_owned(),
            format!("found {found:?}; must be printable ASCII characters"),
        )),
        None => Ok(()),
    }
}

/// A text within its limit. NUL is refused, since databases cannot store it in a text.
fn text(text: &str, max: usize, path: impl Fn() -> String) -> Result<(), Refusal> {
    at_most(text.len(), max, "bytes", &path)?;
    if text.contains('\0') {
        return Err(malformed(path(), "found a NUL character; must have none"));
    }
    Ok(())
}

fn instances<T>(group: &str, list: &[T], id: impl Fn(&T) -> u8) -> Result<(), Refusal> {
    at_most(list.len(), INSTANCES_MAX, "entries", || group.to_owned())?;
    for (at, instance) in list.iter().enumerate() {
        let found = id(instance);
        if list[..at].iter().any(|other| id(other) == found) {
            return Err(malformed(
                format!("{group}[{at}].id"),
                format!("found {found} a second time; must be unique in the sample"),
            ));
        }
    }
    Ok(())
}

fn extras(extras: &[(String, Extra)]) -> Result<(), Refusal> {
    at_most(extras.len(), EXTRAS_MAX, "entries", || "extras".to_owned())?;
    for (at, (name, extra)) in extras.iter().enumerate() {
        let path = || format!("extras[{at}].name");
        if name.is_empty() {
            return Err(Refusal::new(
                RefusalCode::Missing,
                path(),
                "must not be empty",
            ));
        }
        text(name, EXTRA_NAME_BYTES_MAX, path)?;
        if at > 0 && extras[at - 1].0 >= *name {
            let detail = format!("found {name:?}; names must be unique and in ascending order");
            return Err(malformed(path(), detail));
        }
        match extra {
            Extra::Number(number) if !number.is_finite() => {
                return Err(Refusal::new(
                    RefusalCode::OutOfRange,
                    format!("extras[{at}].number"),
                    format!("found {number}; must be a finite number"),
                ));
            }
            Extra::Text(said) => {
                text(said, EXTRA_TEXT_BYTES_MAX, || format!("extras[{at}].text"))?;
            }
            Extra::Number(_) | Extra::Integer(_) | Extra::Flag(_) => {}
        }
    }
    Ok(())
}
