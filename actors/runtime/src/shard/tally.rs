//! A shard counts its drones by their briefs, some at a time, so that no batch waits behind all.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

use aerostream_domain::{DroneId, Kept, Tally, View};
use ractor::ActorRef;
use tokio::sync::oneshot;

use super::Shard;
use crate::message::ShardMsg;
use crate::slots::Slot;

/// Drones that are counted before the next message has its turn: well under a millisecond.
const AT_ONCE: usize = 1_000;

/// Which drones count: all, or those that whoever asks says yes to.
#[derive(Clone, Default)]
pub enum DroneFilter {
    /// Every drone, enrolled or not.
    #[default]
    All,
    /// Those for which it is true. It is asked once per drone, by the shard: it must not wait.
    Where(Arc<dyn Fn(&DroneId) -> bool + Send + Sync>),
}

impl fmt::Debug for DroneFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::All => "All",
            Self::Where(_) => "Where(..)",
        })
    }
}

impl DroneFilter {
    fn takes(&self, drone: &DroneId) -> bool {
        match self {
            Self::All => true,
            Self::Where(is_wanted) => is_wanted(drone),
        }
    }
}

/// A count under way.
#[derive(Debug)]
pub(crate) struct Counting {
    pub view: View,
    pub filter: DroneFilter,
    /// Everything up to this drone is in the tally.
    pub after: Option<DroneId>,
    /// `None` before the first drone.
    pub tally: Option<Tally>,
    pub reply: oneshot::Sender<Tally>,
}

impl Shard {
    /// Counts some more drones; answers when there are no more.
    pub(super) fn tally(&self, myself: &ActorRef<ShardMsg>, mut counting: Box<Counting>) {
        if counting.reply.is_closed() {
            return;
        }
        let new = || Tally::new(counting.view, self.started.elapsed());
        let mut tally = counting.tally.take().unwrap_or_else(new);
        let mut left = AT_ONCE;
        let walked = self.slots.walk(counting.after.as_ref(), |id, slot, place| {
            if counting.filter.takes(id) {
                let kept = match slot {
                    Slot::Hot { .. } | Slot::Leaving { .. } => Kept::Hot,
                    Slot::Passive { .. } => Kept::Passive,
                    Slot::Failed { .. } => Kept::Failed,
                };
                tally.add(&self.context.briefs.get(place), kept);
            }
            left -= 1;
            if left == 0 {
                ControlFlow::Break(id.clone())
            } else {
                ControlFlow::Continue(())
            }
        });
        match walked {
            ControlFlow::Continue(()) => drop(counting.reply.send(tally)),
            ControlFlow::Break(after) => {
                counting.after = Some(after);
                counting.tally = Some(tally);
                // A shard that ends drops the reply, which tells the asker to try again.
                let _ = myself.cast(ShardMsg::Tally(counting));
            }
        }
    }
}
