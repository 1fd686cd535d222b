use std::time::Duration;

use super::*;
use crate::store::rollup::{Step, recompute};
use crate::verify::{HEADER, Report, verify};

const STEP: Step = Step {
    until: UtcMicros(START.0 + 86_400 * SECOND),
    marks_max: 10,
    statement_max: Duration::from_secs(10),
};

async fn averages(pool: &PgPool, table: &str) -> Vec<(i64, f64, f64)> {
    let statement = format!(
        "SELECT samples, relative_altitude_m_sum / relative_altitude_m_count, \
         relative_altitude_m_max FROM {table} ORDER BY bucket"
    );
    sqlx::query_as(sqlx::AssertSqlSafe(statement))
        .fetch_all(pool)
        .await
        .expect("rows")
}

#[tokio::test]
async fn summaries_follow_late_rows_and_outlive_their_day() {
    let database = database().await;
    let pool = &database.pool;
    let mut writer = telemetry_writer(&database);
    writer.take_over(&[0]).await.expect("taken");
    let samples = [sample(1, 10.0), sample(11, 20.0), sample(61, 60.0)];
    let first = run("alpha", &samples, Stored::default(), stored(1));
    write(&mut writer, first).await.expect("stored");
    assert_eq!(recompute(pool, STEP).await.expect("made"), 2);
    assert_eq!(recompute(pool, STEP).await.expect("made"), 0);
    let tens = [(1, 10.0, 10.0), (1, 20.0, 20.0), (1, 60.0, 60.0)];
    assert_eq!(averages(pool, "rollup_10s").await, tens);
    assert_eq!(
        averages(pool, "rollup_1m").await,
        [(2, 15.0, 20.0), (1, 60.0, 60.0)]
    );
    assert_eq!(averages(pool, "rollup_1h").await, [(3, 30.0, 60.0)]);

    let late = run("alpha", &[sample(2, 90.0)], stored(1), stored(2));
    write(&mut writer, late).await.expect("stored");
    assert_eq!(recompute(pool, STEP).await.expect("made"), 1);
    assert_eq!(
        averages(pool, "rollup_1m").await,
        [(3, 40.0, 90.0), (1, 60.0, 60.0)]
    );

    // A mark of a day that is gone leaves its summaries as they are.
    let mark = "INSERT INTO rollup_dirty SELECT minute, ARRAY[1] FROM \
        (VALUES ('2026-01-01 00:00:00+00'::timestamptz)) AS v(minute)";
    sqlx::raw_sql(mark).execute(pool).await.expect("marked");
    partition::drop_before(pool, Day::of(START).plus(1))
        .await
        .expect("dropped");
    assert_eq!(recompute(pool, STEP).await.expect("made"), 1);
    assert_eq!(
        averages(pool, "rollup_1m").await,
        [(3, 40.0, 90.0), (1, 60.0, 60.0)]
    );
}

/// A manifest of boot 1 of some drones.
fn manifest(lines: &[(&str, RecordedSample)]) -> Vec<u8> {
    let mut text = format!("{HEADER}\n");
    for (drone, sample) in lines {
        let hash = sample.content.hash().0;
        text += &format!("{drone} {:016x} {} {hash:016x}\n", 1, sample.seq);
    }
    text.into_bytes()
}

async fn report(pool: &PgPool, lines: &[(&str, RecordedSample)]) -> Report {
    verify(pool, manifest(lines).as_slice())
        .await
        .expect("a report")
}

#[tokio::test]
async fn verify_tells_lost_doubled_changed_and_unacknowledged() {
    let database = database().await;
    let pool = &database.pool;
    let mut writer = telemetry_writer(&database);
    writer.take_over(&[0]).await.expect("taken");
    let mut moved = sample(3, 3.0);
    moved.time = UtcMicros(moved.time.0 + 1);
    let samples = [sample(1, 1.0), sample(2, 2.0), sample(3, 3.0), moved];
    let first = run("alpha", &samples, Stored::default(), stored(1));
    write(&mut writer, first).await.expect("stored");
    let second = run(
        "beta",
        &[sample(10, 1.0), sample(9, 1.0)],
        stored(1),
        stored(2),
    );
    write(&mut writer, second).await.expect("stored");

    let clean = [
        ("beta", sample(10, 1.0)),
        ("alpha", sample(2, 2.0)),
        ("alpha", sample(1, 1.0)),
        ("beta", sample(9, 1.0)),
        ("beta", sample(10, 1.0)),
    ];
    let found = report(pool, &clean).await;
    assert_eq!((found.right, found.unacknowledged.count), (4, 0));
    assert_eq!((found.doubled.count, found.is_clean()), (1, false));
    assert_eq!(found.doubled.examples[0].seq, Seq(3));

    let faults = [
        ("alpha", sample(1, 1.5)),
        ("alpha", sample(4, 4.0)),
        ("aaa", sample(1, 1.0)),
        ("zzz", sample(1, 1.0)),
    ];
    let found = report(pool, &faults).await;
    assert_eq!((found.lost.count, found.changed.count), (3, 1));
    assert_eq!((found.unacknowledged.count, found.doubled.count), (3, 1));
    assert_eq!(found.lost.examples[0].drone, drone("aaa"));

    for wrong in ["", "no header\n", "# aerostream-manifest v1\nalpha 1 2\n"] {
        let result = verify(pool, wrong.as_bytes()).await;
        assert!(result.is_err(), "{wrong:?}");
    }
}
