//! `aerostream verify` is believed, so it must find what is wrong: here each fault is planted.

use std::path::PathBuf;

use sqlx::{AssertSqlSafe, Executor, PgConnection};

use crate::support::{Load, Servers, System, connect, fleet, prove, verify};

/// A database with samples of a few drones, all of them in a manifest.
async fn proven() -> (String, PathBuf) {
    let servers = Servers::shared().await;
    let database = servers.postgres().await.database().await;
    let system = System::embedded(&servers).await.database(&database);
    let mut up = system.start().await;
    let load = Load::start(
        &system,
        aerostream_simulator::Config {
            drones: 4,
            ..fleet()
        },
    );
    load.acknowledged_more(300).await;
    let (_, manifest) = load.finish().await;
    let verdict = prove(&database, &manifest).await;
    assert_eq!(verdict.unacknowledged, 0, "{verdict:?}");
    assert!(up.drain().success(), "{}", up.output());
    (database, manifest)
}

/// Does it to `count` rows, told by `WHERE ...`.
async fn plant(connection: &mut PgConnection, sql: String, count: u64) {
    let done = connection.execute(AssertSqlSafe(sql)).await;
    assert_eq!(done.expect("legal SQL").rows_affected(), count);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_lost_changed_doubled_or_unknown_are_found() {
    let (database, manifest) = proven().await;
    let clean = verify(&database, &manifest);
    let mut connection = connect(&database).await;
    let some = |skip: u32, count: u32| {
        format!(
            "(drone_ref, ts, boot, seq) IN (SELECT drone_ref, ts, boot, seq FROM telemetry \
             ORDER BY drone_ref, seq OFFSET {skip} LIMIT {count})"
        )
    };

    plant(
        &mut connection,
        format!("DELETE FROM telemetry WHERE {}", some(10, 3)),
        3,
    )
    .await;
    let lost = verify(&database, &manifest);
    assert_eq!((lost.lost, lost.right), (3, clean.right - 3), "{lost:?}");
    assert!(
        !lost.success && lost.doubled + lost.changed + lost.unacknowledged == 0,
        "{lost:?}"
    );

    let change = "UPDATE telemetry SET rest = '{\"extras\": {\"planted\": {\"integer\": 1}}}'";
    plant(
        &mut connection,
        format!("{change} WHERE {}", some(20, 2)),
        2,
    )
    .await;
    let changed = verify(&database, &manifest);
    assert_eq!((changed.lost, changed.changed), (3, 2), "{changed:?}");
    assert!(!changed.success);

    // The key has the time in it, so that a sample whose time is found anew is a second row.
    let double = format!(
        "CREATE TEMPORARY TABLE again AS SELECT * FROM telemetry WHERE {}",
        some(30, 4)
    );
    plant(&mut connection, double, 4).await;
    let later = "UPDATE again SET ts = ts + interval '1 microsecond'";
    plant(&mut connection, later.to_owned(), 4).await;
    plant(
        &mut connection,
        "INSERT INTO telemetry SELECT * FROM again".to_owned(),
        4,
    )
    .await;
    let doubled = verify(&database, &manifest);
    assert_eq!(
        (doubled.lost, doubled.changed, doubled.doubled),
        (3, 2, 4),
        "{doubled:?}"
    );
    assert!(!doubled.success);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_alone_is_enough_to_fail() {
    let (database, manifest) = proven().await;
    let mut connection = connect(&database).await;
    let choose = "CREATE TEMPORARY TABLE chosen AS SELECT drone_ref, ts, boot, seq \
         FROM telemetry WHERE battery_voltage_v IS NOT NULL LIMIT 1";
    plant(&mut connection, choose.to_owned(), 1).await;
    let one = "(drone_ref, ts, boot, seq) = (SELECT * FROM chosen)";
    let voltage = "UPDATE telemetry SET battery_voltage_v";
    plant(
        &mut connection,
        format!("{voltage} = battery_voltage_v + 0.01 WHERE {one}"),
        1,
    )
    .await;
    let changed = verify(&database, &manifest);
    assert_eq!(
        (changed.changed, changed.success),
        (1, false),
        "{changed:?}"
    );

    plant(&mut connection, format!("{voltage} = NULL WHERE {one}"), 1).await;
    assert_eq!(
        verify(&database, &manifest).changed,
        1,
        "a value that is gone is a change"
    );

    // A row under another boot or seq is one that nobody sent; what was sent is missing.
    plant(
        &mut connection,
        format!("UPDATE telemetry SET seq = seq + 1000000 WHERE {one}"),
        1,
    )
    .await;
    let moved = verify(&database, &manifest);
    assert_eq!(
        (moved.lost, moved.unacknowledged, moved.success),
        (1, 1, false),
        "{moved:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_without_a_line_is_told_and_is_no_fault_of_the_database() {
    let (database, manifest) = proven().await;
    let text = std::fs::read_to_string(&manifest).expect("a manifest");
    let last = text.trim_end().rfind('\n').expect("many lines") + 1;
    std::fs::write(&manifest, &text[..last]).expect("our own file");
    let verdict = verify(&database, &manifest);
    assert_eq!(
        (verdict.unacknowledged, verdict.lost),
        (1, 0),
        "{verdict:?}"
    );
    assert!(
        verdict.success,
        "its acknowledgement may have been lost on its way: {verdict:?}"
    );
}
