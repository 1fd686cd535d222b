//! SIGHUP: read again what may change while everything runs.

use std::io::{self, IsTerminal};

use aerostream_actors::task::{TaskKind, spawn};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Counts the hang-ups from now on. In a terminal there are none to count: there a hang-up means
/// that the terminal is gone, and ends the process as it ends any other.
///
/// # Errors
/// Signals cannot be caught.
pub fn count() -> io::Result<watch::Receiver<u64>> {
    let (counted, count) = watch::channel(0);
    if io::stdin().is_terminal() {
        return Ok(count);
    }
    let mut hangups = signal(SignalKind::hangup())?;
    spawn(TaskKind::Service, "hang-ups", async move {
        while hangups.recv().await.is_some() {
            tracing::info!("asked to read keys and certificate again");
            counted.send_modify(|count| *count += 1);
        }
    });
    Ok(count)
}
