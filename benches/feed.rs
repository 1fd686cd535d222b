//! Feeds: from the receipt of a sample to its frame at a client, beside a bare append and read: a
//! record appended to the same kind of log and met by a reader that follows.

mod clients;
pub mod reference;

use std::time::Duration;

use aerostream::clock;
use hdrhistogram::Histogram;

use self::clients::{Client, Watching};
use crate::cpu::Processes;
use crate::harness::support::aerostream::command;
use crate::harness::support::{Process, directory};
use crate::http::Connection;
use crate::settings::{logs, setting};
use crate::stack::{Database, Stack};
use crate::table;

/// Digits of latency that are kept.
pub const PRECISION: u8 = 3;
/// Until the drones fly.
const PATIENCE: Duration = Duration::from_secs(120);
/// Clients of the first measurement.
const FEW: usize = 100;
/// Clients of the others.
const MANY: usize = 2_000;

pub async fn run() -> anyhow::Result<()> {
    for log in logs()? {
        over(log).await?;
    }
    Ok(())
}

async fn over(log: &'static str) -> anyhow::Result<()> {
    let measured = Duration::from_secs(setting("TIME_S", 15)?);
    let missed = Duration::from_secs(setting("MISSED_S", 60)?);
    let drones: usize = setting("DRONES", 5_000)?;
    let database = Database::start()?;
    let many = format!("gateway.limits.principal_sockets_max={}", MANY + FEW);
    let mut stack = Stack::start_with(log, &database, &[&many]).await?;
    let _simulator = fly(&stack, drones)?;
    let ids = heard(&stack, drones).await?;
    let clients = Clients {
        watching: Watching::new(&stack)?,
        pid: stack.pid,
        measured,
    };
    // Where a client is that comes back later.
    let left = clients.watching.cursor(&ids[0]).await?;
    let left_at = clock::monotonic_now();

    table::head(&format!(
        "{log} log, {drones} drones at 2 Hz; reference: bare append and read"
    ));
    let bare = reference::run(log, measured / 3).await?;
    let few: Vec<&str> = ids.iter().take(FEW).map(String::as_str).collect();
    clients
        .measure("1 client on each of 100", &few, &bare)
        .await?;
    let one = vec![ids[0].as_str(); MANY];
    clients.measure("2000 clients on one", &one, &bare).await?;
    let each: Vec<&str> = ids.iter().take(MANY).map(String::as_str).collect();
    clients
        .measure("1 client on each of 2000", &each, &bare)
        .await?;

    tokio::time::sleep_until(left_at + missed).await;
    let away = left_at.elapsed().as_secs_f64();
    let began = clock::monotonic_now();
    let records = clients.watching.resume(&ids[0], &left).await?;
    let took_ms = began.elapsed().as_secs_f64() * 1e3;
    table::alone(&format!("resume after {away:.0} s, ms"), took_ms);
    table::note(&format!("{records} records of the drone were missed"));
    drop(_simulator);
    stack.drain()
}

struct Clients {
    watching: Watching,
    pid: u32,
    measured: Duration,
}

impl Clients {
    async fn measure(
        &self,
        what: &str,
        drones: &[&str],
        bare: &Histogram<u64>,
    ) -> anyhow::Result<()> {
        let mut clients = Vec::with_capacity(drones.len());
        for drone in drones {
            clients.push(self.watching.open(drone).await?);
        }
        let before = Processes::now()?.own(self.pid);
        let latency_us = Client::watch_all(clients, self.measured).await?;
        let used = Processes::now()?.own(self.pid) - before;
        let ms = |of: &Histogram<u64>, percent| of.value_at_percentile(percent) as f64 / 1000.0;
        for percent in [50.0, 99.0, 100.0] {
            let what = format!("{what}: p{percent} ms");
            table::row(&what, ms(&latency_us, percent), ms(bare, percent));
        }
        let seconds = self.measured.as_secs_f64();
        let frames = latency_us.len() as f64 / seconds;
        table::alone(&format!("{what}: frames/s"), frames);
        table::alone(&format!("{what}: aerostream, cores"), used / seconds);
        Ok(())
    }
}

pub fn fly(stack: &Stack, drones: usize) -> anyhow::Result<Process> {
    let (door, drones) = (format!("http://{}", stack.grpc), drones.to_string());
    let mut simulate = command(&["simulate", "--quiet", "--physics", "replayed"]);
    simulate.args(["--endpoint", &door, "--drones", &drones, "--rate", "2"]);
    simulate.args(["--batch", "1", "--duration", "3600"]);
    simulate.env("AEROSTREAM_TOKEN", stack.token("relay")?);
    let log = directory("simulator").join("output.log");
    Ok(Process::start(&mut simulate, &log, "KILL"))
}

/// Ids of the drones, once all are heard.
pub async fn heard(stack: &Stack, drones: usize) -> anyhow::Result<Vec<String>> {
    let token = stack.token("viewer")?;
    let mut connection = Connection::open(stack.http).await?;
    let give_up = clock::monotonic_now() + PATIENCE;
    loop {
        let mut ids: Vec<String> = Vec::new();
        let mut after = String::new();
        loop {
            let path = format!("/api/v1/drones?limit=1000{after}");
            let page: serde_json::Value =
                serde_json::from_str(&connection.get(&path, &token).await?)?;
            let lines = page["drones"].as_array().into_iter().flatten();
            ids.extend(lines.filter_map(|line| line["drone_id"].as_str().map(str::to_owned)));
            match page["next_after"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => break,
            }
        }
        if ids.len() >= drones {
            return Ok(ids);
        }
        anyhow::ensure!(
            clock::monotonic_now() < give_up,
            "{} of {drones} drones were heard",
            ids.len()
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
