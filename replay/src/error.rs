//! Why a recording cannot be replayed at all.

use std::io;
use std::path::PathBuf;

/// Why a recording cannot be replayed at all.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting is outside its range.
    #[error("setting {name} must be {expected}")]
    Setting {
        name: &'static str,
        expected: String,
    },
    /// The file cannot be read.
    #[error("cannot read {path}", path = path.display())]
    Read { path: PathBuf, source: io::Error },
    /// It is no file with bytes in it.
    #[error("{path} is {what}; a recording is a file (.tlog or .ulg)", path = path.display())]
    NoFile { path: PathBuf, what: &'static str },
    /// Neither format.
    #[error(
        "{path} is neither a MAVLink recording (.tlog) nor a PX4 log (.ulg): it does not begin \
         with the mark of a ULog, and its first {searched} bytes hold no MAVLink message of \
         which the checksum is right",
        path = path.display()
    )]
    Format { path: PathBuf, searched: usize },
    /// More senders and kinds of message than any flight has.
    #[error(
        "{path} has more than {max} kinds of message, counted sender by sender, before byte \
         {offset}: no flight has as many",
        path = path.display()
    )]
    TooManyKinds {
        path: PathBuf,
        max: usize,
        offset: u64,
    },
    /// There is nothing to send.
    #[error("{path} holds no message", path = path.display())]
    Empty { path: PathBuf },
    /// A drone's id cannot be made of the prefix.
    #[error("{id:?} cannot be a drone's id; name another with --drone")]
    DroneId {
        id: String,
        source: aerostream_domain::IdError,
    },
    /// The recording does not say when it was made.
    #[error(
        "the recording does not say when it was made: its clock counts from its start and no \
         message tells the UTC; replay it without --keep-time"
    )]
    NoUtc,
    /// The server keeps nothing of that age.
    #[error(
        "the server takes nothing as old as this recording ({detail}); raise \
         `actors.retention_days` and `worker.retention_days` on the server, or replay it \
         without --keep-time"
    )]
    TooOld { detail: String },
    /// The manifest cannot be written.
    #[error("cannot write manifest {path}", path = path.display())]
    Manifest { path: PathBuf, source: io::Error },
    /// The endpoint or token cannot be used.
    #[error("cannot use endpoint {endpoint:?}: {detail}")]
    Endpoint { endpoint: String, detail: String },
    /// The gateway will never take what this caller sends.
    #[error("the gateway refuses this caller: {code}: {detail}")]
    Refused { code: String, detail: String },
    /// A task ended before its time.
    #[error("a task of the replay failed")]
    Task(#[source] tokio::task::JoinError),
}
