//! The pure code behind `catch_unwind`: the panic of one sample is that sample's own.

use std::panic::{AssertUnwindSafe, catch_unwind};

use aerostream_domain::alert::RuleSet;
use aerostream_domain::{
    Admission, Batch, Drone, Offset, Receipt, Refusal, RefusalCode, Seq, TelemetryRecord, Verdict,
};

use crate::metrics;
use crate::node::Hooks;

/// Admission with the panic of any one sample kept to that sample.
pub(crate) fn admit_guarded(
    drone: &mut Drone,
    hooks: Hooks,
    batch: &mut Batch,
    receipt: Receipt,
) -> Admission {
    let before = hooks.before_admit;
    let whole = guarded(|| {
        before(batch);
        drone.admit(batch, receipt)
    });
    if let Ok(admission) = whole {
        return admission;
    }
    let seqs: Vec<Seq> = batch.samples.iter().map(|sample| sample.seq()).collect();
    drone.forget(receipt.append, batch.boot, &seqs);
    let mut all = Admission {
        record: None,
        verdicts: Vec::with_capacity(seqs.len()),
    };
    for sample in std::mem::take(&mut batch.samples) {
        let seq = sample.seq();
        let mut single = Batch {
            samples: vec![sample],
            ..batch.clone()
        };
        let admission = guarded(|| {
            before(&single);
            drone.admit(&mut single, receipt)
        });
        match admission {
            Ok(one) => merge(&mut all, one),
            Err(()) => {
                drone.forget(receipt.append, batch.boot, &[seq]);
                all.verdicts.push(Verdict::Refused(poison()));
            }
        }
    }
    all
}

/// Applies a durable record; a sample that panics is left out of live state and costs no other.
pub(crate) fn apply_guarded(
    drone: &mut Drone,
    offset: Offset,
    record: &TelemetryRecord,
    rules: &RuleSet,
) {
    if guarded(|| drone.apply(offset, record, rules)).is_ok() {
        return;
    }
    for sample in &record.samples {
        let single = TelemetryRecord {
            samples: vec![sample.clone()],
            ..record.clone()
        };
        if guarded(|| drone.apply(offset, &single, rules)).is_err() {
            tracing::error!(
                drone.id = %record.drone, boot.id = record.boot.0, sample.seq = sample.seq.0,
                "a recorded sample panics and is left out of live state"
            );
        }
    }
}

/// What the code gives, or that it panicked.
pub(crate) fn guarded<T>(pure: impl FnOnce() -> T) -> Result<T, ()> {
    catch_unwind(AssertUnwindSafe(pure)).map_err(|_| metrics::panics_caught())
}

fn merge(all: &mut Admission, one: Admission) {
    all.verdicts.extend(one.verdicts);
    match (&mut all.record, one.record) {
        (Some(record), Some(more)) => record.samples.extend(more.samples),
        (record @ None, more) => *record = more,
        (Some(_), None) => {}
    }
}

/// Why a sample that panics is not taken.
pub(crate) fn poison() -> Refusal {
    Refusal {
        code: RefusalCode::Poison,
        field: String::new(),
        detail: "the sample made the software fail; it is kept among the dead letters".to_owned(),
    }
}
