//! What a replay is asked to do.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;

use crate::error::Error;

/// How fast a flight is flown again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Speed {
    /// As fast as the gateway takes it.
    Max,
    /// Times the real one.
    Times(f64),
}

impl FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is neither `max` nor a number from 0.01 to 10000");
        if text == "max" {
            return Ok(Self::Max);
        }
        match text.parse::<f64>() {
            Ok(0.0) => Ok(Self::Max),
            Ok(times) if (0.01..=10_000.0).contains(&times) => Ok(Self::Times(times)),
            _ => Err(wrong()),
        }
    }
}

/// One replay.
#[derive(Debug, Clone, Args)]
pub struct Config {
    /// Recording: a MAVLink recording (.tlog) or a PX4 log (.ulg)
    pub file: PathBuf,
    /// How fast: 1 is as it was flown, `max` (or 0) as fast as the gateway takes it
    #[arg(long, default_value = "1")]
    pub speed: Speed,
    /// Sends the times as they were recorded, at once, instead of as if it were flown now
    #[arg(long)]
    pub keep_time: bool,
    /// Id of the drone; in a MAVLink recording `-SYSTEM-COMPONENT` follows, for example `-1-1`.
    /// Default: the name of the file without its ending
    #[arg(long = "drone", value_name = "ID")]
    pub drone_id: Option<String>,
    /// Tells what the recording holds and sends nothing
    #[arg(long)]
    pub dry_run: bool,
    /// gRPC door of a gateway
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8081")]
    #[arg(env = "AEROSTREAM_GRPC_URL")]
    pub endpoint: String,
    /// Token of a relay; a command line gives it as other commands do
    #[arg(skip)]
    pub token: Option<String>,
    /// File with the certificates that an https door is trusted by (PEM); a command line gives it
    /// as other commands do
    #[arg(skip)]
    pub ca: Option<PathBuf>,
    /// File that gets a line per acknowledged sample, for `aerostream verify`
    #[arg(long, value_name = "FILE")]
    pub manifest: Option<PathBuf>,
    /// Samples of a batch at most, 1 to 1000
    #[arg(long, default_value_t = 250)]
    pub batch: usize,
    /// Seconds without any answer after which the replay gives up
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    pub give_up_after: u64,
    /// Shows no progress
    #[arg(long)]
    pub quiet: bool,
}

impl Config {
    /// Refuses what cannot be done.
    ///
    /// # Errors
    /// Names the setting that is outside its range.
    pub fn check(&self) -> Result<(), Error> {
        if (1..=1000).contains(&self.batch) {
            return Ok(());
        }
        Err(Error::Setting {
            name: "--batch",
            expected: format!("1 to 1000, not {}", self.batch),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_speed_is_a_multiple_or_as_fast_as_possible() {
        let check = |text: &str, expected: Option<Speed>| {
            assert_eq!(text.parse::<Speed>().ok(), expected, "{text}");
        };
        check("1", Some(Speed::Times(1.0)));
        check("0.5", Some(Speed::Times(0.5)));
        check("max", Some(Speed::Max));
        check("0", Some(Speed::Max));
        for wrong in ["-1", "nan", "inf", "fast", "1e9", ""] {
            check(wrong, None);
        }
    }
}
