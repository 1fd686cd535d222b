//! A journal, an owner that may crash or live on after its reign, links that delay and lose.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aerostream_domain::command::ledger::Standing;
use aerostream_domain::command::{
    Answer, Cancel, CommandId, CommandRecord, Confirm, End, Facts, Folded, Intent, Ledger,
    NotSentReason, Profile, SessionFacts, Stage, Transition,
};
use aerostream_domain::drone::live::{LiveState, Newest, Stamp};
use aerostream_domain::sample::{LandedState, State};
use aerostream_domain::{BootId, Epoch, Offset, Seq, TimeBasis, UtcMicros};
use proptest::sample::Index;

use crate::drone::{Drone, Message};
use crate::wishes::{commands, id};

#[derive(Debug, Clone)]
pub enum Step {
    Wish {
        key: u8,
        what: u8,
        ttl_s: u64,
    },
    Cancel(u8),
    Confirm(u8),
    /// Milliseconds.
    Wait(u64),
    /// The drone is heard, so many milliseconds after it spoke.
    Uplink(u64),
    /// A command arrives, or is lost.
    Down(Index),
    LoseDown(Index),
    /// An answer arrives, or is lost.
    Up(Index),
    LoseUp(Index),
    LinkDown,
    Reboot,
    /// How the owner's next append ends: well, refused, later, or later and told as failed.
    Append(u8),
    /// Appends under way become durable.
    Appear,
    Snapshot,
    /// A new owner, from the snapshot or from the beginning.
    Crash(bool),
    /// The owner before the last goes on for a moment.
    Zombie,
    Airborne(bool),
}

#[derive(Debug, Clone)]
enum Kind {
    Claim,
    Boot(BootId),
    Command(Box<CommandRecord>),
}

#[derive(Debug, Clone)]
struct Written {
    epoch: Option<Epoch>,
    at: UtcMicros,
    kind: Kind,
}

/// What one reader of the journal knows.
#[derive(Debug, Clone, Default)]
struct Folding {
    ledger: Ledger,
    boot: Option<BootId>,
    claimed: Option<Epoch>,
    read: usize,
}

impl Folding {
    /// Reads to the end; tells what may leave, with the epoch that it was written in.
    fn read(&mut self, journal: &[Written]) -> Vec<(CommandId, Option<Epoch>)> {
        let mut sent = Vec::new();
        for written in &journal[self.read..] {
            let offset = Offset(self.read as u64);
            self.read += 1;
            let counts = written.epoch.is_none() || written.epoch == self.claimed;
            match &written.kind {
                Kind::Claim => self.claimed = self.claimed.max(written.epoch),
                Kind::Boot(boot) if counts => self.boot = self.boot.max(Some(*boot)),
                Kind::Command(record) if counts => {
                    let standing = Standing {
                        offset,
                        at: written.at,
                        epoch: written.epoch,
                        boot: self.boot,
                    };
                    if let Folded::Sent(id) = self.ledger.fold(standing, record) {
                        sent.push((id, written.epoch));
                    }
                }
                Kind::Boot(_) | Kind::Command(_) => {}
            }
        }
        sent
    }
}

#[derive(Debug, Clone)]
struct Owner {
    epoch: Epoch,
    folding: Folding,
    writing: BTreeSet<CommandId>,
    session: Option<(SessionFacts, u64)>,
}

#[derive(Debug)]
pub struct World {
    now: UtcMicros,
    journal: Vec<Written>,
    owner: Owner,
    zombie: Option<Owner>,
    snapshot: Folding,
    drone: Drone,
    told_boot: Option<BootId>,
    down: Vec<Message>,
    up: Vec<(CommandId, Answer)>,
    next_append: u8,
    under_way: Vec<Written>,
    live: LiveState,
    wishes: BTreeMap<CommandId, UtcMicros>,
}

const fn epoch(number: u64) -> Epoch {
    Epoch {
        generation: 1,
        offset: Offset(number),
    }
}

impl World {
    pub fn new() -> Self {
        let now = UtcMicros(1_800_000_000_000_000);
        let owner = Owner {
            epoch: epoch(1),
            folding: Folding::default(),
            writing: BTreeSet::new(),
            session: None,
        };
        let mut world = Self {
            now,
            journal: Vec::new(),
            owner,
            zombie: None,
            snapshot: Folding::default(),
            drone: Drone::new(now.0),
            told_boot: None,
            down: Vec::new(),
            up: Vec::new(),
            next_append: 0,
            under_way: Vec::new(),
            live: LiveState::default(),
            wishes: BTreeMap::new(),
        };
        world.write(Some(epoch(1)), Kind::Claim);
        world
    }

    fn write(&mut self, epoch: Option<Epoch>, kind: Kind) {
        let at = self.now;
        self.journal.push(Written { epoch, at, kind });
    }

    pub fn step(&mut self, step: &Step) {
        match step {
            Step::Wish { key, what, ttl_s } => self.wish(*key, *what, *ttl_s),
            Step::Cancel(key) => self.write(
                None,
                Kind::Command(Box::new(CommandRecord::Cancel(Cancel {
                    id: id(*key),
                    principal: "olga".to_owned(),
                    received: self.now,
                }))),
            ),
            Step::Confirm(key) => self.confirm(*key),
            Step::Wait(ms) => self.now = self.now + Duration::from_millis(*ms),
            Step::Uplink(delay_ms) => self.uplink(*delay_ms),
            Step::Down(at) if !self.down.is_empty() => self.deliver(at.index(self.down.len())),
            Step::LoseDown(at) if !self.down.is_empty() => {
                self.down.remove(at.index(self.down.len()));
            }
            Step::Up(at) if !self.up.is_empty() => self.answered(at.index(self.up.len())),
            Step::LoseUp(at) if !self.up.is_empty() => {
                self.up.remove(at.index(self.up.len()));
            }
            Step::Down(_) | Step::LoseDown(_) | Step::Up(_) | Step::LoseUp(_) => {}
            Step::LinkDown => self.owner.session = None,
            Step::Reboot => {
                self.drone.reboot(self.now.0);
                self.owner.session = None;
            }
            Step::Append(how) => self.next_append = *how,
            Step::Appear => self.journal.append(&mut self.under_way),
            Step::Snapshot => self.snapshot = self.owner.folding.clone(),
            Step::Crash(from_snapshot) => self.crash(*from_snapshot),
            Step::Zombie => self.haunt(),
            Step::Airborne(flies) => {
                let landed = if *flies {
                    LandedState::InAir
                } else {
                    LandedState::OnGround
                };
                self.live.groups.state = Some(State {
                    landed_state: Some(landed),
                    ..State::default()
                });
            }
        }
        self.own();
    }

    fn wish(&mut self, key: u8, what: u8, ttl_s: u64) {
        let intent = Intent {
            id: id(key),
            command: commands(what),
            principal: "olga".to_owned(),
            received: self.now,
            time_to_live: Duration::from_secs(ttl_s),
            emergency: false,
            group: None,
        };
        self.wishes.entry(id(key)).or_insert(intent.expires());
        self.write(None, Kind::Command(Box::new(CommandRecord::Intent(intent))));
    }

    fn confirm(&mut self, key: u8) {
        let known = self.owner.folding.ledger.get(id(key));
        let digest = known.map_or(0, |entry| entry.intent.command.digest());
        let confirm = Confirm {
            id: id(key),
            principal: "olga".to_owned(),
            received: self.now,
            digest,
        };
        self.write(
            None,
            Kind::Command(Box::new(CommandRecord::Confirm(confirm))),
        );
    }

    fn uplink(&mut self, delay_ms: u64) {
        let boot = self.drone.boot;
        if self.told_boot != Some(boot) {
            self.told_boot = Some(boot);
            self.write(Some(self.owner.epoch), Kind::Boot(boot));
        }
        let spoke_us = (self.now.0 - delay_ms.cast_signed() * 1000).max(self.drone.powered_up_us());
        let facts = SessionFacts {
            boot,
            heard: self.now,
            has_clock: true,
            has_request_ids: true,
        };
        self.owner.session = Some((facts, self.drone.boot_clock_us(spoke_us)));
        self.live.boot = Some(boot);
        self.live.received = Some(self.now);
        let seq = Seq(self.live.newest.map_or(0, |newest| newest.seq.0) + 1);
        let time = self.now;
        self.live.newest = Some(Newest {
            seq,
            time,
            basis: TimeBasis::Utc,
            since_boot: None,
        });
        self.live.stamps.state = Some(Stamp { seq, time });
    }

    fn deliver(&mut self, at: usize) {
        let message = self.down.remove(at);
        let answer = self.drone.hear(message, self.now.0);
        self.up.push((message.id, answer));
    }

    fn answered(&mut self, at: usize) {
        let (id, answer) = self.up.remove(at);
        let what = Transition::Answered(answer);
        self.append(CommandRecord::Transition { id, what });
    }

    /// The owner's append: it is read back, or the owner hears that it failed.
    fn append(&mut self, record: CommandRecord) {
        let how = std::mem::take(&mut self.next_append);
        let written = Written {
            epoch: Some(self.owner.epoch),
            at: self.now,
            kind: Kind::Command(Box::new(record.clone())),
        };
        match how {
            0 => self.journal.push(written),
            1 => {}
            2 => {
                self.owner.writing.insert(record.id());
                self.under_way.push(written);
            }
            _ => self.under_way.push(written),
        }
    }

    fn crash(&mut self, from_snapshot: bool) {
        let next = epoch(self.owner.epoch.offset.0 + 1);
        self.write(Some(next), Kind::Claim);
        let mut folding = if from_snapshot {
            self.snapshot.clone()
        } else {
            Folding::default()
        };
        // What was sent before the claim is not this owner's to send.
        folding.read(&self.journal);
        let owner = Owner {
            epoch: next,
            folding,
            writing: BTreeSet::new(),
            session: None,
        };
        self.zombie = Some(std::mem::replace(&mut self.owner, owner));
    }

    /// A former owner reads, decides and writes, not knowing that it is one.
    fn haunt(&mut self) {
        let Some(mut zombie) = self.zombie.take() else {
            return;
        };
        std::mem::swap(&mut self.owner, &mut zombie);
        self.own();
        std::mem::swap(&mut self.owner, &mut zombie);
    }

    /// Reads back, sends, decides and writes until nothing is left to do.
    fn own(&mut self) {
        for _ in 0..200 {
            let sent = self.owner.folding.read(&self.journal);
            for (id, epoch) in sent {
                self.owner.writing.remove(&id);
                if epoch == Some(self.owner.epoch) {
                    self.send(id);
                }
            }
            if self.under_way.is_empty() {
                self.owner.writing.clear();
            }
            let facts = Facts {
                now: self.now,
                live: &self.live,
                boot: self.owner.folding.boot,
                session: self.owner.session.map(|(facts, _)| facts),
                may_send: true,
                writing: &self.owner.writing,
                emergency: None,
            };
            let ledger = &self.owner.folding.ledger;
            let plan = ledger.decide(&facts, &Profile::default());
            if plan.decisions.is_empty() {
                return;
            }
            let before = self.journal.len();
            for decision in plan.decisions {
                let (id, what) = (decision.id, decision.what);
                self.append(CommandRecord::Transition { id, what });
            }
            // A former owner learns from the journal that it is one.
            let is_former = self.owner.folding.claimed > Some(self.owner.epoch);
            if self.journal.len() == before || is_former {
                return;
            }
        }
        panic!("the owner writes without end: {:#?}", self.journal.last());
    }

    /// The gateway's last look, and the write.
    fn send(&mut self, id: CommandId) {
        let entry = self.owner.folding.ledger.get(id).expect("it was folded");
        let (intent, sending) = (&entry.intent, entry.sending.expect("it was sent"));
        let not_sent = match self.owner.session {
            None => Some(NotSentReason::SessionEnded),
            Some(_) if intent.expires() <= self.now => Some(NotSentReason::Expired),
            Some((facts, _)) if facts.boot != sending.boot => Some(NotSentReason::OtherBoot),
            Some((facts, _)) if facts.heard + Duration::from_millis(1_500) < self.now => {
                Some(NotSentReason::Silent)
            }
            Some(_) => None,
        };
        if let Some(reason) = not_sent {
            let what = Transition::NotSent {
                n: sending.n,
                reason,
            };
            return self.append(CommandRecord::Transition { id, what });
        }
        let (facts, boot_clock_us) = self.owner.session.expect("looked at above");
        let left_us = (intent.expires().0 - facts.heard.0).cast_unsigned();
        self.down.push(Message {
            id,
            order: sending.order,
            boot: sending.boot,
            valid_until_us: boot_clock_us + left_us,
            exclusive: entry.kind().is_exclusive(),
        });
    }

    /// Everything works again, for as long as it takes.
    pub fn run_out(&mut self) {
        self.zombie = None;
        for _ in 0..800 {
            self.next_append = 0;
            self.step(&Step::Appear);
            self.step(&Step::Wait(500));
            self.step(&Step::Uplink(0));
            self.deliver_everything();
            while !self.up.is_empty() {
                self.answered(0);
                self.own();
            }
            if self.owner.folding.ledger.open().next().is_none() {
                return;
            }
        }
    }

    pub fn deliver_everything(&mut self) {
        while !self.down.is_empty() {
            self.deliver(0);
        }
    }

    pub fn deliver_last_first(&mut self) {
        while !self.down.is_empty() {
            self.deliver(self.down.len() - 1);
        }
    }

    pub fn in_flight(&self) -> usize {
        self.down.len()
    }

    pub fn executed(&self) -> usize {
        self.drone.executions.len()
    }

    pub fn ends(&self) -> Vec<End> {
        let entries = self.owner.folding.ledger.entries().iter();
        let end = |stage| match stage {
            Stage::Ended(end) => Some(end),
            _ => None,
        };
        entries.filter_map(|entry| end(entry.stage)).collect()
    }

    /// At most once, never late, and never an older one behind a newer one of the same power-up.
    pub fn check_executions(&self) {
        let mut seen = BTreeSet::new();
        for execution in &self.drone.executions {
            let id = execution.id;
            assert!(seen.insert(id), "{id} was executed twice");
            let expires = self.wishes[&id];
            assert!(execution.at_us <= expires.0, "{id} was executed late");
        }
        let exclusive = self.drone.executions.iter().filter(|it| it.exclusive);
        assert!(
            exclusive.map(|it| it.order).is_sorted(),
            "an older command was executed behind a newer one"
        );
    }

    /// Every command has an end that is true, and every reader knows the same.
    pub fn check_ends(&mut self) {
        let executed: BTreeSet<_> = self.drone.executions.iter().map(|it| it.id).collect();
        let mut again = Folding::default();
        again.read(&self.journal);
        assert_eq!(
            again.ledger, self.owner.folding.ledger,
            "two readers disagree"
        );
        for id in self.wishes.keys() {
            let entry = again.ledger.get(*id).expect("every wish is in the ledger");
            let Stage::Ended(end) = entry.stage else {
                panic!("{id} has no end: {entry:#?}");
            };
            match end {
                End::Cancelled | End::Expired | End::Rejected => {
                    assert!(!executed.contains(id), "{id} was executed: {entry:#?}");
                }
                End::Confirmed
                    if entry.kind() != aerostream_domain::command::CommandKind::Reboot =>
                {
                    assert!(executed.contains(id), "{id} was not executed: {entry:#?}");
                }
                End::Unconfirmed | End::Failed | End::TimedOut => {
                    assert!(executed.contains(id), "{id} was not executed: {entry:#?}");
                }
                _ => {}
            }
        }
    }
}
