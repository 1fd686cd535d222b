//! One value of each kind with every field set, each field to another number.

use aerostream_domain::alert::AlertBook;
use aerostream_domain::command::Ledger;
use aerostream_domain::drone::Pulse;
use aerostream_domain::drone::live::{LiveState, Newest, Stamp, Stamps};
use aerostream_domain::sample::{
    Attitude, Battery, Content, Dialect, Extra, FixType, FlightMode, Gnss, Health, Home,
    LandedState, Link, Mission, MissionState, Position, State, SystemStatus, Text, Velocity, Wind,
};
use aerostream_domain::{
    Batch, BootId, BootMicros, BootRecord, Cause, Claim, DroneId, DroneSnapshot, Epoch,
    JournalEntry, JournalKind, NodeId, Offset, PowerUpBasis, RecordedSample, Sample, Seq, ShardId,
    StateEntry, StateKind, TelemetryRecord, TimeBasis, UtcMicros, WindowSnapshot,
};

pub(super) const NOON: UtcMicros = UtcMicros(1_767_268_800_000_000);

pub(super) fn drone() -> DroneId {
    DroneId::parse("alpha-1").expect("a legal id")
}

pub(super) fn epoch() -> Epoch {
    Epoch {
        generation: 3,
        offset: Offset(300),
    }
}

pub(super) fn claim() -> Claim {
    Claim {
        shard: ShardId(17),
        node: NodeId::parse("node-a").expect("a legal id"),
    }
}

pub(super) fn boot() -> BootRecord {
    BootRecord {
        boot: BootId(0xb007_b007_b007_b007),
        power_up: NOON,
        basis: PowerUpBasis::BothClocks,
    }
}

pub(super) fn boot_entry() -> JournalEntry {
    JournalEntry {
        epoch: Some(epoch()),
        at: NOON,
        cause: Cause {
            telemetry: Some(Offset(41)),
            journal: Some(Offset(0)),
            registry: Some(Offset(43)),
        },
        kind: JournalKind::Boot {
            drone: drone(),
            record: boot(),
        },
    }
}

/// A state record whose snapshot has every field.
pub(super) fn state() -> StateEntry {
    StateEntry {
        epoch: epoch(),
        kind: StateKind::Drone(Box::new(DroneSnapshot {
            drone: drone(),
            boots: vec![boot()],
            boots_forgotten: true,
            live: live(),
            applied: Some(Offset(99)),
            windows: vec![WindowSnapshot {
                boot: boot().boot,
                floor: Seq(4700),
                durable: vec![(Seq(4700), 0xf00d), (Seq(4711), 0xbeef)],
            }],
            alerts: AlertBook::default(),
            pulse: Pulse::default(),
            commands: Ledger::default(),
        })),
    }
}

fn live() -> LiveState {
    let stamp = |behind: u64| Stamp {
        seq: Seq(4711 - behind),
        time: UtcMicros(NOON.0 + 60_000_000),
    };
    LiveState {
        boot: Some(boot().boot),
        power_up: Some(NOON),
        newest: Some(Newest {
            seq: Seq(4711),
            time: UtcMicros(NOON.0 + 60_000_000),
            basis: TimeBasis::Paired,
            since_boot: Some(BootMicros(60_000_000)),
        }),
        groups: Content {
            raw: None,
            ..content()
        },
        stamps: Stamps {
            position: Some(stamp(0)),
            velocity: Some(stamp(1)),
            attitude: Some(stamp(2)),
            gnss: vec![(1, stamp(3))],
            battery: vec![(2, stamp(4))],
            link: Some(stamp(5)),
            home: Some(stamp(6)),
            mission: Some(stamp(7)),
            health: Some(stamp(8)),
            wind: Some(stamp(9)),
            state: Some(stamp(10)),
            text: Some(stamp(11)),
            extras: vec![("gripper".to_owned(), stamp(12))],
        },
        received: Some(UtcMicros(NOON.0 + 61_500_000)),
        samples: 4650,
    }
}

pub(super) fn sample() -> Sample {
    Sample {
        seq: 4711,
        utc: Some(UtcMicros(NOON.0 + 60_000_000)),
        since_boot: Some(BootMicros(60_000_000)),
        content: content(),
    }
}

pub(super) fn batch() -> Batch {
    Batch {
        drone: drone(),
        boot: boot().boot,
        sent_at_boot: Some(BootMicros(61_000_000)),
        received_identity: false,
        samples: vec![sample()],
    }
}

pub(super) fn record() -> TelemetryRecord {
    TelemetryRecord {
        epoch: epoch(),
        drone: drone(),
        boot: boot().boot,
        power_up: NOON,
        received: UtcMicros(NOON.0 + 61_500_000),
        samples: vec![RecordedSample {
            seq: Seq(4711),
            time: UtcMicros(NOON.0 + 60_000_000),
            basis: TimeBasis::Paired,
            since_boot: Some(BootMicros(60_000_000)),
            content: content(),
        }],
    }
}

pub(super) fn content() -> Content {
    Content {
        kind: "ALTITUDE".to_owned(),
        position: Some(Position {
            latitude_deg: Some(47.397_742),
            longitude_deg: Some(8.545_594),
            absolute_altitude_m: Some(488.25),
            ellipsoid_altitude_m: Some(535.5),
            relative_altitude_m: Some(0.75),
            terrain_altitude_m: Some(1.25),
        }),
        velocity: Some(Velocity {
            north_m_s: Some(1.5),
            east_m_s: Some(-2.5),
            down_m_s: Some(-0.5),
            ground_speed_m_s: Some(2.75),
            air_speed_m_s: Some(3.25),
            heading_deg: Some(301.0),
            course_deg: Some(302.0),
        }),
        attitude: Some(Attitude {
            roll_deg: Some(-10.5),
            pitch_deg: Some(5.25),
            yaw_deg: Some(300.5),
            roll_rate_deg_s: Some(11.0),
            pitch_rate_deg_s: Some(-12.0),
            yaw_rate_deg_s: Some(13.0),
        }),
        gnss: vec![gnss()],
        battery: vec![battery()],
        link: Some(Link {
            rssi_dbm: Some(-71.0),
            remote_rssi_dbm: Some(-72.0),
            noise_dbm: Some(-101.0),
            loss_percent: Some(0.5),
            latency_ms: Some(35.0),
        }),
        home: Some(Home {
            latitude_deg: Some(47.397),
            longitude_deg: Some(8.545),
            absolute_altitude_m: Some(487.5),
            distance_m: Some(99.5),
        }),
        ..rest_of_content()
    }
}

fn gnss() -> Gnss {
    Gnss {
        id: 1,
        fix_type: Some(FixType::RtkFixed),
        fix_type_raw: Some(6),
        num_satellites: Some(19),
        hdop: Some(0.75),
        vdop: Some(1.25),
        horizontal_uncertainty_m: Some(0.5),
        vertical_uncertainty_m: Some(0.25),
        velocity_uncertainty_m_s: Some(0.125),
    }
}

fn battery() -> Battery {
    Battery {
        id: 2,
        remaining_percent: Some(76.5),
        voltage_v: Some(15.75),
        current_battery_a: Some(14.5),
        capacity_consumed_ah: Some(1.375),
        temperature_degc: Some(31.5),
        time_remaining_s: Some(840.0),
        cells_v: vec![3.9375, 3.875],
    }
}

fn rest_of_content() -> Content {
    Content {
        mission: Some(Mission {
            current: Some(4),
            total: Some(9),
            state: Some(MissionState::Active),
            distance_to_item_m: Some(250.5),
        }),
        health: Some(Health {
            sensors_present: Some(0x7f),
            sensors_enabled: Some(0x3f),
            sensors_healthy: Some(0x1f),
            cpu_load_percent: Some(41.5),
            vibration_m_s2: Some(7.5),
            estimator_flags: Some(831),
        }),
        wind: Some(Wind {
            speed_m_s: Some(6.5),
            direction_from_deg: Some(270.5),
            vertical_m_s: Some(-0.25),
        }),
        state: Some(State {
            armed: Some(true),
            flight_mode: Some(FlightMode::ReturnToLaunch),
            flight_mode_raw: Some(84_148_224),
            dialect: Some(Dialect::Px4),
            landed_state: Some(LandedState::InAir),
            system_status: Some(SystemStatus::Critical),
        }),
        text: Some(Text {
            severity: Some(4),
            text: "Low battery".to_owned(),
        }),
        extras: vec![
            ("baro_hpa".to_owned(), Extra::Number(955.25)),
            ("gripper".to_owned(), Extra::Flag(true)),
            ("payload".to_owned(), Extra::Text("parcel".to_owned())),
            ("steps".to_owned(), Extra::Integer(-12)),
        ],
        raw: Some(vec![0xfd, 0x09, 0x00]),
        ..Content::default()
    }
}
