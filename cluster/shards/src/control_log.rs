//! The pure fold of the control log: every reader of the same records has the same state.

use std::collections::BTreeMap;

use aerostream_domain::{Epoch, Offset, ShardId};
use aerostream_proto::v1;
use aerostream_proto::v1::control_record::Kind;

/// Who owns a shard, and since which epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardOwner {
    pub node: String,
    pub incarnation: String,
    pub epoch: Epoch,
}

/// What the records so far say.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ControlState {
    created: Option<v1::Created>,
    /// Newest incarnation of each node; an older one of the same name has expired.
    members: BTreeMap<String, v1::Join>,
    owners: BTreeMap<ShardId, ShardOwner>,
}

/// What a record changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Nothing: it was not valid when it came.
    Void,
    /// The cluster's shape is fixed.
    Created,
    /// A node is a member; an older incarnation of the same name is none any more.
    Joined { node: String, incarnation: String },
    /// A shard has a new owner.
    Assigned { shard: ShardId, owner: ShardOwner },
}

impl ControlState {
    /// Folds the record at `offset`.
    pub fn fold(&mut self, offset: Offset, record: v1::ControlRecord) -> Effect {
        match record.kind {
            Some(Kind::Created(created)) if self.created.is_none() => {
                self.created = Some(created);
                Effect::Created
            }
            Some(Kind::Join(join)) => {
                let (node, incarnation) = (join.node.clone(), join.incarnation.clone());
                self.members.insert(node.clone(), join);
                Effect::Joined { node, incarnation }
            }
            Some(Kind::Assign(assign)) => self.fold_assign(offset, assign),
            Some(Kind::Created(_) | Kind::Checkpoint(_)) | None => Effect::Void,
        }
    }

    fn fold_assign(&mut self, offset: Offset, assign: v1::Assign) -> Effect {
        let Some(created) = &self.created else {
            return Effect::Void;
        };
        let Ok(number) = u16::try_from(assign.shard) else {
            return Effect::Void;
        };
        let shard = ShardId(number);
        let expected = assign.expected.map(Epoch::from);
        let current = self.owners.get(&shard);
        let may_take = assign.shard < created.shards
            && expected == current.map(|owner| owner.epoch)
            && self.is_up(&assign.to_node, &assign.to_incarnation)
            && current.is_none_or(|owner| !self.is_up(&owner.node, &owner.incarnation));
        if !may_take {
            return Effect::Void;
        }
        let owner = ShardOwner {
            node: assign.to_node,
            incarnation: assign.to_incarnation,
            epoch: Epoch {
                generation: created.generation,
                offset,
            },
        };
        self.owners.insert(shard, owner.clone());
        Effect::Assigned { shard, owner }
    }

    fn is_up(&self, node: &str, incarnation: &str) -> bool {
        self.members
            .get(node)
            .is_some_and(|join| join.incarnation == incarnation)
    }

    /// The state as a record, so that nobody has to read what is below `folded_below`.
    #[must_use]
    pub fn checkpoint(&self, folded_below: Offset) -> v1::ControlCheckpoint {
        let owners = self.owners.iter().map(|(shard, owner)| v1::OwnedShard {
            shard: u32::from(shard.0),
            node: owner.node.clone(),
            incarnation: owner.incarnation.clone(),
            epoch: Some(owner.epoch.into()),
        });
        v1::ControlCheckpoint {
            folded_below: folded_below.0,
            created: self.created.clone(),
            members: self.members.values().cloned().collect(),
            owners: owners.collect(),
        }
    }

    /// The state of a checkpoint; `None` if it is not one.
    #[must_use]
    pub fn restore(checkpoint: v1::ControlCheckpoint) -> Option<Self> {
        let owner = |owned: v1::OwnedShard| {
            let owner = ShardOwner {
                node: owned.node,
                incarnation: owned.incarnation,
                epoch: owned.epoch?.into(),
            };
            Some((ShardId(u16::try_from(owned.shard).ok()?), owner))
        };
        let members = checkpoint.members.into_iter();
        Some(Self {
            created: checkpoint.created,
            members: members.map(|join| (join.node.clone(), join)).collect(),
            owners: checkpoint
                .owners
                .into_iter()
                .map(owner)
                .collect::<Option<_>>()?,
        })
    }

    /// The cluster's fixed shape; `None` before its first record.
    #[must_use]
    pub fn created(&self) -> Option<&v1::Created> {
        self.created.as_ref()
    }

    /// Owner of a shard; `None` before its first assignment.
    #[must_use]
    pub fn owner(&self, shard: ShardId) -> Option<&ShardOwner> {
        self.owners.get(&shard)
    }

    /// An owner of a shard that is still a member under another name than `node`.
    #[must_use]
    pub fn owned_by_other(&self, node: &str) -> Option<(ShardId, &ShardOwner)> {
        self.owners
            .iter()
            .find(|(_, owner)| owner.node != node && self.is_up(&owner.node, &owner.incarnation))
            .map(|(shard, owner)| (*shard, owner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn created() -> v1::ControlRecord {
        let created = v1::Created {
            cluster_id: "c".to_owned(),
            shards: 4,
            hash_version: 1,
            generation: 1,
        };
        v1::ControlRecord {
            kind: Some(Kind::Created(created)),
        }
    }

    fn join(node: &str, incarnation: &str) -> v1::ControlRecord {
        let join = v1::Join {
            node: node.to_owned(),
            incarnation: incarnation.to_owned(),
            ..Default::default()
        };
        v1::ControlRecord {
            kind: Some(Kind::Join(join)),
        }
    }

    fn assign(shard: u32, to: (&str, &str), expected: Option<u64>) -> v1::ControlRecord {
        let assign = v1::Assign {
            shard,
            to_node: to.0.to_owned(),
            to_incarnation: to.1.to_owned(),
            expected: expected.map(|offset| v1::Epoch {
                generation: 1,
                offset,
            }),
        };
        v1::ControlRecord {
            kind: Some(Kind::Assign(assign)),
        }
    }

    fn effects(records: &[v1::ControlRecord]) -> Vec<bool> {
        let mut state = ControlState::default();
        (0..)
            .zip(records)
            .map(|(offset, record)| state.fold(Offset(offset), record.clone()) != Effect::Void)
            .collect()
    }

    #[test]
    fn an_assign_counts_only_for_a_member_at_the_expected_epoch() {
        let check = |records: &[v1::ControlRecord], expected: &[bool]| {
            assert_eq!(effects(records), expected, "{records:?}");
        };
        check(&[created(), created()], &[true, false]);
        check(
            &[join("a", "1"), assign(0, ("a", "1"), None)],
            &[true, false],
        );
        check(&[created(), assign(0, ("a", "1"), None)], &[true, false]);
        check(
            &[created(), join("a", "1"), assign(9, ("a", "1"), None)],
            &[true, true, false],
        );
        check(
            &[
                created(),
                join("a", "1"),
                assign(0, ("a", "1"), None),
                assign(0, ("a", "1"), None),
            ],
            &[true, true, true, false],
        );
    }

    #[test]
    fn only_a_newer_incarnation_of_the_owner_takes_over() {
        let start = [created(), join("a", "1"), assign(0, ("a", "1"), None)];
        let with = |more: &[v1::ControlRecord]| effects(&[&start[..], more].concat());
        let other = [join("b", "1"), assign(0, ("b", "1"), Some(2))];
        assert_eq!(with(&other)[3..], [true, false]);
        let same = [join("a", "2"), assign(0, ("a", "2"), Some(2))];
        assert_eq!(with(&same)[3..], [true, true]);
    }
}
