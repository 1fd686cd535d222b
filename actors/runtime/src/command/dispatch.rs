//! A command on its way from its owner to the connection that holds the drone.

use aerostream_domain::command::{Command, CommandId, NotSentReason, Order};
use aerostream_domain::{BootId, DroneId, UtcMicros};
use ractor::ActorRef;

use super::{CommandMsg, To};
use crate::message::ShardMsg;

/// A command that may leave: its `Sent` is durable and was read back.
///
/// Whoever gives it away without having written it tells the owner so, even by dropping it.
#[derive(Debug)]
pub struct Dispatch {
    pub drone: DroneId,
    pub id: CommandId,
    pub order: Order,
    /// Power-up that it is meant for.
    pub boot: BootId,
    /// Nothing of it may be executed later.
    pub expires: UtcMicros,
    pub command: Command,
    ticket: Option<Ticket>,
}

/// How the owner hears that a command was not written.
#[derive(Debug)]
pub(crate) struct Ticket {
    pub n: u32,
    pub shard: ActorRef<ShardMsg>,
}

impl Dispatch {
    /// Without anybody who is told, as an emergency is.
    pub(crate) fn new(
        (drone, id): (DroneId, CommandId),
        (order, boot, expires): (Order, BootId, UtcMicros),
        command: Command,
    ) -> Self {
        Self {
            drone,
            id,
            order,
            boot,
            expires,
            command,
            ticket: None,
        }
    }

    /// With an owner that is told if it is not written.
    pub(crate) fn with_ticket(mut self, ticket: Ticket) -> Self {
        self.ticket = Some(ticket);
        self
    }

    /// It is being written now.
    pub fn written(mut self) {
        self.ticket = None;
    }

    /// It is not written, for a reason.
    pub fn not_written(mut self, reason: NotSentReason) {
        self.tell(reason);
    }

    fn tell(&mut self, reason: NotSentReason) {
        let Some(ticket) = self.ticket.take() else {
            return;
        };
        let message = CommandMsg::NotSent {
            id: self.id,
            n: ticket.n,
            reason,
        };
        // A shard that is gone finds out by itself that nothing was answered.
        let _ = ticket.shard.cast(ShardMsg::Command {
            to: To::Drone(self.drone.clone()),
            message: Box::new(message),
        });
    }
}

impl Drop for Dispatch {
    fn drop(&mut self) {
        self.tell(NotSentReason::SessionEnded);
    }
}
