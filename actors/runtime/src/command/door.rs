//! The handle's part about commands.

use std::sync::Arc;
use std::time::Duration;

use aerostream_domain::command::{Answer, CommandId, Intent, NotSentReason};
use aerostream_domain::{DroneId, Epoch, ShardCount, ShardId, UtcMicros};
use tokio::sync::oneshot;

use super::{CommandMsg, CommandView, EmergencySent, Room, To};
use crate::handle::{Handle, Unavailable, answered};
use crate::message::ShardMsg;
use crate::sessions::Sessions;

impl Handle {
    /// Which connection holds which drone.
    #[must_use]
    pub fn sessions(&self) -> &Arc<Sessions> {
        &self.sessions
    }

    /// Reign in which this process owns a drone; `None` once another one does.
    #[must_use]
    pub fn epoch_of(&self, drone: &DroneId) -> Option<Epoch> {
        let shard = self.count.shard_of(drone);
        let own = self.ownership.shards().get(usize::from(shard.0));
        own.map(|own| own.epoch).filter(|_| self.is_owner())
    }

    /// Reigns in which this process owns its shards, in their order; `None` once another one does.
    #[must_use]
    pub fn epochs(&self) -> Option<Vec<Epoch>> {
        let shards = self.ownership.shards().iter();
        let epochs = shards.map(|own| own.epoch).collect();
        Some(epochs).filter(|_| self.is_owner())
    }

    /// Shards of the cluster.
    #[must_use]
    pub const fn shard_count(&self) -> ShardCount {
        self.count
    }

    /// Shard of a drone.
    #[must_use]
    pub fn shard_of(&self, drone: &DroneId) -> ShardId {
        self.count.shard_of(drone)
    }

    fn send_command(&self, to: To, message: CommandMsg) -> Result<(), Unavailable> {
        let shard = match &to {
            To::Drone(drone) => self.count.shard_of(drone),
            To::Command(id) => id.shard,
        };
        if usize::from(shard.0) >= usize::from(self.count.get()) {
            return Err(no_shard(shard));
        }
        let message = Box::new(message);
        self.cast(shard, ShardMsg::Command { to, message })
    }

    /// One command; `None` if it is not known here. With `seen`, the moment of the change that the
    /// asker knows, it is answered at the next change, at the latest after `wait`; a command that
    /// is on its way through the journal is waited for as well.
    pub async fn command(
        &self,
        id: CommandId,
        seen: Option<UtcMicros>,
        wait: Duration,
    ) -> Result<Option<CommandView>, Unavailable> {
        if usize::from(id.shard.0) >= usize::from(self.count.get()) {
            return Ok(None);
        }
        if seen.is_some() {
            let (reply, answer) = oneshot::channel();
            self.send_command(To::Command(id), CommandMsg::View { id, seen, reply })?;
            match tokio::time::timeout(wait, answer).await {
                Ok(Ok(view)) => return Ok(view.map(|view| *view)),
                Ok(Err(_)) => {
                    let reason = "the actor is being restarted".to_owned();
                    return Err(Unavailable::NotOwner { reason });
                }
                Err(_) => {}
            }
        }
        let (reply, answer) = oneshot::channel();
        let seen = None;
        self.send_command(To::Command(id), CommandMsg::View { id, seen, reply })?;
        Ok(answered(answer).await?.map(|view| *view))
    }

    /// Ids of the commands that were given together and are remembered, from every shard.
    pub async fn command_group(&self, group: u128) -> Result<Vec<CommandId>, Unavailable> {
        let asked = self.count.all().map(|shard| {
            let (reply, answer) = oneshot::channel();
            let sent = self.cast(shard, ShardMsg::Group { group, reply });
            async move {
                sent?;
                answered(answer).await
            }
        });
        Ok(futures::future::try_join_all(asked).await?.concat())
    }

    /// Every command of a drone that is remembered, the oldest first.
    pub async fn commands(&self, drone: &DroneId) -> Result<Vec<CommandView>, Unavailable> {
        let (reply, answer) = oneshot::channel();
        self.send_command(To::Drone(drone.clone()), CommandMsg::List(reply))?;
        answered(answer).await
    }

    /// Whether the drone's ledger has room for a wish, or has it already.
    pub async fn room(&self, drone: &DroneId, id: CommandId) -> Result<Room, Unavailable> {
        let (reply, answer) = oneshot::channel();
        self.send_command(To::Drone(drone.clone()), CommandMsg::Room { id, reply })?;
        answered(answer).await
    }

    /// What a drone says of a command; answered when it is durable.
    pub async fn command_answered(
        &self,
        drone: &DroneId,
        id: CommandId,
        answer: Answer,
    ) -> Result<(), Unavailable> {
        let (reply, durable) = oneshot::channel();
        let message = CommandMsg::Answered { id, answer, reply };
        self.send_command(To::Drone(drone.clone()), message)?;
        answered(durable).await?
    }

    /// Makes the owner look whether there is something for a drone that was just heard.
    pub fn look_for_commands(&self, drone: &DroneId) -> Result<(), Unavailable> {
        self.send_command(To::Drone(drone.clone()), CommandMsg::Tick)
    }

    /// Hands a command to the drone's connection past the journal, which is down.
    pub async fn emergency(
        &self,
        drone: &DroneId,
        intent: Intent,
    ) -> Result<Result<EmergencySent, NotSentReason>, Unavailable> {
        let (reply, answer) = oneshot::channel();
        let message = CommandMsg::Emergency {
            intent: Box::new(intent),
            reply,
        };
        self.send_command(To::Drone(drone.clone()), message)?;
        answered(answer).await
    }
}

fn no_shard(shard: ShardId) -> Unavailable {
    Unavailable::NotOwner {
        reason: format!("there is no shard {shard}"),
    }
}
