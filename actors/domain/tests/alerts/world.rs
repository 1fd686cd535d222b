//! One drone, its log and journal, and the owners that follow each other.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aerostream_domain::alert::{
    Alert, AlertLedger, AlertRecord, AlertStanding, Compare, Condition, Instance, Judged, Level,
    Remark, Rule, RuleSet, Severity, Transition, Trigger, When,
};
use aerostream_domain::sample::{Battery, Content, Position};
use aerostream_domain::{
    BootId, Drone, DroneId, DroneSnapshot, Epoch, Limits, Offset, RecordedSample, RuleId, Seq,
    TelemetryRecord, TimeBasis, UtcMicros,
};
use proptest::sample::Index;

use crate::oracle::Plain;

/// What comes into the log next.
#[derive(Debug, Clone)]
pub enum Sent {
    /// (charge, seconds since the last one) of each sample.
    Next(Vec<(Option<u8>, u32)>),
    /// An earlier record once more.
    Again(Index),
    /// A sample of the same power-up that comes late.
    Late {
        charge: Option<u8>,
        back: u64,
    },
    NewBoot,
    /// A sample of the power-up before.
    OldBoot(Option<u8>),
}

/// What became of an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Written,
    Lost,
    /// It is in the journal, and its writer thinks that it is not.
    WrittenUnheard,
}

/// What happens next.
#[derive(Debug, Clone)]
pub enum Step {
    Send(Sent),
    /// The owner applies the next record.
    Apply,
    /// The owner writes what it decided.
    Write(Outcome),
    /// The owner folds the next record of the journal.
    ReadBack,
    Snapshot,
    /// The owner is gone; another one goes on from one of the snapshots; `None`: the newest.
    Restart(Option<Index>),
    /// An owner that is gone writes what it had decided.
    ZombieWrites,
    Acknowledge(Index),
    /// The registry has other limits from now on.
    OtherRules,
}

#[derive(Debug, Clone)]
enum Entry {
    Claim(u64),
    Owner {
        epoch: u64,
        cause: Option<Offset>,
        record: AlertRecord,
    },
    Gateway(AlertRecord),
}

#[derive(Debug, Clone)]
struct Kept {
    snapshot: Option<DroneSnapshot>,
    telemetry: usize,
    journal: usize,
    claimed: u64,
}

/// The whole of it.
#[derive(Debug)]
pub struct World {
    telemetry: Vec<TelemetryRecord>,
    journal: Vec<Entry>,
    drone: Drone,
    epoch: u64,
    /// How far the owner has applied and folded.
    applied: usize,
    folded: usize,
    claimed: u64,
    writing: bool,
    kept: Vec<Kept>,
    zombie: Option<(u64, Option<Offset>, Vec<Transition>)>,
    boot: u64,
    seq: BTreeMap<u64, u64>,
    tightened: bool,
}

thread_local! {
    static TIMES: RefCell<BTreeMap<(u64, u64), i64>> = const { RefCell::new(BTreeMap::new()) };
}

/// The time that a sample carries.
pub fn time_of(boot: BootId, seq: Seq) -> UtcMicros {
    TIMES.with_borrow(|times| UtcMicros(times[&(boot.0, seq.0)]))
}

fn id() -> DroneId {
    DroneId::parse("alpha").expect("an id")
}

/// The rules in plain numbers.
pub fn rules() -> Vec<Plain> {
    let id = |text| RuleId::parse(text).expect("an id");
    vec![
        Plain {
            id: id("charge"),
            levels: vec![
                (Severity::Warning, 15.0, 0),
                (Severity::Critical, 7.0, 0),
                (Severity::Emergency, 5.0, 0),
            ],
            clear: (18.0, 10),
            repeat_s: 0,
        },
        Plain {
            id: id("slow"),
            levels: vec![(Severity::Notice, 30.0, 3)],
            clear: (31.0, 0),
            repeat_s: 20,
        },
    ]
}

fn rule_set(tightened: bool) -> RuleSet {
    let rules = rules().into_iter().map(|plain| {
        let field = "battery.remaining_percent";
        let more = if tightened { 2.0 } else { 0.0 };
        let levels = plain.levels.iter().map(|(severity, limit, lasts_s)| Level {
            severity: *severity,
            raise: Condition::of(field, Compare::AtMost, f64::from(*limit) + more),
            lasts: Duration::from_secs(u64::from(*lasts_s)),
        });
        let rule = Rule {
            id: plain.id,
            title: "Charge".to_owned(),
            enabled: true,
            when: When::Always,
            trigger: Trigger::Levels {
                levels: levels.collect(),
                clear: Condition::of(field, Compare::AtLeast, f64::from(plain.clear.0)),
                clear_lasts: Duration::from_secs(u64::from(plain.clear.1)),
            },
            repeat_after: Duration::from_secs(u64::from(plain.repeat_s)),
        };
        Arc::new(Judged::new(rule, tightened.then_some(Offset(7))))
    });
    RuleSet::new(None, rules, [])
}

impl World {
    pub fn new() -> Self {
        TIMES.with_borrow_mut(BTreeMap::clear);
        Self {
            telemetry: Vec::new(),
            journal: vec![Entry::Claim(1)],
            drone: Drone::new(id(), Limits::default()),
            epoch: 1,
            applied: 0,
            folded: 1,
            claimed: 1,
            writing: false,
            kept: vec![Kept {
                snapshot: None,
                telemetry: 0,
                journal: 0,
                claimed: 0,
            }],
            zombie: None,
            boot: 1,
            seq: BTreeMap::new(),
            tightened: false,
        }
    }

    pub fn telemetry(&self) -> &[TelemetryRecord] {
        &self.telemetry
    }

    pub fn alerts(&self) -> &[Alert] {
        self.drone.alerts().ledger().alerts()
    }

    pub fn step(&mut self, step: &Step) {
        match step {
            Step::Send(sent) => self.send(sent),
            Step::Apply => self.apply(),
            Step::Write(outcome) => self.write(*outcome),
            Step::ReadBack => self.read_back(),
            Step::Snapshot => {
                let kept = Kept {
                    snapshot: Some(self.drone.snapshot()),
                    telemetry: self.applied,
                    journal: self.folded,
                    claimed: self.claimed,
                };
                self.kept.push(kept);
            }
            Step::Restart(from) => self.restart(*from),
            Step::ZombieWrites => {
                if let Some((epoch, cause, transitions)) = self.zombie.take() {
                    let record = AlertRecord::Transitions(transitions);
                    self.journal.push(Entry::Owner {
                        epoch,
                        cause,
                        record,
                    });
                }
            }
            Step::Acknowledge(which) => {
                let alerts = self.alerts();
                if !alerts.is_empty() {
                    let remark = Remark {
                        id: which.get(alerts).id,
                        principal: "olga".to_owned(),
                        received: UtcMicros(0),
                        comment: String::new(),
                    };
                    let record = AlertRecord::Acknowledge(remark);
                    self.journal.push(Entry::Gateway(record));
                }
            }
            Step::OtherRules => self.tightened = !self.tightened,
        }
    }

    fn send(&mut self, sent: &Sent) {
        let (boot, samples) = match sent {
            Sent::Next(samples) => {
                let samples = samples.iter().map(|(charge, wait_s)| {
                    let seq = self.seq.entry(self.boot).or_default();
                    // Every second number stays free for what comes late.
                    *seq += 2;
                    sample(self.boot, *seq, (*charge, Some(*wait_s)))
                });
                (self.boot, samples.collect())
            }
            Sent::Again(which) if !self.telemetry.is_empty() => {
                let record = which.get(&self.telemetry).clone();
                self.telemetry.push(record);
                return;
            }
            Sent::Late { charge, back } => {
                let newest = self.seq.get(&self.boot).copied().unwrap_or_default();
                if newest <= 2 * back {
                    return;
                }
                let seq = newest - 2 * back + 1;
                (self.boot, vec![sample(self.boot, seq, (*charge, None))])
            }
            Sent::NewBoot => {
                self.boot += 1;
                return;
            }
            Sent::OldBoot(charge) if self.boot > 1 => {
                let boot = self.boot - 1;
                let seq = self.seq.entry(boot).or_default();
                *seq += 2;
                (boot, vec![sample(boot, *seq, (*charge, Some(1)))])
            }
            Sent::Again(_) | Sent::OldBoot(_) => return,
        };
        self.telemetry.push(TelemetryRecord {
            epoch: epoch(self.epoch),
            drone: id(),
            boot: BootId(boot),
            power_up: UtcMicros(boot as i64 * 1_000_000_000),
            received: UtcMicros(boot as i64 * 1_000_000_000),
            samples,
        });
    }

    fn apply(&mut self) {
        if let Some(record) = self.telemetry.get(self.applied) {
            let offset = Offset(self.applied as u64);
            self.drone.apply(offset, record, &rule_set(self.tightened));
            self.applied += 1;
        }
    }

    fn write(&mut self, outcome: Outcome) {
        let pending = self.drone.alerts().pending();
        if self.writing || pending.is_empty() {
            return;
        }
        let transitions = pending.iter().map(|(_, it)| it.clone()).collect();
        let entry = Entry::Owner {
            epoch: self.epoch,
            cause: self.drone.applied_offset(),
            record: AlertRecord::Transitions(transitions),
        };
        if outcome != Outcome::Lost {
            self.journal.push(entry);
        }
        self.writing = outcome == Outcome::Written;
    }

    fn read_back(&mut self) {
        if let Some(entry) = self.journal.get(self.folded).cloned() {
            fold(&mut self.drone, &mut self.claimed, (self.folded, &entry));
            if matches!(entry, Entry::Owner { epoch, .. } if epoch == self.epoch) {
                self.writing = false;
            }
            self.folded += 1;
        }
    }

    fn restart(&mut self, from: Option<Index>) {
        let pending = self.drone.alerts().pending();
        if !pending.is_empty() {
            let transitions = pending.iter().map(|(_, it)| it.clone()).collect();
            self.zombie = Some((self.epoch, self.drone.applied_offset(), transitions));
        }
        self.epoch += 1;
        self.journal.push(Entry::Claim(self.epoch));
        let newest = self.kept.last();
        let kept = from.map_or(newest, |from| Some(from.get(&self.kept)));
        let kept = kept.expect("the empty one is always there").clone();
        self.drone = match kept.snapshot {
            Some(snapshot) => Drone::restore(snapshot, Limits::default()),
            None => Drone::new(id(), Limits::default()),
        };
        self.claimed = kept.claimed;
        for at in kept.journal..self.journal.len() {
            let entry = self.journal[at].clone();
            fold(&mut self.drone, &mut self.claimed, (at, &entry));
        }
        self.folded = self.journal.len();
        self.drone.settle_alerts();
        self.applied = kept.telemetry;
        while self.applied < self.telemetry.len() {
            self.apply();
        }
        self.writing = false;
    }

    /// Everything comes to its end.
    pub fn settle(&mut self) {
        while self.applied < self.telemetry.len() {
            self.apply();
        }
        for _ in 0..4 {
            while self.folded < self.journal.len() {
                self.read_back();
            }
            self.write(Outcome::Written);
        }
        assert!(
            self.drone.alerts().pending().is_empty(),
            "not all is read back"
        );
        let mut reader = AlertLedger::default();
        let mut claimed = 0;
        for (at, entry) in self.journal.iter().enumerate() {
            if let Some((standing, record)) = counts(&mut claimed, (at, entry)) {
                reader.fold(standing, record);
            }
        }
        assert_eq!(&reader, self.drone.alerts().ledger(), "readers differ");
    }

    /// No two active alerts of one condition, and no id twice.
    pub fn check_one_per_condition(&self) {
        for rule in rules() {
            let of_rule = self.alerts().iter().filter(|alert| alert.rule == rule.id);
            let active = of_rule.filter(|alert| alert.is_active());
            assert!(active.count() <= 1, "two alerts of {}", rule.id);
        }
        let ids: std::collections::BTreeSet<_> = self.alerts().iter().map(|it| it.id).collect();
        assert_eq!(ids.len(), self.alerts().len(), "an id stands twice");
    }

    /// What the drone says last agrees with what is active.
    pub fn check_end(&self) {
        let packs = &self.drone.live().groups.battery;
        let Some(charge) = packs.first().and_then(|pack| pack.remaining_percent) else {
            return;
        };
        let rule = &rules()[0];
        let ledger = self.drone.alerts().ledger();
        let newest = ledger.newest_of(&rule.id, &Instance::Battery(0));
        // Other limits may have come behind the last sample, so that nothing was judged by them.
        if charge <= 15.0 && !self.tightened {
            assert!(
                newest.is_some_and(Alert::is_active),
                "{charge} % and no alert"
            );
        }
    }
}

fn epoch(number: u64) -> Epoch {
    Epoch {
        generation: 1,
        offset: Offset(number),
    }
}

/// The record, if it counts by the claim rule.
fn counts<'a>(
    claimed: &mut u64,
    (at, entry): (usize, &'a Entry),
) -> Option<(AlertStanding, &'a AlertRecord)> {
    let standing = |cause| AlertStanding {
        offset: Offset(at as u64),
        at: UtcMicros(at as i64),
        cause,
    };
    match entry {
        Entry::Claim(epoch) => {
            *claimed = (*claimed).max(*epoch);
            None
        }
        Entry::Owner {
            epoch,
            cause,
            record,
        } if epoch == claimed => Some((standing(*cause), record)),
        Entry::Owner { .. } => None,
        Entry::Gateway(record) => Some((standing(None), record)),
    }
}

fn fold(drone: &mut Drone, claimed: &mut u64, entry: (usize, &Entry)) {
    if let Some((standing, record)) = counts(claimed, entry) {
        drone.fold_alert(standing, record);
    }
}

/// A sample of pack 0's charge, or of the position; `None` seconds: between its neighbours.
fn sample(boot: u64, seq: u64, (charge, wait_s): (Option<u8>, Option<u32>)) -> RecordedSample {
    let time = TIMES.with_borrow_mut(|times| {
        let before = times.range((boot, 0)..(boot, seq)).next_back();
        let before = before.map_or(boot as i64 * 1_000_000_000, |(_, time)| *time);
        let time = before + wait_s.map_or(0, |wait_s| i64::from(wait_s) * 1_000_000);
        *times.entry((boot, seq)).or_insert(time)
    });
    let mut content = Content::default();
    match charge {
        Some(charge) => content.battery.push(Battery {
            remaining_percent: Some(f32::from(charge)),
            ..Battery::default()
        }),
        None => {
            content.position = Some(Position {
                relative_altitude_m: Some(10.0),
                ..Position::default()
            });
        }
    }
    RecordedSample {
        seq: Seq(seq),
        time: UtcMicros(time),
        basis: TimeBasis::Utc,
        since_boot: None,
        content,
    }
}
