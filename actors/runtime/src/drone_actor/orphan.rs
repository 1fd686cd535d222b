//! A record that outlives its actor.

use std::sync::Arc;

use aerostream_domain::TelemetryRecord;
use aerostream_log::{AppendError, Appended};
use ractor::ActorRef;

use crate::message::{MarkToken, ShardMsg};

/// A record whose actor may be gone when it becomes durable.
pub(super) struct Orphan {
    pub shard: ActorRef<ShardMsg>,
    pub record: Arc<TelemetryRecord>,
    pub token: MarkToken,
}

impl Orphan {
    /// Leaves the end of the append to the shard; a shard that is gone is restored from the log.
    pub fn leave(self, result: Result<Appended, AppendError>) {
        let Self {
            shard,
            record,
            token,
        } = self;
        let offset = result.ok().map(|appended| appended.offset);
        let _ = shard.cast(ShardMsg::Orphaned {
            offset,
            record,
            token,
        });
    }
}
