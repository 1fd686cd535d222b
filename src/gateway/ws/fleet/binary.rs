//! Updates of a fleet's feed in columns, as `proto/aerostream/v1/feed.proto` tells.
//!
//! They are written for each watcher: a drone's numbers take less time to write than a text that
//! is shared takes to copy.

use aerostream_domain::DroneId;
use aerostream_proto::v1::FleetUpdate;
use axum::extract::ws::Message;
use prost::Message as _;

use crate::clock;
use crate::gateway::fleet_feed::{Drone, Filled, FleetFeedConfig, Key, Left, Sink, Watcher, parts};

/// The next part of an update.
pub(super) fn update(
    watcher: &mut Watcher,
    seq: u64,
    config: &FleetFeedConfig,
) -> (Message, Filled) {
    let at_us = clock::utc_now().0;
    let mut columns = Columns {
        update: FleetUpdate {
            seq,
            at_us,
            ..FleetUpdate::default()
        },
        ..Columns::default()
    };
    let filled = watcher.fill(&mut columns, config.frame_drones_max);
    let update = FleetUpdate {
        conflated: filled.conflated,
        omitted: filled.omitted,
        more: filled.more,
        ..columns.update
    };
    (Message::Binary(update.encode_to_vec().into()), filled)
}

/// An update that grows, and what its columns of differences ended with.
#[derive(Default)]
struct Columns {
    update: FleetUpdate,
    entered: i64,
    index: i64,
    latitude: i64,
    longitude: i64,
    left: i64,
}

impl Sink for Columns {
    fn moved(&mut self, key: Key, drone: &Drone, entered: bool) {
        let (brief, update) = (&drone.brief, &mut self.update);
        let index = index(key);
        if entered {
            update.entered_ids.push(drone.id.as_str().to_owned());
            update.entered_delta.push(step(&mut self.entered, index));
        }
        let (latitude_deg, longitude_deg) = brief.position().unwrap_or_default();
        update.index_delta.push(step(&mut self.index, index));
        let latitude = step(&mut self.latitude, parts(latitude_deg).into());
        update.latitude_delta.push(latitude);
        let longitude = step(&mut self.longitude, parts(longitude_deg).into());
        update.longitude_delta.push(longitude);
        let altitude = brief.relative_altitude_m().map(tenths);
        let away = |tenths: i32| tenths + if tenths < 0 { -1 } else { 1 };
        update.relative_altitude.push(altitude.map_or(0, away));
        update.heading.push(plus_one(brief.heading_deg(), 10.0));
        let speed = plus_one(brief.ground_speed_m_s(), 10.0);
        update.ground_speed.push(speed);
        update.battery.push(plus_one(brief.battery_percent(), 1.0));
        let armed = brief.armed().map_or(0, |armed| 1 + u32::from(armed));
        update.armed.push(armed);
        let age_us = update.at_us - brief.received().map_or(0, |at| at.0);
        let age_ms = u32::try_from((age_us / 1000).max(0)).unwrap_or(u32::MAX);
        update.age_ms.push(age_ms);
    }

    fn left(&mut self, key: Key, _: &DroneId, why: Left) {
        let delta = step(&mut self.left, index(key));
        self.update.left_delta.push(delta);
        self.update.left_reason.push(why as u32);
    }
}

/// A shard's drones are next to each other.
fn index(key: Key) -> i64 {
    i64::from(key.shard) << 32 | i64::from(key.place)
}

fn step(before: &mut i64, now: i64) -> i64 {
    now - std::mem::replace(before, now)
}

fn tenths(metres: f64) -> i32 {
    (metres * 10.0).round() as i32
}

fn plus_one(number: Option<f32>, times: f32) -> u32 {
    number.map_or(0, |number| (number * times).round().max(0.0) as u32 + 1)
}
