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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{Health, Home, Link, Mission, Position, Text, Velocity, Wind};

    fn check(said: Content, expected: Result<(), (RefusalCode, &str, &str)>) {
        let found = content(&said);
        let found = found.as_ref().map_err(|refusal| {
            (
                refusal.code,
                refusal.field.as_str(),
                refusal.detail.as_str(),
            )
        });
        assert_eq!(found.copied(), expected, "{said:?}");
    }

    fn at(latitude_deg: f64, longitude_deg: f64) -> Content {
        Content {
            position: Some(Position {
                latitude_deg: Some(latitude_deg),
                longitude_deg: Some(longitude_deg),
                ..Position::default()
            }),
            ..Content::default()
        }
    }

    fn packs(battery: Vec<Battery>) -> Content {
        Content {
            battery,
            ..Content::default()
        }
    }

    fn pack(id: u8) -> Battery {
        Battery {
            id,
            ..Battery::default()
        }
    }

    fn extras(extras: Vec<(&str, Extra)>) -> Content {
        Content {
            extras: extras
                .into_iter()
                .map(|(name, extra)| (name.to_owned(), extra))
                .collect(),
            ..Content::default()
        }
    }

    #[test]
    fn numbers_have_ranges_and_are_numbers() {
        use RefusalCode::OutOfRange;
        check(Content::default(), Ok(()));
        check(at(90.0, -180.0), Ok(()));
        check(
            at(91.0, 0.0),
            Err((
                OutOfRange,
                "position.latitude_deg",
                "found 91; must be between -90 and 90",
            )),
        );
        check(
            at(0.0, f64::NAN),
            Err((
                OutOfRange,
                "position.longitude_deg",
                "found NaN; must be between -180 and 180",
            )),
        );
        let mut full = pack(0);
        full.remaining_percent = Some(140.1);
        check(
            packs(vec![pack(1), full]),
            Err((
                OutOfRange,
                "battery[1].remaining_percent",
                "found 140.1; must be between 0 and 100",
            )),
        );
        let mut hot = pack(0);
        hot.cells_v = vec![4.1, f32::INFINITY];
        check(
            packs(vec![hot]),
            Err((
                OutOfRange,
                "battery[0].cells_v[1]",
                "found inf; must be between 0 and 100",
            )),
        );
        check(
            extras(vec![("a", Extra::Number(f64::NEG_INFINITY))]),
            Err((
                OutOfRange,
                "extras[0].number",
                "found -inf; must be a finite number",
            )),
        );
    }

    /// One wrong field in each of the other groups.
    #[test]
    fn every_group_is_checked() {
        let check_field = |said: Content, field: &str| {
            let found = content(&said).map_err(|refusal| refusal.field);
            assert_eq!(found, Err(field.to_owned()));
        };
        macro_rules! wrong {
            ($($group:ident: $kind:ident { $field:ident: $value:expr })*) => {$(
                let said = Content {
                    $group: Some($kind { $field: Some($value), ..$kind::default() }),
                    ..Content::default()
                };
                check_field(said, concat!(stringify!($group), ".", stringify!($field)));
            )*};
        }
        use crate::sample::Attitude;
        wrong! {
            position: Position { absolute_altitude_m: 100_001.0 }
            position: Position { relative_altitude_m: -10_001.0 }
            velocity: Velocity { ground_speed_m_s: -0.1 }
            velocity: Velocity { heading_deg: 360.1 }
            attitude: Attitude { yaw_deg: 361.0 }
            attitude: Attitude { pitch_deg: -181.0 }
            link: Link { loss_percent: 100.5 }
            home: Home { distance_m: -1.0 }
            mission: Mission { distance_to_item_m: f32::NAN }
            health: Health { vibration_m_s2: 1_001.0 }
            wind: Wind { speed_m_s: 151.0 }
            text: Text { severity: 8 }
        }
        let receiver = Gnss {
            vdop: Some(101.0),
            ..Gnss::default()
        };
        let said = Content {
            gnss: vec![receiver],
            ..Content::default()
        };
        check_field(said, "gnss[0].vdop");
    }

    #[test]
    fn latitude_and_longitude_come_together() {
        let mut half = at(1.0, 1.0);
        half.position = half.position.map(|position| Position {
            longitude_deg: None,
            ..position
        });
        check(
            half,
            Err((
                RefusalCode::Missing,
                "position.longitude_deg",
                "`latitude_deg` is there without it; send both or none",
            )),
        );
    }

    #[test]
    fn lists_and_texts_have_limits() {
        use RefusalCode::{Malformed, Missing, TooLong};
        check(packs((0..8).map(pack).collect()), Ok(()));
        check(
            packs((0..9).map(pack).collect()),
            Err((TooLong, "battery", "found 9 entries; must be at most 8")),
        );
        check(
            packs(vec![pack(3), pack(3)]),
            Err((
                Malformed,
                "battery[1].id",
                "found 3 a second time; must be unique in the sample",
            )),
        );
        let mut kind = Content {
            kind: "x".repeat(65),
            ..Content::default()
        };
        check(
            kind.clone(),
            Err((TooLong, "kind", "found 65 bytes; must be at most 64")),
        );
        kind.kind = "a\u{e4}".to_owned();
        check(
            kind,
            Err((
                Malformed,
                "kind",
                "found 'ä'; must be printable ASCII characters",
            )),
        );
        check(
            extras(vec![("b", Extra::Flag(true)), ("a", Extra::Flag(true))]),
            Err((
                Malformed,
                "extras[1].name",
                "found \"a\"; names must be unique and in ascending order",
            )),
        );
        check(
            extras(vec![("", Extra::Flag(true))]),
            Err((Missing, "extras[0].name", "must not be empty")),
        );
        check(
            extras(vec![("a", Extra::Text("\0".to_owned()))]),
            Err((
                Malformed,
                "extras[0].text",
                "found a NUL character; must have none",
            )),
        );
        let raw = Content {
            raw: Some(vec![0; 4097]),
            ..Content::default()
        };
        check(
            raw,
            Err((TooLong, "raw", "found 4097 bytes; must be at most 4096")),
        );
    }
}
