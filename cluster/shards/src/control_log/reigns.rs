//! Folding what begins, moves and ends the reign of an owner, and who follows it.

use aerostream_domain::{Epoch, Offset, ShardId};
use aerostream_proto::v1;

use super::owners::{Phase, Readiness, STANDBYS_MAX, ShardOwner};
use super::saved::{id, shard_of};
use super::{ControlState, Effect};

impl ControlState {
    pub(super) fn fold_assign(&mut self, offset: Offset, assign: v1::Assign) -> Effect {
        let (Some(shard), Some(generation)) = (self.shard(assign.shard), self.generation()) else {
            return Effect::Void;
        };
        let to = id(assign.to_node, assign.to_incarnation);
        let expected = assign.expected.map(Epoch::from);
        let current = self.owners.get(&shard);
        let may_take = expected == current.map(|owner| owner.epoch)
            && self.is_up(&to)
            && current.is_none_or(|owner| self.gave_up(owner));
        if !may_take {
            return Effect::Void;
        }
        self.standbys.remove(shard, &to);
        let owner = ShardOwner {
            member: to,
            epoch: Epoch { generation, offset },
            phase: Phase::Assigned,
        };
        self.owners.insert(shard, owner.clone());
        Effect::Assigned { shard, owner }
    }

    /// True if anybody may take what it owned.
    fn gave_up(&self, owner: &ShardOwner) -> bool {
        matches!(owner.phase, Phase::Sealed { .. }) || !self.is_up(&owner.member)
    }

    pub(super) fn fold_active(&mut self, active: &v1::Active) -> Effect {
        match self.reign(active.shard, active.epoch) {
            Some((shard, owner)) if owner.phase == Phase::Assigned => {
                owner.phase = Phase::Active;
                let epoch = owner.epoch;
                Effect::Activated { shard, epoch }
            }
            _ => Effect::Void,
        }
    }

    pub(super) fn fold_move(&mut self, wish: v1::Move) -> Effect {
        let to = id(wish.to_node, wish.to_incarnation);
        let may_take = self.is_up(&to) && !to.node.is_empty();
        match self.reign(wish.shard, wish.expected) {
            Some((shard, owner))
                if may_take && owner.phase == Phase::Active && owner.member != to =>
            {
                owner.phase = Phase::Moving { to: to.clone() };
                let epoch = owner.epoch;
                Effect::Moving { shard, epoch, to }
            }
            _ => Effect::Void,
        }
    }

    pub(super) fn fold_sealed(&mut self, sealed: &v1::Sealed) -> Effect {
        let Some((shard, owner)) = self.reign(sealed.shard, sealed.epoch) else {
            return Effect::Void;
        };
        let to = match &owner.phase {
            Phase::Sealed { .. } => return Effect::Void,
            Phase::Moving { to } => Some(to.clone()),
            Phase::Assigned | Phase::Active => None,
        };
        owner.phase = Phase::Sealed { to };
        let (epoch, member) = (owner.epoch, owner.member.clone());
        self.standbys.set(shard, member, Readiness::CaughtUp);
        Effect::Sealed { shard, epoch }
    }

    pub(super) fn fold_standby(&mut self, standby: v1::Standby) -> Effect {
        let status = standby.status();
        let member = id(standby.node, standby.incarnation);
        let Some(shard) = self.shard(standby.shard).filter(|_| self.is_up(&member)) else {
            return Effect::Void;
        };
        let known = self.standbys.get(shard, &member);
        let owns = self
            .owners
            .get(&shard)
            .is_some_and(|owner| owner.member == member);
        let has_room = self.standbys.count(shard) < STANDBYS_MAX;
        let readiness = match (status, known) {
            (v1::StandbyStatus::Listed, None) if !owns && has_room => Some(Readiness::Listed),
            (v1::StandbyStatus::CaughtUp, Some(Readiness::Listed)) => Some(Readiness::CaughtUp),
            (v1::StandbyStatus::Removed, Some(_)) => None,
            _ => return Effect::Void,
        };
        match readiness {
            Some(readiness) => self.standbys.set(shard, member.clone(), readiness),
            None => {
                self.standbys.remove(shard, &member);
            }
        }
        Effect::StandbyChanged {
            shard,
            member,
            readiness,
        }
    }

    /// A shard that the cluster has.
    fn shard(&self, number: u32) -> Option<ShardId> {
        let created = self.created.as_ref()?;
        shard_of(number).filter(|_| number < created.shards)
    }

    /// The owner of a shard, if `epoch` is its reign and it is a member.
    fn reign(
        &mut self,
        shard: u32,
        epoch: Option<v1::Epoch>,
    ) -> Option<(ShardId, &mut ShardOwner)> {
        let (shard, epoch) = (self.shard(shard)?, Epoch::from(epoch?));
        let members = &self.members;
        let owner = self.owners.get_mut(&shard)?;
        let is_reign = owner.epoch == epoch && members.get(&owner.member).is_some();
        is_reign.then_some((shard, owner))
    }
}
