use super::*;

/// Batches of four partitions, with repeats that were appended twice.
async fn fill(log: &MemoryLog, batches: std::ops::Range<u64>) {
    for number in batches {
        let partition = (number % 4) as u16;
        for _ in 0..=(number % 2) {
            let record = batch(drone(number % 8), number * 10..number * 10 + 10, 1.0);
            append_batch(log, partition, record).await;
        }
    }
}

fn expected(batches: u64) -> Vec<(String, i64, i64, f64)> {
    let mut rows: Vec<_> = (0..batches)
        .flat_map(|number| (number * 10..number * 10 + 10).map(move |seq| (number % 8, seq)))
        .map(|(number, seq)| (drone(number).to_string(), 7, seq as i64, 1.0))
        .collect();
    rows.sort_by(|a, b| a.partial_cmp(b).expect("no NaN"));
    rows
}

#[tokio::test]
async fn stores_what_the_log_holds_and_tells_how_far() {
    let database = database().await;
    let log = log();
    fill(&log, 0..20).await;
    let mut worker = start(&log, &database.pool, config());
    let status = worker.until(|status| status.stored_samples == 200).await;
    assert_eq!(status.repeated_samples, 100);
    fill(&log, 20..40).await;
    worker
        .until(|status| status.stored_samples == 400 && status.lag() == 0 && status.is_ready())
        .await;
    assert_eq!(rows(&database.pool).await, expected(40));
    worker.stop().await;
    let reported = log.reported(
        "aerostream-worker-telemetry",
        Topic::Telemetry,
        Partition(1),
    );
    assert!(reported.is_some());
}

#[tokio::test]
async fn killed_at_any_moment_it_loses_and_doubles_nothing() {
    let database = database().await;
    let log = log();
    let small = Config {
        run_rows_max: 30,
        read_records_max: 2,
        ..config()
    };
    for round in 0..12_i64 {
        fill(&log, round as u64 * 10..round as u64 * 10 + 10).await;
        let worker = start(&log, &database.pool, small.clone());
        // Somewhere within what it has to do now.
        until_stored(&database.pool, round * 100 + 8 * (round % 5)).await;
        worker.kill().await;
    }
    let mut last = start(&log, &database.pool, small);
    last.until(|status| status.lag() == 0 && status.is_ready() && !status.partitions.is_empty())
        .await;
    until_stored(&database.pool, 1200).await;
    assert_eq!(rows(&database.pool).await, expected(120));
    last.stop().await;

    // The retained log gives an empty database the same rows.
    let empty = test_database::create().await;
    let replay = Config {
        group: "replay".to_owned(),
        ..config()
    };
    let worker = start(&log, &empty.pool, replay);
    until_stored(&empty.pool, 1200).await;
    assert_eq!(rows(&empty.pool).await, rows(&database.pool).await);
    worker.stop().await;
}

#[tokio::test]
async fn workers_that_come_and_go_share_the_partitions() {
    let database = database().await;
    let log = log();
    let first = start(&log, &database.pool, config());
    fill(&log, 0..10).await;
    until_stored(&database.pool, 50).await;
    let second = start(&log, &database.pool, config());
    fill(&log, 10..20).await;
    until_stored(&database.pool, 150).await;
    let third = start(&log, &database.pool, config());
    first.kill().await;
    fill(&log, 20..30).await;
    until_stored(&database.pool, 300).await;
    second.stop().await;
    fill(&log, 30..40).await;
    until_stored(&database.pool, 400).await;
    assert_eq!(rows(&database.pool).await, expected(40));
    third.stop().await;
}

/// Two workers that both believe to have all partitions: what a slow rebalance looks like.
#[tokio::test]
async fn workers_of_different_groups_store_everything_once() {
    let database = database().await;
    let log = log();
    fill(&log, 0..60).await;
    let other = Config {
        group: "other".to_owned(),
        ..config()
    };
    let one = start(&log, &database.pool, config());
    let two = start(&log, &database.pool, other);
    until_stored(&database.pool, 600).await;
    assert_eq!(rows(&database.pool).await, expected(60));
    one.kill().await;
    two.kill().await;
}
