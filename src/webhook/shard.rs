//! One shard of a target: which of its records count, and what is under way.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use aerostream_domain::alert::{AlertLedger, AlertRecord, AlertStanding};
use aerostream_domain::{DroneId, Epoch, JournalEntry, JournalKind, Offset, ShardId};
use aerostream_log::{DecodeError, Record, decode};
use aerostream_proto::v1;
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;
use tokio::task::JoinSet;

use super::courier::Courier;
use super::message::{Key, Message};
use crate::gateway::alert::{counts, happenings};
use crate::registry::Registry;
use crate::store::Stored;

/// A record was written by a newer build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Newer {
    pub version: u8,
}

/// One shard on its way. Dropped, it posts nothing more.
pub(super) struct Shard {
    id: ShardId,
    drones_max: usize,
    /// Every record below it was looked at.
    next: Offset,
    /// Highest claim below that.
    claim: Option<Epoch>,
    /// Alerts as they became since this shard was begun here.
    ledgers: HashMap<DroneId, AlertLedger>,
    /// Messages under way, with the claim in force there.
    waiting: BTreeMap<Key, Option<Epoch>>,
    tasks: JoinSet<Key>,
    /// Ends when the newest message of the drone is done.
    newest: HashMap<DroneId, oneshot::Receiver<()>>,
}

impl Shard {
    pub fn new(id: u16, next: Offset, claim: Option<Epoch>, drones_max: usize) -> Self {
        Self {
            id: ShardId(id),
            drones_max,
            next,
            claim,
            ledgers: HashMap::new(),
            waiting: BTreeMap::new(),
            tasks: JoinSet::new(),
            newest: HashMap::new(),
        }
    }

    /// Messages under way.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Where to go on if this process ended now.
    pub fn done(&self) -> Stored {
        let first = self.waiting.first_key_value();
        let (next, claim) = match first {
            Some((key, claim)) => (key.offset, *claim),
            None => (self.next, self.claim),
        };
        Stored {
            next: Some(next),
            claim,
        }
    }

    /// Takes note of the messages that are done.
    pub fn settle(&mut self) {
        while let Some(ended) = self.tasks.try_join_next() {
            match ended {
                Ok(key) => {
                    self.waiting.remove(&key);
                }
                // It stays in `waiting`, so that it is posted after the next start.
                Err(error) => tracing::error!(%error, shard.id = self.id.0, "a message died"),
            }
        }
        if self.newest.len() > self.drones_max {
            // Without a value, a channel is closed when the message is done.
            self.newest
                .retain(|_, done| done.try_recv() != Err(TryRecvError::Closed));
        }
    }

    /// Takes a record: what it tells is posted, behind what was told of the drone before.
    pub fn take(
        &mut self,
        record: &Record,
        courier: &Arc<Courier>,
        registry: &Registry,
    ) -> Result<(), Newer> {
        if record.offset < self.next {
            return Ok(());
        }
        let entry = match decode::<v1::JournalRecord>(&record.payload) {
            Err(DecodeError::Newer { version }) => return Err(Newer { version }),
            // Bytes that say nothing are the worker's dead letter, and tell of no alert.
            Err(DecodeError::Undecodable { .. }) => None,
            Ok(message) => JournalEntry::try_from(message).ok(),
        };
        let next = Offset(record.offset.0 + 1);
        if let Some(entry) = entry {
            self.take_entry(entry, record.offset, (courier, registry));
        }
        self.next = next;
        Ok(())
    }

    /// An owner's record of another reign than the highest claim before it counts for nothing.
    fn take_entry(
        &mut self,
        entry: JournalEntry,
        offset: Offset,
        (courier, registry): (&Arc<Courier>, &Registry),
    ) {
        let counts = entry.epoch.is_none() || entry.epoch == self.claim;
        match entry.kind {
            JournalKind::Claim(_) if entry.epoch >= self.claim => self.claim = entry.epoch,
            JournalKind::Alert { drone, record } if counts => {
                let standing = AlertStanding {
                    offset,
                    at: entry.at,
                    cause: entry.cause.telemetry,
                };
                for message in self.fold(&drone, (standing, &record), registry) {
                    if courier.wants(&message) {
                        self.post(message, courier);
                    }
                }
            }
            _ => {}
        }
    }

    fn fold(
        &mut self,
        drone: &DroneId,
        (standing, record): (AlertStanding, &AlertRecord),
        registry: &Registry,
    ) -> Vec<Message> {
        if self.ledgers.len() > self.drones_max {
            self.forget();
        }
        let ledger = self.ledgers.entry(drone.clone()).or_default();
        if !counts(ledger, standing, record) {
            return Vec::new();
        }
        let fleet = registry.fleet_of(drone);
        let happened = happenings(record).into_iter().enumerate();
        let messages = happened.map(|(place, (what, alert_id))| Message {
            shard: self.id.0,
            key: Key {
                offset: standing.offset,
                place,
            },
            what,
            alert_id,
            drone: drone.clone(),
            fleet: fleet.clone(),
            at: standing.at,
            alert: ledger.get(alert_id).cloned(),
        });
        messages.collect()
    }

    /// Drones without an active alert first; the database knows what is forgotten.
    fn forget(&mut self) {
        self.ledgers
            .retain(|_, ledger| ledger.active().next().is_some());
        if self.ledgers.len() > self.drones_max {
            self.ledgers.clear();
        }
    }

    fn post(&mut self, message: Message, courier: &Arc<Courier>) {
        let key = message.key;
        self.waiting.insert(key, self.claim);
        let (done, newest) = oneshot::channel();
        let before = self.newest.insert(message.drone.clone(), newest);
        let courier = Arc::clone(courier);
        self.tasks.spawn(async move {
            if let Some(before) = before {
                // Whoever is before ends by dropping its end.
                let _dropped = before.await;
            }
            courier.deliver(message).await;
            drop(done);
            key
        });
    }
}
