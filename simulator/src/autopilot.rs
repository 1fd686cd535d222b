//! How a drone takes commands: a conforming one, or one that is told to be another.
//!
//! It answers an id that it knows with its first result, or with how far it is. Else it rejects
//! what is for another power-up, past its time by the drone's own boot clock, or lower in order
//! than another one that it took. It forgets all of that with its power.

use std::collections::{HashMap, VecDeque};

use aerostream_domain::command::{Command, Outcome};
use aerostream_proto::v1;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// How a drone obeys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Obedience {
    /// As it should.
    #[default]
    Conforming,
    /// As it should, some seconds later.
    Slow,
    /// It hears nothing.
    Deaf,
    /// It will not.
    Refusing,
    /// It starts again instead of answering.
    Rebooting,
    /// It does whatever comes, late, old or known: what the rules are there to prevent.
    Careless,
}

/// How much later a slow drone does what it is told.
pub const SLOW_US: i64 = 3_000_000;
/// Commands that it remembers.
const KNOWN_MAX: usize = 256;

/// What it makes of a command.
#[derive(Debug, Clone, PartialEq)]
pub enum Reaction {
    /// It says nothing.
    Silence,
    /// It answers without doing anything.
    Answer(v1::CommandAnswer),
    /// It shall be done; the answer follows from how that goes.
    Do(Box<Command>),
    /// It starts again.
    Reboot,
}

/// The memory of one power-up.
#[derive(Debug, Clone, Default)]
pub struct Autopilot {
    pub obedience: Obedience,
    known: HashMap<String, v1::CommandAnswer>,
    order: VecDeque<String>,
    highest: Option<(u32, u64, u64)>,
}

/// What the drone knows of itself when a command comes.
#[derive(Debug, Clone, Copy)]
pub struct Identity {
    pub boot: u64,
    /// Microseconds; `None` for a drone without boot clock, which takes no commands.
    pub boot_clock_us: Option<u64>,
}

/// An answer to a command.
#[must_use]
pub fn answer(down: &v1::DownCommand, outcome: Outcome, detail: &str) -> v1::CommandAnswer {
    v1::CommandAnswer {
        drone_id: down.drone_id.clone(),
        command_id: down.command_id.clone(),
        outcome: v1::CommandOutcome::from(outcome).into(),
        progress_percent: None,
        detail: detail.to_owned(),
    }
}

impl Autopilot {
    /// One that obeys in a way.
    #[must_use]
    pub fn new(obedience: Obedience) -> Self {
        Self {
            obedience,
            ..Self::default()
        }
    }

    /// It lost its power.
    pub fn forget(&mut self) {
        *self = Self::new(self.obedience);
    }

    /// Judges a command.
    pub fn hear(&mut self, down: &v1::DownCommand, own: Identity) -> Reaction {
        let command = down.command.clone().map(Command::try_from);
        let Some(Ok(command)) = command else {
            let detail = "it cannot be read";
            return Reaction::Answer(answer(down, Outcome::Unsupported, detail));
        };
        match self.obedience {
            Obedience::Deaf => return Reaction::Silence,
            Obedience::Rebooting => return Reaction::Reboot,
            Obedience::Refusing => {
                return Reaction::Answer(answer(down, Outcome::Denied, "it will not"));
            }
            Obedience::Careless => return Reaction::Do(Box::new(command)),
            Obedience::Conforming | Obedience::Slow => {}
        }
        if let Some(first) = self.known.get(&down.command_id) {
            return Reaction::Answer(first.clone());
        }
        if let Some(why) = self.stale(down, own) {
            return Reaction::Answer(answer(down, Outcome::Stale, why));
        }
        if down.exclusive {
            self.highest = order(down);
        }
        Reaction::Do(Box::new(command))
    }

    fn stale(&self, down: &v1::DownCommand, own: Identity) -> Option<&'static str> {
        if down.boot != own.boot {
            return Some("it is for another power-up");
        }
        if own
            .boot_clock_us
            .is_none_or(|clock| clock > down.valid_until_boot_us)
        {
            return Some("it came too late");
        }
        let is_older = down.exclusive && self.highest > order(down);
        is_older.then_some("a newer one was here before")
    }

    /// Remembers what it says of a command, in place of what it said of it before.
    pub fn remember(&mut self, result: &v1::CommandAnswer) {
        let id = &result.command_id;
        if self.known.insert(id.clone(), result.clone()).is_some() {
            return;
        }
        self.order.push_back(id.clone());
        if self.order.len() > KNOWN_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

fn order(down: &v1::DownCommand) -> Option<(u32, u64, u64)> {
    let order = down.order?;
    Some((order.generation, order.epoch, order.counter))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Identity = Identity {
        boot: 7,
        boot_clock_us: Some(1_000),
    };

    fn down(id: &str, counter: u64) -> v1::DownCommand {
        v1::DownCommand {
            drone_id: "alpha".to_owned(),
            command_id: id.to_owned(),
            order: Some(v1::CommandOrder {
                generation: 1,
                epoch: 1,
                counter,
            }),
            boot: 7,
            valid_until_boot_us: 2_000,
            exclusive: true,
            command: Some(Command::Hold {}.into()),
        }
    }

    fn outcome(reaction: Reaction) -> Option<v1::CommandOutcome> {
        match reaction {
            Reaction::Answer(answer) => v1::CommandOutcome::try_from(answer.outcome).ok(),
            _ => None,
        }
    }

    #[test]
    fn what_is_late_old_or_for_another_power_up_is_rejected() {
        let mut pilot = Autopilot::default();
        let stale = Some(v1::CommandOutcome::Stale);
        assert!(matches!(pilot.hear(&down("a", 5), OWN), Reaction::Do(_)));
        assert_eq!(outcome(pilot.hear(&down("b", 4), OWN)), stale);
        let late = Identity {
            boot_clock_us: Some(2_001),
            ..OWN
        };
        assert_eq!(outcome(pilot.hear(&down("c", 6), late)), stale);
        let other = Identity { boot: 8, ..OWN };
        assert_eq!(outcome(pilot.hear(&down("d", 6), other)), stale);
        let clockless = Identity {
            boot_clock_us: None,
            ..OWN
        };
        assert_eq!(outcome(pilot.hear(&down("e", 6), clockless)), stale);
    }

    #[test]
    fn a_known_id_is_answered_with_its_first_result() {
        let mut pilot = Autopilot::default();
        assert!(matches!(pilot.hear(&down("a", 5), OWN), Reaction::Do(_)));
        let first = answer(&down("a", 5), Outcome::Denied, "not now");
        pilot.remember(&first);
        assert_eq!(pilot.hear(&down("a", 9), OWN), Reaction::Answer(first));
        pilot.forget();
        assert!(matches!(pilot.hear(&down("a", 9), OWN), Reaction::Do(_)));
    }

    #[test]
    fn others_obey_in_their_own_ways() {
        let hear = |obedience| Autopilot::new(obedience).hear(&down("a", 5), OWN);
        assert_eq!(hear(Obedience::Deaf), Reaction::Silence);
        assert_eq!(hear(Obedience::Rebooting), Reaction::Reboot);
        let denied = Some(v1::CommandOutcome::Denied);
        assert_eq!(outcome(hear(Obedience::Refusing)), denied);
        let mut careless = Autopilot::new(Obedience::Careless);
        for _ in 0..2 {
            let reaction = careless.hear(&down("a", 5), Identity { boot: 9, ..OWN });
            assert!(matches!(reaction, Reaction::Do(_)));
        }
    }
}
