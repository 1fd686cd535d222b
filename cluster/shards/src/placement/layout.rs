//! What placement looks at, and how it is read from the control log's state.

use aerostream_domain::{Epoch, ShardId};

use crate::control_log::ControlState;
use crate::control_log::members::{Member, MemberId};
use crate::control_log::owners::{Phase, Readiness, ShardOwner};

/// Who is there and who owns what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Every member.
    pub members: Vec<Candidate>,
    /// Every shard of the cluster.
    pub shards: Vec<Held>,
}

/// A member that may own shards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Who it is.
    pub id: MemberId,
    /// Share of the shards relative to other members'; at least 1.
    pub weight: u32,
    /// Newest rules of the fold that its build knows.
    pub version: u32,
    /// It gets no more shards.
    pub draining: bool,
    /// What fails together with it; empty if unknown.
    pub zone: String,
}

/// A shard and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Which shard.
    pub shard: ShardId,
    /// Of its owner, or of its last one; `None` if it had none.
    pub epoch: Option<Epoch>,
    /// Who has it.
    pub place: Place,
    /// Members that have what is durable of it.
    pub warm: Vec<MemberId>,
    /// Members that follow it and have not caught up.
    pub cold: Vec<MemberId>,
}

/// Who has a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Nobody.
    Orphan,
    /// Its owner catches up.
    Settling(MemberId),
    /// Its owner serves it.
    Serving(MemberId),
    /// Its owner still serves it, and was told to seal it.
    Moving {
        /// Who shall have it.
        to: MemberId,
    },
    /// Its last owner sealed it.
    Sealed {
        /// Who shall have it, if a `Move` said so.
        to: Option<MemberId>,
    },
}

impl Layout {
    /// What the control log says; `None` while the rules in force know no moves, and nobody places
    /// shards but the node that takes them all.
    #[must_use]
    pub fn of(state: &ControlState) -> Option<Self> {
        state.clock()?;
        let shards = u16::try_from(state.created()?.shards).ok()?;
        Some(Self {
            members: state.members().filter_map(candidate).collect(),
            shards: (0..shards)
                .map(|shard| held(state, ShardId(shard)))
                .collect(),
        })
    }
}

impl Held {
    /// True while the shard changes hands, or has to.
    #[must_use]
    pub const fn is_under_way(&self) -> bool {
        !matches!(self.place, Place::Serving(_))
    }
}

fn candidate(member: &Member) -> Option<Candidate> {
    Some(Candidate {
        id: member.id.clone(),
        weight: member.capacity,
        version: member.rules_known,
        draining: member.life?.draining,
        zone: member.zone.clone(),
    })
}

fn held(state: &ControlState, shard: ShardId) -> Held {
    let owner = state.owner(shard);
    let standbys = |readiness| {
        let members = state.members().map(|member| &member.id);
        let standbys = members.filter(|id| state.standby(shard, id) == Some(readiness));
        standbys.cloned().collect()
    };
    Held {
        shard,
        epoch: owner.map(|owner| owner.epoch),
        place: owner.map_or(Place::Orphan, |owner| place(state, owner)),
        warm: standbys(Readiness::CaughtUp),
        cold: standbys(Readiness::Listed),
    }
}

fn place(state: &ControlState, owner: &ShardOwner) -> Place {
    match &owner.phase {
        // Who drains may leave as soon as it has sealed: where its shards go is settled by then.
        Phase::Sealed { to } => Place::Sealed { to: to.clone() },
        _ if !state.is_up(&owner.member) => Place::Orphan,
        Phase::Assigned => Place::Settling(owner.member.clone()),
        Phase::Active => Place::Serving(owner.member.clone()),
        Phase::Moving { to } => Place::Moving { to: to.clone() },
    }
}
