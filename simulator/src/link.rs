//! The way to the door: a task per connection that sends frames and reports what becomes of them.

mod grpc;
mod json;
mod rest;

use aerostream_proto::v1::{BatchResult, DownCommand};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::config::{Config, Transport};
use crate::error::Error;
use crate::lane::Outgoing;
use crate::tokens::Tokens;

/// What a connection reports.
#[derive(Debug, Clone, PartialEq)]
pub enum LinkEvent {
    /// Frames may be sent.
    Up,
    /// The connection is gone; what was not answered will never be.
    Down,
    /// The door's answer to a batch.
    Answer(BatchResult),
    /// A command for one of the drones.
    Command(Box<DownCommand>),
    /// The batch was not taken; it shall be sent again, not before a time.
    Failed {
        batch_id: u64,
        code: String,
        after_ms: u64,
    },
    /// The batch will never be taken.
    Rejected { batch_id: u64, code: String },
}

/// One connection.
#[derive(Debug)]
pub struct Link {
    pub outgoing: mpsc::Sender<Outgoing>,
    pub events: mpsc::Receiver<LinkEvent>,
}

/// Reports that may wait for the lane.
const EVENTS_MAX: usize = 1024;

/// Starts a connection's task. It ends when the link is dropped.
///
/// # Errors
/// If the endpoint or the token cannot be used at all.
pub fn start(
    config: &Config,
    tokens: Option<&Tokens>,
    tasks: &mut JoinSet<()>,
) -> Result<Link, Error> {
    // Twins of duplicated batches are in flight besides the batches themselves.
    let (outgoing, frames) = mpsc::channel(2 * config.in_flight + 1);
    let (events_in, events) = mpsc::channel(EVENTS_MAX);
    match config.transport {
        Transport::Grpc => {
            let door = grpc::Door::new(config)?;
            tasks.spawn(grpc::run(door, frames, events_in));
        }
        Transport::Rest => {
            let door = rest::Door::new(config, tokens)?;
            tasks.spawn(rest::run(door, frames, events_in));
        }
    }
    Ok(Link { outgoing, events })
}
