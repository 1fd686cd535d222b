//! What a client missed, read back from the journal by the claim rule: an owner's record of another
//! reign than the highest claim before it counts for nothing.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use aerostream_domain::alert::{AlertLedger, AlertRecord, AlertStanding};
use aerostream_domain::{DroneId, Epoch, JournalEntry, JournalKind, Offset, ShardId};
use aerostream_log::{DecodeError, LogError, Partition, ReadLimits, Reader, Record, Topic, decode};
use aerostream_proto::v1;
use tokio::time::Instant;

use super::counts;
use super::cursor::AlertCursor;
use super::feed::{Listener, News};
use crate::clock;
use crate::gateway::state::Gateway;
use crate::gateway::ws::WsConfig;

const READ: ReadLimits = ReadLimits {
    records_max: 2_000,
    bytes_max: 4 << 20,
    wait_max: Duration::from_millis(500),
};

/// Why something is missing.
#[derive(Debug)]
pub(super) enum Gap {
    OtherLog,
    Trimmed {
        shard: ShardId,
        asked: Offset,
        start: Offset,
    },
    OverLimit(String),
    Unreadable(String),
}

impl Gap {
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::OtherLog => "other_log",
            Self::Trimmed { .. } => "trimmed",
            Self::OverLimit(_) => "over_limit",
            Self::Unreadable(_) => "log_unavailable",
        }
    }

    pub fn detail(&self) -> String {
        match self {
            Self::OtherLog => "the cursor is ahead of the event log or has other shards: that is \
                               another log, or an older one was restored"
                .to_owned(),
            Self::Trimmed {
                shard,
                asked,
                start,
            } => format!(
                "the journal of shard {shard} begins at offset {start}; what was missed begins at \
                 {asked}"
            ),
            Self::OverLimit(limit) => format!("more was missed than is read again: {limit}"),
            Self::Unreadable(why) => format!("the event log cannot be read now: {why}"),
        }
    }
}

/// One shard on its way.
struct Shard {
    next: Offset,
    /// Highest claim so far.
    claim: Epoch,
}

/// Reads the journals of the shards up to where live news begin.
pub(super) struct Replay {
    gateway: Arc<Gateway>,
    /// `None` if nothing was missed.
    reader: Option<Box<dyn Reader>>,
    shards: Vec<Shard>,
    to: Vec<Offset>,
    found: VecDeque<Record>,
    ledgers: BTreeMap<DroneId, AlertLedger>,
    told: u64,
    records: u64,
    bytes: u64,
    by: Instant,
}

impl Replay {
    /// Begins at the cursor and ends before `to`.
    pub async fn open(
        gateway: &Arc<Gateway>,
        from: &AlertCursor,
        to: &[Offset],
    ) -> Result<Self, Gap> {
        let config = &gateway.config.ws;
        let by = clock::monotonic_now() + Duration::from_millis(config.replay_timeout_ms);
        let shards = from.0.iter().map(|place| Shard {
            next: place.next,
            claim: place.epoch,
        });
        let mut replay = Self {
            gateway: Arc::clone(gateway),
            reader: None,
            shards: shards.collect(),
            to: to.to_vec(),
            found: VecDeque::new(),
            ledgers: BTreeMap::new(),
            told: 0,
            records: 0,
            bytes: 0,
            by,
        };
        let missed = replay.missing();
        if missed.is_empty() {
            return Ok(replay);
        }
        let open = async {
            for &(partition, asked) in &missed {
                let bounds = gateway.behind.log.bounds(Topic::Journal, partition).await;
                let start = bounds.map_err(|error| unreadable(&error))?.start;
                if start > asked {
                    let shard = ShardId(partition.0);
                    return Err(Gap::Trimmed {
                        shard,
                        asked,
                        start,
                    });
                }
            }
            let reader = gateway.behind.log.read(Topic::Journal, missed).await;
            reader.map_err(|error| unreadable(&error))
        };
        let opened = tokio::time::timeout_at(by, open).await;
        replay.reader = Some(opened.unwrap_or_else(|_| Err(too_long(config)))?);
        Ok(replay)
    }

    /// Where the live news begin.
    pub fn reached(&self) -> &[Offset] {
        &self.to
    }

    /// How many records were told.
    pub const fn told(&self) -> u64 {
        self.told
    }

    fn missing(&self) -> Vec<(Partition, Offset)> {
        let shards = (0..).zip(self.shards.iter().zip(&self.to));
        let missing = shards.filter(|(_, (shard, to))| shard.next < **to);
        missing
            .map(|(number, (shard, _))| (Partition(number), shard.next))
            .collect()
    }

    /// The next record that is about alerts, with where its shard goes on; `None` when all are
    /// told.
    pub async fn next(
        &mut self,
        listener: &Listener,
    ) -> Result<Option<(ShardId, Offset, Option<News>)>, Gap> {
        loop {
            while let Some(record) = self.found.pop_front() {
                let shard = ShardId(record.partition.0);
                let next = Offset(record.offset.0 + 1);
                if let Some(news) = self.take(record, listener)? {
                    self.told += 1;
                    return Ok(Some((shard, next, Some(news))));
                }
            }
            if self.missing().is_empty() {
                return Ok(None);
            }
            let Some(reader) = &mut self.reader else {
                return Ok(None);
            };
            let config = &self.gateway.config.ws;
            let read = tokio::time::timeout_at(self.by, reader.next(READ)).await;
            let records = read
                .map_err(|_| too_long(config))?
                .map_err(|error| unreadable(&error))?;
            self.records += records.len() as u64;
            self.bytes += records
                .iter()
                .map(|it| it.payload.len() as u64)
                .sum::<u64>();
            if self.records > config.replay_records_max {
                let limit = config.replay_records_max;
                return Err(Gap::OverLimit(format!("at most {limit} journal records")));
            }
            if self.bytes > config.replay_bytes_max {
                let limit = config.replay_bytes_max;
                return Err(Gap::OverLimit(format!("at most {limit} bytes of journals")));
            }
            self.found.extend(records);
        }
    }

    fn take(&mut self, record: Record, listener: &Listener) -> Result<Option<News>, Gap> {
        let number = usize::from(record.partition.0);
        let shard = &mut self.shards[number];
        if record.offset >= self.to[number] {
            shard.next = self.to[number];
            return Ok(None);
        }
        shard.next = Offset(record.offset.0 + 1);
        let message = match decode::<v1::JournalRecord>(&record.payload) {
            Ok(message) => message,
            Err(error @ DecodeError::Newer { .. }) => {
                return Err(Gap::Unreadable(error.to_string()));
            }
            // Bytes that say nothing fold to nothing.
            Err(DecodeError::Undecodable { .. }) => return Ok(None),
        };
        let Ok(entry) = JournalEntry::try_from(message) else {
            return Ok(None);
        };
        let counts = entry.epoch.is_none_or(|epoch| epoch == shard.claim);
        match entry.kind {
            JournalKind::Claim(_) => {
                shard.claim = shard.claim.max(entry.epoch.unwrap_or(shard.claim));
                Ok(None)
            }
            JournalKind::Alert {
                drone,
                record: what,
            } if counts => {
                let standing = AlertStanding {
                    offset: record.offset,
                    at: entry.at,
                    cause: entry.cause.telemetry,
                };
                Ok(self.fold(
                    ShardId(record.partition.0),
                    &drone,
                    (standing, &what),
                    listener,
                ))
            }
            _ => Ok(None),
        }
    }

    /// The alerts as they were behind the record, as far as they were raised behind the cursor;
    /// else as they are now.
    fn fold(
        &mut self,
        shard: ShardId,
        drone: &DroneId,
        (standing, record): (AlertStanding, &AlertRecord),
        listener: &Listener,
    ) -> Option<News> {
        let ledger = self.ledgers.entry(drone.clone()).or_default();
        if !counts(ledger, standing, record) {
            return None;
        }
        let now = self.gateway.behind.drones.alerts().of(shard, drone);
        listener.news(drone, record, |id| {
            let behind = ledger.get(id).cloned();
            behind.or_else(|| now.iter().find(|alert| alert.id == id).cloned())
        })
    }
}

fn unreadable(error: &LogError) -> Gap {
    Gap::Unreadable(error.to_string())
}

fn too_long(config: &WsConfig) -> Gap {
    Gap::OverLimit(format!("at most {} ms", config.replay_timeout_ms))
}
