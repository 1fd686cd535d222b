//! The shard's part about the journal and commands: which drone has which.

use std::collections::HashMap;
use std::time::Duration;

use aerostream_domain::command::{CommandId, CommandRecord};
use aerostream_domain::{Drone, DroneId, Offset, UtcMicros};
use ractor::{ActorProcessingErr, ActorRef};
use tokio::sync::oneshot;

use super::Shard;
use crate::clock::utc_now;
use crate::command::{CommandMsg, CommandView, Room, To, Told};
use crate::drone_actor::{room, views};
use crate::message::{DroneMsg, JournalTold, ShardMsg};
use crate::recovery::decode_passive;
use crate::slots::Slot;

/// A drone forgets an ended command after a day; only then may the shard.
const KEPT_FOR: Duration = Duration::from_secs(25 * 60 * 60);
const SWEEP_EVERY: Duration = Duration::from_secs(600);
/// Questions about commands that have not come yet.
const PARKED_MAX: usize = 1_024;

/// The drone of every command of the shard.
#[derive(Debug, Default)]
pub(super) struct Index {
    drones: HashMap<CommandId, (DroneId, UtcMicros)>,
    /// Commands that were given together with others.
    groups: HashMap<u128, Vec<CommandId>>,
    swept: Option<UtcMicros>,
    /// Who asks for a command that is on its way through the journal.
    parked: Vec<Parked>,
    /// Drones with commands that are not over, or with decisions about alerts that were not
    /// written, to be woken by the first tick.
    pub asleep: Vec<DroneId>,
}

#[derive(Debug)]
struct Parked {
    id: CommandId,
    seen: UtcMicros,
    reply: oneshot::Sender<Option<Box<CommandView>>>,
}

impl Index {
    /// Learns the commands of a drone that was read back.
    pub fn learn(&mut self, drone: &Drone) {
        let ledger = drone.commands();
        for entry in ledger.entries() {
            let known = (drone.id().clone(), entry.changed);
            self.drones.insert(entry.id(), known);
            self.join(entry.intent.group, entry.id());
        }
        if ledger.has_open() || !drone.alerts().pending().is_empty() {
            self.asleep.push(drone.id().clone());
        }
    }

    fn note(&mut self, drone: &DroneId, told: &Told) {
        let now = utc_now();
        let is_new = matches!(
            *told.record,
            CommandRecord::Intent(_) | CommandRecord::Unrecorded(_)
        );
        let id = told.record.id();
        match self.drones.get_mut(&id) {
            Some(known) => known.1 = now,
            None if is_new => {
                self.drones.insert(id, (drone.clone(), now));
                self.join(told.record.group(), id);
            }
            None => {}
        }
        if self.swept.is_none_or(|swept| swept + SWEEP_EVERY < now) {
            self.swept = Some(now);
            self.drones.retain(|_, (_, at)| *at + KEPT_FOR > now);
            let drones = &self.drones;
            self.groups.retain(|_, ids| {
                ids.retain(|id| drones.contains_key(id));
                !ids.is_empty()
            });
        }
    }

    fn join(&mut self, group: Option<u128>, id: CommandId) {
        if let Some(group) = group {
            self.groups.entry(group).or_default().push(id);
        }
    }

    /// Ids of the commands that were given together.
    pub fn of_group(&self, group: u128) -> Vec<CommandId> {
        self.groups.get(&group).cloned().unwrap_or_default()
    }

    /// Keeps a question until its command comes, if it may wait and there is room.
    fn park(&mut self, message: CommandMsg) -> Result<(), CommandMsg> {
        self.parked.retain(|parked| !parked.reply.is_closed());
        match message {
            CommandMsg::View {
                id,
                seen: Some(seen),
                reply,
            } if self.parked.len() < PARKED_MAX => {
                self.parked.push(Parked { id, seen, reply });
                Ok(())
            }
            message => Err(message),
        }
    }

    fn drone(&self, to: To) -> Option<DroneId> {
        match to {
            To::Drone(drone) => Some(drone),
            To::Command(id) => self.drones.get(&id).map(|(drone, _)| drone.clone()),
        }
    }
}

impl Shard {
    /// Brings what the journal says to the drones.
    pub(super) async fn journal(
        &mut self,
        myself: &ActorRef<ShardMsg>,
        told: Vec<(DroneId, JournalTold)>,
        next: Offset,
    ) -> Result<(), ActorProcessingErr> {
        for (drone, told) in told {
            match told {
                JournalTold::Boot(boot) => {
                    self.deliver(myself, drone, DroneMsg::Boot(boot)).await?;
                }
                JournalTold::Command(told) => self.command_told(myself, drone, told).await?,
                JournalTold::Alert(told) => self.alert_told(myself, drone, told).await?,
            }
        }
        self.journal_next = self.journal_next.max(next);
        Ok(())
    }

    /// Brings a journal record about a command to its drone.
    async fn command_told(
        &mut self,
        myself: &ActorRef<ShardMsg>,
        drone: DroneId,
        told: Told,
    ) -> Result<(), ActorProcessingErr> {
        self.index.note(&drone, &told);
        // The mark may pass this record before the drone has folded it: the drone's snapshot is
        // owed from now on, and it is asked for behind this message.
        self.owed.push(drone.clone());
        let id = told.record.id();
        let message = DroneMsg::Command(Box::new(CommandMsg::Told(told)));
        self.deliver(myself, drone.clone(), message).await?;
        let parked = self.index.parked.extract_if(.., |parked| parked.id == id);
        for Parked { id, seen, reply } in parked.collect::<Vec<_>>() {
            let seen = Some(seen);
            let view = Box::new(CommandMsg::View { id, seen, reply });
            self.deliver(myself, drone.clone(), DroneMsg::Command(view))
                .await?;
        }
        Ok(())
    }

    pub(super) async fn command(
        &mut self,
        myself: &ActorRef<ShardMsg>,
        to: To,
        message: CommandMsg,
    ) -> Result<(), ActorProcessingErr> {
        let Some(drone) = self.index.drone(to) else {
            if let Err(message) = self.index.park(message) {
                unknown(message);
            }
            return Ok(());
        };
        let state = match self.slots.get(&drone) {
            None => None,
            Some(Slot::Passive { state }) => Some(state.clone()),
            Some(_) => {
                let message = DroneMsg::Command(Box::new(message));
                return self.deliver(myself, drone, message).await;
            }
        };
        // Nothing is open at a drone at rest, so that most questions need not wake it.
        let limits = self.context.config.limits();
        let at_rest = match state {
            Some(state) => decode_passive(limits, &state),
            None => Drone::new(drone.clone(), limits),
        };
        match message {
            CommandMsg::Tick if !at_rest.commands().has_open() => {}
            CommandMsg::List(reply) => drop(reply.send(views(&at_rest))),
            CommandMsg::Room { id, reply } => drop(reply.send(room(&at_rest, id))),
            message => {
                let message = DroneMsg::Command(Box::new(message));
                return self.deliver(myself, drone, message).await;
            }
        }
        Ok(())
    }

    /// Wakes the drones whose commands go on behind a restart.
    pub(super) async fn wake_commanded(
        &mut self,
        myself: &ActorRef<ShardMsg>,
    ) -> Result<(), ActorProcessingErr> {
        for drone in std::mem::take(&mut self.index.asleep) {
            let tick = DroneMsg::Command(Box::new(CommandMsg::Tick));
            self.deliver(myself, drone, tick).await?;
        }
        Ok(())
    }
}

/// What is said of a command that no drone of the shard has.
fn unknown(message: CommandMsg) {
    match message {
        CommandMsg::View { reply, .. } => drop(reply.send(None)),
        CommandMsg::List(reply) => drop(reply.send(Vec::new())),
        CommandMsg::Room { reply, .. } => drop(reply.send(Room::Free)),
        CommandMsg::Answered { reply, .. } => drop(reply.send(Ok(()))),
        _ => {}
    }
}
