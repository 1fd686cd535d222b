//! What was refused for its content, kept durably before anybody is told that it was refused.

pub mod find;
pub mod replay;

use std::sync::Arc;
use std::time::Duration;

use aerostream_domain::{DroneId, UtcMicros};
use aerostream_log::topic::DEAD_LETTER_PARTITIONS;
use aerostream_log::{Append, EventLog, Partition, Topic};
use aerostream_proto::v1;
pub use aerostream_proto::v1::DeadLetterContent as Content;
use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64;

use super::auth::Caller;
use super::{limit, metrics};
use crate::clock;
use crate::error::{ErrorCode, Problem};

/// Bytes of the refused thing that a letter keeps; the rest is cut off.
pub const RAW_BYTES_MAX: usize = 64 * 1024;

/// How the refused bytes are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    Json,
    Protobuf,
}

impl Encoding {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Protobuf => "protobuf",
        }
    }
}

/// One thing that was refused.
#[derive(Debug, Clone)]
pub struct Letter {
    /// `None` when the drone could not be told.
    pub drone: Option<DroneId>,
    pub boot: Option<u64>,
    pub seq: Option<u64>,
    /// Stable name of the reason.
    pub code: String,
    /// Path of the field inside the refused thing.
    pub field: String,
    pub detail: String,
    pub raw: Bytes,
    pub encoding: Encoding,
    pub content: Content,
}

/// Writes dead letters.
#[derive(Clone)]
pub struct DeadLetters {
    log: Arc<dyn EventLog>,
}

impl std::fmt::Debug for DeadLetters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeadLetters").finish_non_exhaustive()
    }
}

impl DeadLetters {
    /// Writes to this log.
    #[must_use]
    pub fn new(log: Arc<dyn EventLog>) -> Self {
        Self { log }
    }

    /// Keeps letters of one caller; returns when all are durable.
    ///
    /// # Errors
    /// The caller's quota is used up, or the log did not take a letter: nothing may be called
    /// refused then, and the sender is to try again.
    pub async fn keep(
        &self,
        caller: &Caller,
        at: UtcMicros,
        letters: Vec<Letter>,
    ) -> Result<(), Problem> {
        if letters.is_empty() {
            return Ok(());
        }
        let count = letters.len();
        let taken = caller.usage.take_letters(count, clock::monotonic_now());
        taken.inspect_err(|_| metrics::dead_letters_over_quota(count))?;
        let appends = letters.into_iter().map(|letter| {
            let partition = partition_of(letter.drone.as_ref());
            self.log.append(Append {
                topic: Topic::DeadLetters,
                partition,
                key: key_of(letter.drone.as_ref()),
                payload: aerostream_log::encode(&to_wire(letter, &caller.principal.subject, at)),
            })
        });
        let appended = futures::future::join_all(appends).await;
        if let Some(error) = appended.into_iter().find_map(Result::err) {
            let detail = format!("what is refused cannot be kept now: {error}");
            return Err(Problem::new(ErrorCode::Unavailable, detail)
                .retry_after(limit::RETRY_AFTER.max(Duration::from_secs(1))));
        }
        metrics::dead_letters_written(count);
        Ok(())
    }
}

fn key_of(drone: Option<&DroneId>) -> Bytes {
    drone.map_or_else(Bytes::new, |drone| {
        Bytes::copy_from_slice(drone.as_str().as_bytes())
    })
}

fn partition_of(drone: Option<&DroneId>) -> Partition {
    let hash = xxh3_64(drone.map_or("", DroneId::as_str).as_bytes());
    Partition((hash % u64::from(DEAD_LETTER_PARTITIONS)) as u16)
}

fn to_wire(letter: Letter, principal: &str, at: UtcMicros) -> v1::DeadLetter {
    let mut raw = letter.raw;
    raw.truncate(RAW_BYTES_MAX);
    v1::DeadLetter {
        at_us: at.0,
        principal: principal.to_owned(),
        drone_id: letter.drone.map_or_else(String::new, |id| id.to_string()),
        boot: letter.boot,
        seq: letter.seq,
        code: letter.code,
        field: letter.field,
        detail: letter.detail,
        raw,
        encoding: letter.encoding.as_str().to_owned(),
        content: letter.content.into(),
    }
}
