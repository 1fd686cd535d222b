//! `aerostream watch`: the fleet, one drone or the alerts, live in the terminal; a client like any
//! other.
//!
//! On a terminal the picture is drawn again and again; elsewhere every change is a line. The fleet
//! is asked for as often as the caller wishes; one drone tells by its feed.

mod alerts;
mod feed;
mod one;
mod screen;
mod table;

use std::io::{self, Write};
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, ensure};
use reqwest::Method;
use serde_json::Value;
use tokio::time::MissedTickBehavior;

use self::feed::Feed;
use self::one::One;
use self::screen::Screen;
use self::table::{Order, Table};
use super::client::Door;
use crate::shutdown::Signals;

/// Looks at the fleet that may fail one after the other before the watch gives up.
const LOOKS_FAILED_MAX: u32 = 5;
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
    /// One drone and all that it tells, or `alerts`; without it the fleet
    drone: Option<String>,
    /// Seconds between two looks at the fleet or two pictures of one drone, 0.1 to 3600
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0)]
    every: f64,
    /// Only drones whose id or fleet has this in it
    #[arg(long, value_name = "TEXT", default_value = "")]
    filter: String,
    /// Only alerts at least as bad, such as critical
    #[arg(long, value_name = "SEVERITY")]
    severity: Option<String>,
    /// What the table is sorted by
    #[arg(long, value_enum, default_value = "id")]
    sort: Order,
    /// Most drones of the table, 1 to 1000; without it what the terminal has room for
    #[arg(long)]
    rows: Option<usize>,
    /// Ends after so many looks at the fleet, or so many frames of one drone's feed
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
    if let Some(rows) = options.rows {
        ensure!(
            (1..=1000).contains(&rows),
            "--rows must be 1 to 1000; it is {rows}"
        );
    }
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
    match &options.drone {
        Some(what) if what == alerts::WORD => alerts::watch(options).await,
        Some(drone) => watch_one(options, drone, screen).await,
        None => watch_fleet(options, screen).await,
    }
}

async fn watch_fleet(options: &Options, screen: &mut Screen) -> anyhow::Result<()> {
    let mut table = Table::new(&options.filter, options.sort);
    let (mut looks, mut failures) = (0, 0);
    loop {
        match look(&mut table, options, screen).await {
            Ok(text) => {
                failures = 0;
                // Whoever reads no more wants no more.
                if screen.show(&text).is_err() {
                    return Ok(());
                }
            }
            // What is wrong from the start does not get right by waiting.
            Err(error) if looks == 0 || failures + 1 == LOOKS_FAILED_MAX => return Err(error),
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

/// Asks, and gives what is to be shown: the whole picture, or the lines of what changed.
async fn look(table: &mut Table, options: &Options, screen: &Screen) -> anyhow::Result<String> {
    let door = &options.door;
    let path = "/api/v1/fleet/summary";
    let summary = door.call(Method::GET, path, None).await?;
    let (drones, more) = drones(door).await?;
    let rows = table.rows(&drones, summary["at_us"].as_i64().unwrap_or_default());
    Ok(if screen.is_live() {
        let fitting = || table::rows_fitting(screen.lines());
        table.picture(&rows, options.rows.unwrap_or_else(fitting), &summary, more)
    } else {
        table.changes(rows)
    })
}

async fn watch_one(options: &Options, drone: &str, screen: &mut Screen) -> anyhow::Result<()> {
    let path = feed::path("/api/v1/drones/", drone);
    let mut feed = Feed::new(&options.door, drone);
    let mut one = One::new(drone);
    let mut draw = tokio::time::interval(Duration::from_secs_f64(options.every));
    draw.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut looks, mut drawn) = (0, 0);
    while options.looks.is_none_or(|max| looks < max) {
        let mut next = pin!(feed.next());
        let frame = loop {
            tokio::select! {
                frame = &mut next => break frame?,
                _ = draw.tick(), if screen.is_live() && drawn < looks => {
                    // What is wrong with the gateway the feed finds out as well.
                    if one.is_behind()
                        && let Ok(answer) = options.door.call(Method::GET, &path, None).await
                    {
                        one.learn(&answer["live"]);
                    }
                    if !one.is_behind() {
                        drawn = looks;
                    }
                    if screen.show(&one.picture()).is_err() {
                        return Ok(());
                    }
                }
            }
        };
        looks += 1;
        one.take(&frame);
        if !screen.is_live() && screen.show(&one::line(&frame)).is_err() {
            return Ok(());
        }
    }
    if screen.is_live() {
        let _ = screen.show(&one.picture());
    }
    Ok(())
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

/// Text of a drone that cannot steer a terminal.
fn harmless(text: &str) -> String {
    let shown = |letter: char| if letter.is_control() { '?' } else { letter };
    text.chars().map(shown).collect()
}
