//! What names an alert and what it is about.

use std::fmt;

use xxhash_rust::xxh3::xxh3_128;

use crate::ids::{BootId, DroneId, FenceId, RuleId, Seq};

/// Which of several like parts of a drone, or which fence, an alert is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Instance {
    /// The drone as a whole.
    Drone,
    /// One battery pack.
    Battery(u8),
    /// One satellite receiver.
    Gnss(u8),
    /// One fence.
    Fence(FenceId),
}

impl Instance {
    /// Reads the text form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, which) = text.split_once(':').unwrap_or((text, ""));
        match kind {
            "" if which.is_empty() => Some(Self::Drone),
            "battery" => which.parse().ok().map(Self::Battery),
            "gnss" => which.parse().ok().map(Self::Gnss),
            "fence" => FenceId::parse(which).ok().map(Self::Fence),
            _ => None,
        }
    }
}

impl fmt::Display for Instance {
    /// Empty for the drone; `battery:0`, `gnss:1`, `fence:airport`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Drone => Ok(()),
            Self::Battery(id) => write!(f, "battery:{id}"),
            Self::Gnss(id) => write!(f, "gnss:{id}"),
            Self::Fence(id) => write!(f, "fence:{id}"),
        }
    }
}

/// `hash(drone, rule, instance, raising sample)`: whoever judges the same samples by the same rule
/// gives the same alert the same id. As text: 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AlertId(pub u128);

/// A text that is not the id of an alert.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the id of an alert is 32 hexadecimal digits; this is {found:?}")]
pub struct AlertIdError {
    pub found: String,
}

impl AlertId {
    /// The alert that a sample raises; of silence, the last sample seen.
    #[must_use]
    pub fn of(drone: &DroneId, rule: &RuleId, instance: &Instance, raised: (BootId, Seq)) -> Self {
        let mut bytes = Vec::with_capacity(128);
        let instance = instance.to_string();
        for part in [drone.as_str(), rule.as_str(), &instance] {
            // A length before each part, so that no two triples run together.
            bytes.extend((part.len() as u64).to_le_bytes());
            bytes.extend(part.as_bytes());
        }
        bytes.extend(raised.0.0.to_le_bytes());
        bytes.extend(raised.1.0.to_le_bytes());
        Self(xxh3_128(&bytes))
    }

    /// Reads the text form.
    ///
    /// # Errors
    /// It is not one.
    pub fn parse(text: &str) -> Result<Self, AlertIdError> {
        let is_hexadecimal = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        match u128::from_str_radix(text, 16) {
            Ok(id) if is_hexadecimal => Ok(Self(id)),
            _ => Err(AlertIdError {
                found: text.chars().take(64).collect(),
            }),
        }
    }
}

impl fmt::Display for AlertId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for AlertId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AlertId({self})")
    }
}
