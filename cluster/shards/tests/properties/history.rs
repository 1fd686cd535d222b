//! Random control logs: right records and wrong ones, late ones and repeats, odd clocks.

use aerostream_cluster::{ControlState, Effect, MemberId, Stamp};
use aerostream_domain::{Epoch, Offset, UtcMicros};
use aerostream_proto::v1;
use aerostream_proto::v1::control_record::Kind;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::records;

pub const SHARDS: u16 = 3;
const NODES: [&str; 3] = ["a", "b", "c"];

/// Which epoch the writer of a record believes in.
#[derive(Debug, Clone)]
pub enum Belief {
    /// The one in force where the record lands.
    Right,
    /// That the shard never had an owner.
    Never,
    /// Some other.
    Wrong { generation: u32, offset: u64 },
}

/// Whom a record names.
#[derive(Debug, Clone)]
pub enum Who {
    /// One that is a member where the record lands.
    Up(Index),
    /// Anybody.
    Named(MemberId),
}

#[derive(Debug, Clone)]
pub enum Op {
    Join(MemberId, u32),
    Heartbeat(Who),
    Drain(Who),
    Leave(Who),
    Expire(Who),
    Assign(u16, Who, Belief),
    Active(u16, Belief),
    Move(u16, Who, Belief),
    Sealed(u16, Belief),
    Standby(u16, Who, v1::StandbyStatus),
    Version(u32),
    RaiseGeneration(u32, u32),
    Checkpoint,
    Created,
    Unknown,
    /// An earlier record once more.
    Again(Index),
}

/// A record, what was known before it, and what it changed.
#[derive(Debug, Clone)]
pub struct Step {
    pub stamp: Stamp,
    pub record: v1::ControlRecord,
    pub before: ControlState,
    pub effect: Effect,
}

#[derive(Debug, Clone)]
pub struct History {
    pub steps: Vec<Step>,
    pub end: ControlState,
}

impl History {
    /// Writes and folds; each op comes so many microseconds, by the log's clock, behind the one
    /// before.
    pub fn of(ops: &[(i64, Op)]) -> Self {
        let mut history = Self {
            steps: Vec::new(),
            end: ControlState::default(),
        };
        let mut at_us = 1_700_000_000_000_000_i64;
        for (offset, (passed_us, op)) in (0..).zip(ops) {
            at_us += passed_us;
            let stamp = Stamp {
                offset: Offset(offset),
                at: UtcMicros(at_us),
            };
            let record = history.write(op);
            let before = history.end.clone();
            let effect = history.end.fold(stamp, record.clone());
            history.steps.push(Step {
                stamp,
                record,
                before,
                effect,
            });
        }
        history
    }

    fn write(&self, op: &Op) -> v1::ControlRecord {
        let epoch = |shard: u16, belief: &Belief| self.epoch(shard, belief);
        match op {
            Op::Join(id, rules) => records::join(id, *rules),
            Op::Heartbeat(who) => records::heartbeat(&self.member(who), self.steps.len() as u64),
            Op::Drain(who) => records::drain(&self.member(who)),
            Op::Leave(who) => records::leave(&self.member(who)),
            Op::Expire(who) => records::expire(&self.member(who)),
            Op::Assign(shard, to, belief) => {
                records::assign(*shard, &self.member(to), epoch(*shard, belief))
            }
            Op::Active(shard, belief) => records::active(*shard, epoch(*shard, belief)),
            Op::Move(shard, to, belief) => {
                records::move_to(*shard, &self.member(to), epoch(*shard, belief))
            }
            Op::Sealed(shard, belief) => records::sealed(*shard, epoch(*shard, belief)),
            Op::Standby(shard, who, status) => records::standby(*shard, &self.member(who), *status),
            Op::Version(rules) => records::version(*rules),
            Op::RaiseGeneration(expected, to) => records::raise_generation(*expected, *to),
            Op::Checkpoint => records::record(Kind::Checkpoint(self.end.checkpoint())),
            Op::Created => records::created(u32::from(SHARDS)),
            Op::Unknown => v1::ControlRecord { kind: None },
            Op::Again(which) if !self.steps.is_empty() => which.get(&self.steps).record.clone(),
            Op::Again(_) => v1::ControlRecord { kind: None },
        }
    }

    fn member(&self, who: &Who) -> MemberId {
        match who {
            Who::Named(id) => id.clone(),
            Who::Up(which) => {
                let members: Vec<_> = self.end.members().map(|member| &member.id).collect();
                let nobody = || records::member(NODES[0], "1");
                if members.is_empty() {
                    nobody()
                } else {
                    (*which.get(&members)).clone()
                }
            }
        }
    }

    fn epoch(&self, shard: u16, belief: &Belief) -> Option<Epoch> {
        match belief {
            Belief::Right => records::epoch_of(&self.end, shard),
            Belief::Never => None,
            Belief::Wrong { generation, offset } => Some(records::epoch(*generation, *offset)),
        }
    }
}

fn member() -> impl Strategy<Value = MemberId> {
    let node = proptest::sample::select(&NODES[..]);
    let incarnation = prop_oneof![4 => Just("1"), 2 => Just("2"), 1 => Just("3")];
    (node, incarnation).prop_map(|(node, incarnation)| records::member(node, incarnation))
}

fn who() -> impl Strategy<Value = Who> {
    prop_oneof![
        3 => any::<Index>().prop_map(Who::Up),
        1 => member().prop_map(Who::Named),
    ]
}

fn belief() -> impl Strategy<Value = Belief> {
    prop_oneof![
        12 => Just(Belief::Right),
        2 => Just(Belief::Never),
        1 => (1..3_u32, 0..40_u64).prop_map(|(generation, offset)| {
            Belief::Wrong { generation, offset }
        }),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    // One above those that there are.
    let shard = || 0..=SHARDS;
    let status = || {
        proptest::sample::select(vec![
            v1::StandbyStatus::Unspecified,
            v1::StandbyStatus::Listed,
            v1::StandbyStatus::CaughtUp,
            v1::StandbyStatus::Removed,
        ])
    };
    let rules = prop_oneof![1 => Just(1_u32), 20 => Just(2), 1 => Just(3)];
    prop_oneof![
        10 => (member(), rules).prop_map(|(id, rules)| Op::Join(id, rules)),
        16 => who().prop_map(Op::Heartbeat),
        1 => who().prop_map(Op::Drain),
        1 => who().prop_map(Op::Leave),
        6 => who().prop_map(Op::Expire),
        24 => (shard(), who(), belief()).prop_map(|(s, who, b)| Op::Assign(s, who, b)),
        16 => (shard(), belief()).prop_map(|(s, b)| Op::Active(s, b)),
        16 => (shard(), who(), belief()).prop_map(|(s, who, b)| Op::Move(s, who, b)),
        6 => (shard(), belief()).prop_map(|(s, b)| Op::Sealed(s, b)),
        10 => (shard(), who(), status()).prop_map(|(s, who, status)| Op::Standby(s, who, status)),
        2 => prop_oneof![9 => Just(2_u32), 1 => Just(3)].prop_map(Op::Version),
        1 => (1..3_u32, 1..4_u32).prop_map(|(expected, to)| Op::RaiseGeneration(expected, to)),
        2 => Just(Op::Checkpoint),
        1 => Just(Op::Created),
        1 => Just(Op::Unknown),
        6 => any::<Index>().prop_map(Op::Again),
    ]
}

/// Microseconds of the log's clock from one record to the next.
fn passed_us() -> impl Strategy<Value = i64> {
    prop_oneof![
        6 => 0..750_000_i64,
        6 => Just(750_000_i64),
        2 => 750_000..5_000_000_i64,
        1 => Just(3_600_000_000_i64),
        1 => -3_600_000_000..0_i64,
    ]
}

/// Logs of a cluster, most of which soon know heartbeats.
pub fn histories() -> impl Strategy<Value = History> {
    let start = prop_oneof![
        1 => Just(Vec::new()),
        1 => Just(vec![(0, Op::Created)]),
        4 => Just(vec![
            (0, Op::Created),
            (1000, Op::Join(records::member("a", "1"), 2)),
            (1000, Op::Join(records::member("b", "1"), 2)),
            (1000, Op::Version(2)),
        ]),
    ];
    let more = proptest::collection::vec((passed_us(), op()), 0..120);
    (start, more).prop_map(|(start, more)| History::of(&[start, more].concat()))
}
