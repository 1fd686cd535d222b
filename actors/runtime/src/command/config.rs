//! Times of the links that commands go over.

use std::time::Duration;

use aerostream_domain::command::Profile;
use serde::{Deserialize, Serialize};

/// Times of the links that commands go over.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CommandConfig {
    /// First wait for a drone's answer before a command goes out again, milliseconds; doubles.
    /// Default 1500.
    pub retry_after_ms: u64,
    /// Times that a command goes out at most. Default 5.
    pub attempts_max: u32,
    /// A drone that was not heard for so long is sent nothing, milliseconds. Default 1500.
    pub uplink_age_max_ms: u64,
    /// How long an answer may be under way behind the end of validity, milliseconds. Default 3000.
    pub answer_max_ms: u64,
    /// How long a drone may be silent about a command that it is doing, seconds. Default 30.
    pub progress_max_s: u64,
    /// How long a confirmation of a dangerous command holds, seconds. Default 60.
    pub confirmed_for_s: u64,
    /// Callers that may wait for the commands of one drone; one more is answered at once.
    /// Default 64.
    pub waiters_max: usize,
}

impl Default for CommandConfig {
    fn default() -> Self {
        Self {
            retry_after_ms: 1_500,
            attempts_max: 5,
            uplink_age_max_ms: 1_500,
            answer_max_ms: 3_000,
            progress_max_s: 30,
            confirmed_for_s: 60,
            waiters_max: 64,
        }
    }
}

impl CommandConfig {
    /// The domain's part.
    #[must_use]
    pub fn profile(&self) -> Profile {
        Profile {
            retry_after: Duration::from_millis(self.retry_after_ms),
            attempts_max: self.attempts_max,
            uplink_age_max: Duration::from_millis(self.uplink_age_max_ms),
            answer_max: Duration::from_millis(self.answer_max_ms),
            progress_max: Duration::from_secs(self.progress_max_s),
            confirmed_for: Duration::from_secs(self.confirmed_for_s),
        }
    }
}
