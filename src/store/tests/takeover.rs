use super::*;

#[tokio::test]
async fn a_run_is_void_when_the_offsets_are_not_as_expected() {
    let database = database().await;
    let mut writer = telemetry_writer(&database);
    writer.take_over(&[0]).await.expect("taken");
    let first = || run("alpha", &[sample(1, 1.0)], Stored::default(), stored(1));
    write(&mut writer, first()).await.expect("stored");
    let again = write(&mut writer, first()).await;
    assert!(
        matches!(again, Err(StoreError::OffsetsMoved { .. })),
        "{again:?}"
    );
    assert_eq!(count(&database.pool, ROWS).await, 1);
}

#[tokio::test]
async fn a_writer_that_lost_its_partition_cannot_write() {
    let database = database().await;
    let mut old = telemetry_writer(&database);
    let mut new = telemetry_writer(&database);
    old.take_over(&[0]).await.expect("taken");
    new.take_over(&[0]).await.expect("taken");
    let attempt = run("alpha", &[sample(1, 1.0)], Stored::default(), stored(1));
    let result = write(&mut old, attempt).await;
    assert!(
        matches!(result, Err(StoreError::OffsetsMoved { .. })),
        "{result:?}"
    );
    let attempt = run("alpha", &[sample(1, 1.0)], Stored::default(), stored(1));
    write(&mut new, attempt).await.expect("stored");
}

#[tokio::test]
async fn a_writer_that_stopped_in_mid_run_is_ended() {
    let database = database().await;
    let mut stopped = telemetry_writer(&database);
    stopped.take_over(&[0, 1]).await.expect("taken");
    let mut attempt = run("alpha", &[sample(1, 1.0)], Stored::default(), stored(1));
    // It holds the row's lock and does nothing more, like a process under SIGSTOP.
    let held = write_run(&mut stopped, &mut attempt)
        .await
        .expect("written");

    let mut successor = telemetry_writer(&database);
    let found = successor.take_over(&[0, 1]).await.expect("taken over");
    assert_eq!(found[&0], Stored::default());
    let again = run("alpha", &[sample(1, 1.0)], Stored::default(), stored(1));
    write(&mut successor, again).await.expect("stored");

    // It wakes up.
    let woken = held.commit().await;
    assert!(woken.is_err(), "{woken:?}");
    assert_eq!(count(&database.pool, ROWS).await, 1);
}

#[tokio::test]
async fn a_backend_that_is_no_holder_is_left_alone() {
    let database = database().await;
    let mut stranger = database.pool.begin().await.expect("a transaction");
    sqlx::raw_sql("SELECT * FROM ingest_offset FOR UPDATE")
        .execute(&mut *stranger)
        .await
        .expect("locked");
    let mut writer = telemetry_writer(&database);
    let result = writer.take_over(&[0]).await;
    assert!(
        result.as_ref().is_err_and(StoreError::is_lock_timeout),
        "{result:?}"
    );
    stranger.rollback().await.expect("it is still there");
    writer.take_over(&[0]).await.expect("taken");
}

#[tokio::test]
async fn two_writers_racing_store_everything_once() {
    let database = database().await;
    let race = async |mut writer: Writer| {
        loop {
            let at = match writer.take_over(&[0]).await {
                Ok(at) => at[&0],
                Err(_) => continue,
            };
            let next = at.next.map_or(0, |next| next.0);
            if next == 60 {
                return;
            }
            let samples = [sample(next, 1.0), sample(next + 1000, 1.0)];
            // Void or ended: look again.
            let _lost = write(&mut writer, run("alpha", &samples, at, stored(next + 1))).await;
        }
    };
    let (one, two) = (telemetry_writer(&database), telemetry_writer(&database));
    tokio::join!(race(one), race(two));
    assert_eq!(count(&database.pool, ROWS).await, 120);
}

#[tokio::test]
async fn the_number_of_shards_never_changes() {
    let database = database().await;
    let shards = aerostream_domain::ShardCount::new(test_database::SHARDS + 1).expect("legal");
    let result = crate::store::migrate(&database.pool, shards).await;
    assert!(
        matches!(result, Err(StoreError::ShardCount { found: 4, .. })),
        "{result:?}"
    );
}
