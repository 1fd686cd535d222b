//! What is refused, with which code and at which field: shapes that the types of the domain cannot
//! hold, and limits that are no numeric range.

use aerostream_domain::RefusalCode::{Malformed, Missing, NoTime, OutOfRange, TooLong, Unexpected};
use aerostream_domain::validate::{
    BATCH_SAMPLES_MAX, CELLS_MAX, EXTRA_NAME_BYTES_MAX, EXTRA_TEXT_BYTES_MAX, EXTRAS_MAX,
    INSTANCES_MAX, KIND_BYTES_MAX, RAW_BYTES_MAX, TEXT_BYTES_MAX,
};
use aerostream_domain::{JournalEntry, Refusal, RefusalCode, Sample, TelemetryEntry};

use super::examples;
use crate::v1::extra::Value;
use crate::{batch_from_wire, batch_to_wire, v1};

type Expected = Result<(), (RefusalCode, &'static str)>;

fn assert_refusal<T>(result: Result<T, Refusal>, expected: Expected) {
    let result = result.map(|_| ()).map_err(|refusal| {
        assert!(!refusal.detail.is_empty(), "{refusal:?}");
        (refusal.code, refusal.field)
    });
    assert_eq!(
        result,
        expected.map_err(|(code, field)| (code, field.to_owned()))
    );
}

fn check_sample(change: impl FnOnce(&mut v1::Sample), expected: Expected) {
    let mut sample = v1::Sample::from(examples::sample());
    change(&mut sample);
    assert_refusal(Sample::try_from(sample), expected);
}

fn check_batch(change: impl FnOnce(&mut v1::Batch), expected: Expected) {
    let mut batch = batch_to_wire(1, examples::batch());
    change(&mut batch);
    assert_refusal(
        batch_from_wire(batch).map_err(|refused| refused.refusal),
        expected,
    );
}

fn extra(name: &str, value: Option<Value>) -> v1::Extra {
    v1::Extra {
        name: name.to_owned(),
        value,
    }
}

fn text(wire: &mut v1::Sample) -> &mut v1::Text {
    wire.text.get_or_insert_default()
}

fn state(wire: &mut v1::Sample) -> &mut v1::State {
    wire.state.get_or_insert_default()
}

#[test]
fn codes_and_narrow_numbers_of_a_sample() {
    check_sample(|_| {}, Ok(()));
    let malformed = |field| Err((Malformed, field));
    check_sample(|s| s.gnss[0].fix_type = 8, malformed("gnss[0].fix_type"));
    check_sample(|s| s.gnss[0].fix_type = -1, malformed("gnss[0].fix_type"));
    check_sample(
        |s| state(s).flight_mode = 16,
        malformed("state.flight_mode"),
    );
    check_sample(|s| state(s).dialect = 5, malformed("state.dialect"));
    check_sample(
        |s| state(s).landed_state = 5,
        malformed("state.landed_state"),
    );
    check_sample(
        |s| state(s).system_status = 9,
        malformed("state.system_status"),
    );
    check_sample(
        |s| s.mission.get_or_insert_default().state = 6,
        malformed("mission.state"),
    );
    check_sample(|s| s.gnss[0].id = 256, Err((OutOfRange, "gnss[0].id")));
    check_sample(
        |s| s.battery[0].id = 256,
        Err((OutOfRange, "battery[0].id")),
    );
    check_sample(
        |s| text(s).severity = Some(300),
        Err((OutOfRange, "text.severity")),
    );
    check_sample(|s| s.seq = Some(1 << 63), Err((OutOfRange, "seq")));
    check_sample(
        |s| s.home.get_or_insert_default().latitude_deg = None,
        Err((Missing, "home.latitude_deg")),
    );
    check_sample(
        |s| s.extras[2].value = None,
        Err((Missing, "extras[2].value")),
    );
}

#[test]
fn an_unknown_code_is_told_by_its_number() {
    let mut sample = v1::Sample::from(examples::sample());
    state(&mut sample).dialect = 77;
    let refusal = Sample::try_from(sample).expect_err("no dialect has the number 77");
    assert!(refusal.detail.contains("77"), "{refusal}");
}

#[test]
fn an_unspecified_code_is_unknown() {
    let mut sample = v1::Sample::from(examples::sample());
    *state(&mut sample) = v1::State::default();
    let sample = Sample::try_from(sample).expect("unspecified is legal");
    assert_eq!(sample.content.state, Some(Default::default()));
}

#[test]
fn limits_of_lists_and_texts() {
    check_sample(|s| s.kind = "K".repeat(KIND_BYTES_MAX), Ok(()));
    check_sample(
        |s| s.kind = "K".repeat(KIND_BYTES_MAX + 1),
        Err((TooLong, "kind")),
    );
    check_sample(|s| s.kind = "K\n".to_owned(), Err((Malformed, "kind")));
    check_sample(|s| text(s).text = "t".repeat(TEXT_BYTES_MAX), Ok(()));
    check_sample(
        |s| text(s).text = "t".repeat(TEXT_BYTES_MAX + 1),
        Err((TooLong, "text.text")),
    );
    check_sample(|s| s.raw = Some(vec![0; RAW_BYTES_MAX]), Ok(()));
    check_sample(
        |s| s.raw = Some(vec![0; RAW_BYTES_MAX + 1]),
        Err((TooLong, "raw")),
    );
    check_sample(|s| s.battery[0].cells_v = vec![4.0; CELLS_MAX], Ok(()));
    check_sample(
        |s| s.battery[0].cells_v = vec![4.0; CELLS_MAX + 1],
        Err((TooLong, "battery[0].cells_v")),
    );
    let receivers = |count: usize| {
        (0..count as u32).map(|id| v1::Gnss {
            id,
            ..Default::default()
        })
    };
    check_sample(|s| s.gnss = receivers(INSTANCES_MAX).collect(), Ok(()));
    check_sample(
        |s| s.gnss = receivers(INSTANCES_MAX + 1).collect(),
        Err((TooLong, "gnss")),
    );
    let packs = |count: usize| {
        (0..count as u32).map(|id| v1::Battery {
            id,
            ..Default::default()
        })
    };
    check_sample(|s| s.battery = packs(INSTANCES_MAX).collect(), Ok(()));
    check_sample(
        |s| s.battery = packs(INSTANCES_MAX + 1).collect(),
        Err((TooLong, "battery")),
    );
}

#[test]
fn limits_of_extras() {
    let extras = |count: usize| {
        (0..count)
            .map(|index| extra(&format!("x{index:02}"), Some(Value::Flag(true))))
            .collect()
    };
    check_sample(|s| s.extras = extras(EXTRAS_MAX), Ok(()));
    check_sample(
        |s| s.extras = extras(EXTRAS_MAX + 1),
        Err((TooLong, "extras")),
    );
    let long_name = |bytes| vec![extra(&"n".repeat(bytes), Some(Value::Integer(1)))];
    check_sample(|s| s.extras = long_name(EXTRA_NAME_BYTES_MAX), Ok(()));
    let long_text = |bytes| vec![extra("n", Some(Value::Text("t".repeat(bytes))))];
    check_sample(|s| s.extras = long_text(EXTRA_TEXT_BYTES_MAX), Ok(()));
    for extras in [
        long_name(EXTRA_NAME_BYTES_MAX + 1),
        long_name(0),
        long_text(EXTRA_TEXT_BYTES_MAX + 1),
        vec![extra("nan", Some(Value::Number(f64::NAN)))],
        vec![extra("twice", Some(Value::Flag(true))); 2],
    ] {
        let mut sample = v1::Sample::from(examples::sample());
        sample.extras = extras;
        let refusal = Sample::try_from(sample).expect_err("an illegal extra");
        assert!(refusal.field.starts_with("extras["), "{refusal}");
    }
}

#[test]
fn a_batch_is_refused_as_a_whole_only_for_its_own_shape() {
    check_batch(|_| {}, Ok(()));
    check_batch(|b| b.drone_id.clear(), Err((Missing, "drone_id")));
    check_batch(|b| b.drone_id = "a".repeat(65), Err((TooLong, "drone_id")));
    check_batch(
        |b| b.drone_id = "a/b".to_owned(),
        Err((Malformed, "drone_id")),
    );
    check_batch(|b| b.samples.clear(), Err((Missing, "samples")));
    check_batch(
        |b| b.samples = vec![b.samples[0].clone(); BATCH_SAMPLES_MAX],
        Ok(()),
    );
    check_batch(
        |b| b.samples = vec![b.samples[0].clone(); BATCH_SAMPLES_MAX + 1],
        Err((TooLong, "samples")),
    );
    check_batch(|b| b.boot = None, Err((Missing, "boot")));
    check_batch(
        |b| b.samples[0].seq = None,
        Err((Missing, "samples[0].seq")),
    );
    let received = |b: &mut v1::Batch| {
        b.boot = None;
        b.samples[0].seq = None;
    };
    check_batch(received, Err((Unexpected, "sent_at_boot_us")));
    let plain = |b: &mut v1::Batch| {
        received(b);
        b.sent_at_boot_us = None;
    };
    check_batch(plain, Ok(()));
}

#[test]
fn only_a_sample_that_the_gateway_names_needs_no_time() {
    let timeless = |boot: Option<u64>, seq: Option<u64>| {
        let mut wire = batch_to_wire(1, examples::batch());
        (wire.boot, wire.sent_at_boot_us) = (boot, None);
        wire.samples[0].seq = seq;
        wire.samples[0].utc_us = None;
        wire.samples[0].since_boot_us = None;
        let mut batch = batch_from_wire(wire).expect("the batch itself is legal");
        batch
            .samples
            .remove(0)
            .map(|_| ())
            .map_err(|refused| refused.refusal.code)
    };
    assert_eq!(timeless(None, None), Ok(()));
    assert_eq!(timeless(Some(1), Some(1)), Err(NoTime));
}

#[test]
fn a_refused_extra_is_named_by_its_place_on_the_wire() {
    let mut sent = v1::Sample::from(examples::sample());
    sent.extras = vec![
        extra("c", Some(Value::Number(f64::INFINITY))),
        extra("b", Some(Value::Flag(true))),
        extra("a", Some(Value::Flag(true))),
    ];
    let mut wire = batch_to_wire(1, examples::batch());
    wire.samples = vec![sent.clone()];
    let batch = batch_from_wire(wire).expect("the batch itself is legal");
    let Some(Err(refused)) = batch.samples.into_iter().next() else {
        panic!("an infinite number is refused");
    };
    assert_eq!(refused.refusal.field, "extras[0].number");
    assert_eq!(refused.wire, sent);
}

#[test]
fn one_bad_sample_loses_no_other_and_stays_whole() {
    let mut wire = batch_to_wire(1, examples::batch());
    let good = wire.samples[0].clone();
    let mut unknown_code = good.clone();
    state(&mut unknown_code).dialect = 77;
    let mut out_of_range = good.clone();
    out_of_range.position.get_or_insert_default().latitude_deg = Some(91.0);
    let mut no_seq = good.clone();
    no_seq.seq = None;
    wire.samples.extend([
        unknown_code.clone(),
        good.clone(),
        out_of_range.clone(),
        no_seq.clone(),
    ]);

    let batch = batch_from_wire(wire).expect("the batch itself is legal");
    let (taken, refused): (Vec<_>, Vec<_>) = batch.samples.into_iter().partition(Result::is_ok);
    assert_eq!(taken, vec![Ok(examples::sample()), Ok(examples::sample())]);
    let refused: Vec<_> = refused.into_iter().filter_map(Result::err).collect();
    let seen: Vec<_> = refused
        .iter()
        .map(|r| (r.refusal.field.as_str(), r.seq))
        .collect();
    let seq = good.seq;
    assert_eq!(
        seen,
        vec![
            ("state.dialect", seq),
            ("position.latitude_deg", seq),
            ("seq", None)
        ]
    );
    let whole: Vec<_> = refused.into_iter().map(|refused| refused.wire).collect();
    assert_eq!(whole, vec![unknown_code, out_of_range, no_seq]);
}

#[test]
fn records_name_what_they_miss() {
    let check = |change: fn(&mut v1::TelemetryEvent, &mut v1::DroneBatch), expected: Expected| {
        let mut wire = v1::TelemetryEvent::from(&examples::record());
        let Some(v1::telemetry_event::Kind::Batch(mut batch)) = wire.kind.take() else {
            panic!("a record of samples is a batch");
        };
        change(&mut wire, &mut batch);
        wire.kind = Some(v1::telemetry_event::Kind::Batch(batch));
        assert_refusal(TelemetryEntry::try_from(wire), expected);
    };
    check(|_, _| {}, Ok(()));
    check(|event, _| event.epoch = None, Err((Missing, "epoch")));
    check(
        |_, batch| batch.drone_id.clear(),
        Err((Missing, "batch.drone_id")),
    );
    check(
        |_, batch| batch.samples[0].basis = 0,
        Err((Missing, "batch.samples[0].basis")),
    );
    check(
        |_, batch| batch.samples[0].sample = None,
        Err((Missing, "batch.samples[0].sample")),
    );
    check(
        |_, batch| state(batch.samples[0].sample.get_or_insert_default()).dialect = 9,
        Err((Malformed, "batch.samples[0].sample.state.dialect")),
    );
    check(
        |_, batch| batch.samples[0].sample.get_or_insert_default().utc_us = Some(1),
        Err((Unexpected, "batch.samples[0].sample.utc_us")),
    );
    assert_refusal(
        TelemetryEntry::try_from(v1::TelemetryEvent {
            epoch: Some(examples::epoch().into()),
            kind: None,
        }),
        Err((Missing, "kind")),
    );
}

#[test]
fn journal_records_name_what_they_miss() {
    let check = |change: fn(&mut v1::JournalRecord), expected: Expected| {
        let mut wire = v1::JournalRecord::from(examples::boot_entry());
        change(&mut wire);
        assert_refusal(JournalEntry::try_from(wire), expected);
    };
    check(|_| {}, Ok(()));
    check(|record| record.drone_id.clear(), Err((Missing, "drone_id")));
    check(|record| record.kind = None, Err((Missing, "kind")));
    check(
        |record| {
            let boot = v1::Boot::default();
            record.kind = Some(v1::journal_record::Kind::Boot(boot));
        },
        Err((Missing, "boot.basis")),
    );
    let claim = |shard, node: &str| {
        let node = node.to_owned();
        Some(v1::journal_record::Kind::Claim(v1::Claim { shard, node }))
    };
    let wire = |kind, drone_id: &str| v1::JournalRecord {
        kind,
        drone_id: drone_id.to_owned(),
        ..Default::default()
    };
    let check = |wire, expected| assert_refusal(JournalEntry::try_from(wire), expected);
    check(wire(claim(1, "node"), ""), Ok(()));
    check(
        wire(claim(1, "node"), "alpha"),
        Err((Unexpected, "drone_id")),
    );
    check(
        wire(claim(65_536, "node"), ""),
        Err((OutOfRange, "claim.shard")),
    );
    check(wire(claim(1, ""), ""), Err((Missing, "claim.node")));
}
