//! Fields without a column, within the limits of a sample.
//!
//! Lists become JSON texts, since they are too many for an extra each. What is still too much goes
//! into JSON objects in extras named `+01`, `+02` and so on.

use std::collections::BTreeMap;

use aerostream_domain::sample::Extra;
use aerostream_domain::validate::{EXTRA_NAME_BYTES_MAX, EXTRA_TEXT_BYTES_MAX, EXTRAS_MAX};

use super::draft::Left;
use crate::message::Value;

/// Extras that stay as they are when there are too many.
const PLAIN_MAX: usize = 40;

/// The extras; the reason if nothing can hold them.
pub fn pack(left: Left) -> Result<Vec<(String, Extra)>, String> {
    let mut plain = BTreeMap::new();
    let mut overflow = Vec::new();
    let mut pieces = Vec::new();
    for (name, value) in left {
        split(&name, value, &mut pieces);
    }
    let crowded = pieces.len() > EXTRAS_MAX;
    for (name, value) in pieces {
        let room = !crowded || plain.len() < PLAIN_MAX;
        let fits = name.len() <= EXTRA_NAME_BYTES_MAX && !plain.contains_key(&name);
        match extra(&value) {
            // Not a number is how floats say unknown.
            None => {}
            Some(extra) if room && fits => {
                plain.insert(name, extra);
            }
            Some(_) => overflow.push((name, value)),
        }
    }
    for (number, text) in objects(&overflow)?.into_iter().enumerate() {
        plain.insert(format!("+{:02}", number + 1), Extra::Text(text));
    }
    if plain.len() > EXTRAS_MAX {
        return Err(format!("{} extras; at most {EXTRAS_MAX}", plain.len()));
    }
    Ok(plain.into_iter().collect())
}

fn extra(value: &Value) -> Option<Extra> {
    Some(match value {
        Value::Integer(value) => Extra::Integer(*value),
        Value::Unsigned(value) => match i64::try_from(*value) {
            Ok(value) => Extra::Integer(value),
            Err(_) => Extra::Text(value.to_string()),
        },
        Value::Float(value) => number(f64::from(*value))?,
        Value::Double(value) => number(*value)?,
        Value::Flag(value) => Extra::Flag(*value),
        Value::Text(text) => Extra::Text(text.clone()),
        Value::List(_) => Extra::Text(json(value)),
    })
}

fn number(value: f64) -> Option<Extra> {
    if value.is_nan() {
        None
    } else if value.is_finite() {
        Some(Extra::Number(value))
    } else {
        Some(Extra::Text(value.to_string()))
    }
}

/// JSON with the digits that bring the same value back. Infinite numbers are texts.
fn json(value: &Value) -> String {
    match value {
        Value::Integer(value) => value.to_string(),
        Value::Unsigned(value) => value.to_string(),
        Value::Float(value) if value.is_finite() => serde_json::json!(value).to_string(),
        Value::Double(value) if value.is_finite() => serde_json::json!(value).to_string(),
        Value::Float(value) if value.is_nan() => "null".to_owned(),
        Value::Double(value) if value.is_nan() => "null".to_owned(),
        Value::Float(value) => format!("\"{value}\""),
        Value::Double(value) => format!("\"{value}\""),
        Value::Flag(value) => value.to_string(),
        Value::Text(text) => serde_json::Value::from(text.as_str()).to_string(),
        Value::List(values) => {
            let values: Vec<String> = values.iter().map(json).collect();
            format!("[{}]", values.join(","))
        }
    }
}

/// Lists and texts that are too long for one extra, in parts named by where they begin:
/// `payload@0`, `payload@256`.
fn split(name: &str, value: Value, pieces: &mut Vec<(String, Value)>) {
    match value {
        Value::List(values) if json(&Value::List(values.clone())).len() > EXTRA_TEXT_BYTES_MAX => {
            // The longest element is a double of 24 digits with its comma.
            let at_once = EXTRA_TEXT_BYTES_MAX / 32;
            for (part, values) in values.chunks(at_once).enumerate() {
                let name = format!("{name}@{}", part * at_once);
                pieces.push((name, Value::List(values.to_vec())));
            }
        }
        Value::Text(text) if text.len() > EXTRA_TEXT_BYTES_MAX => {
            let mut begin = 0;
            while begin < text.len() {
                let end = text.floor_char_boundary(begin + EXTRA_TEXT_BYTES_MAX);
                let part = Value::Text(text[begin..end].to_owned());
                pieces.push((format!("{name}@{begin}"), part));
                begin = end;
            }
        }
        value => pieces.push((name.to_owned(), value)),
    }
}

/// `{"name":value,...}` as often as it takes.
fn objects(fields: &[(String, Value)]) -> Result<Vec<String>, String> {
    let mut objects: Vec<String> = Vec::new();
    let mut open = String::new();
    for (name, value) in fields {
        let entry = format!("{}:{}", serde_json::Value::from(name.as_str()), json(value));
        if entry.len() + 2 > EXTRA_TEXT_BYTES_MAX {
            return Err(format!("its field {name:?} has {} bytes", entry.len()));
        }
        if !open.is_empty() && open.len() + entry.len() + 3 > EXTRA_TEXT_BYTES_MAX {
            objects.push(format!("{{{open}}}"));
            open.clear();
        }
        if !open.is_empty() {
            open.push(',');
        }
        open.push_str(&entry);
    }
    if !open.is_empty() {
        objects.push(format!("{{{open}}}"));
    }
    Ok(objects)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(count: usize) -> Left {
        let field = |at: usize| (format!("field{at:03}").into(), Value::Float(at as f32));
        (0..count).map(field).collect()
    }

    #[test]
    fn what_is_too_much_for_extras_goes_into_objects_and_nothing_is_lost() {
        for count in [0, 1, 64, 65, 200, 700] {
            let packed = pack(named(count)).unwrap();
            assert!(packed.len() <= EXTRAS_MAX);
            let mut found = 0;
            for (name, extra) in packed {
                match extra {
                    Extra::Text(text) if name.starts_with('+') => {
                        let text: serde_json::Value = serde_json::from_str(&text).unwrap();
                        found += text.as_object().unwrap().len();
                    }
                    _ => found += 1,
                }
            }
            assert_eq!(found, count);
        }
        assert!(pack(named(4000)).is_err());
    }

    #[test]
    fn values_stay_what_they_are() {
        let check = |value: Value, expected: Option<Extra>| {
            let found = pack(vec![("a".into(), value.clone())]).unwrap();
            assert_eq!(
                found.into_iter().next().map(|(_, extra)| extra),
                expected,
                "{value:?}"
            );
        };
        let text = |text: &str| Some(Extra::Text(text.to_owned()));
        check(Value::Float(0.1), Some(Extra::Number(f64::from(0.1_f32))));
        check(Value::Float(f32::NAN), None);
        check(Value::Double(f64::NEG_INFINITY), text("-inf"));
        check(Value::Unsigned(u64::MAX), text("18446744073709551615"));
        check(Value::Unsigned(7), Some(Extra::Integer(7)));
        let list = [0.1, f32::NAN, f32::INFINITY].map(Value::Float);
        let exact = text("[0.10000000149011612,null,\"inf\"]");
        check(Value::List(list.to_vec()), exact);
        let long = Value::List(vec![Value::Integer(255); 600]);
        let parts = pack(vec![("a".into(), long)]).unwrap();
        assert_eq!(parts[0].0, "a@0");
        assert_eq!(parts.len(), 600_usize.div_ceil(32));
    }
}
