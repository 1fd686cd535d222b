//! `aerostream watch`: the fleet, or one drone, live in the terminal; a client like any other.
//!
//! On a terminal the picture is drawn again and again; elsewhere every change is a line.

mod one;
mod table;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, ensure};
use reqwest::Method;
use serde_json::Value;

use self::one::One;
use self::table::{Order, Table};
use super::client::Door;
use crate::shutdown::Signals;

/// Answers that may fail one after the other before the watch gives up.
const FAILURES_MAX: u32 = 5;
/// Shortest pause between two looks, seconds.
const EVERY_S_MIN: f64 = 0.1;
/// Drones that are asked for with one look; more are told to be there, not shown.
const DRONES_MAX: usize = 10_000;
/// Drones of one page.
const PAGE: usize = 1_000;

/// Of `aerostream watch`.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    #[command(flatten)]
    door: Door,
    /// One drone and all that it tells; without it the fleet
    drone: Option<String>,
    /// Seconds between two looks, 0.1 to 3600
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0)]
    every: f64,
    /// Only drones whose id or fleet has this in it
    #[arg(long, value_name = "TEXT", default_value = "")]
    filter: String,
    /// What the table is sorted by
    #[arg(long, value_enum, default_value = "id")]
    sort: Order,
    /// Most drones of the table, 1 to 1000
    #[arg(long, default_value_t = 40)]
    rows: usize,
    /// Ends after so many looks
    #[arg(long, value_name = "NUMBER")]
    looks: Option<u64>,
}

/// Looks until it is interrupted.
///
/// # Errors
/// The gateway is out of reach or says no.
pub async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let every_s = options.every;
    ensure!(
        (EVERY_S_MIN..=3600.0).contains(&every_s),
        "--every must be {EVERY_S_MIN} to 3600 seconds; it is {every_s}"
    );
    ensure!(
        (1..=1000).contains(&options.rows),
        "--rows must be 1 to 1000; it is {}",
        options.rows
    );
    let mut signals = Signals::catch().context("could not catch signals")?;
    let mut screen = Screen::new();
    let watched = tokio::select! {
        watched = watch(&options, &mut screen) => watched,
        () = signals.next() => Ok(()),
    };
    screen.leave();
    watched.map(|()| ExitCode::SUCCESS)
}

async fn watch(options: &Options, screen: &mut Screen) -> anyhow::Result<()> {
    let mut view = match &options.drone {
        Some(drone) => View::One(One::new(drone)),
        None => View::Fleet(Table::new(&options.filter, options.sort, options.rows)),
    };
    let (mut looks, mut failures) = (0, 0);
    loop {
        match view.look(&options.door, screen.is_live).await {
            Ok(text) => {
                failures = 0;
                // Whoever reads no more wants no more.
                if screen.show(&text).is_err() {
                    return Ok(());
                }
            }
            // What is wrong from the start does not get right by waiting.
            Err(error) if looks == 0 || failures + 1 == FAILURES_MAX => return Err(error),
            Err(error) => {
                failures += 1;
                let _ = writeln!(io::stderr().lock(), "{error:#}; trying again\r");
            }
        }
        looks += 1;
        if options.looks.is_some_and(|max| looks >= max) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_secs_f64(options.every)).await;
    }
}

enum View {
    Fleet(Table),
    One(One),
}

impl View {
    /// Asks, and gives what is to be shown: the whole picture, or the lines of what changed.
    async fn look(&mut self, door: &Door, is_live: bool) -> anyhow::Result<String> {
        match self {
            Self::Fleet(table) => {
                let summary = door
                    .call(Method::GET, "/api/v1/fleet/summary", None)
                    .await?;
                let (drones, more) = drones(door).await?;
                let rows = table.rows(&drones, summary["at_us"].as_i64().unwrap_or_default());
                Ok(if is_live {
                    table.picture(&rows, &summary, more)
                } else {
                    table.changes(rows)
                })
            }
            Self::One(one) => {
                let answer = door.call(Method::GET, &one.path(), None).await?;
                Ok(if is_live {
                    one.picture(&answer)
                } else {
                    one.change(&answer)
                })
            }
        }
    }
}

/// The drones that the caller sees, and whether there are more than are asked for.
async fn drones(door: &Door) -> anyhow::Result<(Vec<Value>, bool)> {
    let mut drones = Vec::new();
    let mut path = format!("/api/v1/drones?limit={PAGE}");
    while drones.len() < DRONES_MAX {
        let mut answer = door.call(Method::GET, &path, None).await?;
        if let Value::Array(page) = answer["drones"].take() {
            drones.extend(page);
        }
        let Some(after) = answer["next_after"].as_str() else {
            return Ok((drones, false));
        };
        path = format!("/api/v1/drones?limit={PAGE}&after={after}");
    }
    Ok((drones, true))
}

/// Standard output, drawn on if it is a terminal.
struct Screen {
    is_live: bool,
    drawn: bool,
}

impl Screen {
    fn new() -> Self {
        Self {
            is_live: io::stdout().is_terminal(),
            drawn: false,
        }
    }

    fn show(&mut self, text: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if !self.is_live {
            out.write_all(text.as_bytes())?;
            return out.flush();
        }
        // The first picture clears the screen and hides the cursor; each erases only what it does
        // not write over, so that nothing flickers.
        let begin = if self.drawn {
            "\x1b[H"
        } else {
            "\x1b[2J\x1b[H\x1b[?25l"
        };
        self.drawn = true;
        let text = text.replace('\n', "\x1b[K\n");
        write!(out, "{begin}{text}\x1b[J")?;
        out.flush()
    }

    fn leave(&self) {
        if self.drawn {
            // A terminal that is gone needs no cursor.
            let _ = writeln!(io::stdout().lock(), "\x1b[?25h");
        }
    }
}

/// Text of a drone that cannot steer a terminal.
fn harmless(text: &str) -> String {
    let shown = |letter: char| if letter.is_control() { '?' } else { letter };
    text.chars().map(shown).collect()
}
