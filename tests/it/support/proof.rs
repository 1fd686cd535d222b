//! Asking `aerostream verify`, and the database itself.

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use sqlx::{Connection, PgConnection};

use super::aerostream::run_to_end;
use super::wait;

/// Until the workers have caught up, whatever was done to them.
const CAUGHT_UP_MAX: Duration = Duration::from_secs(120);

/// What `aerostream verify` said.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub struct Verdict {
    pub right: u64,
    pub lost: u64,
    pub doubled: u64,
    pub changed: u64,
    pub unacknowledged: u64,
    pub success: bool,
}

/// Asks once.
pub fn verify(database: &str, manifest: &Path) -> Verdict {
    let manifest = manifest.display().to_string();
    let output = run_to_end(&["verify", "--wait-s", "0", "--postgres", database, &manifest]);
    verdict(&output)
}

fn verdict(output: &Output) -> Verdict {
    let said = String::from_utf8_lossy(&output.stdout);
    let count = |name: &str| {
        let mut lines = said.lines().filter_map(|line| line.split_once(' '));
        let found = lines.find(|(word, _)| *word == name);
        let number = found.and_then(|(_, number)| number.trim().parse().ok());
        number.unwrap_or_else(|| panic!("no count of {name}: {output:?}"))
    };
    Verdict {
        right: count("right"),
        lost: count("lost"),
        doubled: count("doubled"),
        changed: count("changed"),
        unacknowledged: count("unacknowledged"),
        success: output.status.success(),
    }
}

/// Waits until everything acknowledged is stored; nothing may be doubled or changed at any time.
pub async fn prove(database: &str, manifest: &Path) -> Verdict {
    let text = std::fs::read_to_string(manifest).expect("a manifest");
    // The first line says what it is.
    let lines = text.lines().count() as u64 - 1;
    assert!(lines > 0, "something was acknowledged");
    let mut connection = connect(database).await;
    wait::wait_until(CAUGHT_UP_MAX, "rows as many as acknowledged", async || {
        rows(&mut connection).await >= lines
    })
    .await;
    let verdict = wait::wait_for(CAUGHT_UP_MAX, "every acknowledged row", async || {
        let verdict = verify(database, manifest);
        let sound = verdict.doubled == 0 && verdict.changed == 0;
        assert!(sound, "{verdict:?}");
        (verdict.lost == 0).then_some(verdict)
    })
    .await;
    assert_eq!(
        (verdict.right, verdict.success),
        (lines, true),
        "{verdict:?}"
    );
    verdict
}

/// A connection of the test's own.
pub async fn connect(database: &str) -> PgConnection {
    let connected = PgConnection::connect(database).await;
    connected.expect("the database accepts a connection")
}

/// Rows of telemetry.
pub async fn rows(connection: &mut PgConnection) -> u64 {
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM telemetry")
        .fetch_one(connection)
        .await
        .expect("the database can be asked");
    count.unsigned_abs()
}
