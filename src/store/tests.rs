mod partitions;
mod reads;
mod runs;
mod summaries;
mod takeover;
mod throughput;

use aerostream_domain::sample::{Battery, Content, Position, Velocity};
use aerostream_domain::{BootId, DroneId, Offset, RecordedSample, Seq, TimeBasis, UtcMicros};
use sqlx::PgPool;

use super::offsets::Stored;
use super::partition::{self, Day};
use super::telemetry::{Counts, write_run};
use super::test_database::{self, TestDatabase};
use super::{Place, Run, Source, StoreError, Writer, writer};

/// 2026-01-01T00:00:00Z.
const START: UtcMicros = UtcMicros(1_767_225_600_000_000);
const SECOND: i64 = 1_000_000;

fn drone(name: &str) -> DroneId {
    DroneId::parse(name).expect("an id")
}

fn sample(seq: u64, altitude: f64) -> RecordedSample {
    RecordedSample {
        seq: Seq(seq),
        time: UtcMicros(START.0 + seq as i64 * SECOND),
        basis: TimeBasis::Utc,
        since_boot: None,
        content: Content {
            position: Some(Position {
                latitude_deg: Some(47.0),
                longitude_deg: Some(8.0),
                relative_altitude_m: Some(altitude),
                ..Position::default()
            }),
            velocity: Some(Velocity {
                ground_speed_m_s: Some(2.0),
                ..Velocity::default()
            }),
            battery: vec![Battery {
                remaining_percent: Some(90.0),
                ..Battery::default()
            }],
            ..Content::default()
        },
    }
}

fn stored(next: u64) -> Stored {
    Stored {
        next: Some(Offset(next)),
        claim: None,
    }
}

/// Samples of a drone's boot 1, on partition 0 between two positions.
fn run(name: &str, samples: &[RecordedSample], from: Stored, to: Stored) -> Run {
    let mut run = Run::default();
    for (sample, index) in samples.iter().zip(0..) {
        let place = Place {
            record: 0,
            sample: index,
        };
        run.push(&drone(name), BootId(1), sample, place)
            .expect("storable");
    }
    run.cover(0, from, to);
    run
}

fn telemetry_writer(database: &TestDatabase) -> Writer {
    let config = writer::Config {
        lock_timeout_ms: 300,
        ..writer::Config::default()
    };
    Writer::new(Source::Telemetry, database.options.clone(), config)
}

async fn database() -> TestDatabase {
    let database = test_database::create().await;
    let days = [Day::of(START), Day::of(START).plus(1)].into();
    partition::ensure(&database.pool, &days, Day(0))
        .await
        .expect("partitions");
    database
}

async fn write(writer: &mut Writer, mut run: Run) -> Result<Counts, StoreError> {
    write_run(writer, &mut run).await?.commit().await
}

async fn count(pool: &PgPool, statement: &'static str) -> i64 {
    sqlx::query_scalar(statement)
        .fetch_one(pool)
        .await
        .expect("a number")
}

const ROWS: &str = "SELECT count(*) FROM telemetry";
