//! One drone and all that its feed tells.

use serde_json::{Value, json};

use super::harmless;

/// A drone as its frames have it so far.
#[derive(Debug)]
pub struct One {
    drone: String,
    /// As a snapshot has it; `null` before the drone's first record.
    live: Value,
    /// Samples came that the state cannot be told from: only the gateway knows which boot is newer.
    behind: bool,
    /// The newest sample is shown before the event log has it.
    unrecorded: bool,
    /// What the feed could not tell, newest last.
    gaps: Vec<String>,
    gaps_total: u64,
    conflated: u64,
    frames: u64,
}

/// Gaps that are still named; of older ones only the count is told.
const GAPS_SHOWN_MAX: usize = 3;

impl One {
    pub fn new(drone: &str) -> Self {
        Self {
            drone: drone.to_owned(),
            live: Value::Null,
            behind: false,
            unrecorded: false,
            gaps: Vec::new(),
            gaps_total: 0,
            conflated: 0,
            frames: 0,
        }
    }

    /// Takes a frame in.
    pub fn take(&mut self, frame: &Value) {
        self.frames += 1;
        match frame["type"].as_str().unwrap_or_default() {
            "snapshot" => self.learn(&frame["live"]),
            "conflated" => {
                self.conflated += frame["skipped"].as_u64().unwrap_or_default();
                self.learn(&frame["live"]);
            }
            "gap" => {
                self.gaps_total += 1;
                if self.gaps.len() == GAPS_SHOWN_MAX {
                    self.gaps.remove(0);
                }
                let why = [&frame["reason"], &frame["detail"]].map(shown);
                self.gaps.push(why.join(": "));
            }
            "update" => self.update(frame),
            _ => {}
        }
    }

    /// Takes the gateway's state in place of what the frames told.
    pub fn learn(&mut self, live: &Value) {
        self.live = live.clone();
        self.behind = false;
        self.unrecorded = false;
    }

    /// True if the gateway must be asked for the state.
    pub const fn is_behind(&self) -> bool {
        self.behind
    }

    fn update(&mut self, frame: &Value) {
        if self.live["boot"] != frame["boot"] {
            self.behind = true;
            return;
        }
        self.live["received_us"] = frame["received_us"].clone();
        for sample in frame["samples"].as_array().into_iter().flatten() {
            let seq = sample["seq"].as_u64().unwrap_or_default();
            if self.live["newest"]["seq"].as_u64() <= Some(seq) {
                self.live["newest"] = json!({"seq": seq, "time": sample["time"]});
                self.unrecorded = frame["recorded"] == false;
            }
            for (name, group) in sample.as_object().into_iter().flatten() {
                self.fold(name, group, seq);
            }
        }
    }

    /// A group replaces the one that is there unless that is of a later sample; in lists an entry.
    fn fold(&mut self, name: &str, group: &Value, seq: u64) {
        let live = &mut self.live;
        match group {
            Value::Object(_) if is_newer(&mut live["stamps"][name], seq) => {
                live["groups"][name] = group.clone();
            }
            Value::Array(entries) => {
                for entry in entries {
                    let key = &entry[if name == "extras" { "name" } else { "id" }];
                    if is_newer(&mut live["stamps"][name][shown(key)], seq) {
                        put(&mut live["groups"][name], key, entry);
                    }
                }
            }
            _ => {}
        }
    }

    /// What is known of the feed, then every field with its value, one a line.
    pub fn picture(&self) -> String {
        let live = &self.live;
        let mut text = format!("{}, {} frames\n", self.drone, self.frames);
        if self.conflated > 0 {
            let skipped = self.conflated;
            text.push_str(&format!(
                "this client was too slow: {skipped} events skipped\n"
            ));
        }
        if self.gaps_total > 0 {
            text.push_str(&format!(
                "{} gaps, where something is missing:\n",
                self.gaps_total
            ));
            self.gaps
                .iter()
                .for_each(|gap| text.push_str(&format!("  {gap}\n")));
        }
        if live.is_null() {
            text.push_str("nothing was heard of it yet\n");
            return harmless_lines(&text);
        }
        text.push_str(&format!(
            "newest sample {} of {}{}\n\n",
            live["newest"]["seq"],
            shown(&live["newest"]["time"]),
            if self.unrecorded {
                ", not recorded yet: the event log is slow or down"
            } else {
                ""
            },
        ));
        write_fields(&mut text, "", &live["groups"]);
        harmless_lines(&text)
    }
}

/// A frame as a line of JSON, as the gateway told it.
pub fn line(frame: &Value) -> String {
    harmless(&frame.to_string()) + "\n"
}

/// Whether a sample is not older than the one that is there; then it takes its place.
fn is_newer(stamp: &mut Value, seq: u64) -> bool {
    let is_newer = stamp["seq"].as_u64() <= Some(seq);
    if is_newer {
        stamp["seq"] = json!(seq);
    }
    is_newer
}

fn put(list: &mut Value, key: &Value, entry: &Value) {
    let name = if entry["name"].is_null() {
        "id"
    } else {
        "name"
    };
    if list.is_null() {
        *list = json!([]);
    }
    let Value::Array(list) = list else { return };
    match list.iter_mut().find(|known| known[name] == *key) {
        Some(known) => *known = entry.clone(),
        None => list.push(entry.clone()),
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

    fn snapshot() -> Value {
        json!({"type": "snapshot", "live": {
            "boot": "1", "newest": {"seq": 7, "time": "2026-01-01T00:00:00Z"},
            "groups": {
                "position": {"latitude_deg": 47.5}, "battery": [{"id": 0, "voltage_v": 12.0}],
                "text": {"text": "up\u{1b}[2J\u{9b}2J\nnext"},
            },
            "stamps": {"position": {"seq": 7}, "battery": {"0": {"seq": 5}}, "text": {"seq": 3}},
        }})
    }

    fn update(boot: &str, recorded: bool, sample: Value) -> Value {
        json!({"type": "update", "boot": boot, "recorded": recorded, "samples": [sample]})
    }

    fn watched(frames: &[Value]) -> One {
        let mut one = One::new("a");
        one.take(&snapshot());
        frames.iter().for_each(|frame| one.take(frame));
        one
    }

    #[test]
    fn every_field_is_a_line_and_none_steers_the_terminal() {
        let picture = watched(&[]).picture();
        assert!(
            picture.starts_with("a, 1 frames\nnewest sample 7 of 2026"),
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
        let mut unheard = One::new("a");
        unheard.take(&json!({"type": "snapshot", "live": null}));
        assert!(unheard.picture().contains("nothing was heard"));
        assert!(!line(&snapshot()).contains('\u{9b}'));
    }

    #[test]
    fn an_update_moves_what_it_has_and_what_is_not_newer_already() {
        let one = watched(&[
            update("1", true, json!({"seq": 8, "velocity": {"north_m_s": 1.5}})),
            update(
                "1",
                true,
                json!({"seq": 6, "position": {"latitude_deg": 1.0},
                "battery": [{"id": 0, "voltage_v": 11.0}, {"id": 1, "voltage_v": 9.0}]}),
            ),
        ]);
        let groups = &one.live["groups"];
        assert_eq!(groups["velocity"]["north_m_s"], 1.5);
        assert_eq!(
            groups["position"]["latitude_deg"], 47.5,
            "6 is older than 7"
        );
        let packs = json!([{"id": 0, "voltage_v": 11.0}, {"id": 1, "voltage_v": 9.0}]);
        assert_eq!(groups["battery"], packs, "6 is newer than 5");
        assert_eq!(one.live["newest"]["seq"], 8);
        assert!(!one.is_behind());
    }

    #[test]
    fn another_boot_is_for_the_gateway_to_judge() {
        let mut one = watched(&[update("2", true, json!({"seq": 1}))]);
        assert!(one.is_behind());
        one.learn(&json!({"boot": "2", "newest": {"seq": 1}}));
        assert!(!one.is_behind() && one.picture().contains("newest sample 1 "));
    }

    #[test]
    fn what_the_feed_could_not_tell_is_shown() {
        let unrecorded = update("1", false, json!({"seq": 8}));
        let recorded = update("1", true, json!({"seq": 8}));
        let mut one = watched(&[unrecorded]);
        assert!(
            one.picture().contains("not recorded yet"),
            "{}",
            one.picture()
        );
        one.take(&recorded);
        assert!(!one.picture().contains("not recorded yet"));
        one.take(&json!({"type": "conflated", "skipped": 12, "live": snapshot()["live"]}));
        for number in 0..5 {
            one.take(&json!({"type": "gap", "reason": "late", "detail": number.to_string()}));
        }
        let picture = one.picture();
        assert!(picture.contains("12 events skipped\n5 gaps"), "{picture}");
        assert!(
            picture.contains("  late: 2\n  late: 3\n  late: 4\n"),
            "{picture}"
        );
        assert!(!picture.contains("late: 1"), "{picture}");
    }
}
