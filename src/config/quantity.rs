//! Durations and sizes in settings: `"5s"` or `"256MiB"` wherever a setting's name tells its unit.
//!
//! A setting such as `snapshot_every_ms` or `bytes_max` holds a whole number of its unit. People
//! may write the number, or a string with a unit, which is converted here and never rounded.

use figment::value::{Dict, Num, Value};

/// Units of time and their length in milliseconds.
const TIMES: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1_000),
    ("min", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

/// Units of size and their length in bytes.
const SIZES: [(&str, u64); 7] = [
    ("B", 1),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// Last words of names of settings, and the unit that each one tells.
const NAMES: [(&str, &str); 12] = [
    ("ms", "ms"),
    ("s", "s"),
    ("secs", "s"),
    ("seconds", "s"),
    ("minutes", "min"),
    ("hours", "h"),
    ("days", "d"),
    ("bytes", "B"),
    ("kib", "KiB"),
    ("mib", "MiB"),
    ("gib", "GiB"),
    ("mb", "MB"),
];

/// A text that is no quantity: the path of its setting, and why.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused {
    pub path: String,
    pub reason: String,
}

/// Puts whole numbers in the place of strings with a unit, in every setting that has one.
pub fn convert(dict: &mut Dict) -> Result<(), Refused> {
    convert_below("", dict)
}

fn convert_below(prefix: &str, dict: &mut Dict) -> Result<(), Refused> {
    for (name, value) in dict.iter_mut() {
        let path = format!("{prefix}{name}");
        match value {
            Value::Dict(_, inner) => convert_below(&format!("{path}."), inner)?,
            _ => {
                convert_value(name, value).map_err(|reason| Refused { path, reason })?;
            }
        }
    }
    Ok(())
}

fn convert_value(name: &str, value: &mut Value) -> Result<(), String> {
    if let Value::String(tag, text) = value
        && let Some(unit) = unit_of(name)
    {
        *value = Value::Num(*tag, Num::U64(parse(text, unit)?));
    }
    Ok(())
}

/// The unit that a setting's name tells: its last word, a limit's `max` or `min` aside.
fn unit_of(name: &str) -> Option<&'static str> {
    let mut words = name
        .rsplit('_')
        .filter(|word| !matches!(*word, "max" | "min"));
    let last = words.next()?;
    NAMES
        .iter()
        .find(|(word, _)| *word == last)
        .map(|(_, unit)| *unit)
}

/// How many `unit` the text is, exactly.
fn parse(text: &str, unit: &str) -> Result<u64, String> {
    let scale = scale_of(unit).unwrap_or(&TIMES);
    let known = || {
        scale
            .iter()
            .map(|(name, _)| *name)
            .collect::<Vec<_>>()
            .join(", ")
    };
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, given) = text.split_at(digits);
    let given = match given.trim() {
        "" => unit,
        other => other,
    };
    let Some(length) = length_in(scale, given) else {
        return Err(format!(
            "{text:?} is not a whole number with one of the units {}",
            known()
        ));
    };
    let of_unit = length_in(scale, unit).unwrap_or(1);
    let total = number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(length));
    match total {
        None => Err(format!("{text:?} is not a whole number that fits")),
        Some(total) if total % of_unit != 0 => Err(format!(
            "{text:?} is not a whole number of {unit}, the unit of this setting"
        )),
        Some(total) => Ok(total / of_unit),
    }
}

fn scale_of(unit: &str) -> Option<&'static [(&'static str, u64)]> {
    let scales: [&'static [(&'static str, u64)]; 2] = [&TIMES, &SIZES];
    scales
        .into_iter()
        .find(|scale| length_in(scale, unit).is_some())
}

fn length_in(scale: &[(&str, u64)], unit: &str) -> Option<u64> {
    scale
        .iter()
        .find(|(name, _)| *name == unit)
        .map(|(_, length)| *length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, text: &str, expected: Result<u64, &str>) {
        let mut value = Value::from(text);
        let result = convert_value(name, &mut value);
        match expected {
            Ok(count) => {
                result.unwrap();
                assert_eq!(value.to_u128(), Some(u128::from(count)));
            }
            Err(part) => {
                let error = result.unwrap_err();
                assert!(error.contains(part), "{error}");
            }
        }
    }

    #[test]
    fn a_quantity_becomes_the_unit_of_its_name() {
        check("retry_after_ms", "5s", Ok(5_000));
        check("retry_after_ms", "250ms", Ok(250));
        check("idle_after_s", "10 min", Ok(600));
        check("retention_days", "30d", Ok(30));
        check("telemetry_hours", "7d", Ok(168));
        check("restart_backoff_max_ms", "10s", Ok(10_000));
        check("bytes_max", "256MiB", Ok(256 << 20));
        check("segment_mib", "1GiB", Ok(1_024));
        check("bytes_max", "42", Ok(42));
    }

    #[test]
    fn what_is_not_exact_is_refused() {
        check("idle_after_s", "250ms", Err("not a whole number of s"));
        check(
            "retry_after_ms",
            "5 parsecs",
            Err("one of the units ms, s, min, h, d"),
        );
        check("bytes_max", "5s", Err("one of the units B, kB"));
        check("bytes_max", "99999999999GiB", Err("fits"));
        check("retry_after_ms", "s", Err("fits"));
    }

    #[test]
    fn a_name_without_a_unit_keeps_its_text() {
        let mut value = Value::from("5s");
        convert_value("client_id", &mut value).unwrap();
        assert_eq!(value.as_str(), Some("5s"));
    }
}
