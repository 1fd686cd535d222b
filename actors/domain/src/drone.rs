//! One drone: which samples are new, what they say together.
//!
//! `admit` and `apply` are apart: `admit` decides what goes into the event log and marks it
//! pending; `apply` folds what the log holds, in offset order, into live state. Live state is a
//! function of the log.

mod admit;
mod apply;
pub mod live;
pub mod snapshot;

mod boot;
mod pulse;
mod time;
mod window;

#[cfg(test)]
mod tests;

use std::time::Duration;

use self::boot::Boots;
use self::live::LiveState;
pub use self::pulse::Pulse;
use self::window::Windows;
use crate::alert::judge::Seen;
use crate::alert::{
    AlertBook, AlertFolded, AlertRecord, AlertStanding, RuleSet, Silent, Transition,
};
use crate::command::ledger::Standing;
use crate::command::{CommandRecord, Folded, Ledger};
use crate::ids::{BootId, DroneId, Epoch, Offset};
use crate::sample::{BootRecord, TelemetryRecord};
use crate::units::UtcMicros;
use crate::validate::Refusal;

/// Names one append that has not ended yet; chosen by the caller, ascending per drone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AppendId(pub u64);

/// Limits of the state kept for one drone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Sequence numbers remembered of the newest boot, at least 1; of an earlier one at least
    /// half as many.
    pub window: usize,
    /// Boots whose window is kept.
    pub windows_max: usize,
    /// Boots whose power-up time is kept.
    pub boots_max: usize,
    /// How far ahead of receipt a sample's time may be.
    pub future_max: Duration,
    /// How old a sample may be at receipt.
    pub retention: Duration,
}

impl Default for Limits {
    /// 512 numbers in each of 3 windows, 256 boots, 5 minutes ahead, 30 days back.
    fn default() -> Self {
        Self {
            window: 512,
            windows_max: 3,
            boots_max: 256,
            future_max: Duration::from_secs(5 * 60),
            retention: Duration::from_secs(30 * 24 * 60 * 60),
        }
    }
}

/// What becomes of one sample of a batch at admission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is in the record to be appended.
    Append,
    /// A repeat of a durable sample: acknowledge it.
    Repeat,
    /// A repeat of a sample whose append has not ended: its fate is that append's.
    Pending(AppendId),
    /// It will never be taken as it is.
    Refused(Refusal),
}

/// What becomes of a batch at admission.
#[derive(Debug, Clone, PartialEq)]
pub struct Admission {
    /// What to append; `None` if no sample is new.
    pub record: Option<TelemetryRecord>,
    /// One per sample, in the batch's order.
    pub verdicts: Vec<Verdict>,
}

/// Receipt of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// The gateway's clock when it had the batch.
    pub at: UtcMicros,
    /// The owner's reign.
    pub epoch: Epoch,
    /// What the append of this batch will be called.
    pub append: AppendId,
}

/// State of one drone.
#[derive(Debug, Clone)]
pub struct Drone {
    id: DroneId,
    limits: Limits,
    boots: Boots,
    windows: Windows,
    live: LiveState,
    applied: Option<Offset>,
    commands: Ledger,
    alerts: AlertBook,
    pulse: Pulse,
}

impl Drone {
    /// A drone of which nothing is known.
    #[must_use]
    pub fn new(id: DroneId, limits: Limits) -> Self {
        Self {
            id,
            limits,
            boots: Boots::default(),
            windows: Windows::default(),
            live: LiveState::default(),
            applied: None,
            commands: Ledger::default(),
            alerts: AlertBook::default(),
            pulse: Pulse::default(),
        }
    }

    /// Whose state this is.
    #[must_use]
    pub fn id(&self) -> &DroneId {
        &self.id
    }

    /// What the current boot has told.
    #[must_use]
    pub fn live(&self) -> &LiveState {
        &self.live
    }

    /// Highest telemetry offset that was applied.
    #[must_use]
    pub fn applied_offset(&self) -> Option<Offset> {
        self.applied
    }

    /// Sequence numbers whose append has not ended, as far as the windows reach.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.windows.pending()
    }

    /// The newest power-up by the boot records.
    #[must_use]
    pub fn newest_boot(&self) -> Option<BootId> {
        self.boots.records().last().map(|record| record.boot)
    }

    /// Its commands.
    #[must_use]
    pub fn commands(&self) -> &Ledger {
        &self.commands
    }

    /// Folds a journal record about a command, in the order of the journal.
    pub fn fold_command(
        &mut self,
        (offset, at, epoch): (Offset, UtcMicros, Option<Epoch>),
        record: &CommandRecord,
    ) -> Folded {
        let standing = Standing {
            offset,
            at,
            epoch,
            boot: self.newest_boot(),
        };
        self.commands.fold(standing, record)
    }

    /// Its alerts.
    #[must_use]
    pub fn alerts(&self) -> &AlertBook {
        &self.alerts
    }

    /// Folds a journal record about alerts, in the order of the journal.
    pub fn fold_alert(&mut self, standing: AlertStanding, record: &AlertRecord) -> AlertFolded {
        self.alerts.fold(standing, record)
    }

    /// The journal is read back, the telemetry behind it is not yet.
    pub fn settle_alerts(&mut self) {
        self.alerts.settle();
    }

    /// Takes decisions back that were not written.
    pub fn take_back_alerts(&mut self, transitions: &[Transition]) {
        self.alerts.take_back(transitions);
    }

    /// Judges that nothing was heard for so long.
    pub fn judge_silence(&mut self, silent: Duration, rules: &RuleSet) -> Silent {
        let seen = Seen {
            drone: &self.id,
            live: &self.live,
            rules,
            applied: self.applied,
        };
        self.alerts.silence(seen, silent, self.pulse.interval())
    }

    /// Ends alerts whose rule or fence is no more, without a sample.
    pub fn judge_rules(&mut self, rules: &RuleSet) {
        let seen = Seen {
            drone: &self.id,
            live: &self.live,
            rules,
            applied: self.applied,
        };
        self.alerts.reconsider(seen);
    }

    /// How often it is heard.
    #[must_use]
    pub fn pulse(&self) -> Pulse {
        self.pulse
    }

    /// The boot record of a boot that is remembered.
    #[must_use]
    pub fn boot(&self, boot: BootId) -> Option<&BootRecord> {
        self.boots.get(boot)
    }
}
