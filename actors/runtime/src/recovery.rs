//! Restoring state from the log: snapshots, then the tails of journal and telemetry.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use aerostream_cluster::ClaimedShard;
use aerostream_domain::{
    Drone, DroneId, DroneSnapshot, Epoch, Limits, Offset, ShardId, TelemetryEntry, TelemetryRecord,
};
use aerostream_log::{
    Append, DecodeError, EventLog, LogError, Partition, ReadLimits, Record, Topic, decode, encode,
};
use aerostream_proto::v1;
use aerostream_proto::v1::state_record;
use bytes::Bytes;

use crate::alert::RuleSource;
use crate::effects::{ShardContext, state_key};
use crate::error::ActorsError;
use crate::guard::apply_guarded;
use crate::message::JournalTold;
use crate::told::told_by;

/// Name of the barrier among the keys of the state topic.
const BARRIER_NAME: &str = ".barrier";
const DOING: &str = "restoring state";
const READ: ReadLimits = ReadLimits {
    records_max: 5_000,
    bytes_max: 8 << 20,
    wait_max: Duration::from_millis(500),
};
const RETRY_AFTER: Duration = Duration::from_millis(200);

/// What the log says of one shard.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub drones: BTreeMap<DroneId, RecoveredDrone>,
    /// Every journal record below it is in `drones`.
    pub journal_next: Offset,
    /// Every telemetry record below it is in `drones`.
    pub telemetry_next: Offset,
}

impl Default for Recovered {
    fn default() -> Self {
        Self {
            drones: BTreeMap::new(),
            journal_next: Offset(0),
            telemetry_next: Offset(0),
        }
    }
}

/// One drone read back.
#[derive(Debug)]
pub(crate) struct RecoveredDrone {
    pub drone: Drone,
    /// Epoch of its newest durable snapshot; `None` if it has none.
    pub snapshot_epoch: Option<Epoch>,
    /// True if the snapshot misses what the tails added.
    pub changed: bool,
}

/// What is read back.
pub(crate) struct Scope<'a> {
    pub claims: &'a [ClaimedShard],
    /// One drone only, or all.
    pub only: Option<&'a DroneId>,
    pub limits: Limits,
    pub rules: &'a dyn RuleSource,
}

/// Reads the shards back up to the end of their partitions.
pub(crate) async fn recover(
    log: &dyn EventLog,
    scope: Scope<'_>,
) -> Result<HashMap<ShardId, Recovered>, ActorsError> {
    let mut restoring = Restoring::new(&scope);
    restoring.read_state(log).await?;
    restoring.read_journal(log).await?;
    restoring.read_telemetry(log).await?;
    Ok(restoring
        .shards
        .into_iter()
        .map(|(shard, it)| (shard, it.recovered))
        .collect())
}

/// Durable telemetry records of one drone at or behind `from`; waits until the log answers.
///
/// A log writes nothing of unknown fate behind what is appended afterwards, so a record of our own
/// comes first: what is not there before it never comes.
pub(crate) async fn records_of(
    context: &ShardContext,
    drone: &DroneId,
    from: Offset,
) -> Vec<(Offset, TelemetryRecord)> {
    let partition = Partition::from(context.claim.shard);
    loop {
        let mut found = Vec::new();
        let keep = |record: Record| {
            if let Some(telemetry) = telemetry_of(&record)?
                && telemetry.drone == *drone
            {
                found.push((record.offset, telemetry));
            }
            Ok(())
        };
        let barrier = context.append_barrier().await;
        let barrier = barrier.map_err(|source| ActorsError::Append {
            topic: Topic::Telemetry,
            shard: context.claim.shard,
            doing: DOING,
            source,
        });
        let read = match barrier {
            Ok(_) => {
                let from = [(partition, from)];
                read_to_end(&*context.log, Topic::Telemetry, &from, keep).await
            }
            Err(error) => Err(error),
        };
        match read {
            Ok(_) => return found,
            Err(error) => {
                tracing::warn!(
                    shard.id = context.claim.shard.0,
                    error = &error as &dyn std::error::Error,
                    "could not read back an append of unknown fate, trying again"
                );
                tokio::time::sleep(RETRY_AFTER).await;
            }
        }
    }
}

struct Restoring<'a> {
    log_limits: Limits,
    rules: &'a dyn RuleSource,
    only: Option<&'a DroneId>,
    claims: &'a [ClaimedShard],
    shards: HashMap<ShardId, RestoringShard>,
}

#[derive(Default)]
struct RestoringShard {
    recovered: Recovered,
    mark: Option<(Epoch, v1::ShardMark)>,
    /// Highest claim met so far in the journal.
    claimed: Option<Epoch>,
    /// Where another owner's newer claim ends what is read of the journal.
    lost_at: Option<Offset>,
}

impl<'a> Restoring<'a> {
    fn new(scope: &Scope<'a>) -> Self {
        let shards = scope
            .claims
            .iter()
            .map(|it| (it.shard, RestoringShard::default()))
            .collect();
        Self {
            log_limits: scope.limits,
            rules: scope.rules,
            only: scope.only,
            claims: scope.claims,
            shards,
        }
    }

    fn wanted(&self, drone: &DroneId) -> bool {
        self.only.is_none_or(|only| only == drone)
    }

    fn shard(&mut self, partition: Partition) -> &mut RestoringShard {
        self.shards.entry(ShardId(partition.0)).or_default()
    }

    /// A compacted partition may have no record right before its end, so each gets a barrier.
    async fn read_state(&mut self, log: &dyn EventLog) -> Result<(), ActorsError> {
        for claim in self.claims {
            let record = v1::StateRecord {
                epoch: Some(claim.epoch.into()),
                kind: None,
            };
            let barrier = Append {
                topic: Topic::State,
                partition: claim.shard.into(),
                key: state_key(BARRIER_NAME, claim.epoch),
                payload: encode(&record),
            };
            log.append(barrier)
                .await
                .map_err(|source| ActorsError::Append {
                    topic: Topic::State,
                    shard: claim.shard,
                    doing: DOING,
                    source,
                })?;
        }
        let from = starts(log, Topic::State, self.claims).await?;
        read_to_end(log, Topic::State, &from, |record| self.fold_state(&record)).await?;
        Ok(())
    }

    fn fold_state(&mut self, record: &Record) -> Result<(), ActorsError> {
        if record.payload.is_empty() {
            return Ok(());
        }
        let Some(state) = readable::<v1::StateRecord>(record)? else {
            return Ok(());
        };
        let Some(epoch) = state.epoch.map(Epoch::from) else {
            return Ok(());
        };
        match state.kind {
            Some(state_record::Kind::Mark(mark)) => {
                let shard = self.shard(record.partition);
                if shard.mark.is_none_or(|(newest, _)| epoch >= newest) {
                    shard.mark = Some((epoch, mark));
                }
            }
            Some(state_record::Kind::Drone(wire)) => match DroneSnapshot::try_from(wire) {
                Ok(snapshot) => self.fold_snapshot(record.partition, epoch, snapshot),
                Err(refusal) => unreadable(record, &refusal.to_string()),
            },
            None => {}
        }
        Ok(())
    }

    fn fold_snapshot(&mut self, partition: Partition, epoch: Epoch, snapshot: DroneSnapshot) {
        if !self.wanted(&snapshot.drone) {
            return;
        }
        let limits = self.log_limits;
        let drones = &mut self.shard(partition).recovered.drones;
        let newest = drones
            .get(&snapshot.drone)
            .and_then(|known| known.snapshot_epoch);
        if newest.is_some_and(|newest| newest > epoch) {
            return;
        }
        let id = snapshot.drone.clone();
        let drone = Drone::restore(snapshot, limits);
        let snapshot_epoch = Some(epoch);
        drones.insert(
            id,
            RecoveredDrone {
                drone,
                snapshot_epoch,
                changed: false,
            },
        );
    }

    async fn read_journal(&mut self, log: &dyn EventLog) -> Result<(), ActorsError> {
        let mut from = starts(log, Topic::Journal, self.claims).await?;
        for (partition, start) in &mut from {
            let shard = self.shard(*partition);
            shard.claimed = shard.mark.map(|(epoch, _)| epoch);
            let marked = shard.mark.map_or(0, |(_, mark)| mark.journal_offset);
            *start = (*start).max(Offset(marked));
        }
        let ends = read_to_end(log, Topic::Journal, &from, |record| {
            self.fold_journal(&record)
        })
        .await?;
        for (partition, end) in ends {
            let shard = self.shard(partition);
            let end = shard.lost_at.map_or(end, |lost_at| lost_at.min(end));
            let recovered = &mut shard.recovered;
            recovered.journal_next = end;
            for known in recovered.drones.values_mut() {
                known.drone.settle_alerts();
            }
        }
        Ok(())
    }

    fn fold_journal(&mut self, record: &Record) -> Result<(), ActorsError> {
        let Some(journal) = readable::<v1::JournalRecord>(record)? else {
            return Ok(());
        };
        let own = self
            .claims
            .iter()
            .find(|it| record.partition == it.shard.into());
        let own = own.map(|claim| claim.epoch);
        let shard = self.shard(record.partition);
        if shard.lost_at.is_some() {
            return Ok(());
        }
        let before = shard.claimed;
        let told = told_by(record, journal, &mut shard.claimed);
        if shard.claimed > before.max(own) {
            shard.lost_at = Some(record.offset);
        }
        let Some((drone, told)) = told else {
            return Ok(());
        };
        if self.wanted(&drone) {
            let known = self.drone(record.partition, &drone);
            match told {
                JournalTold::Boot(boot) => known.drone.learn_boot(boot),
                JournalTold::Command(told) => {
                    let standing = (told.offset, told.at, told.epoch);
                    known.drone.fold_command(standing, &told.record);
                }
                JournalTold::Alert(told) => {
                    known.drone.fold_alert(told.standing, &told.record);
                }
            }
            known.changed = true;
        }
        Ok(())
    }

    async fn read_telemetry(&mut self, log: &dyn EventLog) -> Result<(), ActorsError> {
        let mut from = starts(log, Topic::Telemetry, self.claims).await?;
        for (partition, start) in &mut from {
            let mark = self.shard(*partition).mark;
            *start = (*start).max(Offset(mark.map_or(0, |(_, mark)| mark.telemetry_offset)));
        }
        let ends = read_to_end(log, Topic::Telemetry, &from, |record| {
            let Some(telemetry) = telemetry_of(&record)? else {
                return Ok(());
            };
            if self.wanted(&telemetry.drone) {
                let rules = self.rules.rules_of(&telemetry.drone);
                let known = self.drone(record.partition, &telemetry.drone);
                apply_guarded(&mut known.drone, record.offset, &telemetry, &rules);
                known.changed = true;
            }
            Ok(())
        })
        .await?;
        for (partition, end) in ends {
            self.shard(partition).recovered.telemetry_next = end;
        }
        Ok(())
    }

    fn drone(&mut self, partition: Partition, id: &DroneId) -> &mut RecoveredDrone {
        let limits = self.log_limits;
        self.shard(partition)
            .recovered
            .drones
            .entry(id.clone())
            .or_insert_with(|| {
                let drone = Drone::new(id.clone(), limits);
                RecoveredDrone {
                    drone,
                    snapshot_epoch: None,
                    changed: false,
                }
            })
    }
}

fn telemetry_of(record: &Record) -> Result<Option<TelemetryRecord>, ActorsError> {
    let Some(event) = readable::<v1::TelemetryEvent>(record)? else {
        return Ok(None);
    };
    match TelemetryEntry::try_from(event) {
        Ok(TelemetryEntry::Batch(telemetry)) => Ok(Some(telemetry)),
        Ok(TelemetryEntry::Claim { .. }) => Ok(None),
        Err(refusal) => {
            unreadable(record, &refusal.to_string());
            Ok(None)
        }
    }
}

/// `None` for bytes that no version can decode; the workers keep those as dead letters.
pub(crate) fn readable<M: prost::Message + Default>(
    record: &Record,
) -> Result<Option<M>, ActorsError> {
    match decode::<M>(&record.payload) {
        Ok(message) => Ok(Some(message)),
        Err(source @ DecodeError::Newer { .. }) => Err(ActorsError::Newer {
            topic: record.topic,
            shard: ShardId(record.partition.0),
            offset: record.offset.0,
            source,
        }),
        Err(DecodeError::Undecodable { reason }) => {
            unreadable(record, &reason);
            Ok(None)
        }
    }
}

pub(crate) fn unreadable(record: &Record, reason: &str) {
    tracing::error!(
        topic = %record.topic, shard.id = record.partition.0, offset = record.offset.0, reason,
        "a record is not readable and is left out of live state"
    );
}

async fn starts(
    log: &dyn EventLog,
    topic: Topic,
    claims: &[ClaimedShard],
) -> Result<Vec<(Partition, Offset)>, ActorsError> {
    let starts = claims.iter().map(|claim| async move {
        let partition = Partition::from(claim.shard);
        let bounds = log
            .bounds(topic, partition)
            .await
            .map_err(read_failed(topic))?;
        Ok((partition, bounds.start))
    });
    futures::future::try_join_all(starts).await
}

fn read_failed(topic: Topic) -> impl Fn(LogError) -> ActorsError {
    move |source| ActorsError::Read {
        topic,
        doing: DOING,
        source,
    }
}

/// Gives every record from the offsets up to the ends that the partitions have, and tells those.
async fn read_to_end(
    log: &dyn EventLog,
    topic: Topic,
    from: &[(Partition, Offset)],
    mut each: impl FnMut(Record) -> Result<(), ActorsError>,
) -> Result<Vec<(Partition, Offset)>, ActorsError> {
    let failed = read_failed(topic);
    let mut ends = HashMap::new();
    for (partition, _) in from {
        let bounds = log.bounds(topic, *partition).await.map_err(&failed)?;
        ends.insert(*partition, bounds.end);
    }
    let mut left: HashMap<Partition, Offset> = from
        .iter()
        .filter(|(partition, start)| *start < ends[partition])
        .map(|(partition, _)| (*partition, ends[partition]))
        .collect();
    let wanted = from
        .iter()
        .filter(|(partition, _)| left.contains_key(partition))
        .copied();
    let mut reader = log.read(topic, wanted.collect()).await.map_err(&failed)?;
    while !left.is_empty() {
        for record in reader.next(READ).await.map_err(&failed)? {
            let Some(end) = left.get(&record.partition).copied() else {
                continue;
            };
            let (partition, next) = (record.partition, Offset(record.offset.0 + 1));
            if record.offset < end {
                each(record)?;
            }
            if next >= end {
                left.remove(&partition);
            }
        }
    }
    Ok(ends.into_iter().collect())
}

/// Bytes of a state that a passive drone keeps.
pub(crate) fn encode_passive(snapshot: &DroneSnapshot) -> Bytes {
    encode(&v1::DroneSnapshot::from(snapshot.clone()))
}

/// The drone of such bytes.
pub(crate) fn decode_passive(limits: Limits, state: &[u8]) -> Drone {
    let wire: v1::DroneSnapshot = decode(state).expect("encoded by this process");
    let snapshot = DroneSnapshot::try_from(wire).expect("encoded from a snapshot");
    Drone::restore(snapshot, limits)
}
