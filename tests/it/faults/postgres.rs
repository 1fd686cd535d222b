//! The database goes away, or somebody reads it for a long time.

use std::time::Duration;

use serde_json::json;
use sqlx::{Executor, Row};

use crate::support::{
    Load, Servers, System, connect, fleet, now_us, prove, rows, wait_for, wait_until,
};

const SOON: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn drones_do_not_notice_that_postgres_is_down() {
    let servers = Servers::alone().await;
    let postgres = servers.postgres().await;
    let database = postgres.database().await;
    let system = System::kafka(&servers, &database).await;
    let mut up = system.start().await;
    let mut worker = system.start_worker(&[]);
    // Patient, so that a drone that gives up has noticed something.
    let load = Load::start(
        &system,
        aerostream_simulator::Config {
            ack_timeout_ms: 30_000,
            ..fleet()
        },
    );
    let mut connection = connect(&database).await;
    wait_until(SOON, "first rows", async || {
        rows(&mut connection).await > 1_000
    })
    .await;

    postgres.crash();
    load.acknowledged_more(4_000).await;
    let drones = system.get("/api/v1/drones?limit=1").await;
    assert_eq!(
        drones.status, 200,
        "live reads need no database: {drones:?}"
    );
    assert!(!worker.has_ended(), "{}", worker.output());
    let now = load.now();
    assert_eq!((now.timed_out, now.refused.len()), (0, 0), "{now:?}");
    postgres.start();

    let (report, manifest) = load.finish().await;
    assert_eq!(report.numbers.timed_out, 0, "{report}");
    assert!(report.numbers.retry_codes.is_empty(), "{report}");
    prove(&database, &manifest).await;
    assert!(worker.drain().success(), "{}", worker.output());
    assert!(up.drain().success(), "{}", up.output());
}

/// One lone sample of days ago, as a drone that was long out of reach sends it.
async fn post_old(system: &System, days: i64) {
    let time = now_us() - days * 86_400_000_000;
    let body = json!({
        "drone_id": "late", "boot": 1,
        "samples": [{"seq": 1, "utc_us": time, "battery": [{"id": 0, "voltage_v": 15.0}]}],
    });
    let answer = system.post(&system.token("relay"), &body).await;
    assert_eq!(answer.json["acknowledged"], 1, "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_reader_holds_up_nobody_when_a_partition_is_dropped() {
    let servers = Servers::shared().await;
    let database = servers.postgres().await.database().await;
    let system = System::embedded(&servers).await.database(&database);
    let mut up = system.start().await;
    post_old(&system, 20).await;
    let mut connection = connect(&database).await;
    wait_until(SOON, "the old row", async || {
        rows(&mut connection).await == 1
    })
    .await;
    assert!(up.drain().success(), "{}", up.output());

    let mut reader = connect(&database).await;
    // One snapshot from begin to end, as a report over many queries takes it.
    let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ";
    reader.execute(begin).await.expect("a transaction");
    let old = "SELECT tableoid::regclass::text FROM telemetry ORDER BY ts LIMIT 1";
    let row = reader.fetch_one(old).await.expect("the old row");
    let partition: String = row.get(0);

    // The days that are kept end after the old row's; upkeep looks every second.
    let system = system
        .set("WORKER__RETENTION_DAYS", 5)
        .set("WORKER__PARTITIONS_INTERVAL_S", 1);
    let mut up = system.start().await;
    let load = Load::start(&system, fleet());
    let mut other = connect(&database).await;
    let waits = "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() \
         AND query LIKE 'ALTER TABLE telemetry DETACH%' AND wait_event_type = 'Lock'";
    wait_until(SOON, "a detach that waits for the reader", async || {
        let waits = other.fetch_one(waits).await.expect("an answer");
        waits.get(0)
    })
    .await;
    let before = rows(&mut other).await;
    wait_until(SOON, "rows beside the waiting detach", async || {
        rows(&mut other).await > before + 1_000
    })
    .await;
    let again = reader.fetch_one(old).await.expect("what it began to read");
    assert_eq!(again.get::<String, _>(0), partition);
    reader.execute("COMMIT").await.expect("the reader ends");

    wait_for(SOON, "the end of the partition", async || {
        let gone = "SELECT to_regclass($1) IS NULL";
        let gone = sqlx::query_scalar(gone)
            .bind(&partition)
            .fetch_one(&mut other);
        let gone: bool = gone.await.expect("an answer");
        gone.then_some(())
    })
    .await;
    let (_, manifest) = load.finish().await;
    let verdict = prove(&database, &manifest).await;
    assert_eq!(verdict.unacknowledged, 0, "{verdict:?}");
    assert!(up.drain().success(), "{}", up.output());
}
