//! Figures for people, run by hand: `cargo test --release throughput -- --ignored --nocapture`.

use std::time::{Duration, Instant};

use aerostream_domain::sample::{Attitude, Gnss, State};
use bytes::BufMut;
use sqlx::{Connection, PgConnection};

use super::*;
use crate::store::row::columns::{COLUMNS, list};
use crate::store::row::encode;

const RUNS: u64 = 10;
const RUN_ROWS: u64 = 20_000;
const DRONES: u64 = 500;

fn busy_sample(seq: u64) -> RecordedSample {
    let mut sample = sample(seq, seq as f64);
    sample.time = UtcMicros(START.0 + seq as i64 * 100_000);
    sample.content.attitude = Some(Attitude {
        roll_deg: Some(1.0),
        pitch_deg: Some(2.0),
        yaw_deg: Some(3.0),
        ..Attitude::default()
    });
    sample.content.gnss = vec![Gnss {
        num_satellites: Some(14),
        hdop: Some(0.8),
        ..Gnss::default()
    }];
    sample.content.state = Some(State {
        armed: Some(true),
        ..State::default()
    });
    sample
}

/// Samples of a run: each drone has some, one after the other.
fn samples(run: u64) -> Vec<(DroneId, RecordedSample)> {
    let each = RUN_ROWS / DRONES;
    (0..DRONES)
        .flat_map(|number| {
            let drone = drone(&format!("drone-{number}"));
            (0..each).map(move |n| (drone.clone(), busy_sample(run * each + n)))
        })
        .collect()
}

fn rate(took: Duration) -> f64 {
    (RUNS * RUN_ROWS) as f64 / took.as_secs_f64()
}

#[tokio::test]
#[ignore = "prints figures and proves nothing"]
async fn throughput_beside_a_raw_copy() {
    let database = database().await;
    let all: Vec<_> = (0..RUNS).map(samples).collect();

    let mut connection = PgConnection::connect_with(&database.options)
        .await
        .expect("a connection");
    let mut rows = bytes::BytesMut::new();
    rows.put_slice(encode::HEADER);
    for (drone, sample) in all.iter().flatten() {
        let start = rows.len();
        encode::row(&mut rows, BootId(1), sample);
        let number: i32 = drone.as_str()[6..].parse().expect("a number");
        encode::set_drone_ref(&mut rows[start..], number);
    }
    rows.put_slice(&encode::TRAILER);
    let begun = Instant::now();
    let statement = format!(
        "COPY telemetry ({}) FROM STDIN (FORMAT binary)",
        list(&COLUMNS, "")
    );
    let mut copy = connection.copy_in_raw(&statement).await.expect("begun");
    for chunk in rows.chunks(256 * 1024) {
        copy.send(chunk).await.expect("sent");
    }
    copy.finish().await.expect("copied");
    let raw = begun.elapsed();
    sqlx::raw_sql("TRUNCATE telemetry")
        .execute(&mut connection)
        .await
        .expect("emptied");

    let mut writer = telemetry_writer(&database);
    writer.take_over(&[0]).await.expect("taken");
    let (mut encoding, mut writing) = (Duration::ZERO, Duration::ZERO);
    for (samples, number) in all.iter().zip(0..) {
        let begun = Instant::now();
        let mut run = Run::default();
        for (drone, sample) in samples {
            let place = Place {
                record: 0,
                sample: 0,
            };
            run.push(drone, BootId(1), sample, place).expect("storable");
        }
        let from = if number == 0 {
            Stored::default()
        } else {
            stored(number)
        };
        run.cover(0, from, stored(number + 1));
        encoding += begun.elapsed();
        let begun = Instant::now();
        write(&mut writer, run).await.expect("stored");
        writing += begun.elapsed();
    }
    println!(
        "raw copy {:.0} rows/s; runs {:.0} rows/s (ratio {:.2}); encoding alone {:.0} rows/s",
        rate(raw),
        rate(encoding + writing),
        raw.as_secs_f64() / (encoding + writing).as_secs_f64(),
        rate(encoding),
    );
}
