//! What a client missed, read back from the event log.
//!
//! A telemetry record counts as data whatever reign wrote it, so that every record of the drone in
//! its shard's partition is told.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use aerostream_actors::{Cursor, Frame};
use aerostream_domain::{DroneId, Offset, ShardId, TelemetryEntry, TelemetryRecord};
use aerostream_log::{DecodeError, LogError, Partition, ReadLimits, Reader, Record, Topic, decode};
use aerostream_proto::v1;
use tokio::sync::SemaphorePermit;
use tokio::time::Instant;

use super::WsConfig;
use super::frame::Down;
use crate::clock;
use crate::gateway::state::Gateway;

const READ: ReadLimits = ReadLimits {
    records_max: 2_000,
    bytes_max: 4 << 20,
    wait_max: Duration::from_millis(500),
};

/// Why something is missing.
#[derive(Debug)]
pub(super) enum Gap {
    OtherDrone,
    OtherLog,
    Trimmed { asked: Offset, start: Offset },
    OverLimit(String),
    Unreadable(String),
    Late,
}

impl Gap {
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::OtherDrone => "other_drone",
            Self::OtherLog => "other_log",
            Self::Trimmed { .. } => "trimmed",
            Self::OverLimit(_) => "over_limit",
            Self::Unreadable(_) => "log_unavailable",
            Self::Late => "late",
        }
    }

    pub fn frame(&self) -> Down {
        let detail = match self {
            Self::OtherDrone => "the cursor is of another drone's feed".to_owned(),
            Self::OtherLog => "the cursor is ahead of the event log: that is another log, or an \
                               older one was restored"
                .to_owned(),
            Self::Trimmed { asked, start } => {
                format!("the event log begins at offset {start}; what was missed begins at {asked}")
            }
            Self::OverLimit(limit) => format!("more was missed than is read again: {limit}"),
            Self::Unreadable(why) => format!("the event log cannot be read now: {why}"),
            Self::Late => "a record came to light too late to be told in its place".to_owned(),
        };
        Down::Gap {
            reason: self.reason(),
            detail,
        }
    }
}

/// Reads one drone's records of a range of offsets.
pub(super) struct Replay<'a> {
    config: &'a WsConfig,
    drone: &'a DroneId,
    reader: Box<dyn Reader>,
    next: Offset,
    to: Cursor,
    found: VecDeque<(Offset, TelemetryRecord)>,
    records: u64,
    bytes: u64,
    by: Instant,
    _place: SemaphorePermit<'a>,
}

impl<'a> Replay<'a> {
    /// Begins at `from` and ends before `to`.
    pub async fn open(
        gateway: &'a Gateway,
        (drone, shard): (&'a DroneId, ShardId),
        from: Offset,
        to: Cursor,
    ) -> Result<Self, Gap> {
        let config = &gateway.config.ws;
        let by = clock::monotonic_now() + Duration::from_millis(config.replay_timeout_ms);
        let place = tokio::time::timeout_at(by, gateway.replays.acquire()).await;
        let Ok(Ok(place)) = place else {
            let busy = format!("{} others are being resumed", config.replays_max);
            return Err(Gap::OverLimit(busy));
        };
        let (log, partition) = (&gateway.behind.log, Partition::from(shard));
        let open = async {
            let bounds = log.bounds(Topic::Telemetry, partition).await?;
            if bounds.start > from {
                return Ok(Err(Gap::Trimmed {
                    asked: from,
                    start: bounds.start,
                }));
            }
            log.read(Topic::Telemetry, vec![(partition, from)])
                .await
                .map(Ok)
        };
        let reader = match tokio::time::timeout_at(by, open).await {
            Ok(Ok(reader)) => reader?,
            Ok(Err(error)) => return Err(unreadable(&error)),
            Err(_) => return Err(too_long(config)),
        };
        Ok(Self {
            config,
            drone,
            reader,
            next: from,
            to,
            found: VecDeque::new(),
            records: 0,
            bytes: 0,
            by,
            _place: place,
        })
    }

    /// How many records were told.
    pub const fn records(&self) -> u64 {
        self.records
    }

    /// The next record; `None` when all are told.
    pub async fn next(&mut self) -> Result<Option<Frame>, Gap> {
        loop {
            if let Some((offset, record)) = self.found.pop_front() {
                self.records += 1;
                if self.records > self.config.replay_records_max {
                    let limit = self.config.replay_records_max;
                    return Err(Gap::OverLimit(format!("at most {limit} records")));
                }
                let cursor = Cursor {
                    telemetry: Offset(offset.0 + 1),
                    ..self.to
                };
                return Ok(Some(Frame::new(Arc::new(record), Some(cursor))));
            }
            if self.next >= self.to.telemetry {
                return Ok(None);
            }
            let read = tokio::time::timeout_at(self.by, self.reader.next(READ)).await;
            let records = match read {
                Ok(Ok(records)) => records,
                Ok(Err(error)) => return Err(unreadable(&error)),
                Err(_) => return Err(too_long(self.config)),
            };
            for record in records {
                self.take(record)?;
            }
            let limit = self.config.replay_bytes_max;
            if self.bytes > limit {
                let limit = format!("at most {limit} bytes of the shard's records");
                return Err(Gap::OverLimit(limit));
            }
        }
    }

    fn take(&mut self, record: Record) -> Result<(), Gap> {
        if record.offset >= self.to.telemetry {
            self.next = self.to.telemetry;
            return Ok(());
        }
        self.next = Offset(record.offset.0 + 1);
        self.bytes += record.payload.len() as u64;
        if record.key != self.drone.as_str().as_bytes() {
            return Ok(());
        }
        match decode::<v1::TelemetryEvent>(&record.payload) {
            Ok(event) => match TelemetryEntry::try_from(event) {
                Ok(TelemetryEntry::Batch(batch)) if batch.drone == *self.drone => {
                    self.found.push_back((record.offset, batch));
                    Ok(())
                }
                // Bytes that say nothing are nothing to live state either.
                _ => Ok(()),
            },
            Err(error @ DecodeError::Newer { .. }) => Err(Gap::Unreadable(error.to_string())),
            Err(DecodeError::Undecodable { .. }) => Ok(()),
        }
    }
}

fn unreadable(error: &LogError) -> Gap {
    match error {
        LogError::OutOfRange { asked, start, .. } if asked < start => Gap::Trimmed {
            asked: *asked,
            start: *start,
        },
        error => Gap::Unreadable(error.to_string()),
    }
}

fn too_long(config: &WsConfig) -> Gap {
    Gap::OverLimit(format!("at most {} ms", config.replay_timeout_ms))
}
