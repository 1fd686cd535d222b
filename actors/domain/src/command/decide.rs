//! What the owner shall write next, by the ledger, the time, the session and live state.
//!
//! Pure: asked twice it says the same. Nothing that it says has happened; it happens when the
//! journal has it.

use std::collections::BTreeSet;
use std::time::Duration;

use super::danger::is_dangerous;
use super::effect::{self, Evidence};
use super::id::CommandId;
use super::ledger::{Entry, Ledger, Stage};
use super::record::{End, Transition};
use crate::drone::live::LiveState;
use crate::ids::BootId;
use crate::units::UtcMicros;

/// First pause behind a sending that a gateway refused; it doubles.
const NOT_SENT_PAUSE: Duration = Duration::from_millis(100);

/// Times and counts of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Profile {
    /// First wait for an answer before a command goes out again; it doubles.
    pub retry_after: Duration,
    /// Times that a command goes out at most.
    pub attempts_max: u32,
    /// A drone that was not heard for so long is sent nothing.
    pub uplink_age_max: Duration,
    /// How long an answer may be under way behind the end of validity.
    pub answer_max: Duration,
    /// How long a drone may be silent about a command that it is doing.
    pub progress_max: Duration,
    /// How long a confirmation holds.
    pub confirmed_for: Duration,
}

impl Default for Profile {
    /// A mobile network: 1.5 s and 5 times.
    fn default() -> Self {
        Self {
            retry_after: Duration::from_millis(1_500),
            attempts_max: 5,
            uplink_age_max: Duration::from_millis(1_500),
            answer_max: Duration::from_secs(3),
            progress_max: Duration::from_secs(30),
            confirmed_for: Duration::from_secs(60),
        }
    }
}

/// The connection that holds the drone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionFacts {
    /// Power-up that speaks there.
    pub boot: BootId,
    /// When it was last heard, by this node's clock.
    pub heard: UtcMicros,
    /// True if the drone's boot clock is known there.
    pub has_clock: bool,
    /// True if answers name the command; else nothing may go out twice after a take-over.
    pub has_request_ids: bool,
}

/// What is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    pub now: UtcMicros,
    pub live: &'a LiveState,
    /// Newest power-up that is known.
    pub boot: Option<BootId>,
    pub session: Option<SessionFacts>,
    /// True while this node may write and send for the drone.
    pub may_send: bool,
    /// Commands of which something is on its way into the journal.
    pub writing: &'a BTreeSet<CommandId>,
    /// When the newest emergency went past the journal: no older wish may undo it.
    pub emergency: Option<UtcMicros>,
}

/// A transition to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    pub id: CommandId,
    pub what: Transition,
}

/// What to write, and when to ask again if nothing happens before.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plan {
    pub decisions: Vec<Decision>,
    pub wake_at: Option<UtcMicros>,
}

impl Plan {
    fn wake(&mut self, at: UtcMicros) {
        self.wake_at = Some(self.wake_at.map_or(at, |known| known.min(at)));
    }

    fn end(&mut self, entry: &Entry, end: End, reason: impl Into<String>) {
        self.decisions.push(Decision {
            id: entry.id(),
            what: Transition::Ended {
                end,
                reason: reason.into(),
            },
        });
    }
}

impl Ledger {
    /// What the owner shall write now.
    #[must_use]
    pub fn decide(&self, facts: &Facts<'_>, profile: &Profile) -> Plan {
        let mut plan = Plan::default();
        for entry in self.open() {
            if facts.writing.contains(&entry.id()) {
                continue;
            }
            match entry.stage {
                Stage::Queued => queued(&mut plan, entry, facts),
                Stage::Sent => sent(&mut plan, entry, facts, profile),
                Stage::InProgress => in_progress(&mut plan, entry, facts, profile),
                Stage::Acknowledged => acknowledged(&mut plan, entry, facts),
                Stage::Ended(_) => {}
            }
        }
        if facts.may_send {
            self.send(&mut plan, facts, profile);
        }
        plan
    }

    fn send(&self, plan: &mut Plan, facts: &Facts<'_>, profile: &Profile) {
        let Some(session) = facts.session else {
            return;
        };
        if session.heard + profile.uplink_age_max < facts.now
            || !session.has_clock
            || facts.boot != Some(session.boot)
        {
            // Its next batch makes the owner look again.
            return;
        }
        let ended: BTreeSet<_> = plan.decisions.iter().map(|it| it.id).collect();
        let is_writing = |entry: &Entry| facts.writing.contains(&entry.id());
        let sender = Sender {
            facts,
            profile,
            session,
        };
        let exclusive: Vec<_> = self
            .open()
            .filter(|entry| entry.kind().is_exclusive())
            .collect();
        if !exclusive.iter().any(|entry| is_writing(entry)) {
            let left = exclusive
                .iter()
                .filter(|entry| !ended.contains(&entry.id()));
            // The newest wish is what its operator means; what is older goes out only while the
            // newer one may not, and never behind one that went out.
            for entry in left.rev() {
                if sender.offer(plan, entry) || entry.spent > 0 {
                    break;
                }
            }
        }
        let mut taken = BTreeSet::new();
        for entry in self.open().filter(|entry| !entry.kind().is_exclusive()) {
            let is_first = taken.insert(entry.kind());
            if is_first && !is_writing(entry) && !ended.contains(&entry.id()) {
                sender.offer(plan, entry);
            }
        }
    }
}

struct Sender<'a> {
    facts: &'a Facts<'a>,
    profile: &'a Profile,
    session: SessionFacts,
}

impl Sender<'_> {
    /// Sends a command if it may go out now; else plans to look again. True if it is sent.
    fn offer(&self, plan: &mut Plan, entry: &Entry) -> bool {
        let (facts, profile) = (self.facts, self.profile);
        let is_undoing = entry.kind().is_exclusive()
            && facts
                .emergency
                .is_some_and(|at| entry.intent.received <= at);
        let may = matches!(entry.stage, Stage::Queued | Stage::Sent)
            && !is_undoing
            && entry.cancelled_by.is_none()
            && entry.superseded_by.is_none()
            && facts.now < entry.intent.expires()
            && entry.spent < profile.attempts_max
            && self.is_confirmed(entry);
        if !may {
            return false;
        }
        let before = entry.sending.filter(|_| entry.spent > 0);
        let may_again = before
            .is_none_or(|before| self.session.has_request_ids && before.boot == self.session.boot);
        if !may_again {
            return false;
        }
        if let Some(due) = self.due(entry).filter(|due| facts.now < *due) {
            plan.wake(due);
            return false;
        }
        plan.decisions.push(Decision {
            id: entry.id(),
            what: Transition::Sent {
                n: entry.sends + 1,
                boot: self.session.boot,
                above_seq: facts.live.newest.map(|newest| newest.seq),
            },
        });
        true
    }

    /// When it may go out again; `None` if it did not yet.
    fn due(&self, entry: &Entry) -> Option<UtcMicros> {
        let sending = entry.sending?;
        let doubled = |first: Duration, times: u32| first * 2_u32.pow(times.min(6));
        Some(if sending.n == 0 {
            // It was not written after all; whatever was in the way may still be.
            entry.changed + doubled(NOT_SENT_PAUSE, entry.sends)
        } else {
            sending.at + doubled(self.profile.retry_after, entry.spent.saturating_sub(1))
        })
    }

    /// Danger is judged at every sending, by what the drone does then.
    fn is_confirmed(&self, entry: &Entry) -> bool {
        let (facts, profile) = (self.facts, self.profile);
        if !is_dangerous(&entry.intent.command, facts.live, facts.now) {
            return true;
        }
        let confirmed = entry.confirmed_by.as_ref();
        confirmed.is_some_and(|(_, at)| *at + profile.confirmed_for > facts.now)
    }
}

fn queued(plan: &mut Plan, entry: &Entry, facts: &Facts<'_>) {
    if let Some((who, _)) = &entry.cancelled_by {
        return plan.end(entry, End::Cancelled, format!("by {who}"));
    }
    if let Some(by) = entry.superseded_by {
        return plan.end(entry, End::Superseded, format!("by {by}"));
    }
    let expires = entry.intent.expires();
    if facts.now >= expires {
        let reason = why_not_sent(entry, facts);
        return plan.end(entry, End::Expired, reason);
    }
    let is_of_another_boot = facts.boot.is_some() && facts.boot != entry.boot;
    if entry.kind().is_exclusive() && is_of_another_boot {
        let reason = "the drone was powered up again since the command was given";
        return plan.end(entry, End::Expired, reason);
    }
    plan.wake(expires);
}

fn why_not_sent(entry: &Entry, facts: &Facts<'_>) -> String {
    let live = facts.live;
    let reason = if facts.session.is_none() {
        "the drone was not connected"
    } else if entry.confirmed_by.is_none()
        && is_dangerous(&entry.intent.command, live, entry.intent.expires())
    {
        "it was not confirmed"
    } else if facts.session.is_some_and(|session| !session.has_clock) {
        "the drone does not tell its boot clock, so that nothing can be sent in time"
    } else if entry.reason.is_empty() {
        "the drone was not heard in time"
    } else {
        return entry.reason.clone();
    };
    reason.to_owned()
}

/// What a change of power-up means for a command that went out.
fn other_boot(entry: &Entry, facts: &Facts<'_>) -> bool {
    let meant = entry.sending.map(|sending| sending.boot);
    facts.boot.is_some() && meant.is_some() && facts.boot != meant
}

fn is_reboot(entry: &Entry) -> bool {
    entry.kind() == super::CommandKind::Reboot
}

fn superseded(plan: &mut Plan, entry: &Entry) -> bool {
    if let Some(by) = entry.superseded_by {
        plan.end(entry, End::Superseded, format!("by {by}"));
    }
    entry.superseded_by.is_some()
}

fn sent(plan: &mut Plan, entry: &Entry, facts: &Facts<'_>, profile: &Profile) {
    if superseded(plan, entry) {
        return;
    }
    if other_boot(entry, facts) {
        return if is_reboot(entry) {
            plan.end(entry, End::Confirmed, "the drone was powered up again");
        } else {
            let reason = "the drone was powered up again before it answered";
            plan.end(entry, End::Unknown, reason);
        };
    }
    let over = entry.intent.expires() + profile.answer_max;
    if facts.now >= over {
        return plan.end(entry, End::Unknown, "the drone did not answer");
    }
    plan.wake(over);
}

fn in_progress(plan: &mut Plan, entry: &Entry, facts: &Facts<'_>, profile: &Profile) {
    if superseded(plan, entry) {
        return;
    }
    if other_boot(entry, facts) {
        return if is_reboot(entry) {
            plan.end(entry, End::Confirmed, "the drone was powered up again");
        } else {
            let reason = "the drone was powered up again while it did it";
            plan.end(entry, End::TimedOut, reason);
        };
    }
    let over = entry.changed + profile.progress_max;
    let over = over.max(entry.intent.expires() + profile.answer_max);
    if facts.now < over {
        return plan.wake(over);
    }
    if evidence(entry, facts) == Evidence::Shown {
        let reason = "telemetry shows it; the drone's last answer is missing";
        return plan.end(entry, End::Confirmed, reason);
    }
    plan.end(
        entry,
        End::TimedOut,
        "the drone began and said nothing more",
    );
}

fn acknowledged(plan: &mut Plan, entry: &Entry, facts: &Facts<'_>) {
    if superseded(plan, entry) {
        return;
    }
    if other_boot(entry, facts) {
        let reason = "the drone was powered up again";
        let end = if is_reboot(entry) {
            End::Confirmed
        } else {
            End::Unconfirmed
        };
        return plan.end(entry, end, reason);
    }
    match evidence(entry, facts) {
        Evidence::Shown => plan.end(entry, End::Confirmed, "telemetry shows it"),
        Evidence::Invisible => {
            let reason = "the drone took it; telemetry never shows this effect";
            plan.end(entry, End::Unconfirmed, reason);
        }
        Evidence::NotYet => {
            let over = entry.changed + effect::watched_for(entry.kind());
            if facts.now >= over {
                let reason = "the drone took it; telemetry does not show it";
                return plan.end(entry, End::Unconfirmed, reason);
            }
            plan.wake(over);
        }
    }
}

fn evidence(entry: &Entry, facts: &Facts<'_>) -> Evidence {
    let is_of_the_boot = entry.sending.map(|sending| sending.boot) == facts.live.boot;
    if !is_of_the_boot {
        return Evidence::NotYet;
    }
    let above = entry.sending.and_then(|sending| sending.above_seq);
    effect::shown(&entry.intent.command, facts.live, above)
}
