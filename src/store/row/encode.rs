//! Writes rows in Postgres' binary COPY format straight into one buffer.

use aerostream_domain::sample::{
    Attitude, Battery, Content, Gnss, Health, Home, Link, Mission, Position, State, Velocity, Wind,
};
use aerostream_domain::{BootId, RecordedSample, UtcMicros};
use bytes::{BufMut, BytesMut};

use super::codes::Code;
use super::columns::COLUMNS;
use super::rest;

/// What comes before the first row.
pub const HEADER: &[u8; 19] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// What comes after the last row.
pub const TRAILER: [u8; 2] = (-1_i16).to_be_bytes();
/// 2000-01-01T00:00:00Z, from which Postgres counts.
const POSTGRES_EPOCH_US: i64 = 946_684_800_000_000;
/// Where the drone's number is in a row: behind the number of fields and its own length.
const DRONE_REF_AT: usize = 6;
/// Where the length of `since_boot_us` is: behind five fields of fixed length.
const SINCE_BOOT_AT: usize = 2 + 8 + 3 * 12 + 6;

/// A time as Postgres counts it.
pub fn timestamp(time: UtcMicros) -> i64 {
    time.0 - POSTGRES_EPOCH_US
}

/// A time as we count it.
pub fn utc(timestamp: i64) -> UtcMicros {
    UtcMicros(timestamp.saturating_add(POSTGRES_EPOCH_US))
}

/// Puts the drone's number into a row that was written without it.
pub fn set_drone_ref(row: &mut [u8], drone_ref: i32) {
    row[DRONE_REF_AT..DRONE_REF_AT + 4].copy_from_slice(&drone_ref.to_be_bytes());
}

/// The part of a row that is content; equal exactly when the contents are.
pub fn content_of(row: &[u8]) -> &[u8] {
    let since_boot = &row[SINCE_BOOT_AT..];
    match since_boot.split_at(4) {
        ([0xff, 0xff, 0xff, 0xff], content) => content,
        (_, behind) => &behind[8..],
    }
}

/// Writes one row, with 0 as the drone's number.
pub fn row(buffer: &mut BytesMut, boot: BootId, sample: &RecordedSample) {
    let mut fields = Fields(buffer);
    fields.0.put_i16(COLUMNS.len() as i16);
    fields.int4(Some(0));
    fields.int8(Some(timestamp(sample.time)));
    fields.int8(Some(boot.0 as i64));
    fields.int8(Some(sample.seq.0 as i64));
    fields.int2(Some(sample.basis.code()));
    fields.int8(sample.since_boot.map(|boot| boot.0 as i64));
    content(&mut fields, &sample.content);
}

fn content(fields: &mut Fields<'_>, content: &Content) {
    match content.kind.as_str() {
        "" | "telemetry" => fields.null(),
        kind => fields.bytes(rest::escape(kind).as_bytes()),
    }
    position(fields, &content.position.unwrap_or_default());
    velocity(fields, &content.velocity.unwrap_or_default());
    attitude(fields, &content.attitude.unwrap_or_default());
    gnss(fields, content.gnss.first());
    battery(fields, content.battery.first());
    link(fields, &content.link.unwrap_or_default());
    home(fields, &content.home.unwrap_or_default());
    mission(fields, &content.mission.unwrap_or_default());
    health(fields, &content.health.unwrap_or_default());
    wind(fields, &content.wind.unwrap_or_default());
    state(fields, &content.state.unwrap_or_default());
    match &content.text {
        Some(text) => {
            fields.int2(text.severity.map(i16::from));
            fields.bytes(rest::escape(&text.text).as_bytes());
        }
        None => fields.nulls(2),
    }
    match rest::of(content) {
        Some(rest) => fields.json(&rest),
        None => fields.null(),
    }
    match &content.raw {
        Some(raw) => fields.bytes(raw),
        None => fields.null(),
    }
}

fn position(fields: &mut Fields<'_>, position: &Position) {
    fields.float8(position.latitude_deg);
    fields.float8(position.longitude_deg);
    fields.float8(position.absolute_altitude_m);
    fields.float8(position.ellipsoid_altitude_m);
    fields.float8(position.relative_altitude_m);
    fields.float8(position.terrain_altitude_m);
}

fn velocity(fields: &mut Fields<'_>, velocity: &Velocity) {
    fields.float4(velocity.north_m_s);
    fields.float4(velocity.east_m_s);
    fields.float4(velocity.down_m_s);
    fields.float4(velocity.ground_speed_m_s);
    fields.float4(velocity.air_speed_m_s);
    fields.float4(velocity.heading_deg);
    fields.float4(velocity.course_deg);
}

fn attitude(fields: &mut Fields<'_>, attitude: &Attitude) {
    fields.float4(attitude.roll_deg);
    fields.float4(attitude.pitch_deg);
    fields.float4(attitude.yaw_deg);
    fields.float4(attitude.roll_rate_deg_s);
    fields.float4(attitude.pitch_rate_deg_s);
    fields.float4(attitude.yaw_rate_deg_s);
}

fn gnss(fields: &mut Fields<'_>, gnss: Option<&Gnss>) {
    let Some(gnss) = gnss else {
        return fields.nulls(9);
    };
    fields.int2(Some(i16::from(gnss.id)));
    fields.int2(gnss.fix_type.map(Code::code));
    fields.int8(gnss.fix_type_raw.map(i64::from));
    fields.int2(gnss.num_satellites.map(i16::from));
    fields.float4(gnss.hdop);
    fields.float4(gnss.vdop);
    fields.float4(gnss.horizontal_uncertainty_m);
    fields.float4(gnss.vertical_uncertainty_m);
    fields.float4(gnss.velocity_uncertainty_m_s);
}

fn battery(fields: &mut Fields<'_>, battery: Option<&Battery>) {
    let Some(battery) = battery else {
        return fields.nulls(7);
    };
    fields.int2(Some(i16::from(battery.id)));
    fields.float4(battery.remaining_percent);
    fields.float4(battery.voltage_v);
    fields.float4(battery.current_battery_a);
    fields.float4(battery.capacity_consumed_ah);
    fields.float4(battery.temperature_degc);
    fields.float4(battery.time_remaining_s);
}

fn link(fields: &mut Fields<'_>, link: &Link) {
    fields.float4(link.rssi_dbm);
    fields.float4(link.remote_rssi_dbm);
    fields.float4(link.noise_dbm);
    fields.float4(link.loss_percent);
    fields.float4(link.latency_ms);
}

fn home(fields: &mut Fields<'_>, home: &Home) {
    fields.float8(home.latitude_deg);
    fields.float8(home.longitude_deg);
    fields.float8(home.absolute_altitude_m);
    fields.float4(home.distance_m);
}

fn mission(fields: &mut Fields<'_>, mission: &Mission) {
    fields.int8(mission.current.map(i64::from));
    fields.int8(mission.total.map(i64::from));
    fields.int2(mission.state.map(Code::code));
    fields.float4(mission.distance_to_item_m);
}

fn health(fields: &mut Fields<'_>, health: &Health) {
    fields.int8(health.sensors_present.map(i64::from));
    fields.int8(health.sensors_enabled.map(i64::from));
    fields.int8(health.sensors_healthy.map(i64::from));
    fields.float4(health.cpu_load_percent);
    fields.float4(health.vibration_m_s2);
    fields.int8(health.estimator_flags.map(i64::from));
}

fn wind(fields: &mut Fields<'_>, wind: &Wind) {
    fields.float4(wind.speed_m_s);
    fields.float4(wind.direction_from_deg);
    fields.float4(wind.vertical_m_s);
}

fn state(fields: &mut Fields<'_>, state: &State) {
    match state.armed {
        Some(armed) => fields.bytes(&[u8::from(armed)]),
        None => fields.null(),
    }
    fields.int2(state.flight_mode.map(Code::code));
    fields.int8(state.flight_mode_raw.map(i64::from));
    fields.int2(state.dialect.map(Code::code));
    fields.int2(state.landed_state.map(Code::code));
    fields.int2(state.system_status.map(Code::code));
}

/// Appends fields: length, then bytes; length -1 for null.
struct Fields<'a>(&'a mut BytesMut);

impl Fields<'_> {
    fn null(&mut self) {
        self.0.put_i32(-1);
    }

    fn nulls(&mut self, count: usize) {
        self.0.put_bytes(0xff, 4 * count);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.0.put_i32(bytes.len() as i32);
        self.0.put_slice(bytes);
    }

    fn int2(&mut self, value: Option<i16>) {
        match value {
            Some(value) => self.bytes(&value.to_be_bytes()),
            None => self.null(),
        }
    }

    fn int4(&mut self, value: Option<i32>) {
        match value {
            Some(value) => self.bytes(&value.to_be_bytes()),
            None => self.null(),
        }
    }

    fn int8(&mut self, value: Option<i64>) {
        match value {
            Some(value) => self.bytes(&value.to_be_bytes()),
            None => self.null(),
        }
    }

    // Adding 0.0 turns -0.0 into 0.0, which is the same content.
    fn float4(&mut self, value: Option<f32>) {
        match value {
            Some(value) => self.bytes(&(value + 0.0).to_be_bytes()),
            None => self.null(),
        }
    }

    fn float8(&mut self, value: Option<f64>) {
        match value {
            Some(value) => self.bytes(&(value + 0.0).to_be_bytes()),
            None => self.null(),
        }
    }

    fn json(&mut self, value: &serde_json::Value) {
        let length_at = self.0.len();
        self.0.put_i32(0);
        // The version byte of jsonb's binary format.
        self.0.put_u8(1);
        serde_json::to_writer((&mut *self.0).writer(), value)
            .expect("a JSON value is always printable and a buffer in memory always writable");
        let length = (self.0.len() - length_at - 4) as i32;
        self.0[length_at..length_at + 4].copy_from_slice(&length.to_be_bytes());
    }
}
