//! Why a node cannot own shards.

use aerostream_domain::{Epoch, ShardId};
use aerostream_log::{AppendError, DecodeError, LogError};

/// Why a node cannot take or keep its shards.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The log was created for another number of shards.
    #[error(
        "the cluster was created with {created} shards and hash version {hash_version}; this node \
         is configured for {configured} shards and hash version 1"
    )]
    OtherShape {
        created: u32,
        hash_version: u32,
        configured: u16,
    },
    /// A live node of another name owns a shard.
    #[error(
        "shard {shard} is owned by node {owner} at epoch {epoch}; stop that node, or start this \
         one under the name {owner} to replace it"
    )]
    OwnedByOther {
        shard: ShardId,
        owner: String,
        epoch: Epoch,
    },
    /// The control log could not be read.
    #[error("could not read the control log")]
    Read(#[source] LogError),
    /// A claim could not be written.
    #[error("could not write to the control log while {doing}")]
    Append {
        doing: &'static str,
        #[source]
        source: AppendError,
    },
    /// A control record could not be decoded; nothing behind it can be trusted.
    #[error("control record at offset {offset} is not readable by this build")]
    Decode {
        offset: u64,
        #[source]
        source: DecodeError,
    },
    /// Rules are in force that this build does not know.
    #[error(
        "the control log is folded by rules {rules} from offset {offset} on, and this build knows \
         rules up to {known}"
    )]
    RulesUnknown { offset: u64, rules: u32, known: u32 },
    /// The log is not the one that was folded before.
    #[error(
        "the control log gave offset {offset} where {expected} had to come: it was replaced or \
         restored; raise its generation, then start this node again"
    )]
    Regressed { offset: u64, expected: u64 },
    /// The cluster's rules need what this node does not do.
    #[error(
        "node {node} was not admitted: the cluster runs by rules {rules}, and this node joins for \
         rules {known}"
    )]
    NotAdmitted {
        node: String,
        rules: u32,
        known: u32,
    },
    /// Records were dropped that no checkpoint holds.
    #[error(
        "the control log's records below offset {start} are gone and no checkpoint holds them; \
         restore topic `cluster`"
    )]
    Gone { start: u64 },
    /// The record just written did not come back.
    #[error("the control log did not give back what was written within {seconds} s")]
    ReadBack { seconds: u64 },
}
