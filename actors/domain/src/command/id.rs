//! The id of a command: any door finds its shard with nothing but the id.

use std::fmt;

use xxhash_rust::xxh3::xxh3_128;

use crate::ids::{DroneId, ShardId};

/// `shard ‖ hash(principal, drone, key)`: the same wish of the same operator has the same id,
/// whatever gateway takes it. As text: 4 hexadecimal digits, a dash, 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CommandId {
    /// Shard of the drone.
    pub shard: ShardId,
    /// Hash of who wishes what of whom.
    pub hash: u128,
}

/// A text that is not the id of a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the id of a command is 4 hexadecimal digits, a dash and 32 hexadecimal digits; \
     this is {found:?}"
)]
pub struct CommandIdError {
    pub found: String,
}

impl CommandId {
    /// Bytes of [`CommandId::to_bytes`].
    pub const BYTES: usize = 18;

    /// The id of what a principal wishes of a drone under an idempotency key.
    #[must_use]
    pub fn of(shard: ShardId, principal: &str, drone: &DroneId, key: &str) -> Self {
        let mut bytes = Vec::new();
        for part in [principal, drone.as_str(), key] {
            // A length before each part, so that no two triples run together.
            bytes.extend((part.len() as u64).to_le_bytes());
            bytes.extend(part.as_bytes());
        }
        Self {
            shard,
            hash: xxh3_128(&bytes),
        }
    }

    /// Reads the text form.
    ///
    /// # Errors
    /// It is not one.
    pub fn parse(text: &str) -> Result<Self, CommandIdError> {
        let wrong = || CommandIdError {
            found: text.chars().take(64).collect(),
        };
        let hexadecimal = |part: &str, digits: usize| {
            part.len() == digits && part.bytes().all(|byte| byte.is_ascii_hexdigit())
        };
        let (shard, hash) = text.split_once('-').ok_or_else(wrong)?;
        if !hexadecimal(shard, 4) || !hexadecimal(hash, 32) {
            return Err(wrong());
        }
        Ok(Self {
            shard: ShardId(u16::from_str_radix(shard, 16).map_err(|_| wrong())?),
            hash: u128::from_str_radix(hash, 16).map_err(|_| wrong())?,
        })
    }

    /// The wire form: shard, then hash, big-endian.
    #[must_use]
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..2].copy_from_slice(&self.shard.0.to_be_bytes());
        bytes[2..].copy_from_slice(&self.hash.to_be_bytes());
        bytes
    }

    /// Reads the wire form; `None` if it is not one.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (shard, hash) = bytes.split_at_checked(2)?;
        Some(Self {
            shard: ShardId(u16::from_be_bytes(shard.try_into().ok()?)),
            hash: u128::from_be_bytes(hash.try_into().ok()?),
        })
    }
}

impl fmt::Display for CommandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}-{:032x}", self.shard.0, self.hash)
    }
}

impl fmt::Debug for CommandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CommandId({self})")
    }
}
