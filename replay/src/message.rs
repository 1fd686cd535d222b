//! A message of a recording, whatever its format.

use std::sync::Arc;

/// A value exactly as the recording has it.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Integer(i64),
    Unsigned(u64),
    Float(f32),
    Double(f64),
    Flag(bool),
    Text(String),
    /// Numbers of one kind.
    List(Vec<Value>),
}

impl Value {
    /// As a number; `None` for texts and lists.
    #[must_use]
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Integer(value) => Some(*value as f64),
            Self::Unsigned(value) => Some(*value as f64),
            Self::Float(value) => Some(f64::from(*value)),
            Self::Double(value) => Some(*value),
            Self::Flag(value) => Some(f64::from(u8::from(*value))),
            Self::Text(_) | Self::List(_) => None,
        }
    }

    /// As a whole number; `None` for everything else.
    #[must_use]
    pub fn integer(&self) -> Option<i64> {
        match self {
            Self::Integer(value) => Some(*value),
            Self::Unsigned(value) => i64::try_from(*value).ok(),
            Self::Flag(value) => Some(i64::from(*value)),
            _ => None,
        }
    }
}

/// Which system of the recording sent a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sender {
    /// The one vehicle of a log that it wrote itself.
    Vehicle,
    /// A MAVLink system and component.
    System(u32, u8),
}

/// Whose names and units the fields have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vocabulary {
    Mavlink,
    Px4,
}

/// A message of a recording.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Where its bytes begin.
    pub offset: u64,
    pub sender: Sender,
    /// The recording's own clock, microseconds: UTC, or since the recorder was switched on.
    pub stamp_us: i64,
    /// The sender's boot clock, microseconds, if the message tells it.
    pub since_boot_us: Option<u64>,
    pub name: Arc<str>,
    pub vocabulary: Vocabulary,
    /// Which of several instances, from 0.
    pub instance: u8,
    pub fields: Vec<(Arc<str>, Value)>,
    /// Its bytes, if it was not understood in full.
    pub raw: Option<Vec<u8>>,
}

impl Message {
    /// A field by its name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Value> {
        let found = self.fields.iter().find(|(known, _)| &**known == name);
        found.map(|(_, value)| value)
    }
}

/// A part of a recording that holds no message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Where it begins.
    pub offset: u64,
    pub bytes: u64,
    pub reason: Reason,
}

/// Why a part holds no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// The recording ends inside a message.
    CutOff,
    /// A message whose checksum is wrong.
    Checksum,
    /// Bytes where a message should begin.
    Garbage,
    /// A message that is shorter than its description, or belongs to none.
    Malformed,
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::CutOff => "ends inside a message",
            Self::Checksum => "a message with a wrong checksum",
            Self::Garbage => "bytes that are no message",
            Self::Malformed => "a message that does not fit its description",
        })
    }
}

/// What a reader finds.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    Message(Message),
    Damage(Damage),
    /// A message that no one may see again, such as the key of a signature.
    Withheld,
}
