//! What Postgres is asked by questions about the past, and what they are told.

use sqlx::{AssertSqlSafe, Row};

use super::*;
use crate::store::history::{Key, Order, Reader, Span};
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
