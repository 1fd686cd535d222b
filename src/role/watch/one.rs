//! One drone and all that it tells.

use serde_json::{Value, json};

use super::harmless;

/// A drone; remembers what was told.
#[derive(Debug)]
pub struct One {
    drone: String,
    told: Option<Value>,
}

impl One {
    pub fn new(drone: &str) -> Self {
        Self {
            drone: drone.to_owned(),
            told: None,
        }
    }

    /// Where the drone is asked for. What no id has in it is left for the gateway to refuse, but a
    /// slash or a question mark would ask for something else.
    pub fn path(&self) -> String {
        let mut path = "/api/v1/drones/".to_owned();
        for byte in self.drone.bytes() {
            if byte.is_ascii_alphanumeric() || b"._:-".contains(&byte) {
                path.push(char::from(byte));
            } else {
                path.push_str(&format!("%{byte:02X}"));
            }
        }
        path
    }

    /// Every field with its value, one a line.
    pub fn picture(&self, answer: &Value) -> String {
        let live = &answer["live"];
        let mut text = format!("{} of fleet {}\n", self.drone, shown(&answer["fleet_id"]));
        if live.is_null() {
            text.push_str("it is enrolled and was never heard\n");
            return harmless_lines(&text);
        }
        text.push_str(&format!(
            "heard {} ms ago, {} samples in this boot, newest {} of {}\n\n",
            live["age_ms"],
            live["samples"],
            live["newest"]["seq"],
            shown(&live["newest"]["time"]),
        ));
        write_fields(&mut text, "", &live["groups"]);
        harmless_lines(&text)
    }

    /// The newest state as a line of JSON; nothing if it is what was told before.
    pub fn change(&mut self, answer: &Value) -> String {
        let live = &answer["live"];
        let now = json!({
            "drone_id": answer["drone_id"],
            "received_us": live["received_us"],
            "newest": live["newest"],
            "groups": live["groups"],
        });
        if live.is_null() || self.told.as_ref() == Some(&now) {
            return String::new();
        }
        let line = format!("{}\n", harmless(&now.to_string()));
        self.told = Some(now);
        line
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    }
}

fn harmless_lines(text: &str) -> String {
    text.lines().map(|line| harmless(line) + "\n").collect()
}

fn write_fields(text: &mut String, path: &str, value: &Value) {
    let under = |name: &str| match path {
        "" => name.to_owned(),
        path => format!("{path}.{name}"),
    };
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                write_fields(text, &under(name), field);
            }
        }
        Value::Array(list) => {
            for (index, entry) in list.iter().enumerate() {
                write_fields(text, &format!("{path}[{index}]"), entry);
            }
        }
        Value::Null => {}
        // As JSON a text has no line breaks.
        other => text.push_str(&format!("{path:<36} {other}\n")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(seq: u64) -> Value {
        json!({
            "drone_id": "a", "fleet_id": "red",
            "live": {
                "received_us": seq, "age_ms": 5, "samples": 2,
                "newest": {"seq": seq, "time": "2026-01-01T00:00:00Z"},
                "groups": {
                    "position": {"latitude_deg": 47.5}, "battery": [{"id": 0, "voltage_v": 12.0}],
                    "text": {"text": "up\u{1b}[2J\u{9b}2J\nnext"},
                },
            },
        })
    }

    #[test]
    fn every_field_is_a_line_and_none_steers_the_terminal() {
        let picture = One::new("a").picture(&answer(7));
        assert!(
            picture.starts_with("a of fleet red\nheard 5 ms ago, 2 samples"),
            "{picture}"
        );
        for field in [
            "position.latitude_deg ",
            "battery[0].voltage_v ",
            "text.text ",
        ] {
            assert!(picture.contains(field), "{picture}");
        }
        assert!(picture.chars().all(|it| it == '\n' || !it.is_control()));
        let unheard = json!({"drone_id": "a", "fleet_id": "red", "live": null});
        assert!(One::new("a").picture(&unheard).contains("never heard"));
    }

    #[test]
    fn only_what_is_new_is_a_line() {
        let mut one = One::new("a");
        let first = one.change(&answer(7));
        let told: Value = serde_json::from_str(&first).unwrap();
        assert_eq!(told["newest"]["seq"], 7);
        assert_eq!(one.change(&answer(7)), "");
        assert!(one.change(&answer(8)).ends_with('\n'));
    }

    #[test]
    fn an_id_cannot_lead_elsewhere() {
        let path = One::new("../fleets?x=1").path();
        assert_eq!(path, "/api/v1/drones/..%2Ffleets%3Fx%3D1");
    }
}
