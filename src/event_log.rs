//! The adapters of the event-log port: the embedded log of one machine, and Kafka.

pub mod embedded;
pub mod kafka;
pub mod metrics;

use std::time::Duration;

use aerostream_log::Topic;
use serde::{Deserialize, Serialize};

/// Settings of both adapters; the command line chooses one.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The embedded log of one machine.
    pub embedded: embedded::Config,
    /// Apache Kafka.
    pub kafka: kafka::Config,
}

const HOUR: Duration = Duration::from_secs(3600);

/// How long records are kept. The state topic keeps the newest record of each key for ever; the
/// cluster and registry topics keep everything that no checkpoint has replaced.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    /// Telemetry, in hours; 168 (7 days) unless set.
    pub telemetry_hours: u32,
    /// Journal, in hours; 720 (30 days) unless set.
    pub journal_hours: u32,
    /// Dead letters, in hours; 720 (30 days) unless set.
    pub dead_letters_hours: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            telemetry_hours: 7 * 24,
            journal_hours: 30 * 24,
            dead_letters_hours: 30 * 24,
        }
    }
}

impl Retention {
    /// How long a topic's records are kept; `None` if age alone never drops one.
    #[must_use]
    pub fn of(&self, topic: Topic) -> Option<Duration> {
        match topic {
            Topic::Telemetry => Some(HOUR * self.telemetry_hours),
            Topic::Journal => Some(HOUR * self.journal_hours),
            Topic::DeadLetters => Some(HOUR * self.dead_letters_hours),
            Topic::State | Topic::Cluster | Topic::Registry => None,
        }
    }
}
