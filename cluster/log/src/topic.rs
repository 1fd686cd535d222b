//! The topics of the event log and how many partitions each has.

use std::fmt;

use aerostream_domain::{ShardCount, ShardId};

/// One ordered sequence of records within a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Partition(pub u16);

impl From<ShardId> for Partition {
    fn from(shard: ShardId) -> Self {
        Self(shard.0)
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A named stream of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Topic {
    /// What drones sent, written by owners.
    Telemetry,
    /// Intents, claims, transitions and boots, written by gateways and owners.
    Journal,
    /// Snapshots and shard marks, compacted by key.
    State,
    /// Who is alive and who owns what.
    Cluster,
    /// Fleets, drones, rules, revocations.
    Registry,
    /// What was refused for its content.
    DeadLetters,
}

/// Partitions of [`Topic::DeadLetters`].
pub const DEAD_LETTER_PARTITIONS: u16 = 4;

impl Topic {
    /// Every topic.
    pub const ALL: [Self; 6] = [
        Self::Telemetry,
        Self::Journal,
        Self::State,
        Self::Cluster,
        Self::Registry,
        Self::DeadLetters,
    ];

    /// Name behind the deployment's prefix (`aerostream.` unless configured).
    #[must_use]
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Telemetry => "telemetry",
            Self::Journal => "journal",
            Self::State => "state",
            Self::Cluster => "cluster",
            Self::Registry => "registry",
            Self::DeadLetters => "dlq",
        }
    }

    /// How many partitions it has.
    #[must_use]
    pub const fn partitions(self, shards: ShardCount) -> u16 {
        match self {
            Self::Telemetry | Self::Journal | Self::State => shards.get(),
            Self::Cluster | Self::Registry => 1,
            Self::DeadLetters => DEAD_LETTER_PARTITIONS,
        }
    }

    /// True when only the newest record of a key has to be kept.
    #[must_use]
    pub const fn is_compacted(self) -> bool {
        matches!(self, Self::State)
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.suffix())
    }
}
