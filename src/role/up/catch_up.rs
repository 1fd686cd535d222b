//! Waiting at the end until the worker has stored what the log holds.

use std::time::Duration;

use aerostream_log::{EventLog, Partition, Topic};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::worker::Status;

/// How long the actors may take to answer what is under way.
pub const ACTORS_MAX: Duration = Duration::from_secs(10);
/// How long the worker may take; what is left is stored after the next start.
const WORKER_MAX: Duration = Duration::from_secs(15);
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Resolves when everything is stored, or when that takes too long.
pub async fn wait(log: &dyn EventLog, status: &watch::Receiver<Status>) {
    let give_up = Instant::now() + WORKER_MAX;
    while Instant::now() < give_up {
        if all_stored(log, status).await {
            return;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    tracing::warn!("the rest of the event log is stored after the next start");
}

async fn all_stored(log: &dyn EventLog, status: &watch::Receiver<Status>) -> bool {
    let status = status.borrow().clone();
    for topic in [Topic::Telemetry, Topic::Journal, Topic::Registry] {
        let Some(partitions) = status.partitions.get(topic.suffix()) else {
            return false;
        };
        for (partition, progress) in partitions {
            match log.bounds(topic, Partition(*partition)).await {
                Ok(bounds) if progress.next >= bounds.end.0 => {}
                _ => return false,
            }
        }
    }
    true
}
