//! Permits in front of the mailboxes, which have no limit of their own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::Config;
use crate::handle::Unavailable;
use crate::metrics;

/// How many batches may be unanswered in the node.
#[derive(Debug, Clone)]
pub(crate) struct Admission {
    permits: Arc<Semaphore>,
    limit: usize,
    retry_after: Duration,
    closed: Arc<AtomicBool>,
}

impl Admission {
    pub fn new(config: &Config) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(config.batches_in_flight_max)),
            limit: config.batches_in_flight_max,
            retry_after: config.retry_after(),
            closed: Arc::new(AtomicBool::new(false)),
        }
    }

    /// A permit for one batch, or why there is none.
    pub fn admit(&self) -> Result<OwnedSemaphorePermit, Unavailable> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Unavailable::NotOwner {
                reason: "the node is stopping".to_owned(),
            });
        }
        Arc::clone(&self.permits).try_acquire_owned().map_err(|_| {
            metrics::admission_refused();
            Unavailable::Overloaded {
                what: "unanswered batches of the node",
                limit: self.limit,
                retry_after: self.retry_after,
            }
        })
    }

    /// Takes nothing new from now on.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// Resolves when every admitted batch is answered.
    pub async fn idle(&self) {
        let all = u32::try_from(self.limit).unwrap_or(u32::MAX);
        drop(self.permits.acquire_many(all).await);
    }
}
