//! The wire's batch as JSON of the REST door: the names of `telemetry.proto`, absent fields left
//! out, codes in lower case without their prefix.

use aerostream_proto::v1;
use serde_json::{Map, Value};

/// A batch as a JSON request of its own.
#[must_use]
pub fn batch(batch: &v1::Batch) -> Value {
    let mut map = Map::new();
    // 64-bit ids do not fit into the numbers of every JSON reader, so they are text.
    map.insert("batch_id".to_owned(), batch.batch_id.to_string().into());
    map.insert("drone_id".to_owned(), batch.drone_id.clone().into());
    if let Some(boot) = batch.boot {
        map.insert("boot".to_owned(), boot.to_string().into());
    }
    put(&mut map, "sent_at_boot_us", batch.sent_at_boot_us);
    let samples = batch.samples.iter().map(sample).collect();
    map.insert("samples".to_owned(), Value::Array(samples));
    Value::Object(map)
}

/// A number in the form that its own precision needs.
trait Number {
    fn value(self) -> Value;
}

impl Number for f64 {
    fn value(self) -> Value {
        self.into()
    }
}

impl Number for f32 {
    fn value(self) -> Value {
        // The shortest text of the single, unless a reader of doubles would misread it.
        let short = self.to_string().parse::<f64>().ok();
        short
            .filter(|double| (*double as f32).to_bits() == self.to_bits())
            .unwrap_or_else(|| f64::from(self))
            .into()
    }
}

macro_rules! plain {
    ($($type:ty),*) => {$(
        impl Number for $type {
            fn value(self) -> Value {
                self.into()
            }
        }
    )*};
}
plain!(u32, u64, i64, bool);

fn put<T: Number>(map: &mut Map<String, Value>, name: &str, value: Option<T>) {
    if let Some(value) = value {
        map.insert(name.to_owned(), value.value());
    }
}

fn code(map: &mut Map<String, Value>, name: &str, number: i32, wire_name: &str, prefix: &str) {
    if number != 0 {
        let short = wire_name.strip_prefix(prefix).unwrap_or(wire_name);
        map.insert(name.to_owned(), short.to_ascii_lowercase().into());
    }
}

macro_rules! object {
    ($of:expr; $($field:ident),* $(; $code:ident: $prefix:literal)*) => {{
        let of = $of;
        let mut map = Map::new();
        $(put(&mut map, stringify!($field), of.$field);)*
        $(code(&mut map, stringify!($code), of.$code, of.$code().as_str_name(), $prefix);)*
        map
    }};
}

fn sample(s: &v1::Sample) -> Value {
    let mut map = object!(s; seq, utc_us, since_boot_us);
    let mut group = |name: &str, value: Option<Map<String, Value>>| {
        if let Some(value) = value {
            map.insert(name.to_owned(), Value::Object(value));
        }
    };
    group("position", s.position.as_ref().map(position));
    group("velocity", s.velocity.as_ref().map(velocity));
    group("attitude", s.attitude.as_ref().map(attitude));
    group("link", s.link.as_ref().map(link));
    group("home", s.home.as_ref().map(home));
    group("mission", s.mission.as_ref().map(mission));
    group("health", s.health.as_ref().map(health));
    group("wind", s.wind.as_ref().map(wind));
    group("state", s.state.as_ref().map(state));
    group("text", s.text.as_ref().map(text));
    let mut list = |name: &str, items: Vec<Value>| {
        if !items.is_empty() {
            map.insert(name.to_owned(), Value::Array(items));
        }
    };
    list("gnss", s.gnss.iter().map(gnss).collect());
    list("battery", s.battery.iter().map(battery).collect());
    Value::Object(map)
}

fn position(p: &v1::Position) -> Map<String, Value> {
    object!(p; latitude_deg, longitude_deg, absolute_altitude_m, ellipsoid_altitude_m,
        relative_altitude_m, terrain_altitude_m)
}

fn velocity(v: &v1::Velocity) -> Map<String, Value> {
    object!(v; north_m_s, east_m_s, down_m_s, ground_speed_m_s, air_speed_m_s, heading_deg,
        course_deg)
}

fn attitude(a: &v1::Attitude) -> Map<String, Value> {
    object!(a; roll_deg, pitch_deg, yaw_deg, roll_rate_deg_s, pitch_rate_deg_s, yaw_rate_deg_s)
}

fn link(l: &v1::Link) -> Map<String, Value> {
    object!(l; rssi_dbm, remote_rssi_dbm, noise_dbm, loss_percent, latency_ms)
}

fn home(h: &v1::Home) -> Map<String, Value> {
    object!(h; latitude_deg, longitude_deg, absolute_altitude_m, distance_m)
}

fn mission(m: &v1::Mission) -> Map<String, Value> {
    object!(m; current, total, distance_to_item_m; state: "MISSION_STATE_")
}

fn health(h: &v1::Health) -> Map<String, Value> {
    object!(h; sensors_present, sensors_enabled, sensors_healthy, cpu_load_percent,
        vibration_m_s2, estimator_flags)
}

fn wind(w: &v1::Wind) -> Map<String, Value> {
    object!(w; speed_m_s, direction_from_deg, vertical_m_s)
}

fn state(s: &v1::State) -> Map<String, Value> {
    object!(s; armed, flight_mode_raw; flight_mode: "FLIGHT_MODE_"; dialect: "DIALECT_";
        landed_state: "LANDED_STATE_"; system_status: "SYSTEM_STATUS_")
}

fn text(t: &v1::Text) -> Map<String, Value> {
    let mut map = object!(t; severity);
    map.insert("text".to_owned(), t.text.clone().into());
    map
}

fn gnss(g: &v1::Gnss) -> Value {
    let mut map = object!(g; fix_type_raw, num_satellites, hdop, vdop, horizontal_uncertainty_m,
        vertical_uncertainty_m, velocity_uncertainty_m_s; fix_type: "FIX_TYPE_");
    map.insert("id".to_owned(), g.id.into());
    Value::Object(map)
}

fn battery(b: &v1::Battery) -> Value {
    let mut map = object!(b; remaining_percent, voltage_v, current_battery_a, capacity_consumed_ah,
        temperature_degc, time_remaining_s);
    map.insert("id".to_owned(), b.id.into());
    let cells = b.cells_v.iter().map(|volts| volts.value()).collect();
    map.insert("cells_v".to_owned(), Value::Array(cells));
    Value::Object(map)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_codes_are_those_of_the_door() {
        let sample = v1::Sample {
            seq: Some(7),
            velocity: Some(v1::Velocity {
                north_m_s: Some(0.7),
                ..v1::Velocity::default()
            }),
            state: Some(v1::State {
                armed: Some(true),
                flight_mode: v1::FlightMode::ReturnToLaunch.into(),
                ..v1::State::default()
            }),
            ..v1::Sample::default()
        };
        let told = batch(&v1::Batch {
            batch_id: 3,
            drone_id: "a".to_owned(),
            boot: Some(u64::MAX),
            sent_at_boot_us: None,
            samples: vec![sample],
        });
        assert_eq!(
            told,
            serde_json::json!({
                "batch_id": "3", "drone_id": "a", "boot": "18446744073709551615",
                "samples": [{
                    "seq": 7, "velocity": { "north_m_s": 0.7 },
                    "state": { "armed": true, "flight_mode": "return_to_launch" },
                }],
            })
        );
    }
}
