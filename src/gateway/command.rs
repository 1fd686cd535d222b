//! Commands at the door: who may wish what, the wish into the journal, and what became of it.
//!
//! A wish is a journal record before anybody acts on it; the answer to it waits for nothing else.
//! What the owner decides comes back as states of the ledger.

pub mod downlink;

mod access;
mod emergency;

use std::sync::Arc;
use std::time::Duration;

use aerostream_actors::{CommandView, Room, Unavailable};
use aerostream_domain::command::ledger::Standing;
use aerostream_domain::command::{
    Answer, Command, CommandId, CommandRecord, Entry, Intent, is_dangerous,
};
use aerostream_domain::drone::live::LiveState;
use aerostream_domain::{Cause, DroneId, JournalEntry, JournalKind, Offset, ShardId, UtcMicros};
use aerostream_log::{Append, AppendError, EventLog, Topic};
use aerostream_proto::v1;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use self::emergency::Emergencies;
use super::auth::Principal;
use super::ingest::unavailable;
use super::limit::RETRY_AFTER;
use super::ports::Drones;
use crate::clock;
use crate::error::{ErrorCode, Problem};

/// How commands are taken.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CommandConfig {
    /// Life of a command whose sender does not say, in milliseconds. Default: 30,000.
    pub time_to_live_ms: u64,
    /// Longest life of a command, in milliseconds. Default: 3,600,000.
    pub time_to_live_max_ms: u64,
    /// How long the event log may take until a wish's fate is told as unknown, in milliseconds.
    /// Default: 5000.
    pub append_timeout_ms: u64,
    /// How long the event log may take until an emergency goes past it, in milliseconds.
    /// Default: 500.
    pub emergency_after_ms: u64,
    /// How long the sender of an emergency waits for the drone's answer, in milliseconds.
    /// Default: 3000.
    pub emergency_answer_ms: u64,
    /// Emergencies that wait to be written into the journal. Default: 1000.
    pub emergencies_max: usize,
    /// Longest wait for a change of a command, in milliseconds. Default: 30,000.
    pub wait_max_ms: u64,
    /// Commands that may wait for one connection of drones. Default: 1024.
    pub downlink_max: usize,
    /// A drone that was not heard for so long is sent nothing, in milliseconds. Default: 1500.
    pub uplink_age_max_ms: u64,
    /// Drones that one request may command. Default: 1000.
    pub group_max: usize,
}

impl Default for CommandConfig {
    fn default() -> Self {
        Self {
            time_to_live_ms: 30_000,
            time_to_live_max_ms: 3_600_000,
            append_timeout_ms: 5_000,
            emergency_after_ms: 500,
            emergency_answer_ms: 3_000,
            emergencies_max: 1_000,
            wait_max_ms: 30_000,
            downlink_max: 1_024,
            uplink_age_max_ms: 1_500,
            group_max: 1_000,
        }
    }
}

/// Shortest life of a command, in milliseconds.
pub const TIME_TO_LIVE_MS_MIN: u64 = 100;
/// Longest idempotency key, in bytes.
pub const KEY_BYTES_MAX: usize = 128;

/// What is asked of one drone.
#[derive(Debug, Clone)]
pub struct Wish {
    pub drone: DroneId,
    /// The same wish has the same key.
    pub key: String,
    pub command: Command,
    pub time_to_live: Duration,
    pub emergency: bool,
    /// Digest of the command, the second step of a dangerous emergency.
    pub confirm: Option<u64>,
    /// What commands given at once have in common.
    pub group: Option<u128>,
}

/// Takes commands.
pub struct Commands {
    drones: Arc<dyn Drones>,
    log: Arc<dyn EventLog>,
    config: CommandConfig,
    emergencies: Arc<Emergencies>,
}

impl std::fmt::Debug for Commands {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Commands")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// Why a wish is not known to be in the journal.
enum Unwritten {
    /// It is not and never will be.
    Refused(String),
    /// It may be.
    Unknown(String),
}

impl Commands {
    /// Takes commands for these drones.
    #[must_use]
    pub fn new(drones: Arc<dyn Drones>, log: Arc<dyn EventLog>, config: CommandConfig) -> Self {
        Self {
            emergencies: Emergencies::new(config.emergencies_max),
            drones,
            log,
            config,
        }
    }

    /// Life of a command: the sender's, or the default.
    ///
    /// # Errors
    /// It is out of its range.
    pub fn time_to_live(&self, asked_ms: Option<u64>, field: &str) -> Result<Duration, Problem> {
        let (least, most) = (TIME_TO_LIVE_MS_MIN, self.config.time_to_live_max_ms);
        let millis = asked_ms.unwrap_or(self.config.time_to_live_ms);
        if (least..=most).contains(&millis) {
            return Ok(Duration::from_millis(millis));
        }
        let detail = format!("must be {least} to {most} ms; it is {millis} ms");
        Err(Problem::new(ErrorCode::Invalid, detail).at(field))
    }

    /// Longest wait for a change.
    #[must_use]
    pub fn wait(&self, asked_ms: u64) -> Duration {
        Duration::from_millis(asked_ms.min(self.config.wait_max_ms))
    }

    /// Makes a wish durable; an emergency goes past a log that is down.
    async fn take(&self, principal: &Principal, wish: Wish) -> Result<CommandView, Problem> {
        check_key(&wish.key)?;
        let intent = self.intent(principal, &wish)?;
        let (id, drone) = (intent.id, wish.drone);
        // An owner that cannot be asked now will fold the wish all the same.
        match self.drones.room(&drone, id).await {
            Ok(Room::Known(view)) if view.entry.intent.digest() == intent.digest() => {
                return Ok(*view);
            }
            Ok(Room::Known(_)) => {
                let detail = format!("command {id} was given under this key with another body");
                return Err(Problem::new(ErrorCode::Conflict, detail).at("idempotency-key"));
            }
            Ok(Room::Full(what)) => {
                let detail = format!("{what} are at their limit");
                return Err(Problem::new(ErrorCode::QuotaExceeded, detail).retry_after(RETRY_AFTER));
            }
            Ok(Room::Free) | Err(_) => {}
        }
        let needs_confirmation = self.needs_confirmation(&drone, &intent.command).await;
        let record = CommandRecord::Intent(intent.clone());
        let offset = match self.append(&drone, record, intent.emergency).await {
            Ok(offset) => offset,
            Err(_) if intent.emergency => {
                let answered = Duration::from_millis(self.config.emergency_answer_ms);
                let emergencies = &self.emergencies;
                let log = (&self.log, self.drones.shard_of(&drone));
                return emergencies
                    .send(&*self.drones, log, (drone, intent), answered)
                    .await;
            }
            Err(unwritten) => return Err(not_durable(id, unwritten)),
        };
        // Whoever asks for it next shall find it.
        let nothing = Some(UtcMicros(i64::MIN));
        let folded = self.drones.command(id, nothing, FOLD_WAIT).await;
        Ok(folded.ok().flatten().unwrap_or_else(|| CommandView {
            entry: fresh(intent, offset),
            drone,
            needs_confirmation,
        }))
    }

    fn intent(&self, principal: &Principal, wish: &Wish) -> Result<Intent, Problem> {
        let kind = wish.command.kind();
        if wish.emergency && !kind.may_be_emergency() {
            let detail = "only hold, return, land and terminate may be an emergency";
            return Err(Problem::new(ErrorCode::Invalid, detail).at("emergency"));
        }
        let always_dangerous = matches!(wish.command, Command::Terminate {});
        if wish.emergency && always_dangerous && wish.confirm != Some(wish.command.digest()) {
            let detail = format!(
                "an emergency of this kind is given in two steps: send it again with the digest \
                 {:016x}",
                wish.command.digest()
            );
            return Err(Problem::new(ErrorCode::Conflict, detail).at("confirm"));
        }
        let shard = self.drones.shard_of(&wish.drone);
        Ok(Intent {
            id: CommandId::of(shard, &principal.subject, &wish.drone, &wish.key),
            command: wish.command.clone(),
            principal: principal.subject.clone(),
            received: clock::utc_now(),
            time_to_live: wish.time_to_live,
            emergency: wish.emergency,
            group: wish.group,
        })
    }

    async fn needs_confirmation(&self, drone: &DroneId, command: &Command) -> bool {
        let nothing = LiveState::default();
        let now = clock::utc_now();
        // Whoever is not dangerous for a drone of which nothing is known never is.
        if !is_dangerous(command, &nothing, now) {
            return false;
        }
        match self.drones.live(drone).await {
            Ok(Some(view)) => is_dangerous(command, &view.live, now),
            Ok(None) | Err(_) => true,
        }
    }

    async fn append(
        &self,
        drone: &DroneId,
        record: CommandRecord,
        emergency: bool,
    ) -> Result<Offset, Unwritten> {
        let wait = if emergency {
            self.config.emergency_after_ms
        } else {
            self.config.append_timeout_ms
        };
        let shard = self.drones.shard_of(drone);
        let pending = self.log.append(journal_append(drone, shard, record));
        match tokio::time::timeout(Duration::from_millis(wait), pending).await {
            Ok(Ok(appended)) => Ok(appended.offset),
            Ok(Err(AppendError::Refused { reason, .. })) => Err(Unwritten::Refused(reason)),
            Ok(Err(AppendError::Unknown { reason, .. })) => Err(Unwritten::Unknown(reason)),
            Err(_) => Err(Unwritten::Unknown("no answer in time".to_owned())),
        }
    }

    /// A command with its drone.
    async fn known(&self, id: CommandId) -> Result<CommandView, Problem> {
        let view = self.drones.command(id, None, Duration::ZERO).await;
        view.map_err(|error| unavailable(&error))?
            .or_else(|| self.emergencies.view(id))
            .ok_or_else(no_command)
    }

    /// What a drone says; what went past the log is not in any ledger.
    ///
    /// # Errors
    /// It is not durable; the drone may say it again.
    pub async fn answered(
        &self,
        drone: &DroneId,
        id: CommandId,
        answer: Answer,
    ) -> Result<(), Unavailable> {
        if self.emergencies.answered(id, &answer) {
            return Ok(());
        }
        self.drones.command_answered(drone, id, answer).await
    }
}

/// A journal record of a gateway about a command.
fn journal_append(drone: &DroneId, shard: ShardId, record: CommandRecord) -> Append {
    let kind = JournalKind::Command {
        drone: drone.clone(),
        record: Box::new(record),
    };
    intent_append(drone, shard, kind)
}

/// A journal record of a gateway.
pub(super) fn intent_append(drone: &DroneId, shard: ShardId, kind: JournalKind) -> Append {
    let entry = JournalEntry {
        epoch: None,
        at: clock::utc_now(),
        cause: Cause::default(),
        kind,
    };
    Append {
        topic: Topic::Journal,
        partition: shard.into(),
        key: Bytes::copy_from_slice(drone.as_str().as_bytes()),
        payload: aerostream_log::encode(&v1::JournalRecord::from(entry)),
    }
}

/// The command as it is in the journal, before its owner folded it.
fn fresh(intent: Intent, offset: Offset) -> Entry {
    let at = intent.received;
    let standing = Standing {
        offset,
        at,
        epoch: None,
        boot: None,
    };
    Entry::new(intent, standing)
}

fn check_key(key: &str) -> Result<(), Problem> {
    let printable = key.bytes().all(|byte| (b'!'..=b'~').contains(&byte));
    if printable && (1..=KEY_BYTES_MAX).contains(&key.len()) {
        return Ok(());
    }
    let detail = format!("must be 1 to {KEY_BYTES_MAX} printable ASCII characters without spaces");
    Err(Problem::new(ErrorCode::Invalid, detail).at("idempotency-key"))
}

fn not_durable(id: CommandId, unwritten: Unwritten) -> Problem {
    match unwritten {
        Unwritten::Refused(reason) => {
            let detail = format!("the event log is not taking commands: {reason}");
            Problem::new(ErrorCode::Unavailable, detail).retry_after(RETRY_AFTER)
        }
        Unwritten::Unknown(reason) => {
            let detail = format!(
                "whether command {id} was taken is unknown: {reason}; ask for it, or send the same \
                 again under the same key"
            );
            Problem::new(ErrorCode::DeadlinePassed, detail).at(format!("commands.{id}"))
        }
    }
}

/// What is told of a command that is not there, or not for the caller to see.
fn no_command() -> Problem {
    Problem::new(ErrorCode::NotFound, "there is no such command").at("command_id")
}

/// How long an answer waits for the owner to have folded the wish.
const FOLD_WAIT: Duration = Duration::from_millis(500);
