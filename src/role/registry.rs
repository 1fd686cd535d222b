//! The part of a role that follows the registry.

use std::sync::Arc;

use aerostream_actors::task::{TaskKind, spawn};
use aerostream_log::EventLog;

use crate::registry::{Registry, RegistryConfig};
use crate::shutdown::Trigger;

/// Follows the registry until the trigger; returns when it is read to its end.
pub async fn start(log: &Arc<dyn EventLog>, config: &RegistryConfig) -> (Registry, Trigger) {
    let (registry, follower) = Registry::start(Arc::clone(log), config.clone());
    let (trigger, stop) = Trigger::new();
    spawn(TaskKind::Service, "registry", async move {
        if let Err(error) = follower.run(stop.begun()).await {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "the registry cannot be followed any more");
        }
    });
    registry.caught_up().await;
    (registry, trigger)
}
