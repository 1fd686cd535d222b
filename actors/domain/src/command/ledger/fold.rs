//! One record at a time.

use super::{Entry, Folded, Ledger, LedgerLimits, Sending, Stage, Standing};
use crate::command::id::CommandId;
use crate::command::record::{
    Answer, Cancel, CommandRecord, Confirm, End, Intent, Order, Outcome, Transition, Unrecorded,
};
use crate::ids::{BootId, Seq};

/// A reign's counter is the place in the journal, and room behind it for what goes out while the
/// journal cannot be written.
const COUNTER_SHIFT: u32 = 10;

/// A `Sent` transition.
#[derive(Clone, Copy)]
struct Leaving {
    n: u32,
    boot: BootId,
    above_seq: Option<Seq>,
}

impl Ledger {
    /// Folds a record of the drone's journal partition; the claim rule was applied to it before.
    /// A record that was folded already changes nothing.
    pub fn fold(&mut self, standing: Standing, record: &CommandRecord) -> Folded {
        if self.folded >= Some(standing.offset) {
            return Folded::Nothing;
        }
        self.folded = Some(standing.offset);
        self.forget(standing);
        match record {
            CommandRecord::Intent(intent) => self.wish(standing, intent),
            CommandRecord::Cancel(cancel) => self.cancel(standing, cancel),
            CommandRecord::Confirm(confirm) => self.confirm(standing, confirm),
            CommandRecord::Transition { id, what } => self.transition(standing, *id, what),
            CommandRecord::Unrecorded(told) => self.unrecorded(standing, told),
        }
    }

    /// By the journal's own times, so that every reader forgets the same.
    fn forget(&mut self, standing: Standing) {
        let kept_for = LedgerLimits::DEFAULT.kept_for;
        self.entries
            .retain(|entry| !entry.is_over() || entry.changed + kept_for > standing.at);
    }

    fn has_room(&self) -> bool {
        let limits = LedgerLimits::DEFAULT;
        self.entries.len() < limits.kept_max * LedgerLimits::SLACK
            && self.open().count() < limits.open_max * LedgerLimits::SLACK
    }

    fn wish(&mut self, standing: Standing, intent: &Intent) -> Folded {
        if let Some(known) = self.get_mut(intent.id) {
            if known.intent.digest() == intent.digest() {
                return Folded::Nothing;
            }
            known.conflicts = known.conflicts.saturating_add(1);
            return Folded::Changed(intent.id);
        }
        if !self.has_room() {
            return Folded::NoRoom(intent.id);
        }
        self.entries.push(Entry::new(intent.clone(), standing));
        Folded::Changed(intent.id)
    }

    fn cancel(&mut self, standing: Standing, cancel: &Cancel) -> Folded {
        let Some(entry) = self.get_mut(cancel.id).filter(|entry| !entry.is_over()) else {
            return Folded::Nothing;
        };
        if entry.cancelled_by.is_some() {
            return Folded::Nothing;
        }
        entry.cancelled_by = Some((cancel.principal.clone(), cancel.received));
        entry.changed = standing.at;
        Folded::Changed(cancel.id)
    }

    fn confirm(&mut self, standing: Standing, confirm: &Confirm) -> Folded {
        let Some(entry) = self.get_mut(confirm.id).filter(|entry| !entry.is_over()) else {
            return Folded::Nothing;
        };
        let is_used = entry.confirmed_by.is_some() && entry.spent > 0;
        if is_used || entry.intent.command.digest() != confirm.digest {
            return Folded::Nothing;
        }
        entry.confirmed_by = Some((confirm.principal.clone(), confirm.received));
        entry.changed = standing.at;
        Folded::Changed(confirm.id)
    }

    fn transition(&mut self, standing: Standing, id: CommandId, what: &Transition) -> Folded {
        match what {
            Transition::Sent { n, boot, above_seq } => {
                let leaving = Leaving {
                    n: *n,
                    boot: *boot,
                    above_seq: *above_seq,
                };
                self.sent(standing, id, leaving)
            }
            Transition::NotSent { n, reason } => {
                self.changed(id, |entry| entry.not_sent(standing, *n, reason.as_str()))
            }
            Transition::Answered(answer) => {
                self.changed(id, |entry| entry.answered(standing, answer))
            }
            Transition::Ended { end, reason } => {
                self.changed(id, |entry| entry.ended(standing, *end, reason))
            }
        }
    }

    fn changed(&mut self, id: CommandId, change: impl FnOnce(&mut Entry) -> bool) -> Folded {
        if self.get_mut(id).is_some_and(change) {
            Folded::Changed(id)
        } else {
            Folded::Nothing
        }
    }

    /// The owner that reads this back sends the command, and nobody else.
    fn sent(&mut self, standing: Standing, id: CommandId, leaving: Leaving) -> Folded {
        let Some(entry) = self.get_mut(id) else {
            return Folded::Nothing;
        };
        if !entry.leaves(standing, leaving) {
            return Folded::Nothing;
        }
        let (offset, exclusive) = (entry.offset, entry.kind().is_exclusive());
        if exclusive {
            let older = self.entries.iter_mut().filter(|older| {
                older.offset < offset && !older.is_over() && older.kind().is_exclusive()
            });
            for older in older {
                older.superseded_by.get_or_insert(id);
                older.changed = standing.at;
            }
        }
        Folded::Sent(id)
    }

    fn unrecorded(&mut self, standing: Standing, told: &Unrecorded) -> Folded {
        let id = told.intent.id;
        if told.intent.command.kind().is_exclusive() {
            // It took the place of every older wish when it went out.
            let older = self.entries.iter_mut().filter(|older| {
                older.intent.received <= told.sent
                    && older.id() != id
                    && !older.is_over()
                    && older.kind().is_exclusive()
            });
            for older in older {
                older.superseded_by.get_or_insert(id);
                older.changed = standing.at;
            }
        }
        if let Some(known) = self.get_mut(id) {
            if known.late.is_some() || told.answer.is_none() {
                return Folded::Nothing;
            }
            known.late.clone_from(&told.answer);
            return Folded::Changed(id);
        }
        let mut entry = Entry::new(told.intent.clone(), standing);
        entry.answer.clone_from(&told.answer);
        entry.end(standing, End::Unrecorded, "the event log was down");
        self.entries.push(entry);
        Folded::Changed(id)
    }
}

impl Entry {
    /// A command of which nothing has left.
    #[must_use]
    pub fn new(intent: Intent, standing: Standing) -> Self {
        Self {
            intent,
            offset: standing.offset,
            boot: standing.boot,
            stage: Stage::Queued,
            sends: 0,
            spent: 0,
            sending: None,
            progress_percent: None,
            answer: None,
            reason: String::new(),
            changed: standing.at,
            cancelled_by: None,
            confirmed_by: None,
            superseded_by: None,
            conflicts: 0,
            late: None,
        }
    }

    fn end(&mut self, standing: Standing, end: End, reason: &str) {
        self.stage = Stage::Ended(end);
        reason.clone_into(&mut self.reason);
        self.changed = standing.at;
    }

    fn leaves(&mut self, standing: Standing, leaving: Leaving) -> bool {
        let Some(epoch) = standing.epoch else {
            return false;
        };
        let may = matches!(self.stage, Stage::Queued | Stage::Sent)
            && leaving.n == self.sends.saturating_add(1)
            && self.cancelled_by.is_none()
            && self.superseded_by.is_none();
        let first = self.sending.filter(|_| self.spent > 0);
        if !may || first.is_some_and(|first| first.boot != leaving.boot) {
            return false;
        }
        self.stage = Stage::Sent;
        self.sends = leaving.n;
        self.spent += 1;
        self.sending = Some(Sending {
            n: leaving.n,
            at: standing.at,
            boot: leaving.boot,
            above_seq: first.map_or(leaving.above_seq, |first| first.above_seq),
            order: Order {
                epoch,
                counter: standing.offset.0 << COUNTER_SHIFT,
            },
        });
        self.changed = standing.at;
        true
    }

    fn not_sent(&mut self, standing: Standing, n: u32, reason: &str) -> bool {
        if self.stage != Stage::Sent || self.sends != n || self.reason_of(n) {
            return false;
        }
        self.spent = self.spent.saturating_sub(1);
        if self.spent == 0 {
            self.stage = Stage::Queued;
        }
        // Told twice it would give an attempt back that was spent.
        self.sending = self.sending.map(|sending| Sending { n: 0, ..sending });
        self.reason = format!("not sent: {reason}");
        self.changed = standing.at;
        true
    }

    /// True if this sending was already told as not sent.
    fn reason_of(&self, n: u32) -> bool {
        self.sending.is_none_or(|sending| sending.n != n)
    }

    fn answered(&mut self, standing: Standing, answer: &Answer) -> bool {
        if self.is_over() || self.sends == 0 {
            // What it says first stays.
            let is_first = self.late.is_none();
            self.late.get_or_insert_with(|| answer.clone());
            return is_first;
        }
        let waits = self.stage != Stage::Acknowledged;
        match (answer.outcome, answer.outcome.end()) {
            (_, Some(end)) if waits || end == End::Failed => {
                // A drone that was powered up again calls stale what it did before.
                let is_unclear = answer.outcome == Outcome::Stale && self.spent > 1;
                let end = if is_unclear { End::Unknown } else { end };
                self.end(standing, end, answer.outcome.as_str());
            }
            (Outcome::Accepted, _) if waits => {
                self.stage = Stage::Acknowledged;
                self.changed = standing.at;
            }
            (Outcome::InProgress, _) if waits => {
                self.stage = Stage::InProgress;
                self.progress_percent = answer.progress_percent.max(self.progress_percent);
                self.changed = standing.at;
            }
            _ => return false,
        }
        self.answer = Some(answer.clone());
        true
    }

    fn ended(&mut self, standing: Standing, end: End, reason: &str) -> bool {
        let never_left = self.stage == Stage::Queued;
        let fits = match end {
            End::Expired | End::Cancelled => never_left,
            End::Unknown => self.stage == Stage::Sent,
            End::TimedOut => self.stage == Stage::InProgress,
            End::Confirmed => !never_left && !self.is_over(),
            End::Unconfirmed => self.stage == Stage::Acknowledged,
            End::Superseded => self.superseded_by.is_some() && !self.is_over(),
            End::Failed | End::Rejected => !self.is_over(),
            End::Unrecorded => false,
        };
        if fits {
            self.end(standing, end, reason);
        }
        fits
    }
}

impl Order {
    /// An order behind this one that no record of the journal has, for what goes out while the
    /// journal cannot be written; `None` when there is none left.
    #[must_use]
    pub fn beside_the_log(self) -> Option<Self> {
        let counter = self.counter + 1;
        let left = counter >> COUNTER_SHIFT == self.counter >> COUNTER_SHIFT;
        left.then_some(Self { counter, ..self })
    }
}
