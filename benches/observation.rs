//! What a flying drone says in one sample, in the amount that is usual.

use aerostream_domain::sample::{
    Attitude, Battery, Content, Gnss, Link, Position, State, Velocity,
};
use aerostream_domain::{Batch, BootId, BootMicros, DroneId, Sample, UtcMicros};

/// Content of a sample; differs with its number.
pub fn content(number: u64) -> Content {
    let turn = (number % 3600) as f64 / 10.0;
    Content {
        position: Some(Position {
            latitude_deg: Some(48.137 + turn / 10_000.0),
            longitude_deg: Some(11.575 + turn / 9_000.0),
            absolute_altitude_m: Some(590.0 + turn / 10.0),
            relative_altitude_m: Some(70.0 + turn / 10.0),
            ..Position::default()
        }),
        velocity: Some(Velocity {
            north_m_s: Some(turn as f32 / 50.0),
            east_m_s: Some(3.5),
            down_m_s: Some(-0.25),
            ground_speed_m_s: Some(8.0),
            heading_deg: Some(turn as f32),
            ..Velocity::default()
        }),
        attitude: Some(Attitude {
            roll_deg: Some(1.5),
            pitch_deg: Some(-4.0),
            yaw_deg: Some(turn as f32),
            ..Attitude::default()
        }),
        gnss: vec![Gnss {
            num_satellites: Some(17),
            hdop: Some(0.7),
            ..Gnss::default()
        }],
        battery: vec![Battery {
            remaining_percent: Some(73.0),
            voltage_v: Some(15.6),
            current_battery_a: Some(18.0),
            ..Battery::default()
        }],
        link: Some(Link {
            rssi_dbm: Some(-61.0),
            loss_percent: Some(0.1),
            ..Link::default()
        }),
        state: Some(State {
            armed: Some(true),
            ..State::default()
        }),
        ..Content::default()
    }
}

/// A batch of one boot, one sample per second from `first` on.
pub fn batch(drone: DroneId, power_up: UtcMicros, first: u64, samples: u64) -> Batch {
    let sample = |seq: u64| Sample {
        seq,
        utc: Some(UtcMicros(power_up.0 + seq as i64 * 1_000_000)),
        since_boot: Some(BootMicros(seq * 1_000_000)),
        content: content(seq),
    };
    Batch {
        drone,
        boot: BootId(1),
        sent_at_boot: Some(BootMicros((first + samples) * 1_000_000)),
        received_identity: false,
        samples: (first..first + samples).map(sample).collect(),
    }
}
