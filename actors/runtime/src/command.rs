//! Commands on the way through the actors.
//!
//! A wish comes from the journal; what the owner decides goes into the journal; a command leaves
//! only when its own `Sent` was read back. So there is no other state than the ledger's, and an
//! owner that starts again goes on with what the journal says.

mod config;
mod dispatch;
mod door;

use aerostream_domain::command::{
    Answer, CommandId, CommandRecord, Entry, Intent, NotSentReason, Order,
};
use aerostream_domain::{DroneId, Epoch, Offset, UtcMicros};
use tokio::sync::oneshot;

pub use config::CommandConfig;
pub use dispatch::Dispatch;
pub(crate) use dispatch::Ticket;

use crate::handle::Unavailable;

/// A journal record about a command, with what its fold needs.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub offset: Offset,
    pub at: UtcMicros,
    pub epoch: Option<Epoch>,
    pub record: Box<CommandRecord>,
}

/// A command as its owner sees it now.
#[derive(Debug, Clone, PartialEq)]
pub struct CommandView {
    pub drone: DroneId,
    pub entry: Entry,
    /// True while it waits for a confirmation.
    pub needs_confirmation: bool,
}

/// What the owner says of a wish before it is written.
#[derive(Debug, Clone, PartialEq)]
pub enum Room {
    /// There is room for it.
    Free,
    /// It is known already.
    Known(Box<CommandView>),
    /// There is no room: what is at its limit.
    Full(&'static str),
}

/// How a command went that could not be recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct EmergencySent {
    pub order: Order,
    pub at: UtcMicros,
}

/// To a drone, about commands.
#[derive(Debug)]
pub(crate) enum CommandMsg {
    /// From the journal, in its order.
    Told(Told),
    /// Time to look again.
    Tick,
    /// What was to be written is not in the journal, or may never be.
    Unwritten(CommandId),
    /// The drone said something.
    Answered {
        id: CommandId,
        answer: Answer,
        reply: oneshot::Sender<Result<(), Unavailable>>,
    },
    /// A gateway did not write it.
    NotSent {
        id: CommandId,
        n: u32,
        reason: NotSentReason,
    },
    /// One command; answered when it is not as it was `seen`, or at once.
    View {
        id: CommandId,
        seen: Option<UtcMicros>,
        reply: oneshot::Sender<Option<Box<CommandView>>>,
    },
    /// Every command.
    List(oneshot::Sender<Vec<CommandView>>),
    /// Whether there is room for one more.
    Room {
        id: CommandId,
        reply: oneshot::Sender<Room>,
    },
    /// Past the journal, which is down; whoever sends this has judged the danger.
    Emergency {
        intent: Box<Intent>,
        reply: oneshot::Sender<Result<EmergencySent, NotSentReason>>,
    },
}

/// Whom a message about commands is for.
#[derive(Debug, Clone)]
pub(crate) enum To {
    Drone(DroneId),
    /// The drone that has this command.
    Command(CommandId),
}
