//! A recording as a file: which format it has, and its messages one after the other.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::message::{Damage, Found, Message, Sender};
use crate::{tlog, ulog};

/// How far into a file its format is looked for.
const SEARCHED_BYTES: usize = 1 << 20;

/// How a recording is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Tlog,
    Ulog,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tlog => "MAVLink recording (tlog)",
            Self::Ulog => "PX4 log (ULog)",
        })
    }
}

/// A file of a known format.
#[derive(Debug)]
pub struct Recording {
    path: PathBuf,
    format: Format,
    bytes: u64,
}

impl Recording {
    /// Tells the format by what the file holds, whatever it is called.
    ///
    /// # Errors
    /// It is no file, is empty, or has neither format.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let unreadable = |source| Error::Read {
            path: path.to_owned(),
            source,
        };
        let metadata = std::fs::metadata(path).map_err(unreadable)?;
        let no_file = |what| Error::NoFile {
            path: path.to_owned(),
            what,
        };
        if metadata.is_dir() {
            return Err(no_file("a directory"));
        }
        if !metadata.is_file() {
            return Err(no_file("no regular file, and it is read twice"));
        }
        if metadata.len() == 0 {
            return Err(no_file("empty"));
        }
        let mut beginning = Vec::new();
        let file = File::open(path).map_err(unreadable)?;
        let mut limited = file.take(SEARCHED_BYTES as u64);
        limited.read_to_end(&mut beginning).map_err(unreadable)?;
        let format = if beginning.starts_with(ulog::MAGIC) {
            Format::Ulog
        } else if tlog::is_one(&beginning) {
            Format::Tlog
        } else {
            return Err(Error::Format {
                path: path.to_owned(),
                searched: beginning.len(),
            });
        };
        Ok(Self {
            path: path.to_owned(),
            format,
            bytes: metadata.len(),
        })
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Reads it from its beginning.
    ///
    /// # Errors
    /// It cannot be opened any more.
    pub fn messages(&self) -> Result<Messages<File>, Error> {
        let file = File::open(&self.path).map_err(|source| self.unreadable(source))?;
        Ok(Messages::new(self.format, file))
    }

    /// More kinds of message than are counted.
    pub(crate) fn too_many_kinds(&self, max: usize, offset: u64) -> Error {
        Error::TooManyKinds {
            path: self.path.clone(),
            max,
            offset,
        }
    }

    /// An error of the file with its name.
    pub(crate) fn unreadable(&self, source: std::io::Error) -> Error {
        Error::Read {
            path: self.path.clone(),
            source,
        }
    }
}

/// What a recording holds, in its order.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    Message(Placed),
    Damage(Damage),
    /// A message with a secret in it.
    Withheld,
}

/// A message in its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Placed {
    /// Counted from 0 over the whole recording.
    pub index: u64,
    /// Power-ups of its sender so far, from 0.
    pub boot: u32,
    /// The recording's clock as far as it can be believed, for pace and span.
    pub steady_us: i64,
    pub message: Message,
}

#[derive(Debug)]
enum Reader<R> {
    Tlog(tlog::Reader<R>),
    Ulog(Box<ulog::Reader<R>>),
}

/// Reads a recording once.
#[derive(Debug)]
pub struct Messages<R> {
    reader: Reader<R>,
    next_index: u64,
    steady: Steady,
    power_ups: HashMap<Sender, PowerUp>,
}

impl<R: Read> Messages<R> {
    pub fn new(format: Format, inner: R) -> Self {
        let reader = match format {
            Format::Tlog => Reader::Tlog(tlog::Reader::new(inner)),
            Format::Ulog => Reader::Ulog(Box::new(ulog::Reader::new(inner))),
        };
        Self {
            reader,
            next_index: 0,
            steady: Steady::default(),
            power_ups: HashMap::new(),
        }
    }

    /// The next item; `None` at the end.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read_next(&mut self) -> std::io::Result<Option<Item>> {
        let found = match &mut self.reader {
            Reader::Tlog(reader) => reader.read_next()?,
            Reader::Ulog(reader) => reader.read_next()?,
        };
        Ok(found.map(|found| match found {
            Found::Message(message) => Item::Message(self.place(message)),
            Found::Damage(damage) => Item::Damage(damage),
            Found::Withheld => Item::Withheld,
        }))
    }

    fn place(&mut self, mut message: Message) -> Placed {
        let index = self.next_index;
        self.next_index += 1;
        let power_up = self.power_ups.entry(message.sender).or_default();
        if let Some(since) = message.since_boot_us
            && !power_up.believes(message.stamp_us, since)
        {
            message.since_boot_us = None;
        }
        Placed {
            index,
            boot: power_up.boot,
            steady_us: self.steady.follow(message.stamp_us),
            message,
        }
    }
}

/// A recorder's clock without the leaps of a damaged stamp, which no checksum guards.
#[derive(Debug, Default)]
struct Steady {
    last_us: Option<i64>,
    leaps: u32,
}

impl Steady {
    const FORWARD_US_MAX: i64 = 24 * 3_600_000_000;
    const BACKWARD_US_MAX: i64 = 3_600_000_000;
    /// Leaps in a row that are the clock's new time.
    const LEAPS_MAX: u32 = 3;

    fn follow(&mut self, stamp_us: i64) -> i64 {
        let Some(last_us) = self.last_us else {
            self.last_us = Some(stamp_us);
            return stamp_us;
        };
        let step_us = stamp_us.saturating_sub(last_us);
        let leaps = !(-Self::BACKWARD_US_MAX..=Self::FORWARD_US_MAX).contains(&step_us);
        self.leaps = if leaps { self.leaps + 1 } else { 0 };
        if leaps && self.leaps < Self::LEAPS_MAX {
            return last_us;
        }
        self.leaps = 0;
        self.last_us = Some(stamp_us);
        stamp_us
    }
}

/// A sender's power-ups, seen by its boot clock against the recorder's.
#[derive(Debug, Default)]
struct PowerUp {
    boot: u32,
    /// When it was, by the recorder's clock.
    at_us: Option<i64>,
    latest_us: u64,
}

impl PowerUp {
    /// A boot clock that falls by this much, and the power-up that moves by as much, is a reboot.
    const REBOOT_US: i64 = 5_000_000;
    /// A clock that disagrees by more is not the one of this boot: receivers would not believe it.
    const AGREES_US: i64 = 240_000_000;

    /// Whether a message's boot clock is the one of the sender's current boot.
    fn believes(&mut self, stamp_us: i64, since_us: u64) -> bool {
        let since = i64::try_from(since_us).unwrap_or(i64::MAX);
        let at_us = stamp_us.saturating_sub(since);
        let known_us = *self.at_us.get_or_insert(at_us);
        let moved_us = at_us.saturating_sub(known_us);
        let fell_us = self.latest_us.cast_signed().saturating_sub(since);
        if moved_us > Self::REBOOT_US && fell_us > Self::REBOOT_US {
            self.boot += 1;
            self.at_us = Some(at_us);
            self.latest_us = since_us;
            return true;
        }
        let agrees = moved_us.saturating_abs() <= Self::AGREES_US;
        if agrees {
            self.latest_us = self.latest_us.max(since_us);
        }
        agrees
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leap_of_the_recorder_counts_only_when_it_lasts() {
        let mut steady = Steady::default();
        let day = 86_400_000_000;
        let follow = [0, 5, 3, 9 * day, 7, 9 * day, 9 * day, 9 * day, 9 * day + 1];
        let found = follow.map(|stamp| steady.follow(stamp));
        assert_eq!(found, [0, 5, 3, 3, 7, 7, 7, 9 * day, 9 * day + 1]);
    }

    #[test]
    fn a_boot_clock_that_falls_is_a_new_boot_and_one_that_disagrees_is_not_believed() {
        let second = 1_000_000;
        let mut power_up = PowerUp::default();
        let mut at = |stamp: i64, since: u64| {
            let believed = power_up.believes(stamp * second, since * second.cast_unsigned());
            (believed, power_up.boot)
        };
        assert_eq!(at(1000, 100), (true, 0));
        assert_eq!(at(1002, 101), (true, 0), "a late message is no reboot");
        assert_eq!(at(1003, 9_000), (false, 0));
        assert_eq!(at(1010, 2), (true, 1));
        assert_eq!(at(1011, 3), (true, 1));
    }
}
