//! A drone whose actor failed rests, and is read back from the log.

use std::sync::Arc;

use aerostream_domain::{Drone, DroneId, Offset};
use ractor::{ActorProcessingErr, ActorRef};
use tokio::time::Instant;

use super::Shard;
use crate::handle::{IngestOutcome, Unavailable};
use crate::message::{DroneMsg, ShardMsg};
use crate::metrics;
use crate::recovery::{Scope, recover};
use crate::slots::Slot;
use crate::task::{TaskKind, spawn};

impl Shard {
    pub(super) fn drone_failed(&mut self, drone: DroneId, error: &str) {
        let Some((slot, place)) = self.slots.take(&drone) else {
            return;
        };
        let queue = match slot {
            Slot::Leaving { queue, .. } => {
                queue.into_iter().filter_map(refuse_while_failed).collect()
            }
            _ => Vec::new(),
        };
        let now = Instant::now();
        let rest = self.slots.failures(&drone).note(now, &self.context.config);
        tracing::error!(
            drone.id = %drone, error, rest.ms = rest.as_millis() as u64,
            "drone actor failed and will be restored from the log"
        );
        metrics::actor_restarted();
        self.slots.insert_failed(drone, place, (now + rest, queue));
    }

    pub(super) fn restore(&self, myself: &ActorRef<ShardMsg>, drone: DroneId) {
        let (context, myself) = (Arc::clone(&self.context), myself.clone());
        spawn(TaskKind::Request, "drone restore", async move {
            let claims = [context.claim];
            let limits = context.config.limits();
            let scope = Scope {
                claims: &claims,
                only: Some(&drone),
                limits,
                rules: &*context.rules,
            };
            let mut below = Offset(0);
            let state = match recover(&*context.log, scope).await {
                Ok(shards) => {
                    let mut shards = shards.into_values();
                    let recovered = shards.next().unwrap_or_default();
                    below = recovered.telemetry_next;
                    let mut drones = recovered.drones;
                    let known = drones.remove(&drone).map(|known| known.drone);
                    Some(known.unwrap_or_else(|| Drone::new(drone.clone(), limits)))
                }
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(drone.id = %drone, error, "could not restore a drone");
                    None
                }
            };
            let _ = myself.cast(ShardMsg::Restored {
                drone,
                state: state.map(Box::new),
                below,
            });
        });
    }

    pub(super) async fn restored(
        &mut self,
        myself: &ActorRef<ShardMsg>,
        drone: DroneId,
        (state, below): (Option<Box<Drone>>, Offset),
    ) -> Result<(), ActorProcessingErr> {
        let Some((Slot::Failed { queue }, place)) = self.slots.take(&drone) else {
            return Ok(());
        };
        let Some(state) = state else {
            let now = Instant::now();
            let rest = self.slots.failures(&drone).note(now, &self.context.config);
            self.slots.insert_failed(drone, place, (now + rest, queue));
            return Ok(());
        };
        self.owed.push(drone.clone());
        self.context.briefs.renew(place, state.live());
        // What the failed actor had under way may be in the log without having been told. Whoever
        // watches hears so before the new actor tells anything.
        self.context.feeds.interrupt(&drone);
        self.start_drone(myself, (*state, below), place, queue)
            .await
    }
}

/// A failed drone's batches and questions are refused; what the log brings waits for it.
pub(super) fn refuse_while_failed(message: DroneMsg) -> Option<DroneMsg> {
    match message {
        DroneMsg::Ingest(ingest) => {
            let reason = "the drone's actor is being restored".to_owned();
            let _ = ingest
                .reply
                .send(IngestOutcome::Retry(Unavailable::NotOwner { reason }));
            None
        }
        DroneMsg::Boot(_)
        | DroneMsg::Reconciled { .. }
        | DroneMsg::Command(_)
        | DroneMsg::Alert(_) => Some(message),
        _ => None,
    }
}
