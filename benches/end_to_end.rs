//! From a simulated drone to its committed row, beside raw binary COPY of the same rows into the
//! same table on one connection.

use std::time::{Duration, Instant};

use anyhow::Context;
use bytes::{Bytes, BytesMut};
use futures::TryStreamExt;
use sqlx::{Connection, Executor, PgConnection};

use crate::cpu::Processes;
use crate::harness::support::aerostream::command;
use crate::harness::support::{Process, directory};
use crate::settings::{logs, setting};
use crate::stack::{Database, Stack};
use crate::table;

/// Rows of the reference at most: they are held in memory.
const COPY_ROWS_MAX: u64 = 1_000_000;
/// Bytes of rows that are sent at once.
const CHUNK: usize = 256 * 1024;
/// Until the first sample is there, and until the last one is stored.
const PATIENCE: Duration = Duration::from_secs(300);

pub async fn run() -> anyhow::Result<()> {
    for log in logs()? {
        over(log).await?;
    }
    Ok(())
}

async fn over(log: &str) -> anyhow::Result<()> {
    let database = Database::start()?;
    let mut stack = Stack::start(log, &database).await?;
    let flight = fly(&stack, &database).await?;
    stack.drain()?;
    let mut connection = PgConnection::connect(database.url()).await?;
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM telemetry")
        .fetch_one(&mut connection)
        .await?;
    anyhow::ensure!(
        rows as f64 == flight.samples,
        "{rows} rows of {} samples",
        flight.samples
    );
    let copy = raw_copy(&mut connection, &database).await?;

    table::head(&format!(
        "{log} log, gRPC, batches of 50; reference: raw COPY"
    ));
    table::row(
        "accepted, samples/s",
        flight.accepted_per_s,
        copy.rows_per_s,
    );
    table::row("stored, samples/s", flight.stored_per_s, copy.rows_per_s);
    table::row(
        "postgres, CPU us per sample",
        flight.cpu.postgres,
        copy.postgres_us,
    );
    table::alone("aerostream, CPU us per sample", flight.cpu.aerostream);
    if log == "kafka" {
        table::alone("broker, CPU us per sample", flight.cpu.broker);
    }
    table::alone("simulator, CPU us per sample", flight.cpu.simulator);
    table::note(&format!(
        "{} samples; {}",
        flight.samples, flight.acknowledgement
    ));
    table::note(&format!(
        "reference: {} rows, {:.0} bytes each",
        copy.rows, copy.row_bytes
    ));
    Ok(())
}

struct Flight {
    samples: f64,
    accepted_per_s: f64,
    stored_per_s: f64,
    cpu: Cpu,
    /// The simulator's own line on latency.
    acknowledgement: String,
}

/// Processor time, microseconds per sample.
struct Cpu {
    aerostream: f64,
    postgres: f64,
    broker: f64,
    simulator: f64,
}

/// Flies as many samples as are taken, and waits until all are stored.
async fn fly(stack: &Stack, database: &Database) -> anyhow::Result<Flight> {
    let seconds: u64 = setting("TIME_S", 20)?;
    let mut counters = stack.counters().await?;
    let before = Processes::now()?;
    let log = directory("simulator").join("output.log");
    let mut simulator = Process::start(&mut simulate(stack, seconds)?, &log, "KILL");
    let began = counters
        .until("a first sample", PATIENCE, |it| it.accepted > 0.0)
        .await?;
    let flying = PATIENCE + Duration::from_secs(seconds);
    while !simulator.has_ended() {
        anyhow::ensure!(began.elapsed() < flying, "the simulator does not end");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // It has ended and is not yet reaped, so that its times are all there.
    let simulator_s = Processes::now()?.own(simulator.id());
    let said = std::fs::read_to_string(&log)?;
    let status = simulator.wait_exit(PATIENCE);
    anyhow::ensure!(
        status.success(),
        "the simulator ended with {status}:\n{said}"
    );
    let samples = counters.now().await?.accepted;
    let stored = counters
        .until("all rows", PATIENCE, |it| it.stored >= samples)
        .await?;
    let after = Processes::now()?;
    let each = |used: f64| used * 1e6 / samples;
    let broker = |at: &Processes| at.child("java").map_or(0.0, |id| at.own(id));
    let cpu = Cpu {
        aerostream: each(after.own(stack.pid) - before.own(stack.pid)),
        postgres: each(after.tree(database.pid()) - before.tree(database.pid())),
        broker: each(broker(&after) - broker(&before)),
        simulator: each(simulator_s),
    };
    let stored_per_s = samples / stored.duration_since(began).as_secs_f64();
    let (accepted_per_s, acknowledgement) = report(&said)?;
    Ok(Flight {
        samples,
        accepted_per_s,
        stored_per_s,
        cpu,
        acknowledgement,
    })
}

/// Drones that offer twice the goal and wait when nothing more is taken.
fn simulate(stack: &Stack, seconds: u64) -> anyhow::Result<std::process::Command> {
    let (door, seconds) = (format!("http://{}", stack.grpc), seconds.to_string());
    let drones = setting("DRONES", 2000_u32)?.to_string();
    let mut simulate = command(&["simulate", "--quiet", "--physics", "replayed"]);
    simulate.args([
        "--endpoint",
        &door,
        "--drones",
        &drones,
        "--rate",
        "100",
        "--batch",
        "50",
    ]);
    simulate.args([
        "--full-store",
        "pause",
        "--store",
        "200",
        "--duration",
        &seconds,
    ]);
    simulate.env("AEROSTREAM_TOKEN", stack.token("relay")?);
    Ok(simulate)
}

/// Acknowledged samples per second, and the line on latency.
fn report(said: &str) -> anyhow::Result<(f64, String)> {
    let line = |name: &str| {
        let mut lines = said.lines().map(str::trim);
        lines.find(|line| line.starts_with(name) && line.contains("  "))
    };
    let acknowledged = line("acknowledged ").context("no count in the simulator's report")?;
    let rate = acknowledged
        .split_whitespace()
        .last()
        .and_then(|it| it.strip_suffix("/s"));
    let rate = rate.context("no rate in the simulator's report")?.parse()?;
    Ok((
        rate,
        line("acknowledgement ").unwrap_or_default().to_owned(),
    ))
}

struct Copy {
    rows: u64,
    rows_per_s: f64,
    row_bytes: f64,
    postgres_us: f64,
}

/// Takes the rows out in the order in which they lie, empties the table and copies them back.
async fn raw_copy(connection: &mut PgConnection, database: &Database) -> anyhow::Result<Copy> {
    let out =
        format!("COPY (SELECT * FROM telemetry LIMIT {COPY_ROWS_MAX}) TO STDOUT (FORMAT binary)");
    let chunks = chunks(connection, &out).await?;
    connection.execute("TRUNCATE telemetry").await?;
    connection.execute("CHECKPOINT").await?;
    let before = Processes::now()?.tree(database.pid());
    let began = Instant::now();
    let mut copy = connection
        .copy_in_raw("COPY telemetry FROM STDIN (FORMAT binary)")
        .await?;
    for chunk in &chunks {
        copy.send(&chunk[..]).await?;
    }
    let rows = copy.finish().await?;
    let seconds = began.elapsed().as_secs_f64();
    let used = Processes::now()?.tree(database.pid()) - before;
    let bytes: usize = chunks.iter().map(Bytes::len).sum();
    Ok(Copy {
        rows,
        rows_per_s: rows as f64 / seconds,
        row_bytes: bytes as f64 / rows as f64,
        postgres_us: used * 1e6 / rows as f64,
    })
}

async fn chunks(connection: &mut PgConnection, out: &str) -> anyhow::Result<Vec<Bytes>> {
    let mut rows = connection.copy_out_raw(out).await?;
    let mut chunks = Vec::new();
    let mut chunk = BytesMut::with_capacity(2 * CHUNK);
    while let Some(row) = rows.try_next().await? {
        chunk.extend_from_slice(&row);
        if chunk.len() >= CHUNK {
            chunks.push(std::mem::replace(&mut chunk, BytesMut::with_capacity(2 * CHUNK)).freeze());
        }
    }
    chunks.push(chunk.freeze());
    Ok(chunks)
}
