//! Limits and periods of the actors.

use std::time::Duration;

use aerostream_domain::Limits;
use serde::{Deserialize, Serialize};

use crate::command::CommandConfig;

/// Limits and periods of the actors of one node.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Batches that may be unanswered in the whole node. Default 20000.
    pub batches_in_flight_max: usize,
    /// Batches of one drone that may be unanswered. Default 64.
    pub batches_per_drone_max: usize,
    /// What a refused sender is told to wait, milliseconds. Default 250.
    pub retry_after_ms: u64,
    /// A drone without a message for so long becomes passive, seconds. Default 600.
    pub idle_after_s: u64,
    /// How often changed drones are written to the state topic, milliseconds. Default 5000.
    pub snapshot_every_ms: u64,
    /// Drones of one shard that are asked for their snapshot at once. Default 1000.
    pub snapshots_at_once_max: usize,
    /// First wait before a failed actor starts again, milliseconds; doubles. Default 100.
    pub restart_backoff_min_ms: u64,
    /// Longest wait before a failed actor starts again, milliseconds. Default 10000.
    pub restart_backoff_max_ms: u64,
    /// Restarts of one actor within the window below; one more and it rests for the longest wait.
    /// Default 5.
    pub restarts_max: usize,
    /// Window of the restart limit, seconds. Default 60.
    pub restart_window_s: u64,
    /// Subscriptions to feeds in the whole node. Default 20000.
    pub feed_subscribers_max: usize,
    /// Subscriptions to the feed of one drone. Default 5000.
    pub feed_drone_subscribers_max: usize,
    /// Frames that a subscriber may be behind; one more and it gets the newest state instead.
    /// Default 16.
    pub feed_frames_max: usize,
    /// Alerts that a listener to all alerts may be behind; one more and it is closed with its
    /// cursor. Default 4096.
    pub alert_news_max: usize,
    /// How long an append may take until those who watch the drone are shown its record as not
    /// recorded, milliseconds. Default 500.
    pub feed_unrecorded_after_ms: u64,
    /// Sequence numbers remembered per boot. Default 512.
    pub window: usize,
    /// Boots of a drone whose window is kept. Default 3.
    pub windows_max: usize,
    /// Boots of a drone whose power-up time is kept. Default 256.
    pub boots_max: usize,
    /// How far ahead of receipt a sample may be, seconds. Default 300.
    pub future_max_s: u64,
    /// How old a sample may be at receipt, days. Default 30.
    pub retention_days: u64,
    /// The links that commands go over.
    pub commands: CommandConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            batches_in_flight_max: 20_000,
            batches_per_drone_max: 64,
            retry_after_ms: 250,
            idle_after_s: 600,
            snapshot_every_ms: 5_000,
            snapshots_at_once_max: 1_000,
            restart_backoff_min_ms: 100,
            restart_backoff_max_ms: 10_000,
            restarts_max: 5,
            restart_window_s: 60,
            feed_subscribers_max: 20_000,
            feed_drone_subscribers_max: 5_000,
            feed_frames_max: 16,
            alert_news_max: 4096,
            feed_unrecorded_after_ms: 500,
            window: 512,
            windows_max: 3,
            boots_max: 256,
            future_max_s: 300,
            retention_days: 30,
            commands: CommandConfig::default(),
        }
    }
}

impl Config {
    /// The domain's part.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits {
            window: self.window,
            windows_max: self.windows_max,
            boots_max: self.boots_max,
            future_max: Duration::from_secs(self.future_max_s),
            retention: Duration::from_secs(self.retention_days * 86_400),
        }
    }

    pub(crate) fn retry_after(&self) -> Duration {
        Duration::from_millis(self.retry_after_ms)
    }

    pub(crate) fn idle_after(&self) -> Duration {
        Duration::from_secs(self.idle_after_s)
    }

    pub(crate) fn feed_unrecorded_after(&self) -> Duration {
        Duration::from_millis(self.feed_unrecorded_after_ms)
    }

    pub(crate) fn snapshot_every(&self) -> Duration {
        Duration::from_millis(self.snapshot_every_ms)
    }
}
