//! Telling the embedded log what may be dropped: what the worker stored and the snapshots cover.

use std::sync::Arc;
use std::time::Duration;

use aerostream_actors::Handle;
use aerostream_actors::task::{TaskKind, spawn};
use aerostream_domain::Offset;
use aerostream_log::{Partition, Topic};
use tokio::sync::watch;

use crate::event_log::embedded::{EmbeddedLog, FloorHolder};
use crate::registry::Registry;
use crate::webhook::Floors;
use crate::worker::Status;

const EVERY: Duration = Duration::from_secs(5);

/// Keeps the log's floors up to date for the life of the process.
pub fn keep(
    log: Arc<EmbeddedLog>,
    (handle, registry): (Handle, Registry),
    (worker, webhooks): (Option<watch::Receiver<Status>>, Option<Floors>),
) {
    spawn(TaskKind::Service, "retention floors", async move {
        let mut ticks = tokio::time::interval(EVERY);
        loop {
            ticks.tick().await;
            raise_owner(&log, &handle).await;
            raise_registry(&log, &registry);
            if let Some(worker) = &worker {
                raise_worker(&log, &worker.borrow(), webhooks.as_ref());
            }
        }
    });
}

async fn raise_owner(log: &EmbeddedLog, handle: &Handle) {
    // A shard that is being restarted moves no floor; the next tick asks again.
    let Ok(shards) = handle.status().await else {
        return;
    };
    for shard in shards {
        if let Some((telemetry, journal)) = shard.mark {
            let partition = Partition::from(shard.shard);
            log.set_retention_floor(FloorHolder::Owner, Topic::Telemetry, partition, telemetry);
            log.set_retention_floor(FloorHolder::Owner, Topic::Journal, partition, journal);
        }
    }
}

/// What is below a checkpoint of the control log is in it.
pub fn raise_cluster(log: &EmbeddedLog, checkpoint: Option<Offset>) {
    if let Some(offset) = checkpoint {
        let holder = FloorHolder::Checkpoint;
        log.set_retention_floor(holder, Topic::Cluster, Partition(0), offset);
    }
}

/// What is below the newest checkpoint is in it.
fn raise_registry(log: &EmbeddedLog, registry: &Registry) {
    if let Some(offset) = registry.position().borrow().checkpoint {
        let holder = FloorHolder::Checkpoint;
        log.set_retention_floor(holder, Topic::Registry, Partition(0), offset);
    }
}

/// What is stored may be dropped once the webhooks do not need it either.
fn raise_worker(log: &EmbeddedLog, status: &Status, webhooks: Option<&Floors>) {
    for topic in [Topic::Telemetry, Topic::Journal, Topic::Registry] {
        for (partition, progress) in status.partitions.get(topic.suffix()).into_iter().flatten() {
            let stored = Offset(progress.next);
            let needed = match webhooks {
                Some(webhooks) if topic == Topic::Journal => webhooks.journal(*partition),
                _ => Some(stored),
            };
            if let Some(needed) = needed {
                let (partition, next) = (Partition(*partition), stored.min(needed));
                log.set_retention_floor(FloorHolder::Worker, topic, partition, next);
            }
        }
    }
}
