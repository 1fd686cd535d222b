//! Frames of a fleet's feed as JSON.

use std::fmt::Write as _;

use aerostream_domain::DroneId;
use axum::extract::ws::{Message, Utf8Bytes};
use serde::Serialize;

use crate::clock;
use crate::gateway::fleet_feed::{Drone, Filled, FleetFeedConfig, Key, Left, Sink, Watcher};
use crate::gateway::ws::frame::json;

/// What a row of `drones` holds, in this order; `null` is unknown.
pub(super) const COLUMNS: [&str; 9] = [
    "drone_id",
    "latitude_deg",
    "longitude_deg",
    "relative_altitude_m",
    "heading_deg",
    "ground_speed_m_s",
    "battery_percent",
    "armed",
    "received_us",
];

/// One frame that is no update.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Down {
    View {
        rate_hz: f64,
        silent_after_s: u64,
        columns: [&'static str; 9],
    },
    Gap {
        shards: u16,
        of: u16,
        detail: &'static str,
    },
    Resumed,
    Resync {
        detail: &'static str,
    },
    Heartbeat {
        at_us: i64,
    },
}

#[derive(Serialize)]
struct Numbered<'a> {
    seq: u64,
    #[serde(flatten)]
    frame: &'a Down,
}

impl Down {
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::View { .. } => "fleet_view",
            Self::Gap { .. } => "fleet_gap",
            Self::Resumed => "fleet_resumed",
            Self::Resync { .. } => "fleet_resync",
            Self::Heartbeat { .. } => "heartbeat",
        }
    }

    pub fn text(&self, seq: u64) -> Utf8Bytes {
        json(&Numbered { seq, frame: self }).into()
    }
}

/// The next part of an update.
pub(super) fn update(
    watcher: &mut Watcher,
    seq: u64,
    config: &FleetFeedConfig,
) -> (Message, Filled) {
    let mut rows = Rows::default();
    let filled = watcher.fill(&mut rows, config.frame_drones_max);
    let Filled {
        more,
        conflated,
        omitted,
        ..
    } = filled;
    let at_us = clock::utc_now().0;
    let Rows { drones, left } = rows;
    let text = format!(
        "{{\"type\":\"update\",\"seq\":{seq},\"at_us\":{at_us},\"conflated\":{conflated},\
         \"omitted\":{omitted},\"more\":{more},\"left\":[{left}],\"drones\":[{drones}]}}"
    );
    (Message::Text(text.into()), filled)
}

/// Drones and leavers as JSON, separated by commas.
#[derive(Default)]
struct Rows {
    drones: String,
    left: String,
}

impl Sink for Rows {
    fn moved(&mut self, _: Key, drone: &Drone, _: bool) {
        separate(&mut self.drones);
        self.drones.push_str(drone.text(row));
    }

    fn left(&mut self, _: Key, drone: &DroneId, why: Left) {
        separate(&mut self.left);
        let why = why.as_str();
        // Ids have no characters that JSON would escape.
        let _ = write!(
            self.left,
            "{{\"drone_id\":\"{drone}\",\"reason\":\"{why}\"}}"
        );
    }
}

fn separate(list: &mut String) {
    if !list.is_empty() {
        list.push(',');
    }
}

/// Written once for all who are told.
fn row(drone: &Drone) -> String {
    let brief = &drone.brief;
    let (latitude_deg, longitude_deg) = brief.position().unwrap_or_default();
    let mut row = format!("[\"{}\",{latitude_deg:.7},{longitude_deg:.7}", drone.id);
    let numbers = [
        (brief.relative_altitude_m(), 1),
        (brief.heading_deg().map(f64::from), 1),
        (brief.ground_speed_m_s().map(f64::from), 1),
        (brief.battery_percent().map(f64::from), 0),
    ];
    for (number, digits) in numbers {
        // Writing to a text never fails.
        let _ = match number {
            Some(number) => write!(row, ",{number:.digits$}"),
            None => write!(row, ",null"),
        };
    }
    let armed = match brief.armed() {
        Some(true) => "true",
        Some(false) => "false",
        None => "null",
    };
    let received_us = brief.received().map_or(0, |at| at.0);
    let _ = write!(row, ",{armed},{received_us}]");
    row
}
