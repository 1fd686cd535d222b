//! Every drone's recorded alerts, folded in the order of the journal, and who wants to hear of it.
//!
//! It stands beside the actors, so that no question wakes one, and a feed outlives them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aerostream_domain::alert::{
    Alert, AlertFolded, AlertLedger, AlertRecord, AlertStanding, Transition,
};
use aerostream_domain::{DroneId, Offset, ShardCount, ShardId};
use tokio::sync::broadcast;

use super::AlertTold;
use crate::clock::utc_now;

/// What changed the alerts of a drone.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertNews {
    pub shard: ShardId,
    /// False of what would be so if the log took the drone's newest samples: it moves no cursor,
    /// and comes again when it is recorded.
    pub is_recorded: bool,
    /// Place of the record in the journal of the shard; of what is not recorded, where the journal
    /// was.
    pub offset: Offset,
    pub drone: DroneId,
    pub record: Arc<AlertRecord>,
    /// The alerts that it is about, as they are behind it.
    pub alerts: Vec<Alert>,
}

/// The board at one moment, and all that happens behind it.
#[derive(Debug)]
pub struct BoardView {
    /// Alerts that the question asked for, by drone.
    pub alerts: Vec<(DroneId, Alert)>,
    /// Of each shard, the journal offset below which everything is in `alerts`.
    pub positions: Vec<Offset>,
    /// What comes behind the positions. One that lags has lost news and must ask again.
    pub news: broadcast::Receiver<Arc<AlertNews>>,
}

/// The alerts of a node's drones.
#[derive(Debug)]
pub struct AlertBoard {
    inner: Mutex<Inner>,
    sender: broadcast::Sender<Arc<AlertNews>>,
}

#[derive(Debug)]
struct Inner {
    /// By shard, drones that have or had alerts.
    shards: Vec<BTreeMap<DroneId, AlertLedger>>,
    positions: Vec<Offset>,
}

impl AlertBoard {
    /// An empty board; `news_max` is how many news a listener may be behind.
    pub(crate) fn new(count: ShardCount, news_max: usize) -> Self {
        let shards = usize::from(count.get());
        let inner = Inner {
            shards: vec![BTreeMap::new(); shards],
            positions: vec![Offset(0); shards],
        };
        Self {
            inner: Mutex::new(inner),
            sender: broadcast::Sender::new(news_max.max(1)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was read back of a shard before anything was followed.
    pub(crate) fn restored<'a>(
        &self,
        shard: ShardId,
        next: Offset,
        ledgers: impl Iterator<Item = (&'a DroneId, &'a AlertLedger)>,
    ) {
        let mut inner = self.lock();
        let known = ledgers.filter(|(_, ledger)| !ledger.alerts().is_empty());
        let known = known.map(|(drone, ledger)| (drone.clone(), ledger.clone()));
        inner.shards[usize::from(shard.0)] = known.collect();
        inner.positions[usize::from(shard.0)] = next;
    }

    /// Folds what the journal says, in its order, and tells it to whoever listens.
    pub(crate) fn told(&self, shard: ShardId, drone: &DroneId, told: &AlertTold) {
        let mut inner = self.lock();
        let drones = &mut inner.shards[usize::from(shard.0)];
        let mut fresh = AlertLedger::default();
        let ledger = drones.get_mut(drone).unwrap_or(&mut fresh);
        if ledger.fold(told.standing, &told.record) == AlertFolded::Nothing {
            return;
        }
        let alerts = told.record.ids().filter_map(|id| ledger.get(id).cloned());
        let news = AlertNews {
            shard,
            is_recorded: true,
            offset: told.standing.offset,
            drone: drone.clone(),
            record: Arc::clone(&told.record),
            alerts: alerts.collect(),
        };
        if !fresh.alerts().is_empty() {
            drones.insert(drone.clone(), fresh);
        }
        inner.positions[usize::from(shard.0)] = Offset(told.standing.offset.0 + 1);
        // Nobody listening is no failure.
        let _ = self.sender.send(Arc::new(news));
    }

    /// Tells what would be if the log took a record.
    pub(crate) fn foreseen(&self, shard: ShardId, drone: &DroneId, would_be: Vec<Transition>) {
        let inner = self.lock();
        let index = usize::from(shard.0);
        let mut ledger = inner.shards[index].get(drone).cloned().unwrap_or_default();
        let offset = inner.positions[index];
        let standing = AlertStanding {
            offset,
            at: utc_now(),
            cause: None,
        };
        let record = AlertRecord::Transitions(would_be);
        if ledger.fold(standing, &record) == AlertFolded::Nothing {
            return;
        }
        let alerts = record
            .ids()
            .filter_map(|id| ledger.get(id).cloned())
            .collect();
        let news = AlertNews {
            shard,
            is_recorded: false,
            offset,
            drone: drone.clone(),
            record: Arc::new(record),
            alerts,
        };
        // Nobody listening is no failure.
        let _ = self.sender.send(Arc::new(news));
    }

    /// Everything below `next` was told.
    pub(crate) fn reached(&self, shard: ShardId, next: Offset) {
        self.lock().positions[usize::from(shard.0)] = next;
    }

    /// The alerts that `wanted` takes, and what happens from now on.
    pub fn watch(&self, wanted: impl Fn(&DroneId, &Alert) -> bool) -> BoardView {
        let inner = self.lock();
        BoardView {
            alerts: collect(&inner, &wanted),
            positions: inner.positions.clone(),
            news: self.sender.subscribe(),
        }
    }

    /// The alerts that `wanted` takes, by drone, in the order in which they were raised.
    pub fn alerts(&self, wanted: impl Fn(&DroneId, &Alert) -> bool) -> Vec<(DroneId, Alert)> {
        collect(&self.lock(), &wanted)
    }

    /// Of each shard, the journal offset below which everything was folded and told.
    pub fn positions(&self) -> Vec<Offset> {
        self.lock().positions.clone()
    }

    /// The alerts of one drone.
    pub fn of(&self, shard: ShardId, drone: &DroneId) -> Vec<Alert> {
        let inner = self.lock();
        let ledger = inner.shards[usize::from(shard.0)].get(drone);
        ledger
            .map(|ledger| ledger.alerts().to_vec())
            .unwrap_or_default()
    }

    /// Drones of a shard with an active alert.
    pub(crate) fn alarmed(&self, shard: ShardId) -> Vec<DroneId> {
        let inner = self.lock();
        let drones = inner.shards[usize::from(shard.0)].iter();
        let alarmed = drones.filter(|(_, ledger)| ledger.active().next().is_some());
        alarmed.map(|(drone, _)| drone.clone()).collect()
    }
}

fn collect(inner: &Inner, wanted: impl Fn(&DroneId, &Alert) -> bool) -> Vec<(DroneId, Alert)> {
    let drones = inner.shards.iter().flatten();
    let all = drones.flat_map(|(drone, ledger)| ledger.alerts().iter().map(move |it| (drone, it)));
    let wanted = all.filter(|(drone, alert)| wanted(drone, alert));
    wanted
        .map(|(drone, alert)| (drone.clone(), alert.clone()))
        .collect()
}
