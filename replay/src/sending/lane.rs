//! The samples of one drone on their way: in order, one batch at a time.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use aerostream_domain::{BootId, DroneId};
use aerostream_proto::v1;
use tokio::time::Instant;

use crate::run::reading::Prepared;

/// First and longest wait before a batch is sent again.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(3));
/// Bytes of a batch, about.
const BATCH_BYTES_MAX: usize = 1 << 20;
/// How long a sample waits for its batch to fill.
const LINGER: Duration = Duration::from_millis(200);

/// A batch that is kept until it is answered.
#[derive(Debug, Clone)]
pub struct Batch {
    pub drone: DroneId,
    pub boot: BootId,
    /// One per sample.
    pub kinds: Vec<Arc<str>>,
    pub hashes: Vec<u64>,
    pub wire: v1::Batch,
}

/// The samples of one drone.
#[derive(Debug, Default)]
pub struct Lane {
    waiting: VecDeque<(Instant, Prepared)>,
    /// Not taken yet, though sent.
    again: Option<Batch>,
    pub in_flight: bool,
    not_before: Option<Instant>,
    failures: u32,
}

impl Lane {
    pub fn push(&mut self, now: Instant, prepared: Prepared) {
        self.waiting.push_back((now, prepared));
    }

    /// Samples that wait, and those of the batch that is on its way.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.again.is_none() && !self.in_flight
    }

    /// When there may be something to send; `None` if that depends on others.
    pub fn due(&self, batch: usize, hurry: bool) -> Option<Instant> {
        if self.in_flight {
            return None;
        }
        let (since, _) = match (&self.again, self.waiting.front()) {
            (Some(_), _) => return self.not_before,
            (None, front) => front?,
        };
        let fills = hurry || self.waiting.len() >= batch;
        let at = if fills { *since } else { *since + LINGER };
        Some(self.not_before.map_or(at, |not_before| at.max(not_before)))
    }

    /// The batch to send now.
    pub fn take(&mut self, batch_max: usize) -> Option<Batch> {
        if let Some(again) = self.again.take() {
            self.in_flight = true;
            return Some(again);
        }
        let (_, first) = self.waiting.front()?;
        let (drone, boot) = (first.drone.clone(), first.boot);
        let mut batch = Batch {
            wire: v1::Batch {
                batch_id: 1,
                drone_id: drone.to_string(),
                boot: Some(boot.0),
                ..v1::Batch::default()
            },
            drone,
            boot,
            kinds: Vec::new(),
            hashes: Vec::new(),
        };
        let mut bytes = 0;
        while let Some((since, next)) = self.waiting.pop_front() {
            bytes += prost::Message::encoded_len(&next.wire);
            let full = batch.kinds.len() >= batch_max
                || (bytes > BATCH_BYTES_MAX && !batch.kinds.is_empty());
            if next.boot != boot || full {
                self.waiting.push_front((since, next));
                break;
            }
            batch.kinds.push(next.kind);
            batch.hashes.push(next.content_hash);
            batch.wire.samples.push(next.wire);
        }
        self.in_flight = true;
        Some(batch)
    }

    /// The batch on its way is over.
    pub fn answered(&mut self) {
        self.in_flight = false;
        self.failures = 0;
        self.not_before = None;
    }

    /// The batch on its way was not taken.
    pub fn put_back(&mut self, now: Instant, batch: Batch, after: Duration) {
        let doubled = BACKOFF.0 * 2_u32.pow(self.failures.min(8));
        self.failures += 1;
        self.not_before = Some(now + after.max(doubled.min(BACKOFF.1)));
        self.again = Some(batch);
        self.in_flight = false;
    }
}
