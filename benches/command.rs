//! Commands: from the operator's request to the end that the operator reads, with the drone's
//! answer in between, beside a bare append and read of the same kind of log.
//!
//! The drones fly recordings, so that they cost little: they take a command, judge it as any other
//! and answer that they cannot do it. The way is the same: intent, `Sent`, down, answer, end; three
//! records of the journal, each durable and read back.

use std::time::Duration;

use aerostream::clock;
use serde_json::Value;

use crate::cpu::Processes;
use crate::feed::{fly, heard, reference};
use crate::http::Connection;
use crate::settings::{logs, setting};
use crate::stack::{Database, Stack};
use crate::table;

pub async fn run() -> anyhow::Result<()> {
    for log in logs()? {
        over(log).await?;
    }
    Ok(())
}

async fn over(log: &'static str) -> anyhow::Result<()> {
    let measured = Duration::from_secs(setting("TIME_S", 15)?);
    let drones: usize = setting("DRONES", 5_000)?;
    let pause = Duration::from_millis(setting("EVERY_MS", 20)?);
    let database = Database::start()?;
    let mut stack = Stack::start_with(log, &database, &[]).await?;
    let simulator = fly(&stack, drones)?;
    let ids = heard(&stack, drones).await?;
    table::head(&format!(
        "{log} log, {drones} drones at 2 Hz; reference: bare append and read"
    ));
    let bare = reference::run(log, measured / 3).await?;
    let operator = Operator {
        token: stack.token("operator")?,
    };
    let mut connection = Connection::open(stack.http).await?;
    let before = Processes::now()?.own(stack.pid);
    let began = clock::monotonic_now();
    let mut took_ms = Vec::new();
    let mut others = 0;
    for (place, id) in ids.iter().cycle().step_by(7).enumerate() {
        if began.elapsed() >= measured {
            break;
        }
        let sent = clock::monotonic_now();
        let end = operator.command(&mut connection, id, place).await?;
        took_ms.push(sent.elapsed().as_secs_f64() * 1e3);
        others += usize::from(end != "rejected");
        tokio::time::sleep(pause).await;
    }
    let used = Processes::now()?.own(stack.pid) - before;
    for percent in [50.0, 99.0, 100.0] {
        let bare_ms = bare.value_at_percentile(percent) as f64 / 1000.0;
        let figure = table::percentile(&mut took_ms, percent);
        table::row(
            &format!("operator, drone and back: p{percent} ms"),
            figure,
            bare_ms,
        );
    }
    table::alone("commands", took_ms.len() as f64);
    table::alone("of them not answered by the drone", others as f64);
    table::alone("aerostream, cores", used / began.elapsed().as_secs_f64());
    drop(simulator);
    stack.drain()
}

struct Operator {
    token: String,
}

impl Operator {
    /// Gives a command and waits for its end.
    async fn command(
        &self,
        connection: &mut Connection,
        drone: &str,
        place: usize,
    ) -> anyhow::Result<String> {
        let token = &self.token;
        let body = r#"{"command":"hold"}"#;
        let request = format!(
            "POST /api/v1/drones/{drone}/commands HTTP/1.1\r\nhost: localhost\r\n\
             authorization: Bearer {token}\r\nidempotency-key: bench-{place}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let (status, answer) = connection.exchange(request.as_bytes()).await?;
        let answer: Value = serde_json::from_slice(answer)?;
        anyhow::ensure!(status == 202, "a command was answered {status}: {answer}");
        let id = answer["command_id"].as_str().unwrap_or_default();
        let path = format!("/api/v1/commands/{id}?wait_ms=30000");
        let end: Value = serde_json::from_str(&connection.get(&path, token).await?)?;
        Ok(end["state"].as_str().unwrap_or_default().to_owned())
    }
}
