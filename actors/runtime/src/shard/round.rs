//! A snapshot round: every changed drone's state becomes durable, then the shard's mark.

use std::sync::Arc;
use std::time::Duration;

use aerostream_domain::DroneSnapshot;
use aerostream_domain::{DroneId, Epoch, Offset};
use aerostream_log::AppendError;
use ractor::ActorRef;
use tokio::sync::mpsc;

use super::Shard;
use crate::effects::{ShardContext, state_key};
use crate::message::{DroneMsg, RoundOutcome, ShardMsg};
use crate::metrics;
use crate::recovery::decode_passive;
use crate::slots::Slot;
use crate::task::{TaskKind, spawn};

/// How long a drone may take to hand over its snapshot before the round is given up.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Where a changed drone's state is.
enum Source {
    Actor(ActorRef<DroneMsg>),
    Passive(bytes::Bytes),
}

/// One changed drone.
struct Changed {
    drone: DroneId,
    source: Source,
    /// Epoch of an older snapshot, to be deleted behind the new one.
    older: Option<Epoch>,
}

impl Shard {
    /// Starts a round unless one runs. The mark is read before the list of changed drones, so
    /// that every change below it belongs to a drone of this round or an earlier one.
    pub(super) fn start_round(&mut self, myself: &ActorRef<ShardMsg>) {
        if self.round_running {
            return;
        }
        let mark = (self.context.marks.applied_below(), self.journal_next);
        let mut drones = self.context.marks.take_dirty();
        drones.append(&mut self.owed);
        drones.sort_unstable();
        drones.dedup();
        if drones.is_empty() && self.mark == Some(mark) {
            self.round_done(RoundOutcome {
                mark: Some(mark),
                drones,
            });
            return;
        }
        let (changed, missing) = self.find(drones);
        self.round_running = true;
        let (context, myself) = (Arc::clone(&self.context), myself.clone());
        spawn(TaskKind::Request, "snapshot round", async move {
            let outcome = run(&context, changed, missing, mark).await;
            let _ = myself.cast(ShardMsg::RoundDone(outcome));
        });
    }

    fn find(&mut self, drones: Vec<DroneId>) -> (Vec<Changed>, Vec<DroneId>) {
        let (mut changed, mut missing) = (Vec::with_capacity(drones.len()), Vec::new());
        for drone in drones {
            let source = match self.slots.get(&drone) {
                // What waits for a leaving drone is not in its state yet.
                Some(Slot::Leaving { queue, .. }) if !queue.is_empty() => {
                    missing.push(drone);
                    continue;
                }
                Some(Slot::Hot { actor, .. } | Slot::Leaving { actor, .. }) => {
                    Source::Actor(actor.clone())
                }
                Some(Slot::Passive { state }) => Source::Passive(state.clone()),
                Some(Slot::Failed { .. }) | None => {
                    missing.push(drone);
                    continue;
                }
            };
            let older = self.slots.take_older_snapshot(&drone);
            changed.push(Changed {
                drone,
                source,
                older,
            });
        }
        (changed, missing)
    }
}

async fn run(
    context: &ShardContext,
    changed: Vec<Changed>,
    mut missing: Vec<DroneId>,
    mark: (Offset, Offset),
) -> RoundOutcome {
    let mut failures = Failures::default();
    for chunk in changed.chunks(context.config.snapshots_at_once_max) {
        missing.extend(write_chunk(context, chunk, &mut failures).await);
    }
    let mut is_marked = false;
    if missing.is_empty() && context.holds() {
        match context.append_mark(mark.0, mark.1).await {
            Ok(_) => is_marked = true,
            Err(error) => failures.note(error),
        }
    }
    failures.tell(context);
    RoundOutcome {
        mark: is_marked.then_some(mark),
        drones: missing,
    }
}

/// Appends of a round that failed: most often all of them, for one reason.
#[derive(Default)]
struct Failures {
    first: Option<AppendError>,
    count: u64,
}

impl Failures {
    fn note(&mut self, error: AppendError) {
        self.first.get_or_insert(error);
        self.count += 1;
    }

    /// One line of the log for the round.
    fn tell(&self, context: &ShardContext) {
        if let Some(error) = &self.first {
            tracing::warn!(
                shard.id = context.claim.shard.0,
                count = self.count,
                error = error as &dyn std::error::Error,
                "snapshots are not durable, the next round tries again"
            );
        }
    }
}

/// Makes the snapshots of some drones durable; gives back those that are not.
async fn write_chunk(
    context: &ShardContext,
    chunk: &[Changed],
    failures: &mut Failures,
) -> Vec<DroneId> {
    let (sender, mut receiver) = mpsc::channel::<DroneSnapshot>(chunk.len());
    let mut pending = Vec::with_capacity(chunk.len());
    for changed in chunk {
        match &changed.source {
            Source::Actor(actor) => {
                let _ = actor.cast(DroneMsg::Snapshot(sender.clone()));
            }
            Source::Passive(state) => {
                let snapshot = decode_passive(context.config.limits(), state).snapshot();
                pending.push((
                    snapshot.drone.clone(),
                    context.append_snapshot(&snapshot.drone, &snapshot),
                ));
            }
        }
    }
    drop(sender);
    while let Ok(Some(snapshot)) = tokio::time::timeout(ANSWER_MAX, receiver.recv()).await {
        let drone = snapshot.drone.clone();
        let append = context.append_snapshot(&drone, &snapshot);
        pending.push((drone, append));
    }
    let mut durable = std::collections::BTreeSet::new();
    for (drone, append) in pending {
        match append.await {
            Ok(_) => drop(durable.insert(drone)),
            Err(error) => failures.note(error),
        }
    }
    metrics::snapshots_written(durable.len());
    delete_older(context, chunk, &durable, failures).await;
    let lost = chunk
        .iter()
        .filter(|changed| !durable.contains(&changed.drone));
    lost.map(|changed| changed.drone.clone()).collect()
}

async fn delete_older(
    context: &ShardContext,
    chunk: &[Changed],
    durable: &std::collections::BTreeSet<DroneId>,
    failures: &mut Failures,
) {
    let older = chunk
        .iter()
        .filter(|changed| durable.contains(&changed.drone))
        .filter_map(|it| {
            let epoch = it.older?;
            Some(context.append_tombstone(state_key(it.drone.as_str(), epoch)))
        });
    for tombstone in older.collect::<Vec<_>>() {
        if let Err(error) = tombstone.await {
            failures.note(error);
        }
    }
}
