//! What was acknowledged is there although the process was killed.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use super::*;

const DIRECTORY: &str = "AEROSTREAM_TEST_EMBEDDED_DIRECTORY";

/// Not a test by itself: what the killed process does. It writes for ever, and prints the offset of
/// each record once that is acknowledged.
#[tokio::test]
#[ignore = "runs as the child of a_killed_process_loses_nothing_acknowledged"]
async fn child_that_is_killed() {
    let Some(directory) = std::env::var_os(DIRECTORY) else {
        return;
    };
    let log = open(Path::new(&directory));
    loop {
        let pending: Vec<_> = (0..50)
            .map(|n| append(&log, Topic::Telemetry, format!("record {n}")))
            .collect();
        for outcome in futures::future::join_all(pending).await {
            let appended = outcome.expect("a healthy log");
            let mut out = std::io::stdout().lock();
            writeln!(out, "acknowledged {}", appended.offset).expect("the parent reads");
        }
    }
}

#[tokio::test]
async fn a_killed_process_loses_nothing_acknowledged() {
    let directory = directory();
    let mut acknowledged = None;
    for round in 1..=3 {
        let mut child = Command::new(std::env::current_exe().expect("this test has a file"))
            .args(["--exact", "--ignored", "--nocapture"])
            .arg("event_log::embedded::tests::killed::child_that_is_killed")
            .env(DIRECTORY, directory.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the child starts");
        let output = child.stdout.take().expect("it is piped");
        let mut lines = 0;
        for line in BufReader::new(output).lines() {
            let line = line.expect("the child prints text");
            // A line that was cut off by the kill counts for nothing: it is the last one.
            let Some(offset) = line.strip_prefix("acknowledged ") else {
                continue;
            };
            acknowledged = acknowledged.max(offset.parse::<u64>().ok());
            lines += 1;
            if lines == 500 * round {
                child.kill().expect("the child runs");
            }
        }
        let status = child.wait().expect("the child ended");
        assert!(!status.success(), "{status}");
    }
    let last = acknowledged.expect("some were acknowledged");
    assert!(last >= 3_000 - 1, "{last}");
    let log = open(directory.path());
    let (start, end) = start_and_end(&log, Topic::Telemetry).await;
    assert_eq!(start, 0);
    assert!(end > last, "{end} > {last}");
    let all: Vec<u64> = (0..end).collect();
    assert_eq!(offsets(&log, Topic::Telemetry, 0).await, all);
}
