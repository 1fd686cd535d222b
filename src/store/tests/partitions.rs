use std::time::Duration;

use tokio::time::timeout;

use super::*;

/// Far above what upkeep may make others wait.
const PATIENCE: Duration = Duration::from_secs(20);

async fn days(pool: &PgPool) -> Vec<Day> {
    let mut connection = pool.acquire().await.expect("a connection");
    let days = partition::attached(&mut connection).await.expect("days");
    days.into_iter().collect()
}

#[tokio::test]
async fn a_long_reader_neither_blocks_a_drop_nor_is_blocked() {
    let database = database().await;
    let first = Day::of(START);
    let second = first.plus(1);
    let mut writer = telemetry_writer(&database);
    writer.take_over(&[0]).await.expect("taken");
    let begin = run("alpha", &[sample(1, 1.0)], Stored::default(), stored(1));
    write(&mut writer, begin).await.expect("stored");

    let mut reader = database.pool.begin().await.expect("a transaction");
    sqlx::raw_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        .execute(&mut *reader)
        .await
        .expect("set");
    let before: i64 = sqlx::query_scalar(ROWS)
        .fetch_one(&mut *reader)
        .await
        .expect("a number");
    assert_eq!(before, 1);

    let dropping = timeout(PATIENCE, partition::drop_before(&database.pool, second)).await;
    let dropping = dropping.expect("it gives up soon");
    assert!(
        dropping.as_ref().is_err_and(StoreError::is_lock_timeout),
        "{dropping:?}"
    );
    assert_eq!(days(&database.pool).await, [second]);

    // The reader still reads its rows, others write the next day and make the one after.
    let mut next_day = sample(2, 1.0);
    next_day.time = second.start();
    let go_on = run("alpha", &[next_day], stored(1), stored(2));
    let writing = timeout(PATIENCE, write(&mut writer, go_on)).await;
    writing.expect("not blocked").expect("stored");
    let ahead = [second.plus(1)].into();
    let making = timeout(PATIENCE, partition::ensure(&database.pool, &ahead, Day(0))).await;
    making.expect("not blocked").expect("made");
    let still: i64 = sqlx::query_scalar(ROWS)
        .fetch_one(&mut *reader)
        .await
        .expect("a number");
    assert_eq!(still, 1);

    reader.commit().await.expect("ended");
    let dropped = partition::drop_before(&database.pool, second).await;
    assert_eq!(dropped.expect("dropped"), [first]);
    assert_eq!(days(&database.pool).await, [second, second.plus(1)]);
    assert_eq!(count(&database.pool, ROWS).await, 1);

    // It never comes back, whatever a worker with an old clock thinks.
    partition::ensure(&database.pool, &[first].into(), Day(0))
        .await
        .expect("nothing to do");
    assert_eq!(days(&database.pool).await, [second, second.plus(1)]);
}

#[tokio::test]
async fn several_workers_make_the_same_days() {
    let database = test_database::create().await;
    let wanted: std::collections::BTreeSet<Day> = (0..4).map(|n| Day::of(START).plus(n)).collect();
    let making = (0..4).map(|_| partition::ensure(&database.pool, &wanted, Day(0)));
    for result in futures::future::join_all(making).await {
        result.expect("made");
    }
    assert_eq!(days(&database.pool).await, Vec::from_iter(wanted));
}

#[tokio::test]
async fn a_clock_that_is_years_ahead_drops_nothing_new() {
    let database = test_database::create().await;
    let today = Day::of(crate::clock::utc_now());
    partition::ensure(&database.pool, &[today].into(), Day(0))
        .await
        .expect("made");
    partition::drop_before(&database.pool, today.plus(4000))
        .await
        .expect("looked");
    assert_eq!(days(&database.pool).await, [today]);
}
