//! What the actors write: one telemetry record per drone-batch, boot records, snapshots and marks.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use aerostream_cluster::{ClaimedShard, Ownership};
use aerostream_domain::alert::AlertRecord;
use aerostream_domain::command::CommandRecord;
use aerostream_domain::{
    BootRecord, Cause, DroneId, DroneSnapshot, Epoch, JournalEntry, JournalKind, Offset,
    TelemetryRecord, UtcMicros,
};
use aerostream_log::{Append, EventLog, PendingAppend, Topic, encode, encode_record};
use aerostream_proto::v1;
use aerostream_proto::v1::{journal_record, state_record, telemetry_event};
use bytes::Bytes;

use crate::alert::{AlertBoard, Ears, RuleSource};
use crate::briefs::Briefs;
use crate::config::Config;
use crate::feed::Hub;
use crate::mark::MarkTracker;
use crate::node::Hooks;
use crate::sessions::SharedSessions;

/// What a shard and all its drones share.
pub(crate) struct ShardContext {
    pub claim: ClaimedShard,
    pub log: Arc<dyn EventLog>,
    pub ownership: Ownership,
    pub config: Arc<Config>,
    pub marks: MarkTracker,
    /// Who watches which drone.
    pub feeds: Arc<Hub>,
    /// Which connection holds which drone.
    pub sessions: SharedSessions,
    pub briefs: Briefs,
    /// What the drones are judged by.
    pub rules: Arc<dyn RuleSource>,
    /// Every recorded alert of the node.
    pub alerts: Arc<AlertBoard>,
    /// When each drone was heard.
    pub ears: Ears,
    /// Samples acknowledged for the first time, since the start.
    pub acknowledged: AtomicU64,
    /// They do nothing outside tests.
    pub hooks: Hooks,
}

impl std::fmt::Debug for ShardContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ShardContext")
            .field("claim", &self.claim)
            .finish_non_exhaustive()
    }
}

impl ShardContext {
    /// True while this node may acknowledge for the shard.
    pub fn holds(&self) -> bool {
        self.ownership.holds(self.claim.shard, self.claim.epoch)
    }

    fn append(&self, topic: Topic, key: Bytes, payload: Bytes) -> PendingAppend {
        self.log.append(Append {
            topic,
            partition: self.claim.shard.into(),
            key,
            payload,
        })
    }

    pub fn append_telemetry(&self, record: &TelemetryRecord) -> PendingAppend {
        let key = Bytes::copy_from_slice(record.drone.as_str().as_bytes());
        self.append(Topic::Telemetry, key, encode_record(record))
    }

    /// The claim once more: it says nothing new, and ends what was under way before it.
    pub fn append_barrier(&self) -> PendingAppend {
        let claim = v1::Claim {
            shard: u32::from(self.claim.shard.0),
            node: self.ownership.node().as_str().to_owned(),
        };
        let record = v1::TelemetryEvent {
            epoch: Some(self.claim.epoch.into()),
            kind: Some(telemetry_event::Kind::Claim(claim)),
        };
        let key = Bytes::from_static(b"claim");
        self.append(Topic::Telemetry, key, encode(&record))
    }

    pub fn append_boot(&self, drone: &DroneId, boot: &BootRecord) -> PendingAppend {
        let record = v1::JournalRecord {
            epoch: Some(self.claim.epoch.into()),
            drone_id: drone.as_str().to_owned(),
            cause: Some(v1::Cause {
                telemetry_offset: self.marks.applied_below().0.checked_sub(1),
                ..Default::default()
            }),
            at_us: 0,
            origin: None,
            kind: Some(journal_record::Kind::Boot(v1::Boot::from(*boot))),
        };
        let key = Bytes::copy_from_slice(drone.as_str().as_bytes());
        self.append(Topic::Journal, key, encode(&record))
    }

    /// What the owner says of a command.
    pub fn append_command(
        &self,
        drone: &DroneId,
        (at, cause): (UtcMicros, Cause),
        record: CommandRecord,
    ) -> PendingAppend {
        let kind = JournalKind::Command {
            drone: drone.clone(),
            record: Box::new(record),
        };
        self.append_entry(drone, (at, cause), kind)
    }

    /// What the owner decided about alerts.
    pub fn append_alert(
        &self,
        drone: &DroneId,
        (at, cause): (UtcMicros, Cause),
        record: AlertRecord,
    ) -> PendingAppend {
        let kind = JournalKind::Alert {
            drone: drone.clone(),
            record: Box::new(record),
        };
        self.append_entry(drone, (at, cause), kind)
    }

    fn append_entry(
        &self,
        drone: &DroneId,
        (at, cause): (UtcMicros, Cause),
        kind: JournalKind,
    ) -> PendingAppend {
        let entry = JournalEntry {
            epoch: Some(self.claim.epoch),
            at,
            cause,
            kind,
        };
        let key = Bytes::copy_from_slice(drone.as_str().as_bytes());
        self.append(Topic::Journal, key, encode(&v1::JournalRecord::from(entry)))
    }

    pub fn append_snapshot(&self, drone: &DroneId, snapshot: &DroneSnapshot) -> PendingAppend {
        let kind = state_record::Kind::Drone(v1::DroneSnapshot::from(snapshot.clone()));
        self.append_state(state_key(drone.as_str(), self.claim.epoch), kind)
    }

    pub fn append_mark(&self, telemetry: Offset, journal: Offset) -> PendingAppend {
        let kind = state_record::Kind::Mark(v1::ShardMark {
            telemetry_offset: telemetry.0,
            journal_offset: journal.0,
        });
        self.append_state(state_key(MARK_NAME, self.claim.epoch), kind)
    }

    fn append_state(&self, key: Bytes, kind: state_record::Kind) -> PendingAppend {
        let record = v1::StateRecord {
            epoch: Some(self.claim.epoch.into()),
            kind: Some(kind),
        };
        self.append(Topic::State, key, encode(&record))
    }

    /// Deletes a key of the state topic.
    pub fn append_tombstone(&self, key: Bytes) -> PendingAppend {
        self.append(Topic::State, key, Bytes::new())
    }
}

/// Name of the mark among the keys of the state topic; no drone id starts with a dot.
pub(crate) const MARK_NAME: &str = ".mark";

/// Key of a record in the state topic.
pub(crate) fn state_key(name: &str, epoch: Epoch) -> Bytes {
    Bytes::from(format!("{name}@{epoch}"))
}
