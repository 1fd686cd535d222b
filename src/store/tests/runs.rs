use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use super::*;
use crate::store::history::{Order, Reader, Span};
use crate::store::{Config, FieldSet};

#[tokio::test]
async fn repeats_are_dropped_and_contradictions_named() {
    let database = database().await;
    let mut writer = telemetry_writer(&database);
    writer.take_over(&[0]).await.expect("taken");
    let first = run(
        "alpha",
        &[sample(1, 1.0), sample(2, 2.0), sample(2, 2.0)],
        Stored::default(),
        stored(1),
    );
    let counts = write(&mut writer, first).await.expect("stored");
    assert_eq!((counts.stored, counts.repeated), (2, 1));

    // Repeats of the run before, a contradiction to it, one within the run, and -0.0 for 0.0.
    let zero = sample(4, 0.0);
    let samples = [
        sample(1, 1.0),
        sample(2, 9.0),
        sample(3, 3.0),
        sample(3, 4.0),
        zero,
        sample(4, -0.0),
    ];
    let mut second = run("alpha", &samples, stored(1), stored(2));
    let written = write_run(&mut writer, &mut second).await.expect("written");
    let mut places: Vec<u32> = written.conflicts.iter().map(|place| place.sample).collect();
    places.sort_unstable();
    assert_eq!(places, [1, 3]);
    let counts = written.commit().await.expect("committed");
    assert_eq!((counts.stored, counts.repeated), (2, 2));

    let span = Span {
        from: START,
        to: Day::of(START).plus(1).start(),
        limit: 3,
        fields: FieldSet::ALL,
        order: Order::Newest,
        after: None,
    };
    let reader = Reader::new(&database.pool, &Config::default());
    let rows = reader.samples(&drone("alpha"), &span).await.expect("rows");
    let rows: Vec<_> = rows.into_iter().map(|row| row.sample).collect();
    assert_eq!(rows, [sample(2, 2.0), sample(3, 3.0), sample(4, 0.0)]);
    let nobody = reader.samples(&drone("nobody"), &span).await;
    assert!(nobody.expect("rows").is_empty());
}

#[tokio::test]
async fn the_path_for_repeats_works_again_after_a_failure() {
    let database = database().await;
    let mut writer = telemetry_writer(&database);
    writer.take_over(&[0]).await.expect("taken");
    let first = run("alpha", &[sample(1, 1.0)], Stored::default(), stored(1));
    write(&mut writer, first).await.expect("stored");
    for _ in 0..2 {
        let mut again = run("alpha", &[sample(1, 1.0)], stored(1), stored(2));
        // Thrown away before its commit.
        drop(write_run(&mut writer, &mut again).await.expect("written"));
        writer.take_over(&[0]).await.expect("taken");
    }
    for next in 1..4 {
        let again = run("alpha", &[sample(1, 1.0)], stored(next), stored(next + 1));
        let counts = write(&mut writer, again).await.expect("stored");
        assert_eq!((counts.stored, counts.repeated), (0, 1));
    }
    assert_eq!(count(&database.pool, ROWS).await, 1);
}

/// Polls a future so many times and then drops it; `None` if it was not ready by then.
async fn polled<F: Future>(future: F, times: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = times;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

#[tokio::test]
async fn a_run_dropped_at_any_point_is_stored_wholly_or_not_at_all() {
    let database = database().await;
    let mut writer = telemetry_writer(&database);
    let samples: Vec<_> = (1..100).map(|seq| sample(seq, 1.0)).collect();
    let mut next = Stored::default();
    let mut whole = 0;
    for times in 0.. {
        let to = stored(next.next.map_or(0, |next| next.0) + 1);
        let name = format!("drone-{times}");
        let attempt = async {
            writer.take_over(&[0]).await.expect("taken");
            write(&mut writer, run(&name, &samples, next, to)).await
        };
        let outcome = polled(attempt, times).await;
        let found = writer.take_over(&[0]).await.expect("taken")[&0];
        let rows: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM telemetry JOIN drone USING (drone_ref) WHERE drone_id = $1",
        )
        .bind(&name)
        .fetch_one(&database.pool)
        .await
        .expect("a number");
        match (rows, found == to, found == next) {
            (99, true, false) => next = to,
            (0, false, true) => assert!(outcome.is_none(), "{outcome:?}"),
            other => panic!("after {times} polls: {other:?}"),
        }
        if outcome.is_some() {
            whole += 1;
        }
        if whole == 3 {
            break;
        }
    }
}

/// A drone that has lost its clock may give the same numbers at the same time after a reboot.
#[tokio::test]
async fn samples_of_two_boots_with_one_time_and_number_are_two_rows() {
    let database = database().await;
    let mut writer = telemetry_writer(&database);
    writer.take_over(&[0]).await.expect("taken");
    let place = Place {
        record: 0,
        sample: 0,
    };
    let mut both = run("alpha", &[sample(1, 1.0)], Stored::default(), stored(1));
    both.push(&drone("alpha"), BootId(2), &sample(1, 2.0), place)
        .expect("storable");
    let counts = write(&mut writer, both).await.expect("stored");
    assert_eq!((counts.stored, counts.repeated), (2, 0));

    // The same by the path for repeats.
    let mut third = run("alpha", &[sample(1, 1.0)], stored(1), stored(2));
    third
        .push(&drone("alpha"), BootId(3), &sample(1, 3.0), place)
        .expect("storable");
    let counts = write(&mut writer, third).await.expect("stored");
    assert_eq!((counts.stored, counts.repeated), (1, 1));
}

/// Offsets that move in a transaction of their own would pass most other tests, since the key drops
/// what is stored again.
#[tokio::test]
async fn offsets_that_cannot_move_keep_their_rows_out() {
    let database = database().await;
    sqlx::raw_sql(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN RAISE EXCEPTION 'no offset moves'; END $$; \
         CREATE TRIGGER refuse BEFORE UPDATE OF next_offset ON ingest_offset \
         FOR EACH ROW EXECUTE FUNCTION refuse()",
    )
    .execute(&database.pool)
    .await
    .expect("a trigger");
    let mut writer = telemetry_writer(&database);
    writer.take_over(&[0]).await.expect("taken");
    let refused = run("alpha", &[sample(1, 1.0)], Stored::default(), stored(1));
    write(&mut writer, refused)
        .await
        .expect_err("the offset cannot move");
    let rows = count(&database.pool, "SELECT count(*) FROM telemetry").await;
    assert_eq!(rows, 0);
}

#[tokio::test]
async fn rows_of_days_that_are_not_kept_are_counted_and_skipped() {
    let database = database().await;
    let mut writer = telemetry_writer(&database);
    writer.take_over(&[0]).await.expect("taken");
    let today = Day::of(START);
    partition::drop_before(&database.pool, today)
        .await
        .expect("dropped");
    let mut old = sample(2, 1.0);
    old.time = UtcMicros(START.0 - SECOND);
    let late = run(
        "alpha",
        &[sample(1, 1.0), old],
        Stored::default(),
        stored(1),
    );
    let counts = write(&mut writer, late).await.expect("stored");
    assert_eq!((counts.stored, counts.expired), (1, 1));
    let expired = "SELECT row_count FROM expired_rows WHERE day = '2025-12-31'";
    assert_eq!(count(&database.pool, expired).await, 1);
}

#[test]
fn what_no_row_can_hold_is_refused() {
    let mut run = Run::default();
    let place = Place {
        record: 0,
        sample: 0,
    };
    let mut bad = sample(1, 1.0);
    bad.time = UtcMicros(i64::MAX);
    assert!(run.push(&drone("a"), BootId(1), &bad, place).is_err());
    let mut bad = sample(1, 1.0);
    bad.seq = Seq(u64::MAX);
    assert!(run.push(&drone("a"), BootId(1), &bad, place).is_err());
    assert!(run.is_empty());
    assert_eq!(run.bytes(), 0);
}
