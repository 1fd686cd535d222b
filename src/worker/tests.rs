mod alerts;
mod audit;
mod commands;
mod faults;
mod sharing;

use std::sync::Arc;
use std::time::Duration;

use aerostream_domain::sample::{Content, Position};
use aerostream_domain::{
    BootId, BootRecord, Claim, DroneId, Epoch, JournalEntry, JournalKind, NodeId, Offset,
    PowerUpBasis, RecordedSample, Seq, ShardCount, ShardId, TelemetryEntry, TelemetryRecord,
    TimeBasis, UtcMicros,
};
use aerostream_log::{Append, EventLog, MemoryLog, Partition, Topic, encode};
use aerostream_proto::v1;
use bytes::Bytes;
use sqlx::PgPool;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{Config, Status, Worker, WorkerError};
use crate::clock::utc_now;
use crate::store::test_database::{self, SHARDS, TestDatabase};
use crate::store::verify::ledgers;

/// How long anything may take that must happen.
const PATIENCE: Duration = Duration::from_secs(60);

fn epoch(offset: u64) -> Epoch {
    Epoch {
        generation: 1,
        offset: Offset(offset),
    }
}

fn drone(number: u64) -> DroneId {
    DroneId::parse(&format!("drone-{number}")).expect("an id")
}

/// A batch of some samples whose content follows from `altitude`.
fn batch(drone: DroneId, seqs: std::ops::Range<u64>, altitude: f64) -> TelemetryRecord {
    // One time per seq, today, however often it is asked.
    let day = utc_now().0 / 86_400_000_000 * 86_400_000_000;
    let samples = seqs.map(|seq| RecordedSample {
        seq: Seq(seq),
        time: UtcMicros(day + seq as i64 * 1000),
        basis: TimeBasis::Utc,
        since_boot: None,
        content: Content {
            position: Some(Position {
                relative_altitude_m: Some(altitude),
                ..Position::default()
            }),
            ..Content::default()
        },
    });
    TelemetryRecord {
        epoch: epoch(1),
        drone,
        boot: BootId(7),
        power_up: UtcMicros(day),
        received: UtcMicros(day),
        samples: samples.collect(),
    }
}

async fn append(log: &MemoryLog, topic: Topic, partition: u16, payload: Bytes) {
    let append = Append {
        topic,
        partition: Partition(partition),
        key: Bytes::new(),
        payload,
    };
    log.append(append).await.expect("appended");
}

async fn append_batch(log: &MemoryLog, partition: u16, record: TelemetryRecord) {
    let event = v1::TelemetryEvent::from(&record);
    append(log, Topic::Telemetry, partition, encode(&event)).await;
}

async fn append_journal(log: &MemoryLog, epoch: Option<Epoch>, kind: JournalKind) {
    let entry = JournalEntry {
        epoch,
        at: utc_now(),
        cause: Default::default(),
        kind,
    };
    let record = v1::JournalRecord::from(entry);
    append(log, Topic::Journal, 0, encode(&record)).await;
}

fn log() -> MemoryLog {
    MemoryLog::new(ShardCount::new(SHARDS).expect("a legal count"))
}

/// A worker that runs until it is stopped or killed.
struct Running {
    status: watch::Receiver<Status>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), WorkerError>>,
}

fn config() -> Config {
    Config {
        run_age_max_ms: 5,
        retry_min_ms: 10,
        retry_max_ms: 100,
        lag_interval_ms: 20,
        writer: crate::store::writer::Config {
            lock_timeout_ms: 300,
            ..Default::default()
        },
        ..Config::default()
    }
}

fn start(log: &MemoryLog, pool: &PgPool, config: Config) -> Running {
    let worker = Worker::build(config, Arc::new(log.clone()), pool.clone());
    let status = worker.status();
    let (stop, stopped) = oneshot::channel();
    let shutdown = async {
        // Dropped or sent, both are the end.
        let _either = stopped.await;
    };
    #[expect(clippy::disallowed_methods, reason = "aborted or awaited by each test")]
    let task = tokio::spawn(worker.run(shutdown));
    Running { status, stop, task }
}

impl Running {
    async fn until(&mut self, condition: impl FnMut(&Status) -> bool) -> Status {
        let found = timeout(PATIENCE, self.status.wait_for(condition)).await;
        found.expect("in time").expect("it works").clone()
    }

    async fn stop(self) {
        self.stop.send(()).expect("it works");
        self.task.await.expect("no panic").expect("no error");
    }

    /// As kill -9 does.
    async fn kill(self) {
        self.task.abort();
        let _aborted = self.task.await;
    }
}

/// Everything stored, by drone id.
async fn rows(pool: &PgPool) -> Vec<(String, i64, i64, f64)> {
    sqlx::query_as(
        "SELECT drone_id, boot, seq, relative_altitude_m FROM telemetry JOIN drone \
         USING (drone_ref) ORDER BY 1, 2, 3, ts",
    )
    .fetch_all(pool)
    .await
    .expect("rows")
}

/// Waits until so many samples are stored.
async fn until_stored(pool: &PgPool, wanted: i64) {
    let look = async {
        loop {
            let found: i64 = sqlx::query_scalar("SELECT count(*) FROM telemetry")
                .fetch_one(pool)
                .await
                .expect("a number");
            if found >= wanted {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, look).await.expect("stored in time");
}

/// The dead letters, in order of their partitions.
fn letters(log: &MemoryLog) -> Vec<v1::DeadLetter> {
    (0..aerostream_log::topic::DEAD_LETTER_PARTITIONS)
        .flat_map(|partition| log.records(Topic::DeadLetters, Partition(partition)))
        .map(|record| aerostream_log::decode(&record.payload).expect("a letter"))
        .collect()
}

/// Plants each fault by itself: `verify` must tell it, and nothing without it.
async fn check_faults(pool: &PgPool, faults: &[(&str, String)]) {
    for (what, fault) in faults {
        let before = ledgers(pool, 3).await.expect("a look");
        assert_eq!(before.contradictions, [], "before {fault}");
        let backup = "CREATE TABLE kept_alert AS TABLE alert; \
                      CREATE TABLE kept_alert_event AS TABLE alert_event; \
                      CREATE TABLE kept_command AS TABLE command; \
                      CREATE TABLE kept_command_event AS TABLE command_event";
        sqlx::raw_sql(backup).execute(pool).await.expect("kept");
        let fault = sqlx::AssertSqlSafe(fault.clone());
        sqlx::raw_sql(fault).execute(pool).await.expect("a fault");
        let found = ledgers(pool, 3).await.expect("a look").contradictions;
        let is_told = found.iter().any(|found| found.what.contains(what));
        assert!(is_told, "{what}: {found:?}");
        let restore = ["alert", "alert_event", "command", "command_event"].map(|table| {
            format!(
                "DELETE FROM {table}; INSERT INTO {table} TABLE kept_{table}; \
                     DROP TABLE kept_{table};"
            )
        });
        let restore = sqlx::AssertSqlSafe(restore.concat());
        sqlx::raw_sql(restore)
            .execute(pool)
            .await
            .expect("restored");
    }
}

async fn database() -> TestDatabase {
    test_database::create().await
}

fn claim(node: &str) -> Claim {
    Claim {
        shard: ShardId(0),
        node: NodeId::parse(node).expect("an id"),
    }
}
