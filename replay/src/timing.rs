//! Which time, boot and number a message gets, and when it is sent.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use aerostream_domain::{BootId, DroneId};
use xxhash_rust::xxh3::xxh3_64;

use crate::config::Speed;
use crate::error::Error;
use crate::message::Sender;
use crate::recording::Placed;
use crate::survey::Survey;

/// How a recording becomes a flight.
#[derive(Debug, Clone)]
pub struct Timeline {
    hash: u64,
    /// UTC of a stamp is the stamp and this.
    shift_us: i64,
    /// `None`: at once.
    pace: Option<Pace>,
    /// What tells a flight now from the same one flown before; `None` for the recorded one.
    again: Option<i64>,
}

#[derive(Debug, Clone, Copy)]
struct Pace {
    first_us: i64,
    times: f64,
}

impl Timeline {
    /// The recorded times, all at once: the same samples whenever it is done.
    ///
    /// # Errors
    /// The recording does not tell its UTC.
    pub fn as_recorded(survey: &Survey) -> Result<Self, Error> {
        Ok(Self {
            hash: survey.hash,
            shift_us: survey.utc_offset_us.ok_or(Error::NoUtc)?,
            pace: None,
            again: None,
        })
    }

    /// A new flight that begins now; a fast one began so long ago that no sample is ahead of its
    /// time, and ends when the last one is sent.
    #[must_use]
    pub fn now(survey: &Survey, speed: Speed, now_us: i64) -> Self {
        let duration_us = survey.duration_us();
        let ahead_us = match speed {
            Speed::Max => duration_us,
            Speed::Times(times) if times > 1.0 => duration_us - (duration_us as f64 / times) as i64,
            Speed::Times(_) => 0,
        };
        let first_us = survey.span_us.0;
        Self {
            hash: survey.hash,
            shift_us: now_us.saturating_sub(ahead_us).saturating_sub(first_us),
            pace: match speed {
                Speed::Max => None,
                Speed::Times(times) => Some(Pace { first_us, times }),
            },
            again: Some(now_us),
        }
    }

    /// When a message was sent, or would be now.
    #[must_use]
    pub fn utc_us(&self, placed: &Placed) -> i64 {
        placed.message.stamp_us.saturating_add(self.shift_us)
    }

    /// How long after the begin a message leaves; `None`: at once.
    #[must_use]
    pub fn leaves_after(&self, placed: &Placed) -> Option<Duration> {
        let pace = self.pace?;
        let offset_us = placed.steady_us.saturating_sub(pace.first_us).max(0);
        Some(Duration::from_secs_f64(offset_us as f64 / 1e6 / pace.times))
    }

    /// The power-up of a message: made of the recording, so that replaying it again with its own
    /// times doubles nothing.
    #[must_use]
    pub fn boot(&self, placed: &Placed) -> BootId {
        let text = format!(
            "{:?}",
            (self.hash, self.again, placed.message.sender, placed.boot)
        );
        BootId(xxh3_64(text.as_bytes()))
    }

    /// How much later than recorded the samples are, microseconds.
    #[must_use]
    pub fn shift_us(&self) -> i64 {
        self.shift_us
    }
}

/// The drone that each sender is.
#[derive(Debug, Clone)]
pub struct Names {
    drones: HashMap<Sender, DroneId>,
}

impl Names {
    /// A vehicle that logged itself has the prefix for an id, the systems of a MAVLink recording
    /// have `prefix-system-component`.
    ///
    /// # Errors
    /// One of them is no legal id.
    pub fn of(survey: &Survey, prefix: &str) -> Result<Self, Error> {
        let name = |sender: &Sender| {
            let id = match sender {
                Sender::Vehicle => prefix.to_owned(),
                Sender::System(system, component) => format!("{prefix}-{system}-{component}"),
            };
            match DroneId::parse(&id) {
                Ok(drone) => Ok((*sender, drone)),
                Err(source) => Err(Error::DroneId { id, source }),
            }
        };
        Ok(Self {
            drones: survey.kinds.keys().map(name).collect::<Result<_, _>>()?,
        })
    }

    #[must_use]
    pub fn drone(&self, sender: Sender) -> Option<&DroneId> {
        self.drones.get(&sender)
    }

    /// Every drone, in order.
    #[must_use]
    pub fn all(&self) -> Vec<&DroneId> {
        let mut all: Vec<_> = self.drones.values().collect();
        all.sort();
        all
    }
}

/// A prefix made of a file's name: what no id may have becomes a dash.
#[must_use]
pub fn prefix_of(path: &Path) -> String {
    /// Room for `-4294967295-255`.
    const CHARS_MAX: usize = 48;
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let legal = |c: char| {
        if c.is_ascii_alphanumeric() || "._:-".contains(c) {
            c
        } else {
            '-'
        }
    };
    let id: String = stem.chars().map(legal).take(CHARS_MAX).collect();
    let id = id.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
    match id {
        "" => "flight".to_owned(),
        id => id.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_become_ids() {
        let check = |path: &str, expected: &str| assert_eq!(prefix_of(path.as_ref()), expected);
        check("a/ardusub-2024.tlog", "ardusub-2024");
        check("2024-04-22 10:15:00.tlog", "2024-04-22-10:15:00");
        check("_flug \u{fc}.ulg", "flug--");
        check("\u{fc}", "flight");
        check(&"x".repeat(99), &"x".repeat(48));
    }
}
