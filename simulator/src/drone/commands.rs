//! What a drone does with commands, and what it says of them while it does.

use aerostream_domain::command::{Command, Outcome};
use aerostream_proto::v1;

use super::{Drone, Source};
use crate::autopilot::{Identity, Reaction, answer};
use crate::physics::flight::Progress;

/// It tells how far it is no sooner than this after the last time, microseconds.
const TELL_US_MIN: i64 = 1_000_000;
/// And no later, so that nobody thinks that it is gone.
const TELL_US_MAX: i64 = 10_000_000;
/// In between it tells what changed by so much, percent.
const STEP_PERCENT: u8 = 2;

/// What came of a command; the answer is among [`Drone::take_answers`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Obeyed {
    pub executed: bool,
    pub rebooted: bool,
}

/// A command that takes time.
#[derive(Debug)]
pub(super) struct UnderWay {
    down: v1::DownCommand,
    told_percent: u8,
    told_us: i64,
}

impl Drone {
    /// Takes a command: does it, refuses it, or says nothing.
    pub fn hear(&mut self, now_us: i64, down: &v1::DownCommand) -> Obeyed {
        let own = Identity {
            boot: self.boot.0,
            boot_clock_us: self.boot_clock_us(self.boot, now_us),
        };
        match self.autopilot.hear(down, own) {
            Reaction::Silence => Obeyed::default(),
            Reaction::Answer(answer) => {
                self.say(answer);
                Obeyed::default()
            }
            Reaction::Reboot => {
                self.power_up(now_us);
                Obeyed {
                    executed: false,
                    rebooted: true,
                }
            }
            Reaction::Do(command) => self.execute(now_us, down, &command),
        }
    }

    /// What it has to say of commands.
    pub fn take_answers(&mut self) -> Vec<v1::CommandAnswer> {
        std::mem::take(&mut self.answers)
    }

    /// Of one command only the newest counts.
    fn say(&mut self, answer: v1::CommandAnswer) {
        self.answers
            .retain(|before| before.command_id != answer.command_id);
        self.answers.push(answer);
    }

    fn settle(&mut self, result: v1::CommandAnswer) {
        self.autopilot.remember(&result);
        self.say(result);
    }

    fn execute(&mut self, now_us: i64, down: &v1::DownCommand, command: &Command) -> Obeyed {
        let (order_before, _) = self.errand();
        let done = match (&mut self.source, command) {
            (Source::Replayed(..), _) => Err((Outcome::Unsupported, "its flight is a recording")),
            (
                Source::Flying(flight, observer, _),
                Command::RequestMessage {
                    message,
                    interval_ms,
                },
            ) => observer.ask(flight, message, *interval_ms),
            (Source::Flying(flight, ..), _) => flight.obey(command),
        };
        let rebooted = done.is_ok() && matches!(command, Command::Reboot {});
        match done {
            Err((outcome, detail)) => self.settle(answer(down, outcome, detail)),
            Ok(()) => self.begin(now_us, down, order_before),
        }
        if rebooted {
            let answers = self.take_answers();
            self.power_up(now_us);
            // It said so before its power went.
            self.answers = answers;
        }
        Obeyed {
            executed: done.is_ok(),
            rebooted,
        }
    }

    fn errand(&self) -> (u64, Option<Progress>) {
        match &self.source {
            Source::Flying(flight, ..) => flight.mission.errand(),
            Source::Replayed(..) => (0, None),
        }
    }

    /// It follows a command: at once, or from now on, in place of the one before.
    fn begin(&mut self, now_us: i64, down: &v1::DownCommand, order_before: u64) {
        let (order, progress) = self.errand();
        if order == order_before {
            // What it does goes on.
            return self.settle(answer(down, Outcome::Accepted, ""));
        }
        let before = self.under_way.take();
        if let Some(before) = before.filter(|it| it.down.command_id != down.command_id) {
            let detail = "a newer command took its place";
            self.settle(answer(&before.down, Outcome::Cancelled, detail));
        }
        let Some(Progress::Going(told_percent)) = progress else {
            return self.settle(answer(down, Outcome::Accepted, ""));
        };
        self.settle(in_progress(down, told_percent));
        self.under_way = Some(UnderWay {
            down: down.clone(),
            told_percent,
            told_us: now_us,
        });
    }

    /// Says how far it is with what takes time, if that is worth it.
    pub(super) fn report(&mut self, at_us: i64) {
        let (_, progress) = self.errand();
        let Some(mut under_way) = self.under_way.take() else {
            return;
        };
        let down = &under_way.down;
        match progress {
            Some(Progress::Going(percent)) => {
                let since_us = at_us - under_way.told_us;
                let has_changed = percent >= under_way.told_percent + STEP_PERCENT;
                if since_us >= TELL_US_MAX || (since_us >= TELL_US_MIN && has_changed) {
                    let told = in_progress(down, percent);
                    under_way.told_percent = percent;
                    under_way.told_us = at_us;
                    self.settle(told);
                }
                self.under_way = Some(under_way);
            }
            Some(Progress::Failed(why)) => self.settle(answer(down, Outcome::Failed, why)),
            Some(Progress::Done) | None => self.settle(answer(down, Outcome::Accepted, "")),
        }
    }
}

fn in_progress(down: &v1::DownCommand, percent: u8) -> v1::CommandAnswer {
    v1::CommandAnswer {
        progress_percent: Some(u32::from(percent)),
        ..answer(down, Outcome::InProgress, "")
    }
}
