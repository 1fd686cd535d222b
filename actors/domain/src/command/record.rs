//! What the journal says about commands: wishes, written by gateways, and transitions, written by
//! the owner of the drone's shard.

use std::time::Duration;

use super::catalogue::Command;
use super::id::CommandId;
use crate::ids::{BootId, Epoch, Seq};
use crate::units::UtcMicros;

/// A record of the journal that is about a command.
#[derive(Debug, Clone, PartialEq)]
pub enum CommandRecord {
    /// An operator wishes something of a drone. The first one of an id counts.
    Intent(Intent),
    /// An operator wishes that it be not done.
    Cancel(Cancel),
    /// An operator confirms a dangerous command.
    Confirm(Confirm),
    /// The owner says what became of it.
    Transition { id: CommandId, what: Transition },
    /// A gateway says what went to the drone while the log was down.
    Unrecorded(Unrecorded),
}

impl CommandRecord {
    /// Which command it is about.
    #[must_use]
    pub const fn id(&self) -> CommandId {
        match self {
            Self::Intent(intent) => intent.id,
            Self::Cancel(cancel) => cancel.id,
            Self::Confirm(confirm) => confirm.id,
            Self::Transition { id, .. } => *id,
            Self::Unrecorded(unrecorded) => unrecorded.intent.id,
        }
    }

    /// What commands given together have in common; only a wish tells it.
    #[must_use]
    pub const fn group(&self) -> Option<u128> {
        match self {
            Self::Intent(intent) => intent.group,
            Self::Unrecorded(unrecorded) => unrecorded.intent.group,
            Self::Cancel(_) | Self::Confirm(_) | Self::Transition { .. } => None,
        }
    }
}

/// A command as an operator gave it.
#[derive(Debug, Clone, PartialEq)]
pub struct Intent {
    pub id: CommandId,
    pub command: Command,
    /// Who wishes it.
    pub principal: String,
    /// The gateway's clock when it had the request.
    pub received: UtcMicros,
    /// From then on; nothing of it is executed later.
    pub time_to_live: Duration,
    /// It may go to the drone while the log is down.
    pub emergency: bool,
    /// What commands given to several drones at once have in common.
    pub group: Option<u128>,
}

impl Intent {
    /// When it is too late.
    #[must_use]
    pub fn expires(&self) -> UtcMicros {
        self.received + self.time_to_live
    }

    /// Tells one body from another: what is wished, whatever gateway took it and when.
    #[must_use]
    pub fn digest(&self) -> u64 {
        let millis = self.time_to_live.as_millis() as u64;
        self.command.digest() ^ millis.rotate_left(17) ^ u64::from(self.emergency)
    }
}

/// The wish that a command be not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cancel {
    pub id: CommandId,
    pub principal: String,
    pub received: UtcMicros,
}

/// The second step of a dangerous command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirm {
    pub id: CommandId,
    pub principal: String,
    pub received: UtcMicros,
    /// [`Command::digest`] of what is confirmed: another command is not.
    pub digest: u64,
}

/// What the owner decided, or heard of the drone.
#[derive(Debug, Clone, PartialEq)]
pub enum Transition {
    /// It goes to the drone once this is read back. `n` counts from 1.
    Sent {
        n: u32,
        /// Power-up of the drone that it is meant for.
        boot: BootId,
        /// Newest sample known: only what is told later is evidence of an effect.
        above_seq: Option<Seq>,
    },
    /// The gateway did not write it after all.
    NotSent { n: u32, reason: NotSentReason },
    /// The drone said something.
    Answered(Answer),
    /// It is over.
    Ended { end: End, reason: String },
}

/// Why a gateway did not write a command that was to go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NotSentReason {
    /// It was too late for it.
    Expired,
    /// Another owner has taken over.
    StaleEpoch,
    /// The drone was not heard recently enough.
    Silent,
    /// The drone is in another power-up.
    OtherBoot,
    /// Nothing tells the drone's boot clock, so that no end of validity can be named.
    NoBootClock,
    /// The connection ended before.
    SessionEnded,
    /// More commands wait for the connection than it may hold.
    Overloaded,
}

impl NotSentReason {
    /// Every reason.
    pub const ALL: [Self; 7] = [
        Self::Expired,
        Self::StaleEpoch,
        Self::Silent,
        Self::OtherBoot,
        Self::NoBootClock,
        Self::SessionEnded,
        Self::Overloaded,
    ];

    /// Stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::StaleEpoch => "stale_epoch",
            Self::Silent => "silent",
            Self::OtherBoot => "other_boot",
            Self::NoBootClock => "no_boot_clock",
            Self::SessionEnded => "session_ended",
            Self::Overloaded => "overloaded",
        }
    }
}

/// What a drone says of a command.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub outcome: Outcome,
    /// 0 to 100, while it is under way.
    pub progress_percent: Option<u8>,
    /// The drone's own words; at most [`Answer::DETAIL_BYTES_MAX`] bytes.
    pub detail: String,
}

impl Answer {
    /// Longest detail.
    pub const DETAIL_BYTES_MAX: usize = 256;
}

/// What a drone did with a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It does it, or did it.
    Accepted,
    /// It is doing it and will say more.
    InProgress,
    /// It will not, now.
    TemporarilyRejected,
    /// It will not.
    Denied,
    /// It does not know how.
    Unsupported,
    /// It tried and failed.
    Failed,
    /// It began and was told otherwise.
    Cancelled,
    /// It came too late, or behind a newer one.
    Stale,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 8] = [
        Self::Accepted,
        Self::InProgress,
        Self::TemporarilyRejected,
        Self::Denied,
        Self::Unsupported,
        Self::Failed,
        Self::Cancelled,
        Self::Stale,
    ];

    /// Stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::InProgress => "in_progress",
            Self::TemporarilyRejected => "temporarily_rejected",
            Self::Denied => "denied",
            Self::Unsupported => "unsupported",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Stale => "stale",
        }
    }

    /// The end that it means by itself; `None` if more is to come.
    #[must_use]
    pub const fn end(self) -> Option<End> {
        match self {
            Self::Accepted | Self::InProgress => None,
            Self::TemporarilyRejected | Self::Denied | Self::Unsupported => Some(End::Rejected),
            Self::Failed | Self::Cancelled => Some(End::Failed),
            Self::Stale => Some(End::Expired),
        }
    }
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum End {
    /// The drone took it and telemetry shows the effect.
    Confirmed,
    /// The drone took it and telemetry does not show the effect.
    Unconfirmed,
    /// The drone tried and failed.
    Failed,
    /// The drone began and then said nothing more.
    TimedOut,
    /// It went out and nothing came back: whether it was executed cannot be known.
    Unknown,
    /// It was not executed in time, and will not be.
    Expired,
    /// An operator took it back before it went out.
    Cancelled,
    /// A newer command took its place.
    Superseded,
    /// The drone would not.
    Rejected,
    /// It went out while the log was down; there is no more to tell than the drone's answer.
    Unrecorded,
}

impl End {
    /// Every end.
    pub const ALL: [Self; 10] = [
        Self::Confirmed,
        Self::Unconfirmed,
        Self::Failed,
        Self::TimedOut,
        Self::Unknown,
        Self::Expired,
        Self::Cancelled,
        Self::Superseded,
        Self::Rejected,
        Self::Unrecorded,
    ];

    /// Stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Unconfirmed => "unconfirmed",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Unknown => "unknown",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Superseded => "superseded",
            Self::Rejected => "rejected",
            Self::Unrecorded => "unrecorded",
        }
    }
}

/// Which of two commands is newer: a drone rejects one that is lower than what it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Order {
    /// The owner's reign.
    pub epoch: Epoch,
    /// Grows with every command that goes out in a reign.
    pub counter: u64,
}

/// A command that went to the drone past the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Unrecorded {
    pub intent: Intent,
    /// When it was handed to the drone's connection.
    pub sent: UtcMicros,
    /// What the drone said, if it said anything.
    pub answer: Option<Answer>,
}
