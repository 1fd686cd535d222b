//! Who of a group has which partition: a partition changes hands only after its holder was told.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aerostream_domain::Offset;
use tokio::sync::watch;

use crate::topic::{Partition, Topic};

type Held = (Topic, Partition);

/// The groups of one log.
#[derive(Debug, Clone)]
pub struct Groups {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    table: Mutex<HashMap<String, Group>>,
    changes: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Group {
    next_member: u64,
    members: BTreeMap<u64, BTreeSet<Held>>,
    holders: BTreeMap<Held, u64>,
    reported: HashMap<Held, Offset>,
}

/// What a member has to be told.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    Assigned(Vec<Held>),
    Revoked(Vec<Held>),
}

/// One member; leaves when dropped.
#[derive(Debug)]
pub(super) struct Member {
    shared: Arc<Shared>,
    group: String,
    id: u64,
}

impl Default for Groups {
    fn default() -> Self {
        Self {
            shared: Arc::new(Shared {
                table: Mutex::default(),
                changes: watch::Sender::new(0),
            }),
        }
    }
}

impl Groups {
    /// How far the members of a group said that they are.
    #[must_use]
    pub fn reported(&self, group: &str, topic: Topic, partition: Partition) -> Option<Offset> {
        let table = self.shared.table();
        table.get(group)?.reported.get(&(topic, partition)).copied()
    }

    pub(super) fn join(&self, name: &str, wanted: Vec<Held>) -> Member {
        let mut table = self.shared.table();
        let group = table.entry(name.to_owned()).or_default();
        let id = group.next_member;
        group.next_member += 1;
        group.members.insert(id, wanted.into_iter().collect());
        drop(table);
        self.shared.announce();
        Member {
            shared: Arc::clone(&self.shared),
            group: name.to_owned(),
            id,
        }
    }
}

impl Shared {
    fn table(&self) -> MutexGuard<'_, HashMap<String, Group>> {
        // A panic elsewhere leaves a table that is still whole: every change is one step.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn announce(&self) {
        self.changes.send_modify(|version| *version += 1);
    }
}

impl Group {
    /// The member that should have a partition: those who want it take turns by partition number,
    /// so that a member gets the same partitions of each topic.
    fn target(&self, held: Held) -> Option<u64> {
        let takers: Vec<u64> = self
            .members
            .iter()
            .filter(|(_, wanted)| wanted.contains(&held))
            .map(|(&id, _)| id)
            .collect();
        let turn = usize::from(held.1.0).checked_rem(takers.len())?;
        takers.get(turn).copied()
    }

    fn poll(&mut self, member: u64) -> Option<Change> {
        let lost: Vec<Held> = self
            .holders
            .iter()
            .filter(|&(&held, &holder)| holder == member && self.target(held) != Some(member))
            .map(|(&held, _)| held)
            .collect();
        if !lost.is_empty() {
            for held in &lost {
                self.holders.remove(held);
            }
            return Some(Change::Revoked(lost));
        }
        let gained: Vec<Held> = self
            .members
            .get(&member)?
            .iter()
            .copied()
            .filter(|held| !self.holders.contains_key(held) && self.target(*held) == Some(member))
            .collect();
        if gained.is_empty() {
            return None;
        }
        self.holders
            .extend(gained.iter().map(|&held| (held, member)));
        Some(Change::Assigned(gained))
    }
}

impl Member {
    /// The next thing that this member has to be told.
    pub(super) fn poll(&self) -> Option<Change> {
        let change = self.shared.table().get_mut(&self.group)?.poll(self.id);
        if matches!(change, Some(Change::Revoked(_))) {
            // Whoever waits for these partitions may have them now.
            self.shared.announce();
        }
        change
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changes.subscribe()
    }

    pub(super) fn report(&self, topic: Topic, partition: Partition, next: Offset) {
        if let Some(group) = self.shared.table().get_mut(&self.group) {
            group.reported.insert((topic, partition), next);
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Some(group) = self.shared.table().get_mut(&self.group) {
            group.members.remove(&self.id);
            group.holders.retain(|_, holder| *holder != self.id);
        }
        self.shared.announce();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> Vec<Held> {
        (0..4).map(|p| (Topic::Journal, Partition(p))).collect()
    }

    #[test]
    fn a_partition_moves_only_after_its_holder_was_told() {
        let groups = Groups::default();
        let first = groups.join("workers", wanted());
        assert_eq!(first.poll(), Some(Change::Assigned(wanted())));
        let second = groups.join("workers", wanted());
        assert_eq!(second.poll(), None);
        let odd = vec![wanted()[1], wanted()[3]];
        assert_eq!(first.poll(), Some(Change::Revoked(odd.clone())));
        assert_eq!(second.poll(), Some(Change::Assigned(odd.clone())));
        drop(second);
        assert_eq!(first.poll(), Some(Change::Assigned(odd)));
        assert_eq!(first.poll(), None);
    }
}
