//! A conforming drone: it rejects what is late, old or for another power-up, and answers an id that
//! it knows with its first result.

use std::collections::HashMap;

use aerostream_domain::BootId;
use aerostream_domain::command::{Answer, CommandId, Order, Outcome};

/// A command on its way down.
#[derive(Debug, Clone, Copy)]
pub struct Message {
    pub id: CommandId,
    pub order: Order,
    pub boot: BootId,
    /// By the drone's boot clock, microseconds.
    pub valid_until_us: u64,
    pub exclusive: bool,
}

/// That a command was executed.
#[derive(Debug, Clone, Copy)]
pub struct Execution {
    pub id: CommandId,
    pub order: Order,
    pub exclusive: bool,
    /// True time, microseconds.
    pub at_us: i64,
}

#[derive(Debug)]
pub struct Drone {
    pub boot: BootId,
    powered_up_us: i64,
    known: HashMap<CommandId, Outcome>,
    highest: Option<Order>,
    pub executions: Vec<Execution>,
}

impl Drone {
    pub fn new(now_us: i64) -> Self {
        Self {
            boot: BootId(1),
            powered_up_us: now_us - 60_000_000,
            known: HashMap::new(),
            highest: None,
            executions: Vec::new(),
        }
    }

    pub fn reboot(&mut self, now_us: i64) {
        self.boot = BootId(self.boot.0 + 1);
        self.powered_up_us = now_us;
        self.known.clear();
        self.highest = None;
    }

    pub fn powered_up_us(&self) -> i64 {
        self.powered_up_us
    }

    pub fn boot_clock_us(&self, now_us: i64) -> u64 {
        (now_us - self.powered_up_us).cast_unsigned()
    }

    pub fn hear(&mut self, message: Message, now_us: i64) -> Answer {
        let outcome = self.judge(message, now_us);
        Answer {
            outcome,
            progress_percent: None,
            detail: String::new(),
        }
    }

    fn judge(&mut self, message: Message, now_us: i64) -> Outcome {
        if message.boot != self.boot {
            return Outcome::Stale;
        }
        if let Some(first) = self.known.get(&message.id) {
            return *first;
        }
        let is_late = self.boot_clock_us(now_us) > message.valid_until_us;
        let is_old = message.exclusive && self.highest > Some(message.order);
        if is_late || is_old {
            return Outcome::Stale;
        }
        if message.exclusive {
            self.highest = Some(message.order);
        }
        // As good as random, and the same in every run.
        let outcome = match (now_us / 1000 + message.order.counter.cast_signed()) % 7 {
            3 => Outcome::Denied,
            5 => Outcome::InProgress,
            6 => Outcome::Failed,
            _ => Outcome::Accepted,
        };
        self.known.insert(message.id, outcome);
        if outcome != Outcome::Denied {
            self.executions.push(Execution {
                id: message.id,
                order: message.order,
                exclusive: message.exclusive,
                at_us: now_us,
            });
        }
        outcome
    }
}
