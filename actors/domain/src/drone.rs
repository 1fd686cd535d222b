//! One drone: which samples are new, what they say together.
//!
//! `admit` and `apply` are apart: `admit` decides what goes into the event log and marks it
//! pending; `apply` folds what the log holds, in offset order, into live state. Live state is a
//! function of the log.

pub mod live;

use std::time::Duration;

use crate::ids::{BootId, DroneId, Epoch, Offset, Seq};
use crate::sample::{Batch, BootRecord, TelemetryRecord};
use crate::units::UtcMicros;
use crate::validate::Refusal;

/// Names one append that has not ended yet; chosen by the caller, ascending per drone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AppendId(pub u64);

/// Limits of the state kept for one drone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Sequence numbers remembered per boot.
    pub window: usize,
    /// Boots whose window is kept.
    pub windows_max: usize,
    /// Boots whose power-up time is kept.
    pub boots_max: usize,
    /// How far ahead of receipt a sample's time may be.
    pub future_max: Duration,
    /// How old a sample may be at receipt.
    pub retention: Duration,
}

/// What becomes of one sample of a batch at admission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is in the record to be appended.
    Append,
    /// A repeat of a durable sample: acknowledge it.
    Repeat,
    /// A repeat of a sample whose append has not ended: its fate is that append's.
    Pending(AppendId),
    /// It will never be taken as it is.
    Refused(Refusal),
}

/// What becomes of a batch at admission.
#[derive(Debug, Clone, PartialEq)]
pub struct Admission {
    /// What to append; `None` if no sample is new.
    pub record: Option<TelemetryRecord>,
    /// One per sample, in the batch's order.
    pub verdicts: Vec<Verdict>,
}

/// Receipt of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// The gateway's clock when it had the batch.
    pub at: UtcMicros,
    /// The owner's reign.
    pub epoch: Epoch,
    /// What the append of this batch will be called.
    pub append: AppendId,
}

/// State of one drone.
#[derive(Debug, Clone)]
pub struct Drone {
    id: DroneId,
    limits: Limits,
}

impl Drone {
    /// A drone of which nothing is known.
    #[must_use]
    pub fn new(id: DroneId, limits: Limits) -> Self {
        Self { id, limits }
    }

    /// The boot record that must be journalled and learnt before this batch can be admitted;
    /// `None` if its boot is known, an error if it never can be.
    pub fn boot_needed(
        &self,
        batch: &Batch,
        received: UtcMicros,
    ) -> Result<Option<BootRecord>, Refusal> {
        let _ = (batch, received, self.limits);
        Ok(None)
    }

    /// Folds a boot record of the journal. The first one of a boot stays.
    pub fn learn_boot(&mut self, record: BootRecord) {
        let _ = record;
    }

    /// Judges a batch whose boot is known and marks its new samples pending.
    pub fn admit(&mut self, batch: Batch, receipt: Receipt) -> Admission {
        let _ = (batch, receipt);
        Admission {
            record: None,
            verdicts: Vec::new(),
        }
    }

    /// Puts the samples of a failed append back to absent.
    pub fn forget(&mut self, append: AppendId, boot: BootId, seqs: &[Seq]) {
        let _ = (append, boot, seqs);
    }

    /// Folds a durable record: its samples are durable, live state moves on.
    pub fn apply(&mut self, offset: Offset, record: &TelemetryRecord) {
        let _ = (offset, record, &self.id);
    }
}
