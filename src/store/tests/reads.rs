//! What Postgres is asked by questions about the past, and what they are told.

use std::collections::BTreeMap;

use sqlx::{AssertSqlSafe, Row};

use super::*;
use crate::store::history::summaries::Steps;
use crate::store::history::{Key, Order, Reader, Span};
use crate::store::rollup::retention::{Table, expire};
use crate::store::{Config, FieldSet};

/// A reader whose only connection a test can look into.
fn reader(database: &TestDatabase) -> Reader {
    let config = Config {
        read_connections_max: 1,
        ..Config::default()
    };
    Reader::new(&database.pool, &config)
}

fn span(paths: &[&str]) -> Span {
    Span {
        from: START,
        to: Day::of(START).plus(1).start(),
        limit: 100,
        fields: FieldSet::from_paths(paths.iter().copied()).expect("known"),
        order: Order::Newest,
        after: None,
    }
}

async fn stored_samples(database: &TestDatabase, count: u64) {
    let mut writer = telemetry_writer(database);
    writer.take_over(&[0]).await.expect("taken");
    let samples: Vec<_> = (1..=count).map(|seq| sample(seq, seq as f64)).collect();
    let run = run("alpha", &samples, Stored::default(), stored(1));
    write(&mut writer, run).await.expect("stored");
}

#[tokio::test]
async fn postgres_is_asked_once_for_the_wanted_columns_of_the_wanted_days() {
    let database = database().await;
    stored_samples(&database, 5).await;
    let reader = reader(&database);
    let span = span(&["position.latitude_deg", "battery.remaining_percent"]);
    for _ in 0..7 {
        let samples = reader.samples(&drone("alpha"), &span).await.expect("rows");
        let contents: Vec<_> = samples.iter().map(|it| &it.sample.content).collect();
        assert_eq!(contents.len(), 5);
        let wanted = Content {
            position: Some(Position {
                latitude_deg: Some(47.0),
                ..Position::default()
            }),
            battery: sample(1, 0.0).content.battery,
            ..Content::default()
        };
        assert!(contents.iter().all(|content| **content == wanted));
    }
    let prepared = sqlx::query(
        "SELECT name, statement, custom_plans FROM pg_prepared_statements \
         WHERE statement LIKE '%FROM telemetry%'",
    )
    .persistent(false)
    .fetch_all(&reader.pool)
    .await
    .expect("statements");
    assert_eq!(prepared.len(), 1, "one statement for seven questions");
    let statement: String = prepared[0].get(1);
    let columns = "ts, boot, seq, basis, latitude_deg, battery_id, battery_remaining_percent, rest";
    assert!(
        statement.starts_with(&format!("SELECT {columns} FROM telemetry")),
        "{statement}"
    );
    assert_eq!(prepared[0].get::<i64, _>(2), 7);
    let name: String = prepared[0].get(0);
    let explain = format!(
        "EXPLAIN EXECUTE {name}('alpha', '2026-01-01 00:00+00', '2026-01-01 00:10+00', 10)"
    );
    let plan: Vec<String> = sqlx::query_scalar(AssertSqlSafe(explain))
        .fetch_all(&reader.pool)
        .await
        .expect("a plan");
    let plan = plan.join("\n");
    assert!(plan.contains("telemetry_20260101"), "{plan}");
    assert!(!plan.contains("telemetry_20260102"), "{plan}");
}

#[tokio::test]
async fn a_reader_has_a_time_limit_and_finds_a_new_connection_when_its_own_broke() {
    let database = database().await;
    stored_samples(&database, 3).await;
    let reader = reader(&database);
    let span = span(&["position"]);
    let read = async || reader.samples(&drone("alpha"), &span).await;
    assert_eq!(read().await.expect("rows").len(), 3);
    let limit: String = sqlx::query_scalar("SHOW statement_timeout")
        .fetch_one(&reader.pool)
        .await
        .expect("a setting");
    assert_eq!(limit, "10s");
    let write = sqlx::raw_sql("DELETE FROM telemetry")
        .execute(&reader.pool)
        .await;
    let refused = write.expect_err("it only reads").to_string();
    assert!(refused.contains("read-only"), "{refused}");
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
               WHERE application_name = 'aerostream-reader' AND datname = current_database()";
    assert_eq!(count(&database.pool, end).await, 1);
    assert_eq!(read().await.expect("rows again").len(), 3);
}

#[tokio::test]
async fn the_past_can_be_walked_from_key_to_key() {
    let database = database().await;
    stored_samples(&database, 25).await;
    let reader = reader(&database);
    let mut span = span(&["position.relative_altitude_m"]);
    (span.order, span.limit) = (Order::Oldest, 10);
    let mut seqs = Vec::new();
    loop {
        let page = reader.samples(&drone("alpha"), &span).await.expect("rows");
        seqs.extend(page.iter().map(|it| it.sample.seq.0));
        span.after = page.last().map(|it| Key {
            time: it.sample.time,
            boot: it.boot,
            seq: it.sample.seq,
        });
        if page.len() < 10 {
            break;
        }
    }
    assert!(seqs.iter().copied().eq(1..=25), "{seqs:?}");
}

/// 2 hours at 1 Hz, with a hole in it.
fn two_hours() -> Vec<RecordedSample> {
    (0..7200)
        .filter(|seq| !(1000..1100).contains(seq))
        .map(|seq| sample(seq, (seq as f64 / 100.0).sin() * 50.0))
        .collect()
}

#[tokio::test]
async fn steps_are_what_a_naive_sum_over_the_samples_gives() {
    let database = test_database::create().await;
    let samples = two_hours();
    database.store("alpha", &samples).await;
    let reader = reader(&database);
    for step_s in [10, 30, 60, 300, 3600, 7200, 86_400] {
        let steps = Steps {
            from: UtcMicros(START.0 + 1),
            to: Day::of(START).plus(1).start(),
            step_s,
            limit: 10_000,
        };
        let found = reader
            .summaries(&drone("alpha"), steps)
            .await
            .expect("steps");
        let mut naive: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
        for sample in &samples {
            let start = sample.time.0 - sample.time.0.rem_euclid(i64::from(step_s) * SECOND);
            let position = sample.content.position.expect("a position");
            let altitude = position.relative_altitude_m.expect("an altitude");
            naive.entry(start).or_default().push(altitude);
        }
        assert_eq!(found.len(), naive.len(), "{step_s}");
        for (found, (start, values)) in found.iter().zip(&naive) {
            assert_eq!(
                (found.start.0, found.samples),
                (*start, values.len() as u64)
            );
            let spread = found.fields[0].expect("altitudes");
            let average = values.iter().sum::<f64>() / values.len() as f64;
            assert!((spread.average - average).abs() < 1e-9, "{step_s}");
            assert_eq!(spread.min, values.iter().copied().fold(f64::MAX, f64::min));
            assert_eq!(spread.max, values.iter().copied().fold(f64::MIN, f64::max));
            assert_eq!(found.latitude_deg, Some(47.0));
            assert_eq!(found.fields[4], None);
        }
    }
    let day = (START, Day::of(START).plus(1).start());
    let estimate = reader
        .estimate(&drone("alpha"), day)
        .await
        .expect("a number");
    assert_eq!(estimate, samples.len() as u64);
}

#[tokio::test]
async fn old_summaries_go_in_small_parts_and_nobody_waits() {
    let database = test_database::create().await;
    database.store("alpha", &two_hours()).await;
    let pool = &database.pool;
    let before = UtcMicros(START.0 + 3600 * SECOND);
    let tens = "SELECT count(*) FROM rollup_10s";
    assert_eq!(count(pool, tens).await, 710);
    // Somebody holds a bucket; it stays for another time.
    let mut holder = pool.begin().await.expect("a transaction");
    sqlx::query("SELECT 1 FROM rollup_10s ORDER BY bucket LIMIT 1 FOR UPDATE")
        .execute(&mut *holder)
        .await
        .expect("held");
    let gone = expire(pool, Table::TenSeconds, before).await.expect("gone");
    assert_eq!(gone, 349);
    holder.rollback().await.expect("let go");
    let gone = expire(pool, Table::TenSeconds, before).await.expect("gone");
    assert_eq!((gone, count(pool, tens).await), (1, 360));
    assert_eq!(count(pool, "SELECT count(*) FROM rollup_1h").await, 2);
    let gone = expire(pool, Table::Hour, before).await.expect("gone");
    assert_eq!(
        (gone, count(pool, "SELECT count(*) FROM rollup_1h").await),
        (1, 1)
    );
}
