//! Failing appends, samples that panic, actors that die.

use aerostream_domain::RefusalCode;
use aerostream_log::Topic;
use aerostream_log::memory::Fault;

use super::support::*;
use crate::{IngestOutcome, SampleVerdict, Unavailable};

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_append_acknowledges_nothing_and_the_resend_is_new() {
    let it = start(config()).await;
    it.insist(batch("a", 1, vec![sample(1)])).await;
    it.log.fail_next(Topic::Telemetry, 1, Fault::Refused);
    let outcome = it.send(batch("a", 1, vec![sample(2)])).await;
    assert!(
        matches!(outcome, IngestOutcome::Retry(Unavailable::LogDown { .. })),
        "{outcome:?}"
    );
    assert_eq!(
        it.insist(batch("a", 1, vec![sample(2)])).await,
        acknowledged(1)
    );
    assert_eq!(it.recorded("a"), [1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_of_unknown_fate_is_read_back_into_live_state() {
    let it = start(config()).await;
    it.insist(batch("a", 1, vec![sample(1)])).await;
    it.log.fail_next(Topic::Telemetry, 1, Fault::UnknownWritten);
    let outcome = it.send(batch("a", 1, vec![sample(2)])).await;
    assert!(
        matches!(outcome, IngestOutcome::Retry(Unavailable::LogDown { .. })),
        "{outcome:?}"
    );
    until("live state has what the log has", async || {
        it.live("a").await.live.newest.unwrap().seq.0 == 2
    })
    .await;
    assert_eq!(it.insist(batch("a", 1, vec![sample(2)])).await, repeated(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_of_unknown_fate_that_is_written_late_is_in_live_state_all_the_same() {
    let it = start(config()).await;
    it.insist(batch("a", 1, vec![sample(1)])).await;
    it.log
        .fail_next(Topic::Telemetry, 1, Fault::UnknownWrittenLate);
    let outcome = it.send(batch("a", 1, vec![sample(2)])).await;
    assert!(
        matches!(outcome, IngestOutcome::Retry(Unavailable::LogDown { .. })),
        "{outcome:?}"
    );
    until("live state has what the log has", async || {
        it.live("a").await.live.newest.unwrap().seq.0 == 2
    })
    .await;
    assert_eq!(it.insist(batch("a", 1, vec![sample(2)])).await, repeated(1));
    assert_eq!(it.recorded("a"), [1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_boot_that_cannot_be_journalled_is_tried_again_by_the_resend() {
    let it = start(config()).await;
    it.log.fail_next(Topic::Journal, 1, Fault::Refused);
    let outcome = it.send(batch("a", 1, vec![sample(1)])).await;
    assert!(
        matches!(outcome, IngestOutcome::Retry(Unavailable::LogDown { .. })),
        "{outcome:?}"
    );
    assert_eq!(
        it.insist(batch("a", 1, vec![sample(1)])).await,
        acknowledged(1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poison_sample_costs_nobody_else_anything_however_often_it_comes() {
    let it = start(config()).await;
    it.insist(batch("a", 1, vec![sample(1)])).await;
    for round in 0..3 {
        let samples = vec![
            sample(2 + round),
            text_sample(100, "poison"),
            sample(200 + round),
        ];
        let verdicts = it.insist(batch("a", 1, samples)).await;
        assert_eq!(verdicts[0], acknowledged(1)[0]);
        let SampleVerdict::Refused(refusal) = &verdicts[1] else {
            panic!("{verdicts:?}")
        };
        assert_eq!(refusal.code, RefusalCode::Poison);
        assert_eq!(verdicts[2], acknowledged(1)[0]);
    }
    assert_eq!(it.recorded("a"), [1, 2, 200, 3, 201, 4, 202]);
    let failed: usize = it
        .handle
        .status()
        .await
        .unwrap()
        .iter()
        .map(|it| it.failed)
        .sum();
    assert_eq!(failed, 0, "the actor never ended");
    assert_eq!(it.insist(batch("a", 1, vec![sample(1)])).await, repeated(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_actor_that_dies_is_restored_from_the_log() {
    let it = start(config()).await;
    it.insist(batch("a", 1, vec![sample(1), sample(2)])).await;
    it.insist(batch("b", 1, vec![sample(1)])).await;
    let before = it.live("a").await;
    for _ in 0..2 {
        let outcome = it.send(batch("a", 1, vec![text_sample(9, "crash")])).await;
        assert!(matches!(outcome, IngestOutcome::Retry(_)), "{outcome:?}");
        assert_eq!(it.insist(batch("b", 1, vec![sample(1)])).await, repeated(1));
        until("the drone answers again", async || {
            it.handle
                .live(&drone("a"))
                .await
                .is_ok_and(|view| view.is_some())
        })
        .await;
        assert_eq!(it.live("a").await.live, before.live);
    }
    assert_eq!(
        it.insist(batch("a", 1, vec![sample(3)])).await,
        acknowledged(1)
    );
    assert_eq!(it.recorded("a"), [1, 2, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_log_down_nothing_is_acknowledged_and_nothing_is_lost() {
    let it = start(config()).await;
    it.insist(batch("a", 1, vec![sample(1)])).await;
    it.log.set_out_of_reach(true);
    for seq in 2..5 {
        let outcome = it.send(batch("a", 1, vec![sample(seq)])).await;
        assert!(matches!(outcome, IngestOutcome::Retry(_)), "{outcome:?}");
    }
    assert_eq!(
        it.live("a").await.live.newest.unwrap().seq.0,
        1,
        "live reads still work"
    );
    it.log.set_out_of_reach(false);
    let verdicts = it.insist(batch("a", 1, (2..5).map(sample).collect())).await;
    assert_eq!(verdicts, acknowledged(3));
    assert_eq!(it.recorded("a"), [1, 2, 3, 4]);
}
