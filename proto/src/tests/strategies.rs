//! Arbitrary legal values.

use std::ops::RangeInclusive;

use aerostream_domain::sample::{
    Attitude, Battery, Content, Dialect, Extra, FixType, FlightMode, Gnss, Health, Home,
    LandedState, Link, Mission, MissionState, Position, State, SystemStatus, Text, Velocity, Wind,
};
use aerostream_domain::{
    BootId, BootMicros, BootRecord, Claim, DroneId, Epoch, NodeId, Offset, PowerUpBasis,
    RecordedSample, Sample, Seq, ShardId, TelemetryRecord, TimeBasis, UtcMicros,
};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

fn single(range: RangeInclusive<f32>) -> impl Strategy<Value = Option<f32>> {
    option::of(range)
}

fn double(range: RangeInclusive<f64>) -> impl Strategy<Value = Option<f64>> {
    option::of(range)
}

fn code<T: Clone + std::fmt::Debug + 'static>(codes: &'static [T]) -> BoxedStrategy<Option<T>> {
    option::of(select(codes)).boxed()
}

prop_compose! {
    fn latitude_and_longitude()(
        both in option::of((-90.0..=90.0, -180.0..=180.0)),
    ) -> (Option<f64>, Option<f64>) {
        both.unzip()
    }
}

prop_compose! {
    fn position()(
        (latitude_deg, longitude_deg) in latitude_and_longitude(),
        absolute_altitude_m in double(-1e3..=1e5),
        ellipsoid_altitude_m in double(-1e3..=1e5),
        relative_altitude_m in double(-1e4..=1e5),
        terrain_altitude_m in double(-1e3..=1e5),
    ) -> Position {
        Position {
            latitude_deg, longitude_deg, absolute_altitude_m, ellipsoid_altitude_m,
            relative_altitude_m, terrain_altitude_m,
        }
    }
}

prop_compose! {
    fn velocity()(
        north_m_s in single(-1e3..=1e3),
        east_m_s in single(-1e3..=1e3),
        down_m_s in single(-1e3..=1e3),
        ground_speed_m_s in single(0.0..=1e3),
        air_speed_m_s in single(0.0..=1e3),
        heading_deg in single(0.0..=360.0),
        course_deg in single(0.0..=360.0),
    ) -> Velocity {
        Velocity {
            north_m_s, east_m_s, down_m_s, ground_speed_m_s, air_speed_m_s, heading_deg, course_deg,
        }
    }
}

prop_compose! {
    fn attitude()(
        roll_deg in single(-180.0..=180.0),
        pitch_deg in single(-180.0..=180.0),
        yaw_deg in single(-180.0..=360.0),
        roll_rate_deg_s in single(-1e4..=1e4),
        pitch_rate_deg_s in single(-1e4..=1e4),
        yaw_rate_deg_s in single(-1e4..=1e4),
    ) -> Attitude {
        Attitude {
            roll_deg, pitch_deg, yaw_deg, roll_rate_deg_s, pitch_rate_deg_s, yaw_rate_deg_s,
        }
    }
}

prop_compose! {
    fn gnss()(
        fix_type in code(&[
            FixType::NoGps, FixType::NoFix, FixType::Fix2d, FixType::Fix3d, FixType::FixDgps,
            FixType::RtkFloat, FixType::RtkFixed,
        ]),
        fix_type_raw: Option<u32>,
        num_satellites: Option<u8>,
        hdop in single(0.0..=100.0),
        vdop in single(0.0..=100.0),
        horizontal_uncertainty_m in single(0.0..=1e5),
        vertical_uncertainty_m in single(0.0..=1e5),
        velocity_uncertainty_m_s in single(0.0..=1e3),
    ) -> Gnss {
        Gnss {
            id: 0, fix_type, fix_type_raw, num_satellites, hdop, vdop, horizontal_uncertainty_m,
            vertical_uncertainty_m, velocity_uncertainty_m_s,
        }
    }
}

prop_compose! {
    fn battery()(
        remaining_percent in single(0.0..=100.0),
        voltage_v in single(0.0..=1e3),
        current_battery_a in single(-1e4..=1e4),
        capacity_consumed_ah in single(0.0..=1e4),
        temperature_degc in single(-100.0..=200.0),
        time_remaining_s in single(0.0..=1e6),
        cells_v in vec(0.0_f32..=100.0, 0..=4),
    ) -> Battery {
        Battery {
            id: 0, remaining_percent, voltage_v, current_battery_a, capacity_consumed_ah,
            temperature_degc, time_remaining_s, cells_v,
        }
    }
}

prop_compose! {
    fn link()(
        rssi_dbm in single(-200.0..=50.0),
        remote_rssi_dbm in single(-200.0..=50.0),
        noise_dbm in single(-200.0..=50.0),
        loss_percent in single(0.0..=100.0),
        latency_ms in single(0.0..=6e5),
    ) -> Link {
        Link { rssi_dbm, remote_rssi_dbm, noise_dbm, loss_percent, latency_ms }
    }
}

prop_compose! {
    fn home()(
        (latitude_deg, longitude_deg) in latitude_and_longitude(),
        absolute_altitude_m in double(-1e3..=1e5),
        distance_m in single(0.0..=5e7),
    ) -> Home {
        Home { latitude_deg, longitude_deg, absolute_altitude_m, distance_m }
    }
}

prop_compose! {
    fn mission()(
        current: Option<u32>,
        total: Option<u32>,
        state in code(&[
            MissionState::NoMission, MissionState::NotStarted, MissionState::Active,
            MissionState::Paused, MissionState::Complete,
        ]),
        distance_to_item_m in single(0.0..=5e7),
    ) -> Mission {
        Mission { current, total, state, distance_to_item_m }
    }
}

prop_compose! {
    fn health()(
        sensors_present: Option<u32>,
        sensors_enabled: Option<u32>,
        sensors_healthy: Option<u32>,
        cpu_load_percent in single(0.0..=100.0),
        vibration_m_s2 in single(0.0..=1e3),
        estimator_flags: Option<u32>,
    ) -> Health {
        Health {
            sensors_present, sensors_enabled, sensors_healthy, cpu_load_percent, vibration_m_s2,
            estimator_flags,
        }
    }
}

prop_compose! {
    fn wind()(
        speed_m_s in single(0.0..=150.0),
        direction_from_deg in single(0.0..=360.0),
        vertical_m_s in single(-100.0..=100.0),
    ) -> Wind {
        Wind { speed_m_s, direction_from_deg, vertical_m_s }
    }
}

prop_compose! {
    fn state()(
        armed: Option<bool>,
        flight_mode in code(&[
            FlightMode::Ready, FlightMode::Takeoff, FlightMode::Hold, FlightMode::Mission,
            FlightMode::ReturnToLaunch, FlightMode::Land, FlightMode::Offboard,
            FlightMode::FollowMe, FlightMode::Manual, FlightMode::Altctl, FlightMode::Posctl,
            FlightMode::Acro, FlightMode::Stabilized, FlightMode::Orbit, FlightMode::Other,
        ]),
        flight_mode_raw: Option<u32>,
        dialect in code(&[Dialect::Px4, Dialect::ArduPilot, Dialect::Dji, Dialect::Other]),
        landed_state in code(&[
            LandedState::OnGround, LandedState::InAir, LandedState::TakingOff,
            LandedState::Landing,
        ]),
        system_status in code(&[
            SystemStatus::Boot, SystemStatus::Calibrating, SystemStatus::Standby,
            SystemStatus::Active, SystemStatus::Critical, SystemStatus::Emergency,
            SystemStatus::PowerOff, SystemStatus::FlightTermination,
        ]),
    ) -> State {
        State { armed, flight_mode, flight_mode_raw, dialect, landed_state, system_status }
    }
}

prop_compose! {
    fn text()(severity in option::of(0_u8..=7), text in "[ -~]{1,20}") -> Text {
        Text { severity, text }
    }
}

fn extra() -> impl Strategy<Value = Extra> {
    prop_oneof![
        (-1e9_f64..=1e9).prop_map(Extra::Number),
        any::<i64>().prop_map(Extra::Integer),
        any::<bool>().prop_map(Extra::Flag),
        "[ -~]{0,20}".prop_map(Extra::Text),
    ]
}

prop_compose! {
    fn listed()(
        gnss in vec(gnss(), 0..=3),
        battery in vec(battery(), 0..=3),
        extras in btree_map("[a-z_]{1,8}", extra(), 0..=4),
        raw in option::of(vec(any::<u8>(), 1..=16)),
    ) -> Content {
        let numbered = gnss.into_iter().zip(0..).map(|(gnss, id)| Gnss { id, ..gnss });
        let packs = battery.into_iter().zip(0..).map(|(pack, id)| Battery { id, ..pack });
        Content {
            gnss: numbered.collect(),
            battery: packs.collect(),
            extras: extras.into_iter().collect(),
            raw,
            ..Content::default()
        }
    }
}

prop_compose! {
    pub(super) fn content()(
        listed in listed(),
        kind in "[!-~]{0,10}",
        (position, velocity, attitude) in
            (option::of(position()), option::of(velocity()), option::of(attitude())),
        (link, home, mission) in
            (option::of(link()), option::of(home()), option::of(mission())),
        (health, wind, state, text) in
            (option::of(health()), option::of(wind()), option::of(state()), option::of(text())),
    ) -> Content {
        Content {
            kind, position, velocity, attitude, link, home, mission, health, wind, state, text,
            ..listed
        }
    }
}

pub(super) fn utc() -> impl Strategy<Value = UtcMicros> {
    any::<i64>().prop_map(UtcMicros)
}

pub(super) fn seq() -> impl Strategy<Value = u64> {
    0..=i64::MAX.unsigned_abs()
}

prop_compose! {
    pub(super) fn sample()(
        seq in seq(),
        (utc, since_boot) in clocks(),
        content in content(),
    ) -> Sample {
        Sample {
            seq,
            utc,
            since_boot,
            content,
        }
    }
}

/// At least one clock that can be true.
fn clocks() -> impl Strategy<Value = (Option<UtcMicros>, Option<BootMicros>)> {
    let utc = (UtcMicros::EARLIEST_PLAUSIBLE.0..=i64::MAX).prop_map(|us| Some(UtcMicros(us)));
    let since_boot = (0..=BootMicros::LATEST_PLAUSIBLE.0).prop_map(|us| Some(BootMicros(us)));
    prop_oneof![
        (utc.clone(), since_boot.clone()),
        (utc, Just(None)),
        (Just(None), since_boot),
    ]
}

pub(super) fn drone() -> impl Strategy<Value = DroneId> {
    "[a-z0-9][a-z0-9._:-]{0,20}".prop_map(|text| DroneId::parse(&text).expect("a legal id"))
}

pub(super) fn boot_id() -> impl Strategy<Value = BootId> {
    any::<u64>().prop_map(BootId)
}

prop_compose! {
    pub(super) fn epoch()(generation: u32, offset: u64) -> Epoch {
        Epoch { generation, offset: Offset(offset) }
    }
}

prop_compose! {
    pub(super) fn claim()(shard: u16, node in "[a-z0-9][a-z0-9._:-]{0,20}") -> Claim {
        Claim { shard: ShardId(shard), node: NodeId::parse(&node).expect("a legal id") }
    }
}

prop_compose! {
    pub(super) fn boot()(
        boot in boot_id(),
        power_up in utc(),
        basis in select(&[
            PowerUpBasis::Sending, PowerUpBasis::BothClocks, PowerUpBasis::FirstUtc,
            PowerUpBasis::Received,
        ]),
    ) -> BootRecord {
        BootRecord { boot, power_up, basis }
    }
}

pub(super) fn basis() -> impl Strategy<Value = TimeBasis> {
    select(&[TimeBasis::Utc, TimeBasis::Paired, TimeBasis::Received])
}

prop_compose! {
    fn recorded()(
        seq: u64,
        time in utc(),
        basis in basis(),
        since_boot: Option<u64>,
        content in content(),
    ) -> RecordedSample {
        RecordedSample {
            seq: Seq(seq),
            time,
            basis,
            since_boot: since_boot.map(BootMicros),
            content,
        }
    }
}

prop_compose! {
    pub(super) fn record()(
        epoch in epoch(),
        drone in drone(),
        boot in boot_id(),
        power_up in utc(),
        received in utc(),
        samples in vec(recorded(), 0..=3),
    ) -> TelemetryRecord {
        TelemetryRecord { epoch, drone, boot, power_up, received, samples }
    }
}
