//! The whole state as a checkpoint record, and back.

use aerostream_domain::{Offset, ShardId, UtcMicros};
use aerostream_proto::v1;

use super::clock::{LiveClock, LiveMicros};
use super::members::{ENDED_MAX, Life, Member, MemberId, Members};
use super::owners::{Phase, Readiness, ShardOwner, Standbys};
use super::{ControlState, LastCheckpoint, RULES_FIRST, RULES_KNOWN};

impl ControlState {
    /// The state as a record, so that nobody has to read what is below [`Self::next`].
    #[must_use]
    pub fn checkpoint(&self) -> v1::ControlCheckpoint {
        let members = || self.members.current.values();
        let standbys = self.standbys.of.iter().flat_map(|(shard, standbys)| {
            standbys.iter().map(|(member, readiness)| v1::Standby {
                shard: u32::from(shard.0),
                node: member.node.clone(),
                incarnation: member.incarnation.clone(),
                status: status_of(*readiness).into(),
            })
        });
        let ended = self.members.ended.iter().map(|id| v1::Ended {
            node: id.node.clone(),
            incarnation: id.incarnation.clone(),
        });
        v1::ControlCheckpoint {
            folded_below: self.next.0,
            created: self.created.clone(),
            members: members().map(join_of).collect(),
            owners: self.owners.iter().map(owned_of).collect(),
            rules: if self.rules == RULES_FIRST {
                0
            } else {
                self.rules
            },
            clock: self.clock.map(|clock| v1::LiveClock {
                live_us: clock.now.0,
                last_record_us: clock.last_record.0,
            }),
            lives: members().filter_map(life_of).collect(),
            standbys: standbys.collect(),
            ended: ended.collect(),
            generation: self.raised_to.unwrap_or(0),
            last_checkpoint: self.last_checkpoint.map(|last| v1::LastCheckpoint {
                offset: last.offset.0,
                live_us: last.live.0,
            }),
        }
    }

    /// The state of a checkpoint; `None` if it is not one, or one of rules that this build does not
    /// know: whoever folds from an older one meets their `Version` record.
    #[must_use]
    pub fn restore(checkpoint: v1::ControlCheckpoint) -> Option<Self> {
        let rules = checkpoint.rules.max(RULES_FIRST);
        if rules > RULES_KNOWN || checkpoint.ended.len() > ENDED_MAX {
            return None;
        }
        let mut lives = checkpoint.lives.into_iter();
        let mut members = Members::default();
        for join in checkpoint.members {
            let life = lives.next().map(|life| Life {
                heard: LiveMicros(life.heard_us),
                draining: life.draining,
            });
            if life.is_none() && rules > RULES_FIRST {
                return None;
            }
            members
                .current
                .insert(join.node.clone(), member_of(join, life));
        }
        let ended = checkpoint.ended.into_iter();
        members.ended = ended
            .map(|ended| id(ended.node, ended.incarnation))
            .collect();
        let mut standbys = Standbys::default();
        for standby in checkpoint.standbys {
            let readiness = readiness_of(standby.status())?;
            let member = id(standby.node, standby.incarnation);
            standbys.set(shard_of(standby.shard)?, member, readiness);
        }
        let clock = checkpoint.clock.map(|clock| LiveClock {
            now: LiveMicros(clock.live_us),
            last_record: UtcMicros(clock.last_record_us),
        });
        if clock.is_none() && rules > RULES_FIRST {
            return None;
        }
        let owners = checkpoint.owners.into_iter().map(owner_of);
        Some(Self {
            next: Offset(checkpoint.folded_below),
            rules,
            created: checkpoint.created,
            raised_to: (checkpoint.generation > 0).then_some(checkpoint.generation),
            clock,
            members,
            owners: owners.collect::<Option<_>>()?,
            standbys,
            last_checkpoint: checkpoint.last_checkpoint.map(|last| LastCheckpoint {
                offset: Offset(last.offset),
                live: LiveMicros(last.live_us),
            }),
        })
    }
}

/// A member as its `Join` told it.
pub(super) fn member_of(join: v1::Join, life: Option<Life>) -> Member {
    Member {
        id: id(join.node, join.incarnation),
        address: join.address,
        rules_known: join.record_version,
        capacity: join.capacity.max(1),
        zone: join.zone,
        life,
    }
}

/// Number of a shard, if a shard can have it.
pub(super) fn shard_of(shard: u32) -> Option<ShardId> {
    u16::try_from(shard).ok().map(ShardId)
}

/// A process by its two names.
pub(super) fn id(node: String, incarnation: String) -> MemberId {
    MemberId { node, incarnation }
}

fn join_of(member: &Member) -> v1::Join {
    v1::Join {
        node: member.id.node.clone(),
        incarnation: member.id.incarnation.clone(),
        address: member.address.clone(),
        record_version: member.rules_known,
        capacity: if member.capacity == 1 {
            0
        } else {
            member.capacity
        },
        zone: member.zone.clone(),
    }
}

fn life_of(member: &Member) -> Option<v1::MemberLife> {
    member.life.map(|life| v1::MemberLife {
        heard_us: life.heard.0,
        draining: life.draining,
    })
}

fn owned_of((shard, owner): (&ShardId, &ShardOwner)) -> v1::OwnedShard {
    let (phase, to) = match &owner.phase {
        Phase::Assigned => (v1::OwnedPhase::Unspecified, None),
        Phase::Active => (v1::OwnedPhase::Active, None),
        Phase::Moving { to } => (v1::OwnedPhase::Moving, Some(to.clone())),
        Phase::Sealed { to } => (v1::OwnedPhase::Sealed, to.clone()),
    };
    let (to_node, to_incarnation) = to.map(|to| (to.node, to.incarnation)).unwrap_or_default();
    v1::OwnedShard {
        shard: u32::from(shard.0),
        node: owner.member.node.clone(),
        incarnation: owner.member.incarnation.clone(),
        epoch: Some(owner.epoch.into()),
        phase: phase.into(),
        to_node,
        to_incarnation,
    }
}

fn owner_of(owned: v1::OwnedShard) -> Option<(ShardId, ShardOwner)> {
    let phase = v1::OwnedPhase::try_from(owned.phase).ok()?;
    let to = (!owned.to_node.is_empty()).then(|| id(owned.to_node, owned.to_incarnation));
    let owner = ShardOwner {
        member: id(owned.node, owned.incarnation),
        epoch: owned.epoch?.into(),
        phase: match phase {
            v1::OwnedPhase::Unspecified => Phase::Assigned,
            v1::OwnedPhase::Active => Phase::Active,
            v1::OwnedPhase::Moving => Phase::Moving { to: to? },
            v1::OwnedPhase::Sealed => Phase::Sealed { to },
        },
    };
    Some((shard_of(owned.shard)?, owner))
}

const fn status_of(readiness: Readiness) -> v1::StandbyStatus {
    match readiness {
        Readiness::Listed => v1::StandbyStatus::Listed,
        Readiness::CaughtUp => v1::StandbyStatus::CaughtUp,
    }
}

const fn readiness_of(status: v1::StandbyStatus) -> Option<Readiness> {
    match status {
        v1::StandbyStatus::Listed => Some(Readiness::Listed),
        v1::StandbyStatus::CaughtUp => Some(Readiness::CaughtUp),
        v1::StandbyStatus::Unspecified | v1::StandbyStatus::Removed => None,
    }
}
