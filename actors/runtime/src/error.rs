//! Why the actors of a node cannot run.

use aerostream_domain::ShardId;
use aerostream_log::{AppendError, DecodeError, LogError, Topic};

/// Why the actors of a node cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum ActorsError {
    /// The log could not be read while state was restored or followed.
    #[error("could not read {topic} while {doing}")]
    Read {
        topic: Topic,
        doing: &'static str,
        #[source]
        source: LogError,
    },
    /// A record could not be written while state was restored.
    #[error("could not write {topic} of shard {shard} while {doing}")]
    Append {
        topic: Topic,
        shard: ShardId,
        doing: &'static str,
        #[source]
        source: AppendError,
    },
    /// A record of a newer build stops its partition.
    #[error(
        "{topic} of shard {shard} holds a record at offset {offset} that this build cannot read"
    )]
    Newer {
        topic: Topic,
        shard: ShardId,
        offset: u64,
        #[source]
        source: DecodeError,
    },
    /// An actor did not start.
    #[error("could not start the actor of {what}: {reason}")]
    Spawn { what: String, reason: String },
}
