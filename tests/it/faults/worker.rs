//! Workers die or stall in the middle of a COPY and others take over.
//!
//! A COPY is caught in the middle by a lock of the test on today's partition: the worker's backend
//! waits at its first row.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row};

use crate::support::aerostream::Aerostream;
use crate::support::{Load, Servers, System, connect, fleet, prove, rows, wait_for, wait_until};

const SOON: Duration = Duration::from_secs(60);

/// Settings of the worker that is caught: it must wait for the test, not give up.
const PATIENT: [(&str, &str); 1] = [("WORKER__WRITER__LOCK_TIMEOUT_MS", "120000")];

/// Backend whose COPY waits for the test.
const BACKEND_IN_COPY: &str = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() \
     AND application_name = 'aerostream-worker' AND query LIKE 'COPY telemetry %' \
     AND wait_event_type = 'Lock'";

struct Caught {
    system: System,
    database: String,
    up: Aerostream,
    load: Load,
    worker: Aerostream,
    backend: i32,
}

/// Lets drones fly until a worker waits in the middle of a COPY.
async fn catch_in_copy(servers: &Servers, locks: &mut Option<PgConnection>) -> Caught {
    let database = servers.postgres().await.database().await;
    let system = System::kafka(servers, &database).await;
    let up = system.start().await;
    let worker = system.start_worker(&PATIENT);
    let load = Load::start(&system, fleet());
    let mut watcher = connect(&database).await;
    wait_until(SOON, "first rows", async || rows(&mut watcher).await > 500).await;
    *locks = Some(connect(&database).await);
    let connection = locks.as_mut().expect("just put there");
    lock_partitions(connection).await;
    let backend = wait_for(SOON, "a COPY in the middle", async || {
        let row = watcher.fetch_optional(BACKEND_IN_COPY).await;
        row.expect("an answer").map(|row| row.get::<i32, _>(0))
    })
    .await;
    Caught {
        system,
        database,
        up,
        load,
        worker,
        backend,
    }
}

/// Inserts wait until the connection rolls back; readers do not.
async fn lock_partitions(connection: &mut PgConnection) {
    let names = "SELECT string_agg(inhrelid::regclass::text, ', ') FROM pg_inherits \
         WHERE inhparent = 'telemetry'::regclass";
    let row = connection.fetch_one(names).await.expect("partitions");
    let names: String = row.get(0);
    let lock = format!("BEGIN; LOCK TABLE {names} IN SHARE MODE");
    connection
        .execute(AssertSqlSafe(lock))
        .await
        .expect("the partitions can be locked");
}

async fn unlock(connection: Option<PgConnection>) {
    let connection = connection.expect("it was locked");
    connection.close().await.expect("a clean goodbye");
}

/// A second worker must end the backend of the first before it can go on.
async fn ended_by_successor(caught: &Caught) {
    let mut watcher = connect(&caught.database).await;
    let there = "SELECT count(*) > 0 FROM pg_stat_activity WHERE pid = $1";
    wait_until(
        SOON,
        "the end of the stopped worker's backend",
        async || {
            let there = sqlx::query_scalar(there).bind(caught.backend);
            let there: bool = there.fetch_one(&mut watcher).await.expect("an answer");
            !there
        },
    )
    .await;
}

async fn stored_more(database: &str, more: u64) {
    let mut watcher = connect(database).await;
    let before = rows(&mut watcher).await;
    wait_until(SOON, "rows of the successor", async || {
        rows(&mut watcher).await > before + more
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_killed_in_mid_batch_is_replaced() {
    let servers = Servers::shared().await;
    let mut locks = None;
    let mut caught = catch_in_copy(&servers, &mut locks).await;
    caught.worker.kill9();
    let mut successor = caught.system.start_worker(&[]);
    ended_by_successor(&caught).await;
    unlock(locks).await;
    stored_more(&caught.database, 1_000).await;
    let (_, manifest) = caught.load.finish().await;
    prove(&caught.database, &manifest).await;
    assert!(successor.drain().success(), "{}", successor.output());
    assert!(caught.up.drain().success(), "{}", caught.up.output());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_stopped_in_mid_copy_and_woken_stores_nothing_twice() {
    let servers = Servers::shared().await;
    let mut locks = None;
    let mut caught = catch_in_copy(&servers, &mut locks).await;
    caught.worker.sigstop();
    let mut successor = caught.system.start_worker(&[]);
    ended_by_successor(&caught).await;
    unlock(locks).await;
    stored_more(&caught.database, 1_000).await;

    caught.worker.sigcont();
    caught.worker.says("storing failed").await;
    stored_more(&caught.database, 2_000).await;
    assert!(!caught.worker.has_ended(), "{}", caught.worker.output());
    let (_, manifest) = caught.load.finish().await;
    prove(&caught.database, &manifest).await;
    // Whoever is left goes on alone.
    assert!(successor.drain().success(), "{}", successor.output());
    assert!(
        caught.worker.drain().success(),
        "{}",
        caught.worker.output()
    );
    prove(&caught.database, &manifest).await;
    assert!(caught.up.drain().success(), "{}", caught.up.output());
}
