//! Some nodes, one control log and the claims of one shard. Nodes read late, stop for a while, or
//! die; what they write is there at once.

use aerostream_cluster::control_log::{self, RULES_KNOWN};
use aerostream_cluster::lease::{Lease, NodeMicros};
use aerostream_cluster::placement::{Layout, propose};
use aerostream_cluster::shard_state::{
    Claimed, Effect, Input, Restored, ShardState, Stage, Ticket, Work,
};
use aerostream_cluster::{ControlState, MemberId, Stamp};
use aerostream_domain::{Epoch, Offset, ShardId, UtcMicros};
use aerostream_proto::v1;

use crate::records;

/// The one that is looked at.
const SHARD: ShardId = ShardId(0);
const NODES: [&str; 3] = ["a", "b", "c"];

/// What is shared: the logs, and the time, which runs alike for everybody.
pub struct Shared {
    pub now_us: u64,
    control: Vec<(Stamp, v1::ControlRecord)>,
    claims: Vec<(Claimed, Epoch)>,
}

impl Shared {
    fn write(&mut self, record: v1::ControlRecord) {
        let stamp = Stamp {
            offset: Offset(self.control.len() as u64),
            at: UtcMicros(self.now_us as i64),
        };
        self.control.push((stamp, record));
    }

    const fn now(&self) -> NodeMicros {
        NodeMicros(self.now_us)
    }
}

/// One process.
pub struct Node {
    me: MemberId,
    incarnation: u32,
    view: ControlState,
    read: usize,
    claims_read: usize,
    lease: Lease,
    shard: ShardState,
    tickets: u64,
    unresolved: Vec<Ticket>,
    pub released: Vec<Epoch>,
}

impl Node {
    fn new(name: &str, incarnation: u32) -> Self {
        Self {
            me: records::member(name, &incarnation.to_string()),
            incarnation,
            view: ControlState::default(),
            read: 0,
            claims_read: 0,
            lease: Lease::default(),
            shard: ShardState::default(),
            tickets: 0,
            unresolved: Vec::new(),
            released: Vec::new(),
        }
    }

    /// True while it would acknowledge something that became durable now.
    pub fn would_release(&self, shared: &Shared) -> bool {
        let stage = self.shard.stage();
        let serves = matches!(stage, Stage::Active { .. } | Stage::Sealing { .. });
        let ended_well = matches!(
            stage,
            Stage::Sealing { step, .. } if *step != aerostream_cluster::shard_state::Seal::Resolving
        );
        serves && !ended_well && self.lease.is_valid(shared.now())
    }

    pub fn epoch(&self) -> Option<Epoch> {
        self.shard.epoch()
    }

    /// Reads some of what it has not read.
    pub fn read(&mut self, shared: &mut Shared, count: usize) {
        for _ in 0..count {
            let Some((stamp, record)) = shared.control.get(self.read).cloned() else {
                break;
            };
            self.read += 1;
            let change = self.view.fold(stamp, record);
            if let control_log::Effect::Heard { member, sequence } = &change
                && *member == self.me
            {
                self.lease.read_back(*sequence);
            }
            if let Some(input) = Input::of(&change, SHARD, &self.me) {
                self.tell(shared, input);
            }
        }
    }

    /// Reads some claims that it has not read.
    pub fn read_claims(&mut self, shared: &mut Shared, count: usize) {
        for _ in 0..count {
            let Some((partition, epoch)) = shared.claims.get(self.claims_read).copied() else {
                break;
            };
            let offset = Offset(self.claims_read as u64);
            self.claims_read += 1;
            self.tell(
                shared,
                Input::Claim {
                    partition,
                    epoch,
                    offset,
                },
            );
        }
    }

    /// What a node does by itself every now and then.
    pub fn tend(&mut self, shared: &mut Shared) {
        let now = shared.now();
        let is_member = self.view.is_up(&self.me);
        if is_member && self.lease.is_heartbeat_due(now) {
            let sequence = self.lease.send(now);
            shared.write(records::heartbeat(&self.me, sequence));
        }
        if !is_member && self.read == shared.control.len() {
            self.join(shared);
        }
        let members: Vec<_> = self
            .view
            .members()
            .map(|member| member.id.clone())
            .collect();
        for member in members.iter().filter(|member| self.view.may_expire(member)) {
            shared.write(records::expire(member));
        }
        if let Some(layout) = Layout::of(&self.view) {
            for proposal in propose(&layout, RULES_KNOWN) {
                shared.write(proposal.into());
            }
        }
        self.tell(shared, Input::Tick);
    }

    /// Takes a request, and appends for it if it may.
    pub fn ask(&mut self, shared: &mut Shared) {
        let Some(epoch) = self.shard.epoch() else {
            return;
        };
        let ticket = Ticket(self.tickets);
        self.tickets += 1;
        let work = Work::Durable;
        self.tell(
            shared,
            Input::Asked {
                ticket,
                epoch,
                work,
            },
        );
    }

    /// An append of it became durable.
    pub fn resolve(&mut self, shared: &mut Shared) {
        if let Some(ticket) = self.unresolved.pop() {
            let is_durable = true;
            self.tell(shared, Input::Resolved { ticket, is_durable });
        }
    }

    pub fn drain(&self, shared: &mut Shared) {
        shared.write(records::drain(&self.me));
    }

    /// Dies, and is started again; what it knew is gone.
    pub fn restart(&mut self) {
        *self = Self {
            released: std::mem::take(&mut self.released),
            ..Self::new(&self.me.node.clone(), self.incarnation + 1)
        };
    }

    fn join(&mut self, shared: &mut Shared) {
        let joins_once = self
            .view
            .members()
            .any(|member| member.id.node == self.me.node);
        if *self.shard.stage() == Stage::Fenced {
            self.incarnation += 1;
            self.me = records::member(&self.me.node.clone(), &self.incarnation.to_string());
            self.lease = Lease::default();
            self.unresolved.clear();
        }
        if !joins_once || self.view.rules() == RULES_KNOWN {
            shared.write(records::join(&self.me, RULES_KNOWN));
        }
    }

    fn tell(&mut self, shared: &mut Shared, input: Input) {
        let epoch = self.shard.epoch();
        let effects = self.shard.step(shared.now(), &self.lease, input);
        for effect in effects {
            self.carry_out(shared, effect, epoch);
        }
    }

    fn carry_out(&mut self, shared: &mut Shared, effect: Effect, epoch: Option<Epoch>) {
        match effect {
            Effect::ReportCaughtUp => shared.write(records::standby(
                SHARD.0,
                &self.me,
                v1::StandbyStatus::CaughtUp,
            )),
            Effect::AppendClaims(epoch) => {
                shared.claims.push((Claimed::Telemetry, epoch));
                shared.claims.push((Claimed::Journal, epoch));
            }
            Effect::Replay { epoch, .. } => {
                let restored = Restored {
                    telemetry: Offset(0),
                    telemetry_claim: None,
                    journal: Offset(0),
                    journal_claim: None,
                };
                let registry = Offset(0);
                self.tell(
                    shared,
                    Input::Replayed {
                        epoch,
                        restored,
                        registry,
                    },
                );
            }
            Effect::WriteMark { epoch, .. } => self.tell(shared, Input::Marked(epoch)),
            Effect::AppendActive(epoch) => shared.write(records::active(SHARD.0, Some(epoch))),
            Effect::Snapshot(epoch) => self.tell(shared, Input::Snapshotted(epoch)),
            Effect::AppendSealed(epoch) => shared.write(records::sealed(SHARD.0, Some(epoch))),
            Effect::Append(ticket) => self.unresolved.push(ticket),
            Effect::Release(_) => self.released.extend(epoch),
            _ => {}
        }
    }
}

/// A cluster of three nodes that was just created.
pub fn cluster() -> (Shared, Vec<Node>) {
    let mut shared = Shared {
        now_us: 1_000_000,
        control: Vec::new(),
        claims: Vec::new(),
    };
    shared.write(records::created(1));
    let nodes: Vec<_> = NODES.iter().map(|name| Node::new(name, 1)).collect();
    for node in &nodes {
        shared.write(records::join(&node.me, RULES_KNOWN));
    }
    shared.write(records::version(RULES_KNOWN));
    (shared, nodes)
}
