use std::collections::HashMap;

use super::*;
use crate::sample::{
    Dialect, FixType, FlightMode, LandedState, MissionState, SystemStatus, TimeBasis,
};
use crate::units::{BootMicros, UtcMicros};

fn check_equal(left: &Content, right: &Content) {
    assert_eq!(left.hash(), right.hash(), "{left:?} {right:?}");
}

#[test]
fn the_layout_is_fixed_for_ever() {
    let content = Content {
        position: Some(Position {
            latitude_deg: Some(47.5),
            longitude_deg: Some(-0.0),
            ..Position::default()
        }),
        battery: vec![Battery {
            id: 2,
            cells_v: vec![4.0],
            ..Battery::default()
        }],
        extras: vec![("a".to_owned(), Extra::Flag(true))],
        ..Content::default()
    };
    let mut bytes = vec![1, 9, 0];
    bytes.extend(b"telemetry");
    bytes.extend([1, 1]);
    bytes.extend(47.5_f64.to_le_bytes());
    bytes.push(2);
    bytes.extend(0.0_f64.to_le_bytes());
    bytes.push(0);
    bytes.extend([5, 2, 7, 1, 0]);
    bytes.extend(4.0_f32.to_le_bytes());
    bytes.push(0);
    bytes.extend([13, 1, 0, b'a', 2, 1]);
    assert_eq!(content.hash(), ContentHash(xxh3_64(&bytes)));
    assert_eq!(content.hash(), ContentHash(VECTOR));
}

#[test]
fn enums_keep_their_numbers() {
    let numbers = [
        FixType::RtkFixed as u8,
        MissionState::Complete as u8,
        FlightMode::Other as u8,
        Dialect::Other as u8,
        LandedState::Landing as u8,
        SystemStatus::FlightTermination as u8,
        TimeBasis::Received as u8,
    ];
    assert_eq!(numbers, [6, 4, 14, 3, 3, 7, 2]);
}

#[test]
fn what_says_the_same_hashes_the_same() {
    let plain = Content::default();
    let named = Content {
        kind: "telemetry".to_owned(),
        ..Content::default()
    };
    let empty_groups = Content {
        position: Some(Position::default()),
        state: Some(State::default()),
        text: Some(Text::default()),
        ..Content::default()
    };
    check_equal(&plain, &named);
    check_equal(&plain, &empty_groups);
}

/// One content per field, each with nothing else.
fn one_by_one() -> Vec<Content> {
    let mut all = vec![Content::default()];
    macro_rules! each {
        ($($group:ident: $kind:ident { $($field:ident $value:expr;)* })*) => {$($(
            all.push(Content {
                $group: [$kind {
                    $field: $value,
                    ..$kind::default()
                }]
                .into_iter()
                .collect::<Wrap<_>>()
                .into(),
                ..Content::default()
            });
        )*)*};
    }
    each! {
        position: Position {
            latitude_deg Some(1.0); longitude_deg Some(1.0); absolute_altitude_m Some(1.0);
            ellipsoid_altitude_m Some(1.0); relative_altitude_m Some(1.0);
            terrain_altitude_m Some(1.0);
        }
        velocity: Velocity {
            north_m_s Some(1.0); east_m_s Some(1.0); down_m_s Some(1.0);
            ground_speed_m_s Some(1.0); air_speed_m_s Some(1.0); heading_deg Some(1.0);
            course_deg Some(1.0);
        }
        attitude: Attitude {
            roll_deg Some(1.0); pitch_deg Some(1.0); yaw_deg Some(1.0);
            roll_rate_deg_s Some(1.0); pitch_rate_deg_s Some(1.0); yaw_rate_deg_s Some(1.0);
        }
        gnss: Gnss {
            id 1; fix_type Some(FixType::Fix2d); fix_type_raw Some(1); num_satellites Some(1);
            hdop Some(1.0); vdop Some(1.0); horizontal_uncertainty_m Some(1.0);
            vertical_uncertainty_m Some(1.0); velocity_uncertainty_m_s Some(1.0);
        }
        battery: Battery {
            id 1; remaining_percent Some(1.0); voltage_v Some(1.0);
            current_battery_a Some(1.0); capacity_consumed_ah Some(1.0);
            temperature_degc Some(1.0); time_remaining_s Some(1.0); cells_v vec![1.0];
        }
        link: Link {
            rssi_dbm Some(1.0); remote_rssi_dbm Some(1.0); noise_dbm Some(1.0);
            loss_percent Some(1.0); latency_ms Some(1.0);
        }
        home: Home {
            latitude_deg Some(1.0); longitude_deg Some(1.0); absolute_altitude_m Some(1.0);
            distance_m Some(1.0);
        }
        mission: Mission {
            current Some(1); total Some(1); state Some(MissionState::Active);
            distance_to_item_m Some(1.0);
        }
        health: Health {
            sensors_present Some(1); sensors_enabled Some(1); sensors_healthy Some(1);
            cpu_load_percent Some(1.0); vibration_m_s2 Some(1.0); estimator_flags Some(1);
        }
        wind: Wind {
            speed_m_s Some(1.0); direction_from_deg Some(1.0); vertical_m_s Some(1.0);
        }
        state: State {
            armed Some(true); flight_mode Some(FlightMode::Ready); flight_mode_raw Some(1);
            dialect Some(Dialect::Px4); landed_state Some(LandedState::InAir);
            system_status Some(SystemStatus::Boot);
        }
        text: Text { severity Some(1); text "a".to_owned(); }
    }
    all
}

/// Lets a group and a list of instances be built the same way.
struct Wrap<T>(Vec<T>);

impl<T> FromIterator<T> for Wrap<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        Self(items.into_iter().collect())
    }
}

impl<T> From<Wrap<T>> for Vec<T> {
    fn from(wrap: Wrap<T>) -> Self {
        wrap.0
    }
}

impl<T> From<Wrap<T>> for Option<T> {
    fn from(wrap: Wrap<T>) -> Self {
        wrap.0.into_iter().next()
    }
}

#[test]
fn every_field_counts() {
    let mut all = one_by_one();
    for extra in [
        Extra::Number(1.0),
        Extra::Integer(1),
        Extra::Flag(true),
        Extra::Text("1".to_owned()),
    ] {
        all.push(Content {
            extras: vec![("a".to_owned(), extra)],
            ..Content::default()
        });
    }
    for raw in [vec![], vec![1]] {
        all.push(Content {
            raw: Some(raw),
            ..Content::default()
        });
    }
    let mut seen = HashMap::new();
    for content in &all {
        let other = seen.insert(content.hash().0, content);
        assert_eq!(other, None, "{content:?}");
    }
}

#[test]
fn clocks_count_in_what_a_resend_must_repeat() {
    let sample = |time, since_boot: Option<u64>| RecordedSample {
        seq: crate::Seq(1),
        time: UtcMicros(time),
        basis: TimeBasis::Utc,
        since_boot: since_boot.map(BootMicros),
        content: Content::default(),
    };
    let hash =
        |sample: RecordedSample| Clocks::from(&sample).hash_with(&sample.content, &mut Vec::new());
    assert_eq!(hash(sample(1, None)), hash(sample(1, None)));
    assert_ne!(hash(sample(1, None)), hash(sample(2, None)));
    assert_ne!(hash(sample(1, None)), hash(sample(1, Some(0))));
    assert_ne!(hash(sample(1, Some(1))), hash(sample(1, Some(0))));
}

/// Hash of the content of `the_layout_is_fixed_for_ever`.
const VECTOR: u64 = 3_497_612_901_796_116_836;
