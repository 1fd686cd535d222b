//! The field groups of a sample.

use aerostream_domain::Refusal;
use aerostream_domain::sample::{
    Attitude, Battery, Gnss, Health, Home, Link, Mission, Position, State, Velocity, Wind,
};

use super::codes::number;
use crate::refuse::{known, narrow, under};
use crate::v1;

/// Numbers that a `u8` holds, for the sender of one that it does not.
const BYTE: &str = "between 0 and 255";

/// Groups whose fields have the same names and types on both sides.
macro_rules! same_fields {
    ($($name:ident { $($field:ident)+ })+) => {$(
        impl From<v1::$name> for $name {
            fn from(wire: v1::$name) -> Self {
                let v1::$name { $($field),+ } = wire;
                Self { $($field),+ }
            }
        }

        impl From<$name> for v1::$name {
            fn from(group: $name) -> Self {
                let $name { $($field),+ } = group;
                Self { $($field),+ }
            }
        }
    )+};
}

same_fields! {
    Position {
        latitude_deg longitude_deg absolute_altitude_m ellipsoid_altitude_m relative_altitude_m
        terrain_altitude_m
    }
    Velocity {
        north_m_s east_m_s down_m_s ground_speed_m_s air_speed_m_s heading_deg course_deg
    }
    Attitude { roll_deg pitch_deg yaw_deg roll_rate_deg_s pitch_rate_deg_s yaw_rate_deg_s }
    Link { rssi_dbm remote_rssi_dbm noise_dbm loss_percent latency_ms }
    Home { latitude_deg longitude_deg absolute_altitude_m distance_m }
    Health {
        sensors_present sensors_enabled sensors_healthy cpu_load_percent vibration_m_s2
        estimator_flags
    }
    Wind { speed_m_s direction_from_deg vertical_m_s }
}

impl TryFrom<v1::Gnss> for Gnss {
    type Error = Refusal;

    fn try_from(wire: v1::Gnss) -> Result<Self, Refusal> {
        Ok(Self {
            id: narrow("id", wire.id, BYTE)?,
            fix_type: known::<v1::FixType, _>("fix_type", wire.fix_type)?,
            fix_type_raw: wire.fix_type_raw,
            num_satellites: wire
                .num_satellites
                .map(|count| narrow("num_satellites", count, BYTE))
                .transpose()?,
            hdop: wire.hdop,
            vdop: wire.vdop,
            horizontal_uncertainty_m: wire.horizontal_uncertainty_m,
            vertical_uncertainty_m: wire.vertical_uncertainty_m,
            velocity_uncertainty_m_s: wire.velocity_uncertainty_m_s,
        })
    }
}

impl From<Gnss> for v1::Gnss {
    fn from(gnss: Gnss) -> Self {
        Self {
            id: gnss.id.into(),
            fix_type: number::<_, v1::FixType>(gnss.fix_type),
            fix_type_raw: gnss.fix_type_raw,
            num_satellites: gnss.num_satellites.map(u32::from),
            hdop: gnss.hdop,
            vdop: gnss.vdop,
            horizontal_uncertainty_m: gnss.horizontal_uncertainty_m,
            vertical_uncertainty_m: gnss.vertical_uncertainty_m,
            velocity_uncertainty_m_s: gnss.velocity_uncertainty_m_s,
        }
    }
}

impl TryFrom<v1::Battery> for Battery {
    type Error = Refusal;

    fn try_from(wire: v1::Battery) -> Result<Self, Refusal> {
        Ok(Self {
            id: narrow("id", wire.id, BYTE)?,
            remaining_percent: wire.remaining_percent,
            voltage_v: wire.voltage_v,
            current_battery_a: wire.current_battery_a,
            capacity_consumed_ah: wire.capacity_consumed_ah,
            temperature_degc: wire.temperature_degc,
            time_remaining_s: wire.time_remaining_s,
            cells_v: wire.cells_v,
        })
    }
}

impl From<&Battery> for v1::Battery {
    fn from(battery: &Battery) -> Self {
        Self {
            id: battery.id.into(),
            remaining_percent: battery.remaining_percent,
            voltage_v: battery.voltage_v,
            current_battery_a: battery.current_battery_a,
            capacity_consumed_ah: battery.capacity_consumed_ah,
            temperature_degc: battery.temperature_degc,
            time_remaining_s: battery.time_remaining_s,
            cells_v: battery.cells_v.clone(),
        }
    }
}

impl TryFrom<v1::Mission> for Mission {
    type Error = Refusal;

    fn try_from(wire: v1::Mission) -> Result<Self, Refusal> {
        Ok(Self {
            current: wire.current,
            total: wire.total,
            state: known::<v1::MissionState, _>("state", wire.state)?,
            distance_to_item_m: wire.distance_to_item_m,
        })
    }
}

impl From<Mission> for v1::Mission {
    fn from(mission: Mission) -> Self {
        Self {
            current: mission.current,
            total: mission.total,
            state: number::<_, v1::MissionState>(mission.state),
            distance_to_item_m: mission.distance_to_item_m,
        }
    }
}

impl TryFrom<v1::State> for State {
    type Error = Refusal;

    fn try_from(wire: v1::State) -> Result<Self, Refusal> {
        Ok(Self {
            armed: wire.armed,
            flight_mode: known::<v1::FlightMode, _>("flight_mode", wire.flight_mode)?,
            flight_mode_raw: wire.flight_mode_raw,
            dialect: known::<v1::Dialect, _>("dialect", wire.dialect)?,
            landed_state: known::<v1::LandedState, _>("landed_state", wire.landed_state)?,
            system_status: known::<v1::SystemStatus, _>("system_status", wire.system_status)?,
        })
    }
}

impl From<State> for v1::State {
    fn from(state: State) -> Self {
        Self {
            armed: state.armed,
            flight_mode: number::<_, v1::FlightMode>(state.flight_mode),
            flight_mode_raw: state.flight_mode_raw,
            dialect: number::<_, v1::Dialect>(state.dialect),
            landed_state: number::<_, v1::LandedState>(state.landed_state),
            system_status: number::<_, v1::SystemStatus>(state.system_status),
        }
    }
}

/// A group that may be absent.
pub(super) fn group<Wire, Group>(name: &str, wire: Option<Wire>) -> Result<Option<Group>, Refusal>
where
    Group: TryFrom<Wire, Error = Refusal>,
{
    wire.map(Group::try_from).transpose().map_err(under(name))
}

/// Finds what the conversion of a pack would refuse.
pub(super) fn check_packs(packs: &[v1::Battery]) -> Result<(), Refusal> {
    packs.iter().enumerate().try_for_each(|(index, pack)| {
        let id: Result<u8, _> = narrow("id", pack.id, BYTE);
        id.map(|_| ())
            .map_err(under(format_args!("battery[{index}]")))
    })
}

/// Severity of a text; absent together with the text.
pub(super) fn severity(text: Option<&v1::Text>) -> Result<Option<u8>, Refusal> {
    text.and_then(|text| text.severity)
        .map(|severity| narrow("text.severity", severity, "between 0 and 7"))
        .transpose()
}
