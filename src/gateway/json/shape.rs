//! The sample as JSON, field by field as in `telemetry.proto`, and its only conversion from and to
//! the wire. Fields have the units and ranges of `telemetry.proto`.

use aerostream_proto::v1;
use async_graphql::SimpleObject;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use utoipa::ToSchema;

use super::enums::{Lower, Natural, Object, Real32, Real64, Whole};
use crate::gateway::http::openapi::samples;

macro_rules! group {
    (
        $name:ident { $($field:ident: $type:ty),* $(,)? }
        $(codes { $($code:ident: $enum:ident),* $(,)? })?
        $(plain { $($plain:ident: $plain_type:ty),* $(,)? })?
        $(list { $list:ident: $item:ty })?
    ) => {
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, SimpleObject, ToSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($(
                #[serde(default)]
                pub $plain: $plain_type,
            )*)?
            $(
                #[serde(default, skip_serializing_if = "Option::is_none")]
                #[schema(inline)]
                pub $field: Option<$type>,
            )*
            $($(
                #[serde(default, skip_serializing_if = "Option::is_none")]
                #[schema(schema_with = samples::code::<v1::$enum>)]
                pub $code: Option<Lower<v1::$enum>>,
            )*)?
            $(
                #[serde(default, skip_serializing_if = "Vec::is_empty")]
                #[schema(inline)]
                pub $list: Vec<$item>,
            )?
        }

        impl From<$name> for v1::$name {
            fn from(json: $name) -> Self {
                Self {
                    $($($plain: json.$plain,)*)?
                    $($field: json.$field.map(Into::into),)*
                    $($($code: Lower::number(json.$code),)*)?
                    $($list: json.$list.into_iter().map(Into::into).collect(),)?
                }
            }
        }

        impl From<v1::$name> for $name {
            fn from(wire: v1::$name) -> Self {
                Self {
                    $($($plain: wire.$plain,)*)?
                    $($field: wire.$field.map(Into::into),)*
                    $($($code: Lower::of(wire.$code),)*)?
                    $($list: wire.$list.into_iter().map(Into::into).collect(),)?
                }
            }
        }
    };
}

group! { Position {
    latitude_deg: Real64, longitude_deg: Real64, absolute_altitude_m: Real64,
    ellipsoid_altitude_m: Real64, relative_altitude_m: Real64, terrain_altitude_m: Real64,
} }
group! { Velocity {
    north_m_s: Real32, east_m_s: Real32, down_m_s: Real32, ground_speed_m_s: Real32,
    air_speed_m_s: Real32, heading_deg: Real32, course_deg: Real32,
} }
group! { Attitude {
    roll_deg: Real32, pitch_deg: Real32, yaw_deg: Real32,
    roll_rate_deg_s: Real32, pitch_rate_deg_s: Real32, yaw_rate_deg_s: Real32,
} }
group! {
    Gnss {
        fix_type_raw: Natural, num_satellites: u32, hdop: Real32, vdop: Real32,
        horizontal_uncertainty_m: Real32, vertical_uncertainty_m: Real32,
        velocity_uncertainty_m_s: Real32,
    }
    codes { fix_type: FixType }
    plain { id: u32 }
}
group! { Link {
    rssi_dbm: Real32, remote_rssi_dbm: Real32, noise_dbm: Real32, loss_percent: Real32,
    latency_ms: Real32,
} }
group! { Home {
    latitude_deg: Real64, longitude_deg: Real64, absolute_altitude_m: Real64, distance_m: Real32,
} }
group! {
    Mission { current: Natural, total: Natural, distance_to_item_m: Real32 }
    codes { state: MissionState }
}
group! { Health {
    sensors_present: Natural, sensors_enabled: Natural, sensors_healthy: Natural,
    cpu_load_percent: Real32, vibration_m_s2: Real32, estimator_flags: Natural,
} }
group! { Wind { speed_m_s: Real32, direction_from_deg: Real32, vertical_m_s: Real32 } }
group! {
    State { armed: bool, flight_mode_raw: Natural }
    codes {
        flight_mode: FlightMode, dialect: Dialect, landed_state: LandedState,
        system_status: SystemStatus,
    }
}
group! { Text { severity: u32 } plain { text: String } }
group! {
    Battery {
        remaining_percent: Real32, voltage_v: Real32, current_battery_a: Real32,
        capacity_consumed_ah: Real32, temperature_degc: Real32, time_remaining_s: Real32,
    }
    plain { id: u32 }
    list { cells_v: Real32 }
}

/// A value without column: exactly one of the four kinds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Extra {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(inline)]
    pub number: Option<Real64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub integer: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flag: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

impl From<Extra> for v1::Extra {
    fn from(json: Extra) -> Self {
        use v1::extra::Value;
        let number = json.number.map(|number| Value::Number(number.0));
        let value = number
            .or_else(|| json.integer.map(Value::Integer))
            .or_else(|| json.flag.map(Value::Flag))
            .or_else(|| json.text.map(Value::Text));
        Self {
            name: json.name,
            value,
        }
    }
}

impl From<v1::Extra> for Extra {
    fn from(wire: v1::Extra) -> Self {
        use v1::extra::Value;
        let mut json = Self {
            name: wire.name,
            number: None,
            integer: None,
            flag: None,
            text: None,
        };
        match wire.value {
            Some(Value::Number(number)) => json.number = Some(Real64(number)),
            Some(Value::Integer(integer)) => json.integer = Some(integer),
            Some(Value::Flag(flag)) => json.flag = Some(flag),
            Some(Value::Text(text)) => json.text = Some(text),
            None => {}
        }
        json
    }
}

/// A point in time as RFC 3339 text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time(pub i64);

impl Time {
    /// `None` where RFC 3339 has no name for it.
    fn text(self) -> Option<String> {
        let nanos = i128::from(self.0) * 1000;
        let time = OffsetDateTime::from_unix_timestamp_nanos(nanos).ok();
        time.and_then(|time| time.format(&Rfc3339).ok())
    }
}

impl std::fmt::Display for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text().unwrap_or_default())
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.text().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        parse_time(&text).map(Self).ok_or_else(|| {
            let expected = "RFC 3339, such as `2026-05-01T12:00:00.5Z`";
            serde::de::Error::custom(format!("{text:?} is not a time; expected {expected}"))
        })
    }
}

/// Microseconds since 1970 of RFC 3339 text.
#[must_use]
pub fn parse_time(text: &str) -> Option<i64> {
    let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    i64::try_from(time.unix_timestamp_nanos() / 1000).ok()
}

/// Bytes as base64 text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base64(pub Vec<u8>);

impl Serialize for Base64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let bytes = STANDARD.decode(text.as_bytes()).map(Self);
        bytes.map_err(|_| serde::de::Error::custom("not base64; expected standard base64 text"))
    }
}

/// A sample. The last four fields are for a request that is one lone sample.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = LoneSample)]
pub struct Sample {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub utc_us: Option<i64>,
    /// The same as `utc_us`, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(inline)]
    pub time: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since_boot_us: Option<u64>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Position>)]
    pub position: Option<Object<Position>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Velocity>)]
    pub velocity: Option<Object<Velocity>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Attitude>)]
    pub attitude: Option<Object<Attitude>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Gnss>)]
    pub gnss: Vec<Object<Gnss>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Battery>)]
    pub battery: Vec<Object<Battery>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Link>)]
    pub link: Option<Object<Link>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Home>)]
    pub home: Option<Object<Home>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Mission>)]
    pub mission: Option<Object<Mission>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Health>)]
    pub health: Option<Object<Health>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Wind>)]
    pub wind: Option<Object<Wind>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<State>)]
    pub state: Option<Object<State>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Text>)]
    pub text: Option<Object<Text>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Extra>)]
    pub extras: Vec<Object<Extra>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(inline)]
    pub raw: Option<Base64>,
    #[serde(skip_serializing)]
    pub drone_id: Option<String>,
    #[serde(skip_serializing)]
    #[schema(inline)]
    pub boot: Option<Whole>,
    #[serde(skip_serializing)]
    pub sent_at_boot_us: Option<u64>,
    #[serde(skip_serializing)]
    #[schema(inline)]
    pub batch_id: Option<Whole>,
}

/// A batch, each sample of which is read for itself.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Batch<'a> {
    pub drone_id: Option<String>,
    #[schema(inline)]
    pub boot: Option<Whole>,
    pub sent_at_boot_us: Option<u64>,
    #[schema(inline)]
    pub batch_id: Option<Whole>,
    #[serde(borrow)]
    #[schema(value_type = Vec<samples::Sample>, min_items = 1, max_items = 1000)]
    pub samples: Vec<&'a RawValue>,
}

/// Batches of several drones, each of which is read for itself.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Batches<'a> {
    #[serde(borrow)]
    #[schema(value_type = Vec<Batch<'_>>, min_items = 1, max_items = 1000)]
    pub batches: Vec<&'a RawValue>,
}

fn inner<Json: Into<Wire>, Wire>(json: Option<Object<Json>>) -> Option<Wire> {
    json.map(|json| json.0.into())
}

fn inner_list<Json: Into<Wire>, Wire>(json: Vec<Object<Json>>) -> Vec<Wire> {
    json.into_iter().map(|json| json.0.into()).collect()
}

fn outer<Wire: Into<Json>, Json>(wire: Option<Wire>) -> Option<Object<Json>> {
    wire.map(|wire| Object(wire.into()))
}

fn outer_list<Wire: Into<Json>, Json>(wire: Vec<Wire>) -> Vec<Object<Json>> {
    wire.into_iter().map(|wire| Object(wire.into())).collect()
}

impl From<Sample> for v1::Sample {
    fn from(json: Sample) -> Self {
        Self {
            seq: json.seq,
            utc_us: json.utc_us.or(json.time.map(|time| time.0)),
            since_boot_us: json.since_boot_us,
            kind: json.kind,
            position: inner(json.position),
            velocity: inner(json.velocity),
            attitude: inner(json.attitude),
            gnss: inner_list(json.gnss),
            battery: inner_list(json.battery),
            link: inner(json.link),
            home: inner(json.home),
            mission: inner(json.mission),
            health: inner(json.health),
            wind: inner(json.wind),
            state: inner(json.state),
            text: inner(json.text),
            extras: inner_list(json.extras),
            raw: json.raw.map(|raw| raw.0),
        }
    }
}

impl From<v1::Sample> for Sample {
    fn from(wire: v1::Sample) -> Self {
        Self {
            seq: wire.seq,
            utc_us: wire.utc_us,
            since_boot_us: wire.since_boot_us,
            kind: wire.kind,
            position: outer(wire.position),
            velocity: outer(wire.velocity),
            attitude: outer(wire.attitude),
            gnss: outer_list(wire.gnss),
            battery: outer_list(wire.battery),
            link: outer(wire.link),
            home: outer(wire.home),
            mission: outer(wire.mission),
            health: outer(wire.health),
            wind: outer(wire.wind),
            state: outer(wire.state),
            text: outer(wire.text),
            extras: outer_list(wire.extras),
            raw: wire.raw.map(Base64),
            ..Self::default()
        }
    }
}
