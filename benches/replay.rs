//! Recorded flights through the whole path as fast as they are taken, beside what it takes an
//! independent reader (pymavlink, pyulog) only to read them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::harness::support::aerostream::command;
use crate::stack::{Database, Stack};
use crate::table;

const FLIGHTS: [&str; 2] = ["ardusub-2024-04-22.tlog", "px4-sitl-events.ulg"];
/// Until all is stored.
const PATIENCE: Duration = Duration::from_secs(120);

pub async fn run() -> anyhow::Result<()> {
    let database = Database::start()?;
    let mut stack = Stack::start("embedded", &database).await?;
    let mut counters = stack.counters().await?;
    table::head("x real time; reference: read by Python, not sent");
    for name in FLIGHTS {
        let flight = root().join("tests/flights").join(name);
        let (messages, read_s) = bare(&flight)?;
        let before = counters.now().await?.stored;
        let begun = Instant::now();
        let report = replay(&stack, &flight)?;
        let taken_s = begun.elapsed().as_secs_f64();
        let flown_s = number(&report, "replayed ")?;
        let sent = number(&report, "all ")?;
        let stored = counters
            .until("all rows", PATIENCE, |it| it.stored >= before + sent)
            .await?;
        let stored_s = stored.duration_since(begun).as_secs_f64();
        let reference = flown_s / read_s;
        table::row(
            &format!("{name}, acknowledged"),
            flown_s / taken_s,
            reference,
        );
        table::row(&format!("{name}, stored"), flown_s / stored_s, reference);
        table::note(&format!(
            "{flown_s} s of flight, {sent} messages ({messages} by Python) in {taken_s:.2} s, \
             stored after {stored_s:.2} s; Python reads for {read_s:.2} s"
        ));
    }
    stack.drain()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Messages, and the seconds that it took to read them, without the start of Python.
fn bare(flight: &Path) -> anyhow::Result<(u64, f64)> {
    let mut python = Command::new(root().join("scripts/python.sh"));
    python.arg("run").arg(root().join("tests/readers/bare.py"));
    let said = said(&python.arg(flight).output()?)?;
    let words = said.trim().split_once(' ');
    let (messages, seconds) = words.context("two numbers of bare.py")?;
    Ok((messages.parse()?, seconds.parse()?))
}

fn replay(stack: &Stack, flight: &Path) -> anyhow::Result<String> {
    let door = format!("http://{}", stack.grpc);
    let mut replay = command(&["replay", "--quiet", "--speed", "max", "--endpoint", &door]);
    replay.env("AEROSTREAM_TOKEN", stack.token("relay")?);
    said(&replay.arg(flight).output()?)
}

fn said(output: &Output) -> anyhow::Result<String> {
    let wrong = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "{}: {wrong}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The first number of the line that begins so.
fn number(report: &str, begin: &str) -> anyhow::Result<f64> {
    let lines = report.lines().map(str::trim);
    let rest = lines.filter_map(|line| line.strip_prefix(begin)).next();
    let word = rest.and_then(|rest| rest.split_whitespace().next());
    Ok(word.context("a line of the report")?.parse()?)
}
