//! `v1::Batch` and the domain's [`Batch`].
//!
//! One bad sample must not lose the others, so a batch decodes to one result per sample. Only what
//! makes the batch as a whole unreadable refuses all of it.

use aerostream_domain::validate::{self, BATCH_SAMPLES_MAX};
use aerostream_domain::{Batch, BootId, BootMicros, DroneId, Refusal, RefusalCode, Sample};

use crate::refuse::{drone_id, missing};
use crate::telemetry::judge;
use crate::v1;

/// A batch whose identity is legal, with every sample judged for itself.
#[derive(Debug, Clone, PartialEq)]
pub struct DecodedBatch {
    /// The client's name of the batch, for its result.
    pub batch_id: u64,
    /// Whose samples these are.
    pub drone: DroneId,
    /// `None` if the client sent neither boot nor seq: the gateway chooses both. Until then every
    /// sample's `seq` is 0, and its time is not judged: it needs none.
    pub boot: Option<BootId>,
    /// The drone's boot clock when it sent the batch.
    pub sent_at_boot: Option<BootMicros>,
    /// One result per sample, in the batch's order; 1 to [`BATCH_SAMPLES_MAX`].
    pub samples: Vec<Result<Sample, Box<RefusedSample>>>,
}

/// A sample that is not taken, with what the reply and the dead letter need.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("sample refused: {refusal}")]
pub struct RefusedSample {
    /// What was wrong; its field is a path inside the sample.
    pub refusal: Refusal,
    /// The seq that the client gave, if it gave one.
    pub seq: Option<u64>,
    /// The sample as it came.
    pub wire: v1::Sample,
}

/// A batch of which no sample can be taken.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("batch refused: {refusal}")]
pub struct RefusedBatch {
    /// What was wrong; its field is a path inside the batch.
    pub refusal: Refusal,
    /// The batch as it came.
    pub wire: v1::Batch,
}

/// Judges a batch and each of its samples.
///
/// # Errors
/// The whole batch is refused if its drone id is illegal, if it has no sample or more than
/// [`BATCH_SAMPLES_MAX`], and if boot and seq are not given together. A sample without seq in a
/// batch where others have one is refused alone.
pub fn batch_from_wire(wire: v1::Batch) -> Result<DecodedBatch, Box<RefusedBatch>> {
    match check_batch(&wire) {
        Ok(drone) => Ok(DecodedBatch {
            batch_id: wire.batch_id,
            drone,
            boot: wire.boot.map(BootId),
            sent_at_boot: wire.sent_at_boot_us.map(BootMicros),
            samples: wire
                .samples
                .into_iter()
                .map(|sample| judge_in_batch(sample, wire.boot.is_some()))
                .collect(),
        }),
        Err(refusal) => Err(Box::new(RefusedBatch { refusal, wire })),
    }
}

/// A batch as a client sends it. A batch with a received identity goes without boot and seq.
#[must_use]
pub fn batch_to_wire(batch_id: u64, batch: Batch) -> v1::Batch {
    let own_identity = !batch.received_identity;
    let to_wire = |sample: Sample| {
        let mut wire = v1::Sample::from(sample);
        wire.seq = wire.seq.filter(|_| own_identity);
        wire
    };
    v1::Batch {
        batch_id,
        drone_id: batch.drone.as_str().to_owned(),
        boot: own_identity.then_some(batch.boot.0),
        sent_at_boot_us: batch.sent_at_boot.map(|sent| sent.0),
        samples: batch.samples.into_iter().map(to_wire).collect(),
    }
}

impl v1::SampleRefusal {
    /// What a client is told about the refused sample at a zero-based place of its batch.
    #[must_use]
    pub fn new(index: u32, seq: Option<u64>, refusal: Refusal) -> Self {
        Self {
            index,
            seq,
            code: refusal.code.as_str().to_owned(),
            field: refusal.field,
            detail: refusal.detail,
        }
    }
}

fn check_batch(wire: &v1::Batch) -> Result<DroneId, Refusal> {
    let drone = drone_id("drone_id", &wire.drone_id)?;
    let count = wire.samples.len();
    if count == 0 || count > BATCH_SAMPLES_MAX {
        let code = match count {
            0 => RefusalCode::Missing,
            _ => RefusalCode::TooLong,
        };
        let detail = format!("found {count} samples; must be 1 to {BATCH_SAMPLES_MAX}");
        return Err(Refusal::new(code, "samples", detail));
    }
    let numbered = wire.samples.iter().any(|sample| sample.seq.is_some());
    match (wire.boot, numbered) {
        (None, true) => Err(Refusal::new(
            RefusalCode::Missing,
            "boot",
            "must be given together with seq; samples have a seq and the batch has no boot",
        )),
        (Some(_), false) => Err(Refusal::new(
            RefusalCode::Missing,
            "samples[0].seq",
            "must be given together with boot; the batch has a boot and no sample has a seq",
        )),
        (None, false) if wire.sent_at_boot_us.is_some() => Err(Refusal::new(
            RefusalCode::Unexpected,
            "sent_at_boot_us",
            "may be given only together with boot and seq",
        )),
        _ => Ok(drone),
    }
}

/// A sample of a batch with a boot needs a seq and a time of its own; one that the gateway will
/// name may have no time, since its receipt becomes its time.
fn judge_in_batch(wire: v1::Sample, boot_given: bool) -> Result<Sample, Box<RefusedSample>> {
    let seq = wire.seq;
    let judged = match (boot_given, seq) {
        (true, None) => Err(Box::new((missing("seq"), wire))),
        (true, Some(_)) => judge(wire, validate::validate),
        (false, _) => judge(wire, |sample| validate::content(&sample.content)),
    };
    judged.map_err(|refused| {
        let (refusal, wire) = *refused;
        Box::new(RefusedSample { refusal, seq, wire })
    })
}
