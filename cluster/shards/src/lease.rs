//! How long a node may believe that it is still a member.

use std::collections::VecDeque;
use std::time::Duration;

use crate::control_log::clock::STEP_MAX;
use crate::control_log::{HEARTBEAT_EVERY, TTL};

/// By how much two clocks may run apart within a lease.
const DRIFT: Duration = Duration::from_millis(100);
/// From the sending of a heartbeat: nobody can have expired its sender earlier, even if the log's
/// clock jumped once, which is a step of the live clock.
pub const LEASE: Duration = Duration::from_millis(2150);
const _: () = assert!(LEASE.as_micros() + STEP_MAX.as_micros() + DRIFT.as_micros() == 3_000_000);
const _: () = assert!(TTL.as_micros() == 3_000_000);
/// Heartbeats that may be on their way; an older one is forgotten and renews nothing.
const SENT_MAX: usize = 64;

/// Microseconds of this machine's CLOCK_BOOTTIME, which runs on while the machine sleeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeMicros(pub u64);

impl NodeMicros {
    const fn after(self, passed: Duration) -> Self {
        Self(self.0.saturating_add(passed.as_micros() as u64))
    }
}

/// The lease of one incarnation of a node, renewed by its heartbeats.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lease {
    next: u64,
    /// Not read back yet, oldest first.
    sent: VecDeque<(u64, NodeMicros)>,
    last_sent: Option<NodeMicros>,
    /// When the newest one was sent that was read back.
    renewed: Option<NodeMicros>,
}

impl Lease {
    /// Number of the heartbeat that is sent now. The time must be taken before it is sent.
    pub fn send(&mut self, now: NodeMicros) -> u64 {
        let sequence = self.next;
        self.next += 1;
        if self.sent.len() == SENT_MAX {
            self.sent.pop_front();
        }
        self.sent.push_back((sequence, now));
        self.last_sent = Some(now);
        sequence
    }

    /// True when the next heartbeat is to be sent.
    #[must_use]
    pub fn is_heartbeat_due(&self, now: NodeMicros) -> bool {
        self.last_sent
            .is_none_or(|last| now >= last.after(HEARTBEAT_EVERY))
    }

    /// A heartbeat came back, and counted: the fold said that this member was heard by it.
    pub fn read_back(&mut self, sequence: u64) {
        let found = self.sent.iter().find(|(sent, _)| *sent == sequence);
        let Some((_, at)) = found.copied() else {
            return;
        };
        self.sent.retain(|(sent, _)| *sent > sequence);
        self.renewed = self.renewed.max(Some(at));
    }

    /// When it lapses, or lapsed; `None` before the first renewal.
    #[must_use]
    pub fn until(&self) -> Option<NodeMicros> {
        self.renewed.map(|sent| sent.after(LEASE))
    }

    /// True while the node may acknowledge, journal and start anything.
    #[must_use]
    pub fn is_valid(&self, now: NodeMicros) -> bool {
        self.until().is_some_and(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_runs_from_the_sending_of_what_was_read_back() {
        let at = |ms: u64| NodeMicros(ms * 1000);
        let mut lease = Lease::default();
        assert!(lease.is_heartbeat_due(at(0)) && !lease.is_valid(at(0)));
        let first = lease.send(at(1000));
        assert!(!lease.is_heartbeat_due(at(1499)) && lease.is_heartbeat_due(at(1500)));
        assert!(!lease.is_valid(at(1001)), "not read back");
        let second = lease.send(at(1500));
        lease.read_back(first);
        assert_eq!(lease.until(), Some(at(3150)));
        assert!(lease.is_valid(at(3149)) && !lease.is_valid(at(3150)));
        lease.read_back(second);
        assert_eq!(lease.until(), Some(at(3650)));
        lease.read_back(first);
        assert_eq!(lease.until(), Some(at(3650)), "a repeat");
        lease.read_back(99);
        assert_eq!(lease.until(), Some(at(3650)), "never sent");
    }

    #[test]
    fn what_is_on_its_way_has_a_limit() {
        let mut lease = Lease::default();
        for number in 0..1000 {
            lease.send(NodeMicros(number));
        }
        assert_eq!(lease.sent.len(), SENT_MAX);
        lease.read_back(0);
        assert_eq!(lease.until(), None);
        lease.read_back(999);
        assert_eq!(lease.until(), Some(NodeMicros(999).after(LEASE)));
    }
}
