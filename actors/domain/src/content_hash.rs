//! Hash of what a sample says.
//!
//! Layout, version 1, hashed by xxh3_64 with seed 0; numbers are little-endian:
//!
//! - one byte 1, the version;
//! - `kind`: length as u16, bytes; empty stands for `telemetry`;
//! - each group that says anything, in the order of [`Content`]: its number (position 1, velocity
//!   2, ... text 12, extras 13, raw 14), each known field as its number (from 1, in the order of
//!   the struct) and its value, then a byte 0. A receiver or pack has its id, a byte, behind the
//!   group's number, and is there even if it says nothing else.
//!
//! A float is its bits, with -0.0 as 0.0. An enum is its place in the declaration, from 0, as a
//! byte; a flag is a byte. A text, the cells of a pack and raw bytes have their count before them
//! as u16. An extra is its name, the place of its variant as a byte, and its value.

use xxhash_rust::xxh3::xxh3_64;

use crate::sample::{
    Attitude, Battery, Content, Extra, Gnss, Health, Home, Link, Mission, Position, RecordedSample,
    State, Text, TimeBasis, Velocity, Wind,
};
use crate::units::{BootMicros, UtcMicros};

const VERSION: u8 = 1;
/// More than the bytes of an everyday sample.
const TYPICAL_BYTES: usize = 512;

/// xxh3_64 of a content in one canonical order of fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ContentHash(pub u64);

impl ContentHash {
    pub(crate) fn of(content: &Content) -> Self {
        let mut bytes = Vec::with_capacity(TYPICAL_BYTES);
        write_content(content, &mut bytes);
        Self(xxh3_64(&bytes))
    }
}

/// When a sample was taken, as far as a resend must say the same.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clocks {
    pub time: UtcMicros,
    pub basis: TimeBasis,
    pub since_boot: Option<BootMicros>,
}

impl Clocks {
    /// Hash of content, time and boot clock: what must be the same in a resend. `scratch` saves
    /// an allocation per sample.
    pub(crate) fn hash_with(self, content: &Content, scratch: &mut Vec<u8>) -> u64 {
        scratch.clear();
        self.time.0.write(scratch);
        scratch.push(self.basis as u8);
        scratch.push(u8::from(self.since_boot.is_some()));
        self.since_boot.map_or(0, |clock| clock.0).write(scratch);
        write_content(content, scratch);
        xxh3_64(scratch)
    }
}

impl From<&RecordedSample> for Clocks {
    fn from(sample: &RecordedSample) -> Self {
        Self {
            time: sample.time,
            basis: sample.basis,
            since_boot: sample.since_boot,
        }
    }
}

/// A value with one canonical form in bytes.
trait Canonical {
    fn write(&self, out: &mut Vec<u8>);
}

macro_rules! canonical_numbers {
    ($($number:ty)*) => {$(
        impl Canonical for $number {
            fn write(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
        }
    )*};
}

canonical_numbers!(u8 u16 u32 u64 i64);

macro_rules! canonical_floats {
    ($($float:ty)*) => {$(
        impl Canonical for $float {
            fn write(&self, out: &mut Vec<u8>) {
                // Adding 0.0 turns -0.0 into 0.0 and changes nothing else.
                out.extend_from_slice(&(*self + 0.0).to_bits().to_le_bytes());
            }
        }
    )*};
}

canonical_floats!(f32 f64);

macro_rules! canonical_enums {
    ($($name:ident)*) => {$(
        impl Canonical for crate::sample::$name {
            fn write(&self, out: &mut Vec<u8>) {
                out.push(*self as u8);
            }
        }
    )*};
}

canonical_enums!(FixType MissionState FlightMode Dialect LandedState SystemStatus);

impl Canonical for bool {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
}

impl Canonical for [u8] {
    fn write(&self, out: &mut Vec<u8>) {
        (self.len() as u16).write(out);
        out.extend_from_slice(self);
    }
}

impl Canonical for str {
    fn write(&self, out: &mut Vec<u8>) {
        self.as_bytes().write(out);
    }
}

impl Canonical for Extra {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Number(number) => {
                out.push(0);
                number.write(out);
            }
            Self::Integer(integer) => {
                out.push(1);
                integer.write(out);
            }
            Self::Flag(flag) => {
                out.push(2);
                flag.write(out);
            }
            Self::Text(text) => {
                out.push(3);
                text.write(out);
            }
        }
    }
}

/// A group's fields by number.
trait Fields {
    fn write_fields(&self, out: &mut Vec<u8>);
}

macro_rules! fields {
    ($($group:ident { $($number:literal $field:ident)* })*) => {$(
        impl Fields for $group {
            fn write_fields(&self, out: &mut Vec<u8>) {
                $(if let Some(value) = &self.$field {
                    out.push($number);
                    value.write(out);
                })*
            }
        }
    )*};
}

fields! {
    Position {
        1 latitude_deg 2 longitude_deg 3 absolute_altitude_m 4 ellipsoid_altitude_m
        5 relative_altitude_m 6 terrain_altitude_m
    }
    Velocity {
        1 north_m_s 2 east_m_s 3 down_m_s 4 ground_speed_m_s 5 air_speed_m_s 6 heading_deg
        7 course_deg
    }
    Attitude {
        1 roll_deg 2 pitch_deg 3 yaw_deg 4 roll_rate_deg_s 5 pitch_rate_deg_s 6 yaw_rate_deg_s
    }
    Gnss {
        1 fix_type 2 fix_type_raw 3 num_satellites 4 hdop 5 vdop 6 horizontal_uncertainty_m
        7 vertical_uncertainty_m 8 velocity_uncertainty_m_s
    }
    Link { 1 rssi_dbm 2 remote_rssi_dbm 3 noise_dbm 4 loss_percent 5 latency_ms }
    Home { 1 latitude_deg 2 longitude_deg 3 absolute_altitude_m 4 distance_m }
    Mission { 1 current 2 total 3 state 4 distance_to_item_m }
    Health {
        1 sensors_present 2 sensors_enabled 3 sensors_healthy 4 cpu_load_percent 5 vibration_m_s2
        6 estimator_flags
    }
    Wind { 1 speed_m_s 2 direction_from_deg 3 vertical_m_s }
    State { 1 armed 2 flight_mode 3 flight_mode_raw 4 dialect 5 landed_state 6 system_status }
}

impl Fields for Battery {
    fn write_fields(&self, out: &mut Vec<u8>) {
        let numbers = [
            &self.remaining_percent,
            &self.voltage_v,
            &self.current_battery_a,
            &self.capacity_consumed_ah,
            &self.temperature_degc,
            &self.time_remaining_s,
        ];
        for (number, value) in (1..).zip(numbers) {
            if let Some(value) = value {
                out.push(number);
                value.write(out);
            }
        }
        if !self.cells_v.is_empty() {
            out.push(7);
            (self.cells_v.len() as u16).write(out);
            for cell in &self.cells_v {
                cell.write(out);
            }
        }
    }
}

impl Fields for Text {
    fn write_fields(&self, out: &mut Vec<u8>) {
        if let Some(severity) = self.severity {
            out.push(1);
            severity.write(out);
        }
        if !self.text.is_empty() {
            out.push(2);
            self.text.write(out);
        }
    }
}

fn write_group(number: u8, group: &Option<impl Fields>, out: &mut Vec<u8>) {
    let Some(group) = group else { return };
    let start = out.len();
    out.push(number);
    group.write_fields(out);
    if out.len() == start + 1 {
        out.truncate(start);
    } else {
        out.push(0);
    }
}

fn write_instance(number: u8, id: u8, instance: &impl Fields, out: &mut Vec<u8>) {
    out.push(number);
    out.push(id);
    instance.write_fields(out);
    out.push(0);
}

fn write_content(content: &Content, out: &mut Vec<u8>) {
    out.push(VERSION);
    content.kind_or_default().write(out);
    write_group(1, &content.position, out);
    write_group(2, &content.velocity, out);
    write_group(3, &content.attitude, out);
    for gnss in &content.gnss {
        write_instance(4, gnss.id, gnss, out);
    }
    for battery in &content.battery {
        write_instance(5, battery.id, battery, out);
    }
    write_group(6, &content.link, out);
    write_group(7, &content.home, out);
    write_group(8, &content.mission, out);
    write_group(9, &content.health, out);
    write_group(10, &content.wind, out);
    write_group(11, &content.state, out);
    write_group(12, &content.text, out);
    for (name, extra) in &content.extras {
        out.push(13);
        name.write(out);
        extra.write(out);
    }
    if let Some(raw) = &content.raw {
        out.push(14);
        raw.write(out);
    }
}

#[cfg(test)]
mod tests;
