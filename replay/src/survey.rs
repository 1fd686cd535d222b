//! What a recording holds: a first reading of all of it, before anything is sent.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use aerostream_domain::UtcMicros;
use xxhash_rust::xxh3::Xxh3;

use crate::error::Error;
use crate::message::{Damage, Reason, Sender, Value};
use crate::recording::{Format, Item, Placed, Recording};

/// Damaged parts that are told one by one.
const TOLD_MAX: usize = 20;
/// Kinds of message that are counted, sender by sender. A hostile recording could name a new one in
/// each message.
const KINDS_MAX: usize = 10_000;

/// How many messages of each name a sender sent.
pub type Kinds = BTreeMap<Arc<str>, u64>;

/// What a recording holds.
#[derive(Debug, Clone)]
pub struct Survey {
    pub format: Format,
    pub bytes: u64,
    /// Hash of every byte: what tells this recording from others.
    pub hash: u64,
    pub messages: u64,
    /// Messages by sender and name.
    pub kinds: BTreeMap<Sender, Kinds>,
    /// Power-ups by sender.
    pub boots: BTreeMap<Sender, u32>,
    /// Messages that the dialect does not know; their bytes are kept.
    pub unknown: u64,
    /// Messages with a secret, which are not sent.
    pub withheld: u64,
    /// Messages that are stamped earlier than the one before.
    pub backwards: u64,
    /// The recording's clock at its first message and at its latest.
    pub span_us: (i64, i64),
    /// What makes UTC of the recording's clock, if anything tells.
    pub utc_offset_us: Option<i64>,
    pub damage: Wounds,
}

/// Parts that hold no message.
#[derive(Debug, Clone, Default)]
pub struct Wounds {
    /// Parts and bytes by reason.
    pub by_reason: BTreeMap<Reason, (u64, u64)>,
    /// The first of them.
    pub first: Vec<Damage>,
}

impl Wounds {
    fn add(&mut self, damage: Damage) {
        let sum = self.by_reason.entry(damage.reason).or_default();
        sum.0 += 1;
        sum.1 += damage.bytes;
        if self.first.len() < TOLD_MAX {
            self.first.push(damage);
        }
    }

    #[must_use]
    pub fn is_none(&self) -> bool {
        self.by_reason.is_empty()
    }

    /// Bytes that hold no message.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.by_reason.values().map(|(_, bytes)| bytes).sum()
    }
}

impl fmt::Display for Wounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = 0;
        for (reason, (count, bytes)) in &self.by_reason {
            writeln!(f, "  damaged: {count} times {reason}, {bytes} bytes")?;
            parts += count;
        }
        for damage in &self.first {
            let Damage {
                offset,
                bytes,
                reason,
            } = damage;
            writeln!(f, "    at byte {offset}: {reason}, {bytes} bytes")?;
        }
        if parts > self.first.len() as u64 {
            writeln!(f, "    ... and {} more", parts - self.first.len() as u64)?;
        }
        Ok(())
    }
}

impl Survey {
    /// Reads all of a recording.
    ///
    /// # Errors
    /// It cannot be read, or names more kinds of message than any flight has.
    pub fn of(recording: &Recording) -> Result<Self, Error> {
        let file = File::open(recording.path());
        let hash = file.and_then(hash).map_err(|e| recording.unreadable(e))?;
        let mut survey = Self {
            format: recording.format(),
            bytes: recording.bytes(),
            hash,
            messages: 0,
            kinds: BTreeMap::new(),
            boots: BTreeMap::new(),
            unknown: 0,
            withheld: 0,
            backwards: 0,
            span_us: (0, 0),
            utc_offset_us: None,
            damage: Wounds::default(),
        };
        let mut messages = recording.messages()?;
        let mut last_us = i64::MIN;
        let mut kinds = 0;
        while let Some(item) = messages.read_next().map_err(|e| recording.unreadable(e))? {
            match item {
                Item::Message(placed) => {
                    kinds += usize::from(survey.count(&placed, &mut last_us));
                    if kinds > KINDS_MAX {
                        return Err(recording.too_many_kinds(KINDS_MAX, placed.message.offset));
                    }
                }
                Item::Damage(damage) => survey.damage.add(damage),
                Item::Withheld => survey.withheld += 1,
            }
        }
        Ok(survey)
    }

    /// True if it is the first of its kind from its sender.
    fn count(&mut self, placed: &Placed, last_us: &mut i64) -> bool {
        let message = &placed.message;
        if self.messages == 0 {
            self.span_us = (placed.steady_us, placed.steady_us);
            self.utc_offset_us = is_utc(message.stamp_us).then_some(0);
        }
        self.messages += 1;
        self.unknown += u64::from(message.name.starts_with("unknown."));
        self.backwards += u64::from(message.stamp_us < *last_us);
        *last_us = message.stamp_us;
        self.span_us.0 = self.span_us.0.min(placed.steady_us);
        self.span_us.1 = self.span_us.1.max(placed.steady_us);
        if self.utc_offset_us.is_none()
            && let Some(Value::Unsigned(utc)) = message.field("time_utc_usec")
            && let Ok(utc) = i64::try_from(*utc)
            && is_utc(utc)
        {
            self.utc_offset_us = Some(utc - message.stamp_us);
        }
        self.boots.insert(message.sender, placed.boot + 1);
        let kinds = self.kinds.entry(message.sender).or_default();
        match kinds.get_mut(&message.name) {
            Some(count) => {
                *count += 1;
                false
            }
            None => {
                kinds.insert(Arc::clone(&message.name), 1);
                true
            }
        }
    }

    /// From the first message to the latest.
    #[must_use]
    pub fn duration_us(&self) -> i64 {
        self.span_us.1.saturating_sub(self.span_us.0)
    }
}

fn is_utc(stamp_us: i64) -> bool {
    stamp_us >= UtcMicros::EARLIEST_PLAUSIBLE.0
}

fn hash(mut file: File) -> std::io::Result<u64> {
    let mut hasher = Xxh3::new();
    let mut bytes = vec![0; 1 << 16];
    loop {
        match file.read(&mut bytes)? {
            0 => return Ok(hasher.digest()),
            read => hasher.update(&bytes[..read]),
        }
    }
}

impl fmt::Display for Survey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (format, bytes) = (self.format, self.bytes);
        writeln!(f, "{format}, {bytes} bytes, hash {:016x}", self.hash)?;
        let seconds = self.duration_us() as f64 / 1e6;
        write!(f, "{} messages in {seconds:.1} s", self.messages)?;
        match self.utc_offset_us {
            Some(offset) => {
                let first = UtcMicros(self.span_us.0.saturating_add(offset));
                writeln!(f, ", from {first}")?;
            }
            None => writeln!(f, ", at a time that the recording does not tell")?,
        }
        for (sender, kinds) in &self.kinds {
            let count: u64 = kinds.values().sum();
            let boots = self.boots.get(sender).copied().unwrap_or_default();
            match sender {
                Sender::Vehicle => write!(f, "the vehicle: {count} messages")?,
                Sender::System(system, component) => {
                    write!(f, "system {system}/{component}: {count} messages")?;
                }
            }
            match boots {
                0 | 1 => writeln!(f)?,
                boots => writeln!(f, ", {boots} power-ups")?,
            }
            for (name, count) in kinds {
                writeln!(f, "  {name:<40} {count:>8}")?;
            }
        }
        for (count, what) in [
            (self.unknown, "unknown messages, kept as bytes"),
            (self.withheld, "messages with a secret key, not sent"),
            (
                self.backwards,
                "messages stamped earlier than the one before",
            ),
        ] {
            if count > 0 {
                writeln!(f, "  {count} {what}")?;
            }
        }
        self.damage.fmt(f)
    }
}
