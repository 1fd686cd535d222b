//! The `rest` column: what a content says beyond the other columns, as JSON that people can query.

use std::borrow::Cow;

use aerostream_domain::sample::{Battery, Content, Extra, Gnss};
use serde_json::{Map, Value, json};

use super::codes::Code;

/// Stands before a digit for a character that Postgres' text cannot hold, or for itself.
const ESCAPE: char = '\u{e000}';

/// Text as Postgres can hold it: without NUL.
pub fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(['\0', ESCAPE]) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '\0' => escaped.extend([ESCAPE, '0']),
            ESCAPE => escaped.extend([ESCAPE, '1']),
            other => escaped.push(other),
        }
    }
    Cow::Owned(escaped)
}

/// Undoes [`escape`].
pub fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        plain.push(match character {
            ESCAPE if characters.next() == Some('0') => '\0',
            other => other,
        });
    }
    plain
}

/// The column's value; `None` when there is nothing to say.
pub fn of(content: &Content) -> Option<Value> {
    let mut rest = Map::new();
    let present = silent_groups(content);
    if !present.is_empty() {
        rest.insert("present".to_owned(), json!(present));
    }
    if content.gnss.len() > 1 {
        let further: Vec<Value> = content.gnss[1..].iter().map(gnss).collect();
        rest.insert("gnss".to_owned(), Value::Array(further));
    }
    if let Some((first, further)) = content.battery.split_first() {
        if !first.cells_v.is_empty() {
            rest.insert("battery_cells_v".to_owned(), cells(&first.cells_v));
        }
        if !further.is_empty() {
            let further: Vec<Value> = further.iter().map(battery).collect();
            rest.insert("battery".to_owned(), Value::Array(further));
        }
    }
    if !content.extras.is_empty() {
        rest.insert("extras".to_owned(), extras(&content.extras));
    }
    (!rest.is_empty()).then_some(Value::Object(rest))
}

/// Groups that are there without saying anything: their columns are all null.
fn silent_groups(content: &Content) -> Vec<&'static str> {
    fn silent<T: Default + PartialEq>(group: &Option<T>) -> bool {
        group.as_ref().is_some_and(|group| *group == T::default())
    }
    [
        ("position", silent(&content.position)),
        ("velocity", silent(&content.velocity)),
        ("attitude", silent(&content.attitude)),
        ("link", silent(&content.link)),
        ("home", silent(&content.home)),
        ("mission", silent(&content.mission)),
        ("health", silent(&content.health)),
        ("wind", silent(&content.wind)),
        ("state", silent(&content.state)),
    ]
    .into_iter()
    .filter_map(|(name, silent)| silent.then_some(name))
    .collect()
}

/// A number that comes back bit for bit (but for the sign of zero); JSON has no infinities.
fn number(value: f64) -> Value {
    let value = value + 0.0;
    if value.is_finite() {
        json!(value)
    } else {
        json!({ "bits": format!("{:016x}", value.to_bits()) })
    }
}

/// The shortest decimal that comes back as the same `f32`.
fn small_number(value: f32) -> Value {
    let short: f64 = value.to_string().parse().unwrap_or(f64::from(value));
    let same = (short as f32).to_bits() == value.to_bits();
    number(if same { short } else { f64::from(value) })
}

fn cells(cells: &[f32]) -> Value {
    cells.iter().copied().map(small_number).collect()
}

/// Puts the fields that are there under their names.
fn object(fields: impl IntoIterator<Item = (&'static str, Option<Value>)>) -> Value {
    fields
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect::<Map<_, _>>()
        .into()
}

fn gnss(gnss: &Gnss) -> Value {
    let small = |value: Option<f32>| value.map(small_number);
    object([
        ("id", Some(gnss.id.into())),
        ("fix_type", gnss.fix_type.map(|fix| fix.code().into())),
        ("fix_type_raw", gnss.fix_type_raw.map(Value::from)),
        ("num_satellites", gnss.num_satellites.map(Value::from)),
        ("hdop", small(gnss.hdop)),
        ("vdop", small(gnss.vdop)),
        (
            "horizontal_uncertainty_m",
            small(gnss.horizontal_uncertainty_m),
        ),
        ("vertical_uncertainty_m", small(gnss.vertical_uncertainty_m)),
        (
            "velocity_uncertainty_m_s",
            small(gnss.velocity_uncertainty_m_s),
        ),
    ])
}

fn battery(battery: &Battery) -> Value {
    let small = |value: Option<f32>| value.map(small_number);
    let cells_v = (!battery.cells_v.is_empty()).then(|| cells(&battery.cells_v));
    object([
        ("id", Some(battery.id.into())),
        ("remaining_percent", small(battery.remaining_percent)),
        ("voltage_v", small(battery.voltage_v)),
        ("current_a", small(battery.current_battery_a)),
        ("capacity_consumed_ah", small(battery.capacity_consumed_ah)),
        ("temperature_degc", small(battery.temperature_degc)),
        ("time_remaining_s", small(battery.time_remaining_s)),
        ("cells_v", cells_v),
    ])
}

/// An object by name; a list of pairs if the order or a repeated name would be lost.
fn extras(extras: &[(String, Extra)]) -> Value {
    let value = |extra: &Extra| match extra {
        Extra::Number(value) => number(*value),
        Extra::Integer(value) => json!({ "integer": value }),
        Extra::Flag(value) => json!(value),
        Extra::Text(value) => json!(escape(value)),
    };
    if extras.is_sorted_by(|(a, _), (b, _)| a < b) {
        extras
            .iter()
            .map(|(name, extra)| (escape(name).into_owned(), value(extra)))
            .collect::<Map<_, _>>()
            .into()
    } else {
        extras
            .iter()
            .map(|(name, extra)| json!([escape(name), value(extra)]))
            .collect()
    }
}

/// Adds what the column says to a content that has the other columns.
pub fn add(content: &mut Content, rest: &Value) -> Result<(), String> {
    let object = rest.as_object().ok_or("rest is not an object")?;
    for (key, value) in object {
        match key.as_str() {
            "present" => {
                for name in items(value)? {
                    add_silent_group(content, name.as_str().unwrap_or_default())?;
                }
            }
            "gnss" => {
                for value in items(value)? {
                    content.gnss.push(read_gnss(value)?);
                }
            }
            "battery_cells_v" => {
                let first = content.battery.first_mut();
                first.ok_or("rest has cells of no battery")?.cells_v = read_cells(value)?;
            }
            "battery" => {
                for value in items(value)? {
                    content.battery.push(read_battery(value)?);
                }
            }
            "extras" => content.extras = read_extras(value)?,
            other => return Err(format!("rest has the unknown key {other}")),
        }
    }
    Ok(())
}

fn items(value: &Value) -> Result<&Vec<Value>, String> {
    let items = value.as_array();
    items.ok_or_else(|| format!("rest has {value} in place of a list"))
}

fn add_silent_group(content: &mut Content, name: &str) -> Result<(), String> {
    match name {
        "position" => content.position = Some(Default::default()),
        "velocity" => content.velocity = Some(Default::default()),
        "attitude" => content.attitude = Some(Default::default()),
        "link" => content.link = Some(Default::default()),
        "home" => content.home = Some(Default::default()),
        "mission" => content.mission = Some(Default::default()),
        "health" => content.health = Some(Default::default()),
        "wind" => content.wind = Some(Default::default()),
        "state" => content.state = Some(Default::default()),
        other => return Err(format!("rest names the unknown group {other}")),
    }
    Ok(())
}

fn read_number(value: &Value) -> Result<f64, String> {
    let bits = |value: &Value| u64::from_str_radix(value.get("bits")?.as_str()?, 16).ok();
    value
        .as_f64()
        .or_else(|| bits(value).map(f64::from_bits))
        .ok_or_else(|| format!("rest has {value} in place of a number"))
}

fn read_small(value: &Value, name: &str) -> Result<Option<f32>, String> {
    let field = value.get(name);
    field
        .map(|field| Ok(read_number(field)? as f32))
        .transpose()
}

fn read_int<T: TryFrom<u64>>(value: &Value, name: &str) -> Result<Option<T>, String> {
    let field = value.get(name);
    let number = |field: &Value| field.as_u64().and_then(|number| T::try_from(number).ok());
    field
        .map(|field| number(field).ok_or_else(|| format!("rest has {field} as {name}")))
        .transpose()
}

fn read_cells(value: &Value) -> Result<Vec<f32>, String> {
    let cells = items(value)?.iter();
    cells.map(|cell| Ok(read_number(cell)? as f32)).collect()
}

fn read_gnss(value: &Value) -> Result<Gnss, String> {
    let fix = read_int::<u8>(value, "fix_type")?.map(i16::from);
    Ok(Gnss {
        id: read_int(value, "id")?.ok_or("rest has a receiver without id")?,
        fix_type: fix
            .map(|code| Code::from_code(code).ok_or("rest has an unknown fix type"))
            .transpose()?,
        fix_type_raw: read_int(value, "fix_type_raw")?,
        num_satellites: read_int(value, "num_satellites")?,
        hdop: read_small(value, "hdop")?,
        vdop: read_small(value, "vdop")?,
        horizontal_uncertainty_m: read_small(value, "horizontal_uncertainty_m")?,
        vertical_uncertainty_m: read_small(value, "vertical_uncertainty_m")?,
        velocity_uncertainty_m_s: read_small(value, "velocity_uncertainty_m_s")?,
    })
}

fn read_battery(value: &Value) -> Result<Battery, String> {
    Ok(Battery {
        id: read_int(value, "id")?.ok_or("rest has a pack without id")?,
        remaining_percent: read_small(value, "remaining_percent")?,
        voltage_v: read_small(value, "voltage_v")?,
        current_battery_a: read_small(value, "current_a")?,
        capacity_consumed_ah: read_small(value, "capacity_consumed_ah")?,
        temperature_degc: read_small(value, "temperature_degc")?,
        time_remaining_s: read_small(value, "time_remaining_s")?,
        cells_v: value.get("cells_v").map_or(Ok(Vec::new()), read_cells)?,
    })
}

fn read_extras(value: &Value) -> Result<Vec<(String, Extra)>, String> {
    if let Some(object) = value.as_object() {
        let mut extras = object
            .iter()
            .map(|(name, value)| Ok((unescape(name), read_extra(value)?)))
            .collect::<Result<Vec<_>, String>>()?;
        extras.sort_by(|(a, _), (b, _)| a.cmp(b));
        return Ok(extras);
    }
    items(value)?
        .iter()
        .map(|pair| match items(pair)?.as_slice() {
            [Value::String(name), value] => Ok((unescape(name), read_extra(value)?)),
            _ => Err(format!("rest has {pair} in place of a pair")),
        })
        .collect()
}

fn read_extra(value: &Value) -> Result<Extra, String> {
    match value {
        Value::Bool(flag) => Ok(Extra::Flag(*flag)),
        Value::String(text) => Ok(Extra::Text(unescape(text))),
        value => match value.get("integer") {
            Some(integer) => integer
                .as_i64()
                .map(Extra::Integer)
                .ok_or_else(|| format!("rest has {integer} as an integer")),
            None => read_number(value).map(Extra::Number),
        },
    }
}
