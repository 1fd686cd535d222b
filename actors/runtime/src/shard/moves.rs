//! Where a shard's drones are: of those that were heard since the asker asked last, the newest.
//!
//! Whatever a drone sent between two questions, only its newest state is told, once: a question is
//! answered from the briefs, which the drones renew whether or not somebody asks.

use aerostream_domain::{Brief, DroneId, Epoch};
use ractor::ActorRef;
use tokio::sync::oneshot;

use super::Shard;
use crate::handle::{Handle, Unavailable, answered};
use crate::message::ShardMsg;

/// Places that are looked at before the next message has its turn.
const AT_ONCE: u32 = 4_000;

/// One run of a shard's actor, from its start to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    pub epoch: Epoch,
    /// Tells it from the other runs in the same process.
    pub number: u64,
}

/// How far an asker knows a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Known {
    /// `None` before the first answer. Places are of a run.
    pub run: Option<Run>,
    /// Everything up to this round is known.
    pub round: u32,
}

/// A drone that was heard.
#[derive(Debug, Clone)]
pub struct Move {
    /// Number of the drone in its shard; numbers are dense, and kept as long as the shard runs.
    pub place: u32,
    pub drone: DroneId,
    pub brief: Brief,
}

/// What is new in a shard.
#[derive(Debug, Clone)]
pub struct Moves {
    /// What the asker knows now. If the run is another than before, nothing that it knew counts.
    pub known: Known,
    pub moves: Vec<Move>,
}

/// A gathering under way.
#[derive(Debug)]
pub(crate) struct Gathering {
    known: Known,
    /// `None` before the first place.
    begun: Option<(u32, Moves)>,
    reply: oneshot::Sender<Moves>,
}

impl Handle {
    /// Where the drones are that were heard since the asker asked last, for each shard, in order.
    pub async fn moves(&self, known: &[Known]) -> Vec<Result<Moves, Unavailable>> {
        let asked = self.count.all().zip(known).map(|(shard, known)| {
            let (reply, answer) = oneshot::channel();
            let gathering = Gathering {
                known: *known,
                begun: None,
                reply,
            };
            let sent = self.cast(shard, ShardMsg::Moves(Box::new(gathering)));
            async move {
                sent?;
                answered(answer).await
            }
        });
        futures::future::join_all(asked).await
    }
}

impl Shard {
    /// Looks at some more places; answers when there are no more.
    pub(super) fn moves(&self, myself: &ActorRef<ShardMsg>, mut gathering: Box<Gathering>) {
        if gathering.reply.is_closed() {
            return;
        }
        let briefs = &self.context.briefs;
        let is_same_run = gathering.known.run == Some(briefs.run());
        let since = if is_same_run {
            gathering.known.round
        } else {
            0
        };
        let begin = || {
            let known = Known {
                run: Some(briefs.run()),
                round: briefs.begin_round(),
            };
            let moves = Vec::new();
            (0, Moves { known, moves })
        };
        let (from, mut told) = gathering.begun.take().unwrap_or_else(begin);
        let next = briefs.renewed_after(since, (from, AT_ONCE), |place, drone, brief| {
            told.moves.push(Move {
                place,
                drone: drone.clone(),
                brief: *brief,
            });
        });
        match next {
            None => drop(gathering.reply.send(told)),
            Some(next) => {
                gathering.begun = Some((next, told));
                // A shard that ends drops the reply, which tells the asker to try again.
                let _ = myself.cast(ShardMsg::Moves(gathering));
            }
        }
    }
}
