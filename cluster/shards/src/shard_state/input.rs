//! What a shard at a node is told.

use aerostream_domain::{Epoch, Offset, ShardId};

use super::{Claimed, Restored, Ticket, Work};
use crate::control_log::members::MemberId;
use crate::control_log::{self, owners::Readiness};

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Time passed, or the lease was renewed.
    Tick,
    /// The control log lists this node as a standby of the shard.
    Listed,
    /// It does so no more.
    Unlisted,
    /// The control log made this node the owner.
    Assigned(Epoch),
    /// The control log made another node the owner.
    AssignedToOther(Epoch),
    /// The control log says that the owner serves.
    Activated(Epoch),
    /// The control log tells the owner to seal the shard.
    Moving(Epoch),
    /// The control log says that the owner wrote its last.
    Sealed(Epoch),
    /// This incarnation of the node is a member no more.
    Ended,
    /// A new incarnation of this node is a member.
    Joined,
    /// A claim was read.
    Claim {
        /// Where.
        partition: Claimed,
        /// Whose reign it begins or repeats.
        epoch: Epoch,
        /// Its place in the partition.
        offset: Offset,
    },
    /// As a standby, all that is durable is read.
    CaughtUp,
    /// As an owner, all below the claims is read.
    Replayed {
        /// For which reign.
        epoch: Epoch,
        /// Where it began.
        restored: Restored,
        /// Offset below which the registry must be folded, by what the journal names.
        registry: Offset,
    },
    /// The registry is folded below this.
    Registry(Offset),
    /// The first mark of a reign is durable.
    Marked(Epoch),
    /// The last snapshots and the mark of a reign are durable.
    Snapshotted(Epoch),
    /// What the shard had to write may not have been written. It is written again at once: who
    /// tells this waits before it does.
    Failed,
    /// Somebody wants something of the shard.
    Asked {
        /// Fresh for each.
        ticket: Ticket,
        /// The reign that who asks believes in.
        epoch: Epoch,
        /// What it is.
        work: Work,
    },
    /// What became of an append is known for certain.
    Resolved {
        /// Of the append.
        ticket: Ticket,
        /// It is in the log.
        is_durable: bool,
    },
}

impl Input {
    /// What a change of the control log means for a shard at the node `me`; `None` if nothing.
    #[must_use]
    pub fn of(effect: &control_log::Effect, shard: ShardId, me: &MemberId) -> Option<Self> {
        use control_log::Effect as Change;
        match effect {
            Change::Joined(id) if id == me => Some(Self::Joined),
            Change::Joined(id) if id.node == me.node => Some(Self::Ended),
            Change::Left(id) | Change::Expired(id) if id == me => Some(Self::Ended),
            Change::GenerationRaised(_) => Some(Self::Ended),
            Change::Assigned { shard: of, owner } if *of == shard => Some(if owner.member == *me {
                Self::Assigned(owner.epoch)
            } else {
                Self::AssignedToOther(owner.epoch)
            }),
            Change::Activated { shard: of, epoch } if *of == shard => Some(Self::Activated(*epoch)),
            Change::Moving {
                shard: of, epoch, ..
            } if *of == shard => Some(Self::Moving(*epoch)),
            Change::Sealed { shard: of, epoch } if *of == shard => Some(Self::Sealed(*epoch)),
            Change::StandbyChanged {
                shard: of,
                member,
                readiness,
            } if *of == shard && member == me => match readiness {
                Some(Readiness::Listed) => Some(Self::Listed),
                Some(Readiness::CaughtUp) => None,
                None => Some(Self::Unlisted),
            },
            _ => None,
        }
    }
}
