//! The ledger of one drone: a fold of the journal and of nothing else.
//!
//! A record that does not fit the state that it meets folds to nothing, so that whatever two owners
//! or two gateways wrote, every reader of the journal sees the same commands in the same states.

mod fold;

use std::time::Duration;

use super::catalogue::CommandKind;
use super::id::CommandId;
use super::record::{Answer, End, Intent, Order};
use crate::ids::{BootId, Epoch, Offset, Seq};
use crate::units::UtcMicros;

/// How much a ledger keeps. The fold is the same everywhere, so these are not settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LedgerLimits {
    /// Commands that are not over; more are refused at the door.
    pub open_max: usize,
    /// Commands in all; more are refused at the door.
    pub kept_max: usize,
    /// How long an ended command is remembered.
    pub kept_for: Duration,
}

impl LedgerLimits {
    /// 32 that are not over, 512 in all, 24 hours.
    pub const DEFAULT: Self = Self {
        open_max: 32,
        kept_max: 512,
        kept_for: Duration::from_secs(24 * 60 * 60),
    };
    /// Wishes of two gateways can pass the door side by side; beyond so many times the limit they
    /// fold to nothing.
    const SLACK: usize = 2;
}

/// Where a command is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Nothing of it has left.
    Queued,
    /// It went out; nothing came back.
    Sent,
    /// The drone is doing it.
    InProgress,
    /// The drone took it; its effect is awaited.
    Acknowledged,
    /// It is over.
    Ended(End),
}

impl Stage {
    /// Stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sent => "sent",
            Self::InProgress => "in_progress",
            Self::Acknowledged => "acknowledged",
            Self::Ended(end) => end.as_str(),
        }
    }

    /// True if nothing more happens to it.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Ended(_))
    }
}

/// The newest time that a command went out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sending {
    pub n: u32,
    pub at: UtcMicros,
    /// Power-up of the drone that it was meant for, the same for every time.
    pub boot: BootId,
    /// Newest sample known when it first went out.
    pub above_seq: Option<Seq>,
    pub order: Order,
}

/// One command and what became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub intent: Intent,
    /// Place of the intent in the journal.
    pub offset: Offset,
    /// Power-up that was current at the intent.
    pub boot: Option<BootId>,
    pub stage: Stage,
    /// Number of the newest time that it was to go out.
    pub sends: u32,
    /// Times that it went out, as far as is known.
    pub spent: u32,
    pub sending: Option<Sending>,
    pub progress_percent: Option<u8>,
    /// The drone's newest answer that counted.
    pub answer: Option<Answer>,
    /// Why it ended.
    pub reason: String,
    /// When it last changed.
    pub changed: UtcMicros,
    /// Who took it back, and when.
    pub cancelled_by: Option<(String, UtcMicros)>,
    /// Who confirmed it, and when.
    pub confirmed_by: Option<(String, UtcMicros)>,
    pub superseded_by: Option<CommandId>,
    /// Intents of the same id with another body.
    pub conflicts: u32,
    /// What the drone said when the command was over: evidence, nothing more.
    pub late: Option<Answer>,
}

impl Entry {
    /// Which command it is.
    #[must_use]
    pub fn id(&self) -> CommandId {
        self.intent.id
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> CommandKind {
        self.intent.command.kind()
    }

    /// True if nothing more happens to it.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.stage.is_over()
    }
}

/// Where a record stands in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    pub offset: Offset,
    /// When it was written, by its writer.
    pub at: UtcMicros,
    /// The owner's reign; `None` on records that gateways write.
    pub epoch: Option<Epoch>,
    /// Newest power-up of the drone by the boot records before it.
    pub boot: Option<BootId>,
}

/// What a record did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Folded {
    /// Nothing.
    Nothing,
    /// A command changed.
    Changed(CommandId),
    /// A command may leave now.
    Sent(CommandId),
    /// An intent for which there is no place; it ends at once.
    NoRoom(CommandId),
}

/// The commands of one drone, in the order of their intents.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Ledger {
    entries: Vec<Entry>,
    folded: Option<Offset>,
}

impl Ledger {
    /// A ledger as it was kept.
    #[must_use]
    pub fn restore(entries: Vec<Entry>, folded: Option<Offset>) -> Self {
        Self { entries, folded }
    }

    /// Every command, in the order of their intents.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Journal offset of the newest record that is in it.
    #[must_use]
    pub fn folded(&self) -> Option<Offset> {
        self.folded
    }

    /// One command.
    #[must_use]
    pub fn get(&self, id: CommandId) -> Option<&Entry> {
        // People ask about what they just did.
        self.entries.iter().rev().find(|entry| entry.id() == id)
    }

    fn get_mut(&mut self, id: CommandId) -> Option<&mut Entry> {
        self.entries.iter_mut().rev().find(|entry| entry.id() == id)
    }

    /// Commands that are not over.
    pub fn open(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| !entry.is_over())
    }

    /// True while something of it can still happen.
    #[must_use]
    pub fn has_open(&self) -> bool {
        self.open().next().is_some()
    }

    /// What limits it reached: the words for whoever wants to add a command, or `None`.
    #[must_use]
    pub fn full(&self, now: UtcMicros) -> Option<&'static str> {
        let limits = LedgerLimits::DEFAULT;
        if self.open().count() >= limits.open_max {
            return Some("commands of the drone that are not over");
        }
        let kept = self.entries.iter();
        let kept = kept.filter(|entry| !entry.is_over() || entry.changed + limits.kept_for > now);
        (kept.count() >= limits.kept_max).then_some("commands of the drone within 24 hours")
    }
}
