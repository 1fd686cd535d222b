//! Feeds: what the log takes of a drone, told to whoever watches it.
//!
//! A subscription outlives the drone's actor, since subscribers are kept beside the actors, by
//! drone. A drone that nobody watches costs one look at a counter per record.

mod hub;
mod subscription;
pub(crate) mod teller;

use std::sync::{Arc, OnceLock};

use aerostream_domain::{Epoch, Offset, TelemetryRecord};
use bytes::Bytes;

pub(crate) use hub::Hub;
pub use subscription::Subscription;
pub(crate) use teller::{Teller, appended_or_shown, cursor};

use crate::handle::LiveView;

/// How far a feed is: every record of the drone below these offsets has been told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// Reign of the owner that told it.
    pub epoch: Epoch,
    /// Telemetry offset to go on with.
    pub telemetry: Offset,
    /// Journal offset to go on with.
    pub journal: Offset,
}

/// Some samples of a drone on their way to all its subscribers: one copy, however many these are.
#[derive(Debug)]
pub struct Frame {
    pub record: Arc<TelemetryRecord>,
    /// Where to go on behind this frame; `None` while the record is not known to be durable.
    pub cursor: Option<Cursor>,
    encoded: OnceLock<Bytes>,
}

impl Frame {
    /// A frame that nobody encoded yet.
    #[must_use]
    pub fn new(record: Arc<TelemetryRecord>, cursor: Option<Cursor>) -> Self {
        Self {
            record,
            cursor,
            encoded: OnceLock::new(),
        }
    }

    /// What a door sends for the frame; the first that asks encodes it for all.
    pub fn encoded(&self, encode: impl FnOnce(&Self) -> Bytes) -> Bytes {
        self.encoded.get_or_init(|| encode(self)).clone()
    }
}

/// What a subscriber is told.
#[derive(Debug, Clone)]
pub enum FeedEvent {
    /// Samples of the drone.
    Frame(Arc<Frame>),
    /// This subscriber was too slow: so many events were dropped.
    Lagged(u64),
    /// Records may be missing between what was told and what follows; only a new snapshot and the
    /// log can tell.
    Interrupted,
    /// A record came to light whose place in the log was passed already: it was not told and is
    /// not told later.
    Late,
    /// The shard is not served here any more; nothing follows.
    Fenced,
}

/// What a subscription begins with.
#[derive(Debug, Clone)]
pub struct FeedSnapshot {
    /// `None` before the drone's first record.
    pub view: Option<LiveView>,
    /// Every record of the drone below it is in the view; the others are told as updates.
    pub cursor: Cursor,
}
