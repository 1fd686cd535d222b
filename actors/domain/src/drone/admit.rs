//! What goes into the event log.

use std::collections::BTreeMap;

use super::time::{Identity, Settled, settle};
use super::window::{Fingerprint, Known, Window};
use super::{Admission, AppendId, Drone, Limits, Receipt, Verdict, boot};
use crate::content_hash::Clocks;
use crate::ids::{BootId, Seq};
use crate::sample::{Batch, BootRecord, RecordedSample, Sample, TelemetryRecord};
use crate::units::UtcMicros;
use crate::validate::{Refusal, RefusalCode};

impl Drone {
    /// The boot record that must be journalled and learnt before this batch can be admitted;
    /// `None` if its boot is known, an error if it never can be.
    ///
    /// # Errors
    /// The refusal of every sample of the batch: its boot cannot be placed in time
    /// ([`RefusalCode::Unpairable`] and the codes of bad clocks), or is older than all that are
    /// remembered ([`RefusalCode::BootForgotten`]).
    pub fn boot_needed(
        &self,
        batch: &Batch,
        received: UtcMicros,
    ) -> Result<Option<BootRecord>, Refusal> {
        if self.boots.get(batch.boot).is_some() {
            return Ok(None);
        }
        let record = boot::estimate(batch, received, &self.limits)?;
        self.boots.check_room(&record, self.limits.boots_max)?;
        Ok(Some(record))
    }

    /// Folds a boot record of the journal. The first one of a boot stays.
    pub fn learn_boot(&mut self, record: BootRecord) {
        self.boots.learn(record, self.limits.boots_max);
    }

    /// Judges a batch whose boot is known, marks its new samples pending and moves their content
    /// into the record.
    ///
    /// A batch of a boot that is not known is refused as [`RefusalCode::BootForgotten`]. Nothing
    /// is marked or moved before everything is judged: a panic leaves drone and batch as they
    /// were, without a copy that is kept just for that.
    pub fn admit(&mut self, batch: &mut Batch, receipt: Receipt) -> Admission {
        let Some(boot) = self.boots.get(batch.boot).copied() else {
            return Admission {
                record: None,
                verdicts: vec![Verdict::Refused(boot::forgotten()); batch.samples.len()],
            };
        };
        let window = self.windows.get(batch.boot);
        let mut judge = Judge::new(batch, boot, receipt, window);
        let samples = batch.samples.iter();
        let verdicts: Vec<Verdict> = samples
            .map(|sample| judge.judge(sample, &self.limits))
            .collect();
        let taken = judge.taken;
        if taken.is_empty() {
            return Admission {
                record: None,
                verdicts,
            };
        }
        let window = self.windows.touch(batch.boot, &self.limits);
        for (seq, _, fingerprint) in &taken {
            window.mark_pending(*seq, *fingerprint, receipt.append, self.limits.window);
        }
        // From here on nothing can panic, so that no sample is ever seen without its content.
        let new = batch.samples.iter_mut().zip(&verdicts);
        let new = new.filter(|(_, verdict)| matches!(verdict, Verdict::Append));
        let samples = new
            .zip(&taken)
            .map(|((sample, _), (_, settled, _))| record(sample, settled))
            .collect();
        let record = TelemetryRecord {
            epoch: receipt.epoch,
            drone: batch.drone.clone(),
            boot: batch.boot,
            power_up: boot.power_up,
            received: receipt.at,
            samples,
        };
        Admission {
            record: Some(record),
            verdicts,
        }
    }

    /// Puts the samples of a failed append back to absent.
    pub fn forget(&mut self, append: AppendId, boot: BootId, seqs: &[Seq]) {
        if let Some(window) = self.windows.get_mut(boot) {
            for seq in seqs {
                window.forget(append, *seq);
            }
        }
    }
}

/// Judges the samples of one batch without changing the drone.
struct Judge<'a> {
    boot: BootRecord,
    receipt: Receipt,
    identity: Identity,
    window: Option<&'a Window>,
    /// New samples of this batch by number; `None` if the batch cannot repeat itself.
    own: Option<BTreeMap<Seq, Fingerprint>>,
    /// One per taken sample, in their order.
    taken: Vec<(Seq, Settled, Fingerprint)>,
    scratch: Vec<u8>,
}

impl<'a> Judge<'a> {
    fn new(batch: &Batch, boot: BootRecord, receipt: Receipt, window: Option<&'a Window>) -> Self {
        let identity = if batch.received_identity {
            Identity::Received(receipt.at)
        } else {
            Identity::Own
        };
        let ascending = batch.samples.is_sorted_by(|a, b| a.seq < b.seq);
        Self {
            boot,
            receipt,
            identity,
            window,
            own: (!ascending).then(BTreeMap::new),
            taken: Vec::with_capacity(batch.samples.len()),
            scratch: Vec::new(),
        }
    }

    fn judge(&mut self, sample: &Sample, limits: &Limits) -> Verdict {
        let settled = match settle(sample, &self.boot, self.identity) {
            Ok(settled) => settled,
            Err(refusal) => return Verdict::Refused(refusal),
        };
        let seq = sample.seq();
        let clocks = Clocks {
            time: settled.time,
            basis: settled.basis,
            since_boot: settled.since_boot,
        };
        let fingerprint = Fingerprint::of(clocks, &sample.content, &mut self.scratch);
        match self.look_up(seq) {
            Known::Durable(known) if known == fingerprint => return Verdict::Repeat,
            Known::Pending(append, known) if known == fingerprint => {
                return Verdict::Pending(append);
            }
            Known::Durable(_) | Known::Pending(..) => {
                return Verdict::Refused(conflict(seq));
            }
            Known::Absent => {}
        }
        // A repeat is acknowledged at any age, so the window of receipt comes second.
        if let Err(refusal) = settled.check(self.receipt.at, limits) {
            return Verdict::Refused(refusal);
        }
        if let Some(own) = &mut self.own {
            own.insert(seq, fingerprint);
        }
        self.taken.push((seq, settled, fingerprint));
        Verdict::Append
    }

    fn look_up(&self, seq: Seq) -> Known {
        if let Some(fingerprint) = self.own.as_ref().and_then(|own| own.get(&seq)) {
            return Known::Pending(self.receipt.append, *fingerprint);
        }
        self.window
            .map_or(Known::Absent, |window| window.look_up(seq))
    }
}

fn record(sample: &mut Sample, settled: &Settled) -> RecordedSample {
    RecordedSample {
        seq: sample.seq(),
        time: settled.time,
        basis: settled.basis,
        since_boot: settled.since_boot,
        content: std::mem::take(&mut sample.content),
    }
}

fn conflict(seq: Seq) -> Refusal {
    let detail = format!("sample {seq} of this boot was already sent with other content or time");
    Refusal::new(RefusalCode::Conflict, "seq", detail)
}
