//! Where shards shall be: a pure function of who is there and who owns what.
//!
//! Every node may ask it and write what it proposes. The control log takes the first of two equal
//! proposals and lets the second count for nothing, so nobody has to be chosen to ask.

mod layout;
mod score;
mod slots;
mod standbys;

use aerostream_domain::{Epoch, ShardId};
use aerostream_proto::v1;
use aerostream_proto::v1::control_record::Kind;

use crate::control_log::members::MemberId;
pub use layout::{Candidate, Held, Layout, Place};
use slots::Slots;
pub use standbys::{Listing, propose_standbys};

/// Of a hundred shards, those that may be under way at a time for the sake of balance alone.
const MOVES_PERCENT: usize = 2;

/// A record that would bring the shards nearer to where they shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proposal {
    /// A shard without an owner gets one.
    Assign {
        /// Which shard.
        shard: ShardId,
        /// Its next owner.
        to: MemberId,
        /// Epoch of its last owner; `None` if it had none.
        expected: Option<Epoch>,
    },
    /// The owner of a shard is told to seal it.
    Move {
        /// Which shard.
        shard: ShardId,
        /// Its next owner.
        to: MemberId,
        /// Epoch of its owner.
        expected: Epoch,
    },
}

impl From<Proposal> for v1::ControlRecord {
    fn from(proposal: Proposal) -> Self {
        let kind = match proposal {
            Proposal::Assign {
                shard,
                to,
                expected,
            } => Kind::Assign(v1::Assign {
                shard: u32::from(shard.0),
                to_node: to.node,
                to_incarnation: to.incarnation,
                expected: expected.map(Into::into),
            }),
            Proposal::Move {
                shard,
                to,
                expected,
            } => Kind::Move(v1::Move {
                shard: u32::from(shard.0),
                to_node: to.node,
                to_incarnation: to.incarnation,
                expected: Some(expected.into()),
            }),
        };
        Self { kind: Some(kind) }
    }
}

/// What to write next.
///
/// All shards without an owner, and all that are served by draining members, go at once, to a
/// member that has a warm copy if its bound allows. Moves for the sake of balance are few at a
/// time, and none while anything else is under way that would make them more, and while members of
/// two versions run only those that bring a shard to `target_version`.
///
/// A member's bound is its weighted share of the shards, times 1.15 and rounded down, or the share
/// rounded up if that is more: with few shards 1.15 of the mean is less than any layout needs. A
/// layout is settled when every member is within its bound and has its share rounded down. The
/// moves for balance are the least that settle a layout: the greater of what members have above
/// their bounds and what others lack.
#[must_use]
pub fn propose(layout: &Layout, target_version: u32) -> Vec<Proposal> {
    let mut slots = Slots::of(layout);
    let mut proposals = Vec::new();
    for held in &layout.shards {
        if let Some(to) = slots.next_owner(held) {
            proposals.push(Proposal::Assign {
                shard: held.shard,
                to,
                expected: held.epoch,
            });
        }
    }
    for held in &layout.shards {
        if let (Some(to), Some(expected)) = (slots.refuge(held), held.epoch) {
            let shard = held.shard;
            proposals.push(Proposal::Move {
                shard,
                to,
                expected,
            });
        }
    }
    let under_way = layout.shards.iter().filter(|held| held.is_under_way());
    let drained = proposals
        .iter()
        .filter(|proposal| matches!(proposal, Proposal::Move { .. }));
    let at_a_time = (layout.shards.len() * MOVES_PERCENT / 100).max(1);
    for _ in under_way.count() + drained.count()..at_a_time {
        let Some((held, to)) = slots.better_place(layout, target_version) else {
            break;
        };
        let Some(expected) = held.epoch else {
            break;
        };
        let shard = held.shard;
        proposals.push(Proposal::Move {
            shard,
            to,
            expected,
        });
    }
    proposals
}
