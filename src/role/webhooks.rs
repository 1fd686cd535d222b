//! The part of a role that posts alerts to other services.

use aerostream_actors::task::{TaskKind, spawn};
use anyhow::Context;
use tokio::task::JoinHandle;

use crate::shutdown::Trigger;
use crate::webhook::{Around, Config, Floors, WebhookError, Webhooks};

/// Webhooks that run.
pub struct WebhookTask {
    pub floors: Floors,
    stop: Trigger,
    task: JoinHandle<Option<Result<(), WebhookError>>>,
}

/// Starts them; `None` if nobody is told.
pub fn start(config: &Config, around: Around) -> anyhow::Result<Option<WebhookTask>> {
    if config.targets.is_empty() {
        return Ok(None);
    }
    let webhooks = Webhooks::build(config.clone(), around).context("could not use a webhook")?;
    let (stop, stopped) = Trigger::new();
    Ok(Some(WebhookTask {
        floors: webhooks.floors(),
        stop,
        task: spawn(TaskKind::Service, "webhooks", webhooks.run(stopped)),
    }))
}

/// Resolves with the reason when they have ended by themselves.
pub async fn ended(webhooks: Option<&mut WebhookTask>) -> String {
    let Some(webhooks) = webhooks else {
        return std::future::pending().await;
    };
    match (&mut webhooks.task).await {
        Ok(Some(Err(error))) => format!("{:#}", anyhow::Error::from(error)),
        other => format!("{other:?}"),
    }
}

impl WebhookTask {
    /// Stops them; what was not taken is posted after the next start.
    pub async fn stop(self) {
        self.stop.begin();
        if !self.task.is_finished() {
            // Its end has been said if it was a failure.
            let _ = self.task.await;
        }
    }
}
