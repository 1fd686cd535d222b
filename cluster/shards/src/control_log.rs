//! The pure fold of the control log: every reader of the same records has the same state.
//!
//! What counts is decided by the records alone: their order, and the times that the log gave them.

pub mod clock;
pub mod members;
pub mod owners;

mod reigns;
mod saved;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use aerostream_domain::{Epoch, Offset, ShardId, UtcMicros};
use aerostream_log::Record;
use aerostream_proto::v1;
use aerostream_proto::v1::control_record::Kind;

use crate::checkpoint::EVERY;
use clock::{LiveClock, LiveMicros};
use members::{Life, Member, MemberId, Members};
use owners::{Readiness, ShardOwner, Standbys};
use saved::{id, member_of};

/// Rules of a log without a `Version` record.
pub const RULES_FIRST: u32 = 1;
/// Rules from which on members send heartbeats, expire and move shards.
pub const RULES_LIFE: u32 = 2;
/// The newest rules that this build folds by.
pub const RULES_KNOWN: u32 = RULES_LIFE;
/// Time on the live clock after a member's newest heartbeat from which on it may be expired.
pub const TTL: Duration = Duration::from_secs(3);
/// From one heartbeat of a member to the next.
pub const HEARTBEAT_EVERY: Duration = Duration::from_millis(500);
/// Time on the live clock after which the state is written down again.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(300);

/// Where a record is in the control log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Its offset.
    pub offset: Offset,
    /// The log's time of its append.
    pub at: UtcMicros,
}

impl Stamp {
    /// Where a record that was read is.
    #[must_use]
    pub const fn of(record: &Record) -> Self {
        Self {
            offset: record.offset,
            at: record.at,
        }
    }
}

/// What the records so far say.
#[derive(Debug, Clone, PartialEq)]
pub struct ControlState {
    /// Every record below is folded.
    next: Offset,
    rules: u32,
    created: Option<v1::Created>,
    /// Generation that an operator raised; `None`: as created.
    raised_to: Option<u32>,
    /// `None` before the rules that know heartbeats.
    clock: Option<LiveClock>,
    members: Members,
    owners: BTreeMap<ShardId, ShardOwner>,
    standbys: Standbys,
    last_checkpoint: Option<LastCheckpoint>,
}

/// The newest checkpoint record that was folded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct LastCheckpoint {
    offset: Offset,
    live: LiveMicros,
}

/// What a record changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Nothing: it was not valid when it came.
    Void,
    /// The cluster's shape is fixed.
    Created,
    /// A node is a member; an older incarnation of the same name is none any more.
    Joined(MemberId),
    /// A member gave a sign of life.
    Heard {
        /// Who.
        member: MemberId,
        /// Number that its sender gave the heartbeat.
        sequence: u64,
    },
    /// A member gets no more shards.
    Draining(MemberId),
    /// A member went of itself.
    Left(MemberId),
    /// A member was not heard for [`TTL`] and is none any more.
    Expired(MemberId),
    /// A shard has a new owner.
    Assigned {
        /// Which shard.
        shard: ShardId,
        /// Its owner from here on.
        owner: ShardOwner,
    },
    /// A shard's owner serves it.
    Activated {
        /// Which shard.
        shard: ShardId,
        /// Whose reign.
        epoch: Epoch,
    },
    /// A shard's owner shall seal it.
    Moving {
        /// Which shard.
        shard: ShardId,
        /// Whose reign shall end.
        epoch: Epoch,
        /// Who shall have it.
        to: MemberId,
    },
    /// A shard's owner wrote its last, and is a standby now.
    Sealed {
        /// Which shard.
        shard: ShardId,
        /// The reign that is over.
        epoch: Epoch,
    },
    /// A member follows a shard, or is told to stop.
    StandbyChanged {
        /// Which shard.
        shard: ShardId,
        /// Who follows it.
        member: MemberId,
        /// `None`: it shall follow it no more.
        readiness: Option<Readiness>,
    },
    /// Newer rules are in force.
    RulesRaised(u32),
    /// Every member ended, and later epochs are above all earlier ones.
    GenerationRaised(u32),
    /// Rules are in force that this build does not know: nothing from this record on can be folded.
    RulesUnknown(u32),
    /// The record is below what was folded, so this is not the log that was folded before.
    Regressed {
        /// Where the next record had to be, or above.
        expected: Offset,
    },
}

impl Default for ControlState {
    /// What is known before the first record.
    fn default() -> Self {
        Self {
            next: Offset(0),
            rules: RULES_FIRST,
            created: None,
            raised_to: None,
            clock: None,
            members: Members::default(),
            owners: BTreeMap::new(),
            standbys: Standbys::default(),
            last_checkpoint: None,
        }
    }
}

impl ControlState {
    /// Folds a record.
    pub fn fold(&mut self, stamp: Stamp, record: v1::ControlRecord) -> Effect {
        if self.rules > RULES_KNOWN {
            return Effect::RulesUnknown(self.rules);
        }
        if stamp.offset < self.next {
            return Effect::Regressed {
                expected: self.next,
            };
        }
        self.next = Offset(stamp.offset.0.saturating_add(1));
        if let Some(clock) = &mut self.clock {
            clock.advance(stamp.at);
        }
        match record.kind {
            Some(Kind::Created(created)) if self.created.is_none() => {
                self.created = Some(created);
                Effect::Created
            }
            Some(Kind::Join(join)) => self.fold_join(join),
            Some(Kind::Assign(assign)) => self.fold_assign(stamp.offset, assign),
            Some(Kind::Version(version)) => self.fold_version(stamp.at, &version),
            Some(kind) if self.rules >= RULES_LIFE => self.fold_life(stamp.offset, kind),
            Some(_) | None => Effect::Void,
        }
    }

    /// What counts only since members have lives.
    fn fold_life(&mut self, offset: Offset, kind: Kind) -> Effect {
        match kind {
            Kind::Heartbeat(heartbeat) => self.fold_heartbeat(heartbeat),
            Kind::Drain(drain) => self.fold_drain(id(drain.node, drain.incarnation)),
            Kind::Leave(leave) => {
                let member = id(leave.node, leave.incarnation);
                self.end(&member).map_or(Effect::Void, Effect::Left)
            }
            Kind::Expire(expire) => self.fold_expire(&id(expire.node, expire.incarnation)),
            Kind::Active(active) => self.fold_active(&active),
            Kind::Move(wish) => self.fold_move(wish),
            Kind::Sealed(sealed) => self.fold_sealed(&sealed),
            Kind::Standby(standby) => self.fold_standby(standby),
            Kind::RaiseGeneration(raise) => self.fold_raise_generation(&raise),
            Kind::Checkpoint(_) => {
                let live = self.live_now();
                self.last_checkpoint = Some(LastCheckpoint { offset, live });
                Effect::Void
            }
            Kind::Created(_) | Kind::Join(_) | Kind::Assign(_) | Kind::Version(_) => Effect::Void,
        }
    }

    fn fold_join(&mut self, join: v1::Join) -> Effect {
        let joining = id(join.node.clone(), join.incarnation.clone());
        let mut life = None;
        if self.rules >= RULES_LIFE {
            let is_refused = join.record_version < self.rules
                || join.node.is_empty()
                || self.is_up(&joining)
                || self.members.has_ended(&joining);
            if is_refused {
                return Effect::Void;
            }
            life = Some(Life::begun(self.live_now()));
            if let Some(older) = self.members.current.get(&join.node) {
                let older = older.id.clone();
                self.end(&older);
            }
        }
        let member = member_of(join, life);
        self.members.current.insert(joining.node.clone(), member);
        Effect::Joined(joining)
    }

    fn fold_heartbeat(&mut self, heartbeat: v1::Heartbeat) -> Effect {
        let heard = self.live_now();
        let member = id(heartbeat.node, heartbeat.incarnation);
        let Some(life) = self.members.life_mut(&member) else {
            return Effect::Void;
        };
        life.heard = heard;
        Effect::Heard {
            member,
            sequence: heartbeat.sequence,
        }
    }

    fn fold_drain(&mut self, member: MemberId) -> Effect {
        match self.members.life_mut(&member) {
            Some(life) if !life.draining => {
                life.draining = true;
                Effect::Draining(member)
            }
            _ => Effect::Void,
        }
    }

    fn fold_expire(&mut self, member: &MemberId) -> Effect {
        if !self.may_expire(member) {
            return Effect::Void;
        }
        self.end(member).map_or(Effect::Void, Effect::Expired)
    }

    /// Ends a member and what it follows; what it owns is then anybody's.
    fn end(&mut self, member: &MemberId) -> Option<MemberId> {
        self.members.end(member).then(|| {
            self.standbys.remove_everywhere(member);
            member.clone()
        })
    }

    fn fold_version(&mut self, at: UtcMicros, version: &v1::Version) -> Effect {
        let mut members = self.members.current.values();
        let is_known_to_all = members.all(|member| member.rules_known >= version.rules);
        if version.rules <= self.rules || !is_known_to_all || self.created.is_none() {
            return Effect::Void;
        }
        self.rules = version.rules;
        if self.rules > RULES_KNOWN {
            return Effect::RulesUnknown(self.rules);
        }
        self.clock = Some(LiveClock::start(at));
        for member in self.members.current.values_mut() {
            member.life = Some(Life::begun(LiveMicros(0)));
        }
        Effect::RulesRaised(self.rules)
    }

    fn fold_raise_generation(&mut self, raise: &v1::RaiseGeneration) -> Effect {
        if self.generation() != Some(raise.expected) || raise.to <= raise.expected {
            return Effect::Void;
        }
        self.raised_to = Some(raise.to);
        self.members.end_all();
        self.standbys = Standbys::default();
        Effect::GenerationRaised(raise.to)
    }

    fn live_now(&self) -> LiveMicros {
        self.clock.map_or(LiveMicros(0), |clock| clock.now)
    }
}

/// What is known.
impl ControlState {
    /// Offset below which every record is folded.
    #[must_use]
    pub const fn next(&self) -> Offset {
        self.next
    }

    /// The rules in force.
    #[must_use]
    pub const fn rules(&self) -> u32 {
        self.rules
    }

    /// The cluster's fixed shape; `None` before its first record.
    #[must_use]
    pub fn created(&self) -> Option<&v1::Created> {
        self.created.as_ref()
    }

    /// Generation of the next epoch; `None` before the cluster's first record.
    #[must_use]
    pub fn generation(&self) -> Option<u32> {
        let created = self.created.as_ref()?;
        Some(self.raised_to.unwrap_or(created.generation))
    }

    /// The live clock; `None` while the rules in force know no heartbeats.
    #[must_use]
    pub const fn clock(&self) -> Option<LiveClock> {
        self.clock
    }

    /// Members, by their nodes' names.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.current.values()
    }

    /// True while a process is a member.
    #[must_use]
    pub fn is_up(&self, member: &MemberId) -> bool {
        self.members.get(member).is_some()
    }

    /// True if an `Expire` of the member would be valid as the next record, should the live clock
    /// stand still until then.
    #[must_use]
    pub fn may_expire(&self, member: &MemberId) -> bool {
        let life = self.members.get(member).and_then(|member| member.life);
        life.is_some_and(|life| self.live_now().since(life.heard) >= TTL)
    }

    /// Owner of a shard; `None` before its first assignment. It may have ended.
    #[must_use]
    pub fn owner(&self, shard: ShardId) -> Option<&ShardOwner> {
        self.owners.get(&shard)
    }

    /// How well a member follows a shard; `None` if it need not.
    #[must_use]
    pub fn standby(&self, shard: ShardId, member: &MemberId) -> Option<Readiness> {
        self.standbys.get(shard, member)
    }

    /// An owner of a shard that is still a member under another name than `node`.
    #[must_use]
    pub fn owned_by_other(&self, node: &str) -> Option<(ShardId, &ShardOwner)> {
        self.owners
            .iter()
            .find(|(_, owner)| owner.member.node != node && self.is_up(&owner.member))
            .map(|(shard, owner)| (*shard, owner))
    }

    /// True once enough has come since the newest checkpoint that the state is to be written down.
    /// Always false by rules 1, which count no checkpoints.
    #[must_use]
    pub fn is_checkpoint_due(&self) -> bool {
        let Some(clock) = self.clock else {
            return false;
        };
        let (offset, live) = self
            .last_checkpoint
            .map_or((0, LiveMicros(0)), |last| (last.offset.0, last.live));
        self.next.0.saturating_sub(offset) > EVERY || clock.now.since(live) >= CHECKPOINT_EVERY
    }
}
