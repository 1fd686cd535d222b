//! An owner around one drone: a log whose appends may be slow or fail, and a drone at the other
//! end that sends again what was not acknowledged.

use std::collections::{BTreeMap, BTreeSet};

use aerostream_domain::alert::RuleSet;
use aerostream_domain::{
    AppendId, Batch, BootId, Drone, DroneId, Epoch, Limits, Offset, Receipt, Seq, TelemetryRecord,
    Verdict,
};
use proptest::sample::Index;

use crate::flight::{Flight, Planned, Row};

/// Some samples on their way.
#[derive(Debug, Clone, Copy)]
pub struct Delivery {
    pub start: Index,
    pub len: usize,
    pub stride: usize,
    pub reversed: bool,
    pub outcome: Outcome,
    pub rest: Rest,
}

/// What becomes of an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Durable,
    Failed,
    /// It ends later, after others.
    Slow,
    /// Durable, but nobody is told, and the owner is lost.
    Ambiguous,
}

impl From<u8> for Outcome {
    fn from(number: u8) -> Self {
        match number {
            0..=3 => Self::Durable,
            4..=6 => Self::Failed,
            7 | 8 => Self::Slow,
            _ => Self::Ambiguous,
        }
    }
}

/// What happens to the actor behind a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    Stay,
    Restored,
    Passive,
}

#[derive(Debug, Clone)]
pub struct Owner {
    pub drone: Drone,
    pub log: Vec<TelemetryRecord>,
    limits: Limits,
    under_way: BTreeMap<AppendId, TelemetryRecord>,
    acknowledged: BTreeSet<(BootId, u64)>,
    next_append: u64,
}

impl Owner {
    pub fn new(limits: Limits) -> Self {
        let id = DroneId::parse("alpha").expect("a legal id");
        Self {
            drone: Drone::new(id, limits),
            log: Vec::new(),
            limits,
            under_way: BTreeMap::new(),
            acknowledged: BTreeSet::new(),
            next_append: 0,
        }
    }

    fn batch(&self, boot: BootId, planned: &[&Planned]) -> Batch {
        Batch {
            drone: self.drone.id().clone(),
            boot,
            sent_at_boot: None,
            received_identity: false,
            samples: planned
                .iter()
                .map(|planned| planned.sample.clone())
                .collect(),
        }
    }

    /// Journals the boot record of a flight, by its whole first batch.
    pub fn learn(&mut self, flight: &Flight) {
        let planned: Vec<_> = flight.planned().collect();
        let batch = Batch {
            sent_at_boot: flight.sent_at_boot(),
            ..self.batch(flight.boot, &planned.iter().collect::<Vec<_>>())
        };
        let needed = self.drone.boot_needed(&batch, flight.received());
        assert_eq!(needed, Ok(Some(flight.record())));
        self.drone.learn_boot(flight.record());
        assert_eq!(self.drone.boot_needed(&batch, flight.received()), Ok(None));
    }

    /// Sends some of the samples, acknowledged ones too; answers what the drone was told.
    pub fn deliver(
        &mut self,
        planned: &[Planned],
        flights: &[Flight],
        delivery: &Delivery,
    ) -> Vec<Verdict> {
        let start = delivery.start.index(planned.len());
        let mut chosen: Vec<_> = planned[start..]
            .iter()
            .step_by(delivery.stride)
            .take(delivery.len)
            .collect();
        if delivery.reversed {
            chosen.reverse();
        }
        let mut verdicts = Vec::new();
        for flight in flights {
            let of_flight = |planned: &&&Planned| planned.flight == flight.boot;
            let mut part: Vec<_> = chosen.iter().filter(of_flight).copied().collect();
            // Half of them twice in one batch.
            if delivery.stride > 1 {
                part.extend_from_within(part.len() / 2..);
            }
            if !part.is_empty() {
                verdicts.extend(self.send(flight, &part, delivery.outcome));
            }
        }
        self.rest(delivery.rest);
        verdicts
    }

    fn send(&mut self, flight: &Flight, part: &[&Planned], outcome: Outcome) -> Vec<Verdict> {
        let append = AppendId(self.next_append);
        self.next_append += 1;
        let at = flight.received();
        let receipt = Receipt {
            at,
            epoch: epoch(),
            append,
        };
        let admission = self
            .drone
            .admit(&mut self.batch(flight.boot, part), receipt);
        assert_eq!(admission.verdicts.len(), part.len());
        let appended: usize = admission
            .record
            .as_ref()
            .map_or(0, |record| record.samples.len());
        let told = |verdict: &&Verdict| **verdict == Verdict::Append;
        assert_eq!(admission.verdicts.iter().filter(told).count(), appended);
        if let Some(record) = admission.record {
            assert_eq!(record.received, at);
            self.under_way.insert(append, record);
        }
        for (planned, verdict) in part.iter().zip(&admission.verdicts) {
            self.check(planned, verdict, append);
        }
        match outcome {
            Outcome::Durable => self.settle(append, Some(append)),
            Outcome::Failed => self.fail(append),
            Outcome::Slow => {}
            Outcome::Ambiguous => {
                self.settle(append, None);
                self.rest(Rest::Restored);
            }
        }
        admission.verdicts
    }

    fn check(&mut self, planned: &Planned, verdict: &Verdict, append: AppendId) {
        let key = (planned.flight, planned.sample.seq);
        match verdict {
            Verdict::Append => {
                assert!(self.under_way.contains_key(&append), "nothing is appended");
            }
            Verdict::Repeat => {
                assert!(
                    self.in_log(key),
                    "{key:?} is called a repeat and is not durable"
                );
                self.acknowledged.insert(key);
            }
            Verdict::Pending(on) => {
                let record = self.under_way.get(on).expect("an append that is under way");
                assert!(
                    has(record, key),
                    "{key:?} is not in the append it waits for"
                );
            }
            Verdict::Refused(refusal) => panic!("{key:?} is refused: {refusal}"),
        }
    }

    fn in_log(&self, key: (BootId, u64)) -> bool {
        self.log.iter().any(|record| has(record, key))
    }

    /// An append ends well; its samples are acknowledged if somebody hears of it.
    fn settle(&mut self, append: AppendId, heard: Option<AppendId>) {
        let Some(record) = self.under_way.remove(&append) else {
            return;
        };
        let offset = Offset(self.log.len() as u64);
        self.drone.apply(offset, &record, &RuleSet::default());
        assert_eq!(self.drone.applied_offset(), Some(offset));
        if heard.is_some() {
            let keys = record
                .samples
                .iter()
                .map(|sample| (record.boot, sample.seq.0));
            self.acknowledged.extend(keys);
        }
        self.log.push(record);
    }

    fn fail(&mut self, append: AppendId) {
        if let Some(record) = self.under_way.remove(&append) {
            let seqs: Vec<Seq> = record.samples.iter().map(|sample| sample.seq).collect();
            self.drone.forget(append, record.boot, &seqs);
        }
    }

    /// Ends every append that is under way, the last one first where that is possible.
    pub fn settle_all(&mut self) {
        while let Some((append, _)) = self.under_way.last_key_value() {
            let append = *append;
            self.settle(append, Some(append));
        }
        assert_eq!(self.drone.pending(), 0);
    }

    /// The actor goes to rest and comes back; what is under way ends first when it is passive,
    /// and is not known to the next owner when it is restored elsewhere.
    fn rest(&mut self, rest: Rest) {
        let snapshot = match rest {
            Rest::Stay => return,
            Rest::Restored => {
                let snapshot = self.drone.snapshot();
                // The appends end behind the snapshot; the next owner replays them.
                self.drone = Drone::restore(snapshot, self.limits);
                self.settle_all();
                return;
            }
            Rest::Passive => {
                self.settle_all();
                self.drone.snapshot_compact()
            }
        };
        self.drone = Drone::restore(snapshot, self.limits);
    }

    /// The drone sends what was not acknowledged until nothing is left.
    pub fn finish(&mut self, planned: &[Planned], flights: &[Flight]) {
        self.settle_all();
        for flight in flights {
            let rest: Vec<_> = planned
                .iter()
                .filter(|planned| planned.flight == flight.boot)
                .filter(|planned| {
                    !self
                        .acknowledged
                        .contains(&(planned.flight, planned.sample.seq))
                })
                .collect();
            for part in rest.chunks(50) {
                self.send(flight, part, Outcome::Durable);
            }
        }
        assert_eq!(self.acknowledged.len(), planned.len(), "something is lost");
        for key in &self.acknowledged {
            assert!(
                self.in_log(*key),
                "{key:?} was acknowledged and is not durable"
            );
        }
    }

    /// The rows that a database keyed by (drone, time, boot, seq) has in the end.
    pub fn rows(&self) -> BTreeSet<Row> {
        let row = |record: &TelemetryRecord| {
            let boot = record.boot.0;
            let rows = record
                .samples
                .iter()
                .map(move |sample| (boot, sample.seq.0, sample.time.0, sample.content.hash().0));
            rows.collect::<Vec<_>>()
        };
        self.log.iter().flat_map(row).collect()
    }
}

fn has(record: &TelemetryRecord, key: (BootId, u64)) -> bool {
    record.boot == key.0 && record.samples.iter().any(|sample| sample.seq.0 == key.1)
}

fn epoch() -> Epoch {
    Epoch {
        generation: 1,
        offset: Offset(4),
    }
}
