//! The supervisor of one shard's drones: wakes, passivates, restarts and snapshots them.

mod alerts;
mod commands;
mod failed;
pub(crate) mod moves;
mod round;
pub(crate) mod tally;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use aerostream_domain::{Brief, Drone, DroneId, Offset};
use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::sync::oneshot;
use tokio::time::Instant;

use self::commands::Index;
use self::failed::refuse_while_failed;
use crate::alert::Quiet;
use crate::briefs::Place;
use crate::drone_actor::{DroneActor, DroneArgs, live_view};
use crate::effects::ShardContext;
use crate::feed::{self, FeedSnapshot};
use crate::handle::{LiveView, ShardStatus};
use crate::message::{DroneMsg, RoundOutcome, ShardMsg};
use crate::recovery::{Recovered, decode_passive, encode_passive};
use crate::slots::{Slot, Slots};
use crate::task::{TaskKind, spawn};

/// How often a shard looks for restarts, idle drones and snapshots that are due.
const TICK: Duration = Duration::from_millis(100);
/// Drones that a shard asks to become passive in one tick.
const PASSIVATIONS_AT_ONCE: usize = 100;

/// The actor; all it has is in its state.
pub(crate) struct ShardActor;

/// What the actor starts with.
pub(crate) struct ShardArgs {
    pub context: Arc<ShardContext>,
    pub recovered: Recovered,
}

/// State of the actor.
pub(crate) struct Shard {
    context: Arc<ShardContext>,
    started: Instant,
    slots: Slots,
    index: Index,
    quiet: Quiet,
    rules_version: u64,
    journal_next: Offset,
    /// Drones whose snapshot is still owed, beside those that the tracker names.
    owed: Vec<DroneId>,
    round_running: bool,
    next_round: Instant,
    next_idle_look: Instant,
    mark: Option<(Offset, Offset)>,
    flushing: Vec<oneshot::Sender<bool>>,
}

impl Actor for ShardActor {
    type Msg = ShardMsg;
    type State = Shard;
    type Arguments = ShardArgs;

    async fn pre_start(
        &self,
        myself: ActorRef<ShardMsg>,
        args: ShardArgs,
    ) -> Result<Shard, ActorProcessingErr> {
        let ShardArgs { context, recovered } = args;
        let (mut slots, mut owed) = (Slots::default(), Vec::new());
        let mut index = Index::default();
        for (id, known) in recovered.drones {
            if known.changed {
                owed.push(id.clone());
            }
            if let Some(epoch) = known.snapshot_epoch.filter(|it| *it < context.claim.epoch) {
                slots.note_older_snapshot(id.clone(), epoch);
            }
            let place = context.briefs.add(&id);
            context.briefs.renew(place, known.drone.live());
            index.learn(&known.drone);
            slots.insert_passive(id, place, encode_passive(&known.drone.snapshot_compact()));
        }
        myself.send_interval(TICK, || ShardMsg::Tick);
        // Only a shard that starts again has anybody who watches.
        context.feeds.interrupt_shard(context.claim.shard);
        let now = Instant::now();
        let rules_version = context.rules.version();
        let mut shard = Shard {
            quiet: Quiet::new(),
            rules_version,
            next_round: now + context.config.snapshot_every(),
            next_idle_look: now + context.config.idle_after() / 2,
            context,
            started: now,
            slots,
            index,
            journal_next: recovered.journal_next,
            owed,
            round_running: false,
            mark: None,
            flushing: Vec::new(),
        };
        shard.watch_all();
        Ok(shard)
    }

    async fn handle(
        &self,
        myself: ActorRef<ShardMsg>,
        message: ShardMsg,
        shard: &mut Shard,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            ShardMsg::Ingest(ingest) => {
                (shard.context.hooks.in_shard)(&ingest.batch);
                let drone = ingest.batch.drone.clone();
                shard
                    .deliver(&myself, drone, DroneMsg::Ingest(ingest))
                    .await?;
            }
            ShardMsg::Live { drone, reply } => shard.live(&drone, reply),
            ShardMsg::Join { drone, reply } => shard.join(&drone, reply),
            ShardMsg::Briefs {
                after,
                limit,
                reply,
            } => drop(reply.send(shard.briefs(after.as_ref(), limit))),
            ShardMsg::Tally(counting) => shard.tally(&myself, counting),
            ShardMsg::Moves(gathering) => shard.moves(&myself, gathering),
            ShardMsg::Status(reply) => drop(reply.send(shard.status())),
            ShardMsg::Journal { told, next, done } => {
                shard.journal(&myself, told, next).await?;
                let _ = done.send(());
            }
            ShardMsg::Command { to, message } => shard.command(&myself, to, *message).await?,
            ShardMsg::Group { group, reply } => drop(reply.send(shard.index.of_group(group))),
            ShardMsg::Tick => {
                shard.wake_commanded(&myself).await?;
                shard.tick(&myself).await?;
            }
            ShardMsg::Watch { drone, after } => shard.watch(drone, after),
            ShardMsg::RoundDone(outcome) => shard.round_done(outcome),
            ShardMsg::Passivated { drone, snapshot } => {
                let state = snapshot.map(|snapshot| encode_passive(&snapshot));
                shard.passivated(&myself, drone, state).await?;
            }
            ShardMsg::Orphaned {
                offset,
                record,
                token,
            } => {
                let records = offset.map(|at| (at, Arc::unwrap_or_clone(Arc::clone(&record))));
                let records = records.into_iter().collect();
                let drone = record.drone.clone();
                shard
                    .deliver(&myself, drone, DroneMsg::Reconciled { records, token })
                    .await?;
            }
            ShardMsg::Restored {
                drone,
                state,
                below,
            } => {
                shard.restored(&myself, drone, (state, below)).await?;
            }
            ShardMsg::Flush(reply) => {
                shard.flushing.push(reply);
                shard.start_round(&myself);
            }
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _myself: ActorRef<ShardMsg>,
        event: SupervisionEvent,
        shard: &mut Shard,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorFailed(actor, error) => {
                if let Some(drone) = shard.slots.actor_ended(actor.get_id()) {
                    shard.drone_failed(drone, &error.to_string());
                }
            }
            SupervisionEvent::ActorTerminated(actor, _, _) => {
                shard.slots.actor_ended(actor.get_id());
            }
            _ => {}
        }
        Ok(())
    }
}

impl Shard {
    /// Brings a message to a drone's actor, waking or creating it.
    async fn deliver(
        &mut self,
        myself: &ActorRef<ShardMsg>,
        drone: DroneId,
        message: DroneMsg,
    ) -> Result<(), ActorProcessingErr> {
        let state = match self.slots.get_mut(&drone) {
            Some(Slot::Hot { actor, used }) => {
                *used = Instant::now();
                // An actor that just failed is about to be reported; its sender tries again.
                let _ = actor.cast(message);
                return Ok(());
            }
            Some(Slot::Leaving { queue, .. }) => {
                queue.push(message);
                return Ok(());
            }
            Some(Slot::Failed { queue }) => {
                if let Some(kept) = refuse_while_failed(message) {
                    queue.push(kept);
                }
                return Ok(());
            }
            Some(Slot::Passive { state }) => Some(state.clone()),
            None => None,
        };
        let limits = self.context.config.limits();
        let place = self.slots.place(&drone);
        let place = place.unwrap_or_else(|| self.context.briefs.add(&drone));
        let drone = match state {
            Some(state) => decode_passive(limits, &state),
            None => Drone::new(drone, limits),
        };
        let state = (drone, Offset(0));
        self.start_drone(myself, state, place, vec![message]).await
    }

    async fn start_drone(
        &mut self,
        myself: &ActorRef<ShardMsg>,
        (drone, began_below): (Drone, Offset),
        place: Place,
        queue: Vec<DroneMsg>,
    ) -> Result<(), ActorProcessingErr> {
        let context = Arc::clone(&self.context);
        let id = drone.id().clone();
        let args = DroneArgs {
            drone,
            began_below,
            context,
            place,
            shard: myself.clone(),
        };
        let (actor, _) =
            DroneActor::spawn_linked(None, DroneActor, args, myself.get_cell()).await?;
        for message in queue {
            let _ = actor.cast(message);
        }
        self.slots.insert_hot(id, place, actor);
        Ok(())
    }

    fn live(&mut self, drone: &DroneId, reply: oneshot::Sender<Option<Box<LiveView>>>) {
        match self.slots.get_mut(drone) {
            Some(Slot::Hot { actor, .. }) => {
                let _ = actor.cast(DroneMsg::Live(reply));
            }
            // An actor that stops answers nothing any more.
            Some(Slot::Leaving { queue, .. }) => queue.push(DroneMsg::Live(reply)),
            Some(Slot::Passive { state }) => {
                let drone = decode_passive(self.context.config.limits(), state);
                let _ = reply.send(live_view(&drone, false).map(Box::new));
            }
            // Dropping the reply tells the asker to try again.
            Some(Slot::Failed { .. }) => {}
            None => drop(reply.send(None)),
        }
    }

    /// A drone at rest has nothing under way: all that is known to be in the log is in its state.
    fn join(&mut self, drone: &DroneId, reply: oneshot::Sender<Box<FeedSnapshot>>) {
        let view = match self.slots.get_mut(drone) {
            Some(Slot::Hot { actor, .. }) => {
                let _ = actor.cast(DroneMsg::Join(reply));
                return;
            }
            Some(Slot::Leaving { queue, .. }) => {
                queue.push(DroneMsg::Join(reply));
                return;
            }
            Some(Slot::Passive { state }) => {
                let drone = decode_passive(self.context.config.limits(), state);
                live_view(&drone, false)
            }
            // Dropping the reply tells the asker to try again.
            Some(Slot::Failed { .. }) => return,
            None => None,
        };
        let cursor = feed::cursor(&self.context, self.context.marks.end_known());
        let _ = reply.send(Box::new(FeedSnapshot { view, cursor }));
    }

    fn briefs(&self, after: Option<&DroneId>, limit: usize) -> Vec<(DroneId, Brief)> {
        let places = self.slots.places(after, limit).into_iter();
        let briefs = places.map(|(id, place)| (id, self.context.briefs.get(place)));
        briefs.collect()
    }

    fn status(&self) -> ShardStatus {
        let (hot, passive, failed) = self.slots.count();
        ShardStatus {
            shard: self.context.claim.shard,
            epoch: self.context.claim.epoch,
            hot,
            passive,
            failed,
            acknowledged: self.context.acknowledged.load(Ordering::Relaxed),
            appends_open: self.context.marks.open(),
            mark: self.mark,
        }
    }

    async fn tick(&mut self, myself: &ActorRef<ShardMsg>) -> Result<(), ActorProcessingErr> {
        let now = Instant::now();
        for drone in self.slots.restarts_due(now) {
            self.restore(myself, drone);
        }
        if now >= self.next_round {
            self.start_round(myself);
        }
        if now >= self.next_idle_look {
            let idle_after = self.context.config.idle_after();
            let before = now.checked_sub(idle_after);
            let asked = before.map_or(0, |before| self.passivate(myself, before));
            // When more are idle the next tick goes on, so that nobody waits behind all of them.
            if asked < PASSIVATIONS_AT_ONCE {
                self.next_idle_look = now + idle_after / 2;
            }
        }
        self.alert_tick(myself).await
    }

    /// Asks some idle drones to become passive and tells how many.
    fn passivate(&mut self, myself: &ActorRef<ShardMsg>, before: Instant) -> usize {
        let idle = self.context.config.idle_after();
        let drones = self.slots.idle_since(before, PASSIVATIONS_AT_ONCE);
        let asked = drones.len();
        for drone in drones {
            let Some(Slot::Hot { actor, .. }) = self.slots.get(&drone) else {
                continue;
            };
            let (actor, (reply, answer)) = (actor.clone(), oneshot::channel());
            if actor.cast(DroneMsg::Passivate { idle, reply }).is_err() {
                continue;
            }
            if let Some(slot) = self.slots.get_mut(&drone) {
                *slot = Slot::Leaving {
                    actor,
                    queue: Vec::new(),
                };
            }
            let myself = myself.clone();
            spawn(TaskKind::Request, "passivation", async move {
                let snapshot = answer.await.ok().flatten();
                let _ = myself.cast(ShardMsg::Passivated { drone, snapshot });
            });
        }
        asked
    }

    async fn passivated(
        &mut self,
        myself: &ActorRef<ShardMsg>,
        drone: DroneId,
        state: Option<bytes::Bytes>,
    ) -> Result<(), ActorProcessingErr> {
        // A drone that failed while it was leaving is in another state by now.
        if !matches!(self.slots.get(&drone), Some(Slot::Leaving { .. })) {
            return Ok(());
        }
        let Some((Slot::Leaving { actor, queue }, place)) = self.slots.take(&drone) else {
            return Ok(());
        };
        match state {
            Some(state) => self.slots.insert_passive(drone.clone(), place, state),
            None => self.slots.insert_hot(drone.clone(), place, actor),
        }
        for message in queue {
            match message {
                // Questions wake nobody.
                DroneMsg::Live(reply) => self.live(&drone, reply),
                DroneMsg::Join(reply) => self.join(&drone, reply),
                message => self.deliver(myself, drone.clone(), message).await?,
            }
        }
        Ok(())
    }

    fn round_done(&mut self, outcome: RoundOutcome) {
        self.round_running = false;
        self.owed.extend(outcome.drones);
        let durable = outcome.mark.is_some();
        if durable {
            self.mark = outcome.mark;
        }
        for reply in self.flushing.drain(..) {
            let _ = reply.send(durable);
        }
        self.next_round = Instant::now() + self.context.config.snapshot_every();
    }
}
