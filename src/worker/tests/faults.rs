use aerostream_domain::JournalKind;

use super::*;
use crate::private_postgres::{self, PrivatePostgres};
use crate::store;

#[tokio::test]
async fn what_cannot_be_decoded_is_a_dead_letter_and_stops_nobody() {
    let database = database().await;
    let log = log();
    append(&log, Topic::Telemetry, 0, Bytes::from_static(&[1, 0xff])).await;
    append(&log, Topic::Telemetry, 0, Bytes::new()).await;
    append_batch(&log, 0, batch(drone(0), 0..1, 1.0)).await;
    // The same identity with other content: in a run of its own.
    let mut worker = start(&log, &database.pool, config());
    worker.until(|status| status.stored_samples == 1).await;
    append_batch(&log, 0, batch(drone(0), 0..2, 2.0)).await;
    let status = worker.until(|status| status.dead_letters == 3).await;
    assert_eq!(status.stored_samples, 2);
    worker.stop().await;

    let letters = letters(&log);
    let codes: Vec<&str> = letters.iter().map(|letter| letter.code.as_str()).collect();
    assert_eq!(codes, ["malformed", "malformed", "conflict"]);
    assert_eq!(&letters[0].raw[..], [1, 0xff]);
    assert_eq!(letters[2].drone_id, "drone-0");
    assert_eq!((letters[2].boot, letters[2].seq), (Some(7), Some(0)));
    let kept = rows(&database.pool).await;
    assert_eq!(kept[0].3, 1.0, "the first in the log stays");
}

#[tokio::test]
async fn nothing_moves_on_before_its_dead_letter_is_durable() {
    let database = database().await;
    let log = log();
    append(&log, Topic::Telemetry, 0, Bytes::from_static(&[1, 0xff])).await;
    log.fail_next(Topic::DeadLetters, 3, aerostream_log::Fault::Refused);
    log.hold(Topic::DeadLetters);
    let mut worker = start(&log, &database.pool, config());
    let held = async {
        while log.held(Topic::DeadLetters) == 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, held).await.expect("it writes a letter");
    let moved = "SELECT count(next_offset) FROM ingest_offset";
    let moved = || sqlx::query_scalar::<_, i64>(moved).fetch_one(&database.pool);
    assert_eq!(moved().await.expect("a number"), 0);
    log.release(Topic::DeadLetters);
    worker.until(|status| status.dead_letters == 1).await;
    assert_eq!(moved().await.expect("a number"), 1);
    worker.stop().await;
}

#[tokio::test]
async fn a_newer_version_stops_its_partition_alone() {
    let database = database().await;
    let log = log();
    append_batch(&log, 0, batch(drone(0), 0..1, 1.0)).await;
    append(&log, Topic::Telemetry, 0, Bytes::from_static(&[2, 0])).await;
    append_batch(&log, 0, batch(drone(0), 1..2, 1.0)).await;
    append_batch(&log, 1, batch(drone(1), 0..1, 1.0)).await;
    let mut worker = start(&log, &database.pool, config());
    let status = worker
        .until(|status| status.stored_samples == 2 && !status.is_ready())
        .await;
    let reason = &status.not_ready["telemetry/0"];
    assert!(reason.contains("version 2"), "{reason}");
    append_batch(&log, 1, batch(drone(1), 1..2, 1.0)).await;
    worker.until(|status| status.stored_samples == 3).await;
    assert_eq!(rows(&database.pool).await.len(), 3);
    worker.stop().await;
}

#[tokio::test]
async fn an_offset_outside_the_log_stops_it() {
    let database = database().await;
    let log = log();
    for seq in 0..5 {
        append_batch(&log, 0, batch(drone(0), seq..seq + 1, 1.0)).await;
    }
    // Before anything of it was stored, the log's own begin is right.
    log.drop_below(Topic::Telemetry, Partition(0), Offset(2));
    let mut worker = start(&log, &database.pool, config());
    worker.until(|status| status.stored_samples == 3).await;
    worker.stop().await;

    append_batch(&log, 0, batch(drone(0), 5..6, 1.0)).await;
    append_batch(&log, 0, batch(drone(0), 6..7, 1.0)).await;
    log.drop_below(Topic::Telemetry, Partition(0), Offset(6));
    let worker = start(&log, &database.pool, config());
    let result = timeout(PATIENCE, worker.task).await.expect("it stops");
    let result = result.expect("no panic");
    assert!(
        matches!(
            result,
            Err(WorkerError::OffsetOutside {
                next: 5,
                start: 6,
                ..
            })
        ),
        "{result:?}"
    );
}

#[tokio::test]
async fn the_journal_counts_by_the_claim_rule() {
    let database = database().await;
    let log = log();
    let boot = |number: u64, power_up: i64| JournalKind::Boot {
        drone: drone(number),
        record: BootRecord {
            boot: BootId(1),
            power_up: UtcMicros(power_up),
            basis: PowerUpBasis::Sending,
        },
    };
    let mut worker = start(&log, &database.pool, config());
    append_journal(&log, Some(epoch(5)), boot(0, 10)).await;
    append_journal(&log, Some(epoch(5)), JournalKind::Claim(claim("a"))).await;
    append_journal(&log, Some(epoch(5)), boot(1, 10)).await;
    append_journal(&log, Some(epoch(5)), boot(1, 99)).await;
    let stored = |status: &Status, next| {
        let journal = status.partitions.get("journal");
        journal.is_some_and(|partitions| partitions[&0].next == next)
    };
    worker.until(|status| stored(status, 4)).await;
    worker.stop().await;
    // The highest claim is remembered over a restart.
    let mut worker = start(&log, &database.pool, config());
    append_journal(&log, Some(epoch(4)), boot(2, 10)).await;
    append_journal(&log, Some(epoch(4)), JournalKind::Claim(claim("old"))).await;
    append_journal(&log, Some(epoch(9)), JournalKind::Claim(claim("b"))).await;
    append_journal(&log, Some(epoch(5)), boot(3, 10)).await;
    append_journal(&log, Some(epoch(9)), boot(4, 10)).await;
    append_journal(&log, None, boot(5, 10)).await;
    worker.until(|status| stored(status, 10)).await;
    worker.stop().await;
    let boots: Vec<(String, i64)> = sqlx::query_as(
        "SELECT drone_id, (extract(epoch FROM power_up) * 1000000)::bigint FROM boot \
         JOIN drone USING (drone_ref) ORDER BY 1",
    )
    .fetch_all(&database.pool)
    .await
    .expect("rows");
    let expected = [1, 4, 5].map(|number| (drone(number).to_string(), 10));
    assert_eq!(boots, expected);
    let claims: Vec<String> = sqlx::query_scalar("SELECT node FROM claim ORDER BY log_offset")
        .fetch_all(&database.pool)
        .await
        .expect("rows");
    assert_eq!(claims, ["a", "b"]);
}

#[tokio::test]
async fn telemetry_of_a_lost_reign_is_still_data() {
    let database = database().await;
    let log = log();
    let claimed = TelemetryEntry::Claim {
        epoch: epoch(9),
        claim: claim("b"),
    };
    let claimed = v1::TelemetryEvent::from(claimed);
    append(&log, Topic::Telemetry, 0, encode(&claimed)).await;
    append_batch(&log, 0, batch(drone(0), 0..1, 1.0)).await;
    let mut worker = start(&log, &database.pool, config());
    worker.until(|status| status.stored_samples == 1).await;
    worker.stop().await;
    let highest = "SELECT claim_offset FROM ingest_offset WHERE topic = 'telemetry' \
        AND partition = 0";
    let highest: i64 = sqlx::query_scalar(highest)
        .fetch_one(&database.pool)
        .await
        .expect("a number");
    assert_eq!(highest, 9);
}

#[tokio::test]
async fn it_outwaits_postgres_and_catches_up_by_itself() {
    let dir = tempfile::tempdir().expect("a directory");
    let open = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o711);
    std::fs::set_permissions(dir.path(), open).expect("set");
    let mut server_config = private_postgres::Config {
        data_dir: dir.path().join("pg"),
        ..Default::default()
    }
    .without_durability();
    let server = PrivatePostgres::start(&server_config).expect("a server");
    server_config.port = server.port();
    let pool = store::connect_lazily(&store::Config {
        url: server.url().to_owned(),
        ..Default::default()
    })
    .expect("a pool");
    let shards = ShardCount::new(SHARDS).expect("legal");
    store::migrate(&pool, shards).await.expect("migrated");
    let log = log();
    let mut worker = start(&log, &pool, config());
    append_batch(&log, 0, batch(drone(0), 0..10, 1.0)).await;
    worker.until(|status| status.stored_samples == 10).await;

    server.stop().expect("stopped");
    for number in 1..20 {
        let record = batch(drone(0), number * 10..number * 10 + 10, 1.0);
        append_batch(&log, (number % 4) as u16, record).await;
    }
    worker
        .until(|status| status.not_ready.contains_key("telemetry") && status.lag() > 0)
        .await;
    let server = PrivatePostgres::start(&server_config).expect("a server");
    worker
        .until(|status| status.stored_samples == 200 && status.is_ready())
        .await;
    worker.stop().await;
    drop(server);
}
