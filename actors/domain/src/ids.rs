//! Every identifier, one newtype each, so that one cannot stand where another is meant.

use std::fmt;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

/// Longest drone, fleet or node id, in bytes.
pub const ID_BYTES_MAX: usize = 64;

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The text has no character.
    #[error("an id must have 1 to {ID_BYTES_MAX} characters; this one is empty")]
    Empty,
    /// The text is longer than [`ID_BYTES_MAX`].
    #[error("an id must have 1 to {ID_BYTES_MAX} characters; this one has {bytes} bytes")]
    TooLong {
        /// Length of the refused text.
        bytes: usize,
    },
    /// The text has a character that ids may not have.
    #[error(
        "an id may have letters, digits and . _ : - and starts with a letter or digit; \
         character {position} is {found:?}"
    )]
    Character {
        /// Zero-based position of the first bad character.
        position: usize,
        /// That character.
        found: char,
    },
}

fn check_id(text: &str) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty);
    }
    if text.len() > ID_BYTES_MAX {
        return Err(IdError::TooLong { bytes: text.len() });
    }
    for (position, found) in text.chars().enumerate() {
        let legal = found.is_ascii_alphanumeric()
            || (position > 0 && matches!(found, '.' | '_' | ':' | '-'));
        if !legal {
            return Err(IdError::Character { position, found });
        }
    }
    Ok(())
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks the text and takes it as an id.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                check_id(text)?;
                Ok(Self(Arc::from(text)))
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }
    };
}

text_id! {
    /// A drone: 1 to 64 of `A-Z a-z 0-9 . _ : -`, starting with a letter or digit.
    DroneId
}
text_id! {
    /// A fleet: the unit of access rights and enrolment. Same characters as [`DroneId`].
    FleetId
}
text_id! {
    /// A process that hosts actors. Same characters as [`DroneId`].
    NodeId
}

text_id! {
    /// A rule within its scope. Same characters as [`DroneId`].
    RuleId
}
text_id! {
    /// A fence of a fleet. Same characters as [`DroneId`].
    FenceId
}

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number_id! {
    /// One power-up of a drone: the 64-bit value that the drone itself gave it.
    BootId(u64)
}
number_id! {
    /// Place of a sample within its boot; grows with each sample, gaps allowed. At most `i64::MAX`.
    Seq(u64)
}
number_id! {
    /// Place of a record in one partition of the event log, counted from 0.
    Offset(u64)
}
number_id! {
    /// A group of drones that one node owns; also the partition of their records.
    ShardId(u16)
}

/// Number of shards, fixed when the cluster is created; 1 to 4096.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardCount(u16);

impl ShardCount {
    /// What a new cluster gets.
    pub const DEFAULT: Self = Self(64);

    /// `None` outside 1 to 4096.
    #[must_use]
    pub fn new(count: u16) -> Option<Self> {
        (1..=4096).contains(&count).then_some(Self(count))
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// Shard of a drone: hash version 1, `xxh3_64(id) mod count`.
    #[must_use]
    pub fn shard_of(self, drone: &DroneId) -> ShardId {
        ShardId((xxh3_64(drone.as_str().as_bytes()) % u64::from(self.0)) as u16)
    }

    /// Every shard, ascending.
    pub fn all(self) -> impl Iterator<Item = ShardId> {
        (0..self.0).map(ShardId)
    }
}

/// Reign of an owner over a shard: later reigns compare greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Epoch {
    /// Raised by an operator after a restore; compared first.
    pub generation: u32,
    /// Offset of the control-log record that made the assignment.
    pub offset: Offset,
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.generation, self.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_say_what_is_wrong_with_them() {
        let check = |text: &str, expected: Result<(), IdError>| {
            assert_eq!(DroneId::parse(text).map(|_| ()), expected, "{text:?}");
        };
        check("alpha-1.2_3:x", Ok(()));
        check("", Err(IdError::Empty));
        check(&"a".repeat(65), Err(IdError::TooLong { bytes: 65 }));
        check(
            "-a",
            Err(IdError::Character {
                position: 0,
                found: '-',
            }),
        );
        check(
            "a/b",
            Err(IdError::Character {
                position: 1,
                found: '/',
            }),
        );
        check(
            "dröne",
            Err(IdError::Character {
                position: 2,
                found: 'ö',
            }),
        );
    }

    #[test]
    fn shards_are_fixed_by_hash_version_1() {
        let drone = DroneId::parse("alpha").expect("a legal id");
        let expected = (xxh3_64(b"alpha") % 64) as u16;
        assert_eq!(ShardCount::DEFAULT.shard_of(&drone), ShardId(expected));
    }

    #[test]
    fn a_raised_generation_beats_any_offset() {
        let old = Epoch {
            generation: 1,
            offset: Offset(900),
        };
        let new = Epoch {
            generation: 2,
            offset: Offset(3),
        };
        assert!(new > old);
    }
}
