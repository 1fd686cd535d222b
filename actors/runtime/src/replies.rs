//! Batches that wait for their appends.

use std::collections::BTreeSet;

use aerostream_domain::{AppendId, Verdict};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::handle::{IngestOutcome, SampleVerdict, Unavailable};
use crate::metrics::{SampleOutcome, samples};

/// One admitted batch.
#[derive(Debug)]
pub(crate) struct Reply {
    pub verdicts: Vec<Verdict>,
    /// The append of its new samples.
    pub own: Option<AppendId>,
    pub sender: oneshot::Sender<IngestOutcome>,
    /// Given back right before the batch is answered.
    pub permit: OwnedSemaphorePermit,
}

impl Reply {
    /// The appends that must end before this batch can be answered.
    fn waits_for(&self) -> BTreeSet<AppendId> {
        let pending = self.verdicts.iter().filter_map(|verdict| match verdict {
            Verdict::Pending(append) => Some(*append),
            _ => None,
        });
        pending.chain(self.own).collect()
    }

    fn settle(self) -> u64 {
        let verdicts: Vec<SampleVerdict> = self
            .verdicts
            .into_iter()
            .map(|verdict| match verdict {
                Verdict::Append => SampleVerdict::Acknowledged { repeat: false },
                Verdict::Repeat | Verdict::Pending(_) => {
                    SampleVerdict::Acknowledged { repeat: true }
                }
                Verdict::Refused(refusal) => SampleVerdict::Refused(refusal),
            })
            .collect();
        let acknowledged = count(&verdicts);
        // Whoever has the answer may send the next batch at once.
        drop(self.permit);
        // A sender that gave up has closed its end; the samples are durable all the same.
        let _ = self.sender.send(IngestOutcome::Settled(verdicts));
        acknowledged
    }

    fn retry(self, why: Unavailable) {
        drop(self.permit);
        let _ = self.sender.send(IngestOutcome::Retry(why));
    }
}

/// Counts the verdicts and tells how many samples are acknowledged for the first time.
fn count(verdicts: &[SampleVerdict]) -> u64 {
    let of = |wanted: fn(&SampleVerdict) -> bool| verdicts.iter().filter(|v| wanted(v)).count();
    let repeat = of(|v| matches!(v, SampleVerdict::Acknowledged { repeat: true }));
    let refused = of(|v| matches!(v, SampleVerdict::Refused(_)));
    samples(SampleOutcome::Repeat, repeat);
    samples(SampleOutcome::Refused, refused);
    let appended = verdicts.len() - repeat - refused;
    samples(SampleOutcome::Appended, appended);
    appended as u64
}

/// Admitted batches of one drone, each with the appends it still waits for.
#[derive(Debug, Default)]
pub(crate) struct Replies {
    waiting: Vec<(BTreeSet<AppendId>, Reply)>,
}

impl Replies {
    /// Answers at once if nothing is awaited.
    pub fn add(&mut self, reply: Reply) {
        let waits = reply.waits_for();
        if waits.is_empty() {
            // Nothing was appended, so nothing is acknowledged for the first time.
            reply.settle();
        } else {
            self.waiting.push((waits, reply));
        }
    }

    /// An append ended well: answers every batch that waited for nothing else, and tells how many
    /// samples that acknowledges for the first time.
    pub fn durable(&mut self, append: AppendId) -> u64 {
        let ready = self
            .waiting
            .extract_if(.., |(waits, _)| waits.remove(&append) && waits.is_empty());
        ready.map(|(_, reply)| reply.settle()).sum()
    }

    /// An append is not known to be durable: every batch that waited for it is to be sent again.
    pub fn failed(&mut self, append: AppendId, why: &Unavailable) {
        let lost = self
            .waiting
            .extract_if(.., |(waits, _)| waits.contains(&append));
        lost.for_each(|(_, reply)| reply.retry(why.clone()));
    }

    /// Batches without an answer.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }
}
