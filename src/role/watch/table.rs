//! The fleet as a table.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::fmt::Write;

use serde_json::Value;

use super::harmless;

/// Lines of a picture that are no drone's: of the fleet, an empty one, the heads, and two of what
/// is not shown.
const OTHER_LINES_MAX: usize = 5;

/// The rows of a table that a screen of so many lines has room for.
pub fn rows_fitting(lines: usize) -> usize {
    lines.saturating_sub(OTHER_LINES_MAX).max(1)
}

/// What a table is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Order {
    Id,
    /// The emptiest first
    Battery,
    /// The highest first
    Altitude,
    /// The longest silent first
    Age,
}

/// One drone of the table.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    drone: String,
    fleet: Option<String>,
    state: &'static str,
    place_deg: Option<(f64, f64)>,
    altitude_m: Option<f64>,
    battery_percent: Option<f64>,
    received_us: Option<i64>,
    age_s: Option<f64>,
}

/// Which drones are shown and how; remembers what was told.
#[derive(Debug)]
pub struct Table {
    filter: String,
    order: Order,
    /// Receipt of what was told of each drone.
    told: HashMap<String, Option<i64>>,
}

impl Table {
    pub fn new(filter: &str, order: Order) -> Self {
        Self {
            filter: filter.to_owned(),
            order,
            told: HashMap::new(),
        }
    }

    /// The drones of an answer that pass the filter, sorted; ages are at the gateway's `now_us`.
    pub fn rows(&self, drones: &[Value], now_us: i64) -> Vec<Row> {
        let rows = drones.iter().map(|drone| Row::of(drone, now_us));
        let is_wanted = |row: &Row| {
            let in_fleet = row.fleet.as_ref().map(|it| it.contains(&self.filter));
            row.drone.contains(&self.filter) || in_fleet == Some(true)
        };
        let mut rows: Vec<Row> = rows.filter(is_wanted).collect();
        // Drones that do not tell come last.
        let ascending = |one: Option<f64>, other: Option<f64>| match (one, other) {
            (Some(one), Some(other)) => one.total_cmp(&other),
            (one, other) => other.is_some().cmp(&one.is_some()),
        };
        let negated = |it: Option<f64>| it.map(|number| -number);
        rows.sort_by(|one, other| {
            let by_order = match self.order {
                Order::Id => Ordering::Equal,
                Order::Battery => ascending(one.battery_percent, other.battery_percent),
                Order::Altitude => ascending(negated(one.altitude_m), negated(other.altitude_m)),
                Order::Age => ascending(negated(one.age_s), negated(other.age_s)),
            };
            by_order.then_with(|| one.drone.cmp(&other.drone))
        });
        rows
    }

    /// The whole table under a line about the fleet.
    pub fn picture(&self, rows: &[Row], rows_max: usize, summary: &Value, more: bool) -> String {
        let count = |group: &str, name: &str| summary[group][name].as_u64().unwrap_or_default();
        let rate = summary["rate"]["samples_per_s"]
            .as_f64()
            .unwrap_or_default();
        let mut text = format!(
            "{} drones, {} heard within {} s, {} armed, {rate:.0} samples/s\n\n",
            count("drones", "total"),
            count("drones", "heard"),
            summary["within_s"],
            count("armed", "armed"),
        );
        let shown = || rows.iter().take(rows_max);
        let widths = Widths::of(shown());
        text.push_str(&heads(widths));
        for row in shown() {
            text.push_str(&row.line(widths));
        }
        let hidden = rows.len().saturating_sub(rows_max);
        if hidden > 0 {
            text.push_str(&format!(
                "{hidden} more; --rows, --filter and --sort choose\n"
            ));
        }
        if more {
            text.push_str(
                "there are more drones than are asked for; give a token of fewer fleets\n",
            );
        }
        if rows.is_empty() {
            text.push_str("no drone is there that you may see and that passes the filter\n");
        }
        text
    }

    /// A line per drone that was heard since the last look.
    pub fn changes(&mut self, rows: Vec<Row>) -> String {
        let mut text = String::new();
        for row in rows {
            if self.told.get(&row.drone) != Some(&row.received_us) {
                text.push_str(&row.line(Widths::MAX));
                self.told.insert(row.drone, row.received_us);
            }
        }
        text
    }
}

/// Columns of what has any length; with short names a table fits 80 columns.
#[derive(Debug, Clone, Copy)]
struct Widths {
    drone: usize,
    fleet: usize,
}

impl Widths {
    const MIN: Self = Self { drone: 5, fleet: 5 };
    const MAX: Self = Self {
        drone: 24,
        fleet: 12,
    };

    fn of<'a>(rows: impl Iterator<Item = &'a Row>) -> Self {
        rows.fold(Self::MIN, |widths, row| Self {
            drone: row.drone.len().clamp(widths.drone, Self::MAX.drone),
            fleet: row.fleet_shown().len().clamp(widths.fleet, Self::MAX.fleet),
        })
    }
}

impl Row {
    fn fleet_shown(&self) -> &str {
        self.fleet.as_deref().unwrap_or("-")
    }

    fn of(drone: &Value, now_us: i64) -> Self {
        let text = |name: &str| drone[name].as_str().map(harmless);
        let place = drone["latitude_deg"].as_f64();
        let received_us = drone["received_us"].as_i64();
        Self {
            drone: text("drone_id").unwrap_or_default(),
            fleet: text("fleet_id"),
            state: match drone["armed"].as_bool() {
                Some(true) => "armed",
                Some(false) => "disarmed",
                None => "-",
            },
            place_deg: place.zip(drone["longitude_deg"].as_f64()),
            altitude_m: drone["relative_altitude_m"].as_f64(),
            battery_percent: drone["battery_percent"].as_f64(),
            received_us,
            age_s: received_us.map(|at| now_us.saturating_sub(at).max(0) as f64 / 1e6),
        }
    }

    fn line(&self, Widths { drone, fleet }: Widths) -> String {
        let number = |number: Option<f64>, digits: usize| match number {
            Some(number) => format!("{number:.digits$}"),
            None => "-".to_owned(),
        };
        let (latitude_deg, longitude_deg) = self.place_deg.unzip();
        let mut line = String::new();
        let _ = writeln!(
            line,
            "{:<drone$} {:<fleet$} {:<9} {:>10} {:>11} {:>9} {:>9} {:>8}",
            self.drone,
            self.fleet_shown(),
            self.state,
            number(latitude_deg, 5),
            number(longitude_deg, 5),
            number(self.altitude_m, 1),
            number(self.battery_percent, 0),
            number(self.age_s, 1),
        );
        line
    }
}

fn heads(Widths { drone, fleet }: Widths) -> String {
    format!(
        "{:<drone$} {:<fleet$} {:<9} {:>10} {:>11} {:>9} {:>9} {:>8}\n",
        "drone", "fleet", "state", "lat deg", "lon deg", "height m", "battery %", "age s"
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn drones() -> Vec<Value> {
        vec![
            json!({"drone_id": "b", "fleet_id": "red", "received_us": 4_000_000, "armed": true,
                "latitude_deg": 47.0, "longitude_deg": 8.0, "relative_altitude_m": 30.0,
                "battery_percent": 20.0}),
            json!({"drone_id": "a", "fleet_id": "blue", "received_us": 9_000_000, "armed": false,
                "relative_altitude_m": 10.0, "battery_percent": 90.0}),
            json!({"drone_id": "c\u{9b}2J", "fleet_id": null, "received_us": null}),
        ]
    }

    fn shown(filter: &str, order: Order) -> Vec<String> {
        let rows = Table::new(filter, order).rows(&drones(), 10_000_000);
        rows.into_iter().map(|row| row.drone).collect()
    }

    #[test]
    fn rows_are_sorted_and_filtered() {
        assert_eq!(shown("", Order::Id), ["a", "b", "c?2J"]);
        assert_eq!(shown("", Order::Battery), ["b", "a", "c?2J"]);
        assert_eq!(shown("", Order::Altitude), ["b", "a", "c?2J"]);
        assert_eq!(shown("", Order::Age), ["b", "a", "c?2J"]);
        assert_eq!(shown("blue", Order::Id), ["a"]);
        assert_eq!(shown("c", Order::Id), ["c?2J"]);
        assert!(shown("none", Order::Id).is_empty());
    }

    #[test]
    fn a_table_is_bounded_and_says_so() {
        let table = Table::new("", Order::Id);
        let rows = table.rows(&drones(), 10_000_000);
        let summary = json!({
            "within_s": 30, "drones": {"total": 3, "heard": 2}, "armed": {"armed": 1},
            "rate": {"samples_per_s": 7.2},
        });
        let picture = table.picture(&rows, 2, &summary, true);
        assert!(picture.starts_with("3 drones, 2 heard within 30 s, 1 armed, 7 samples/s\n"));
        assert!(picture.contains("1 more; "), "{picture}");
        assert!(picture.contains("more drones than are asked for"));
        assert!(!picture.contains('\u{1b}') && !picture.contains('\u{9b}'));
    }

    #[test]
    fn a_table_that_fits_leaves_room_for_all_else() {
        let one = json!({"drone_id": "a"});
        for lines in [6, 24, 50] {
            let drones = vec![one.clone(); 100];
            let table = Table::new("", Order::Id);
            let rows = table.rows(&drones, 0);
            let picture = table.picture(&rows, rows_fitting(lines), &json!({}), true);
            assert_eq!(picture.lines().count(), lines, "{picture}");
        }
        assert_eq!(rows_fitting(0), 1);
    }

    #[test]
    fn with_short_names_every_column_fits_a_terminal_of_80() {
        let wide = |id: &str| {
            let drone = json!({"drone_id": id, "fleet_id": "default"});
            let table = Table::new("", Order::Id);
            let picture = table.picture(&table.rows(&[drone], 0), 9, &json!({}), false);
            picture.lines().map(str::len).skip(2).max()
        };
        assert_eq!(wide("sim-00001"), Some(79));
        assert_eq!(wide(&"x".repeat(24)), Some(94));
    }

    #[test]
    fn a_change_is_a_line() {
        let mut table = Table::new("", Order::Id);
        let first = table.changes(table.rows(&drones(), 10_000_000));
        assert_eq!(first.lines().count(), 3, "{first}");
        assert!(first.contains("  47.00000     8.00000      30.0        20      6.0"));
        assert_eq!(table.changes(table.rows(&drones(), 11_000_000)), "");
        let mut later = drones();
        later[1]["received_us"] = json!(10_500_000);
        let changed = table.changes(table.rows(&later, 11_000_000));
        assert!(
            changed.starts_with("a ") && changed.lines().count() == 1,
            "{changed}"
        );
    }
}
