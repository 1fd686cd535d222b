//! Why a run cannot be made or finished.

use std::io;
use std::path::PathBuf;

/// Why a run cannot be made or finished.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting is outside its range.
    #[error("setting {name} must be {expected}")]
    Setting {
        name: &'static str,
        expected: String,
    },
    /// A drone id made from the prefix is not legal.
    #[error("drone ids with the prefix {prefix:?} are not legal")]
    Prefix {
        prefix: String,
        source: aerostream_domain::IdError,
    },
    /// A scenario is neither built in nor a readable file.
    #[error("cannot read scenario {name:?}; built in are {built_in}")]
    ScenarioFile {
        name: String,
        built_in: String,
        source: io::Error,
    },
    /// A scenario file says something else than a scenario.
    #[error("cannot understand scenario {name:?}")]
    Scenario {
        name: String,
        source: Box<toml::de::Error>,
    },
    /// The manifest cannot be written.
    #[error("cannot write manifest {path}", path = path.display())]
    Manifest { path: PathBuf, source: io::Error },
    /// The endpoint or token cannot be used.
    #[error("cannot use endpoint {endpoint:?}: {detail}")]
    Endpoint { endpoint: String, detail: String },
    /// The drones' tokens cannot be read.
    #[error("cannot read tokens {path}", path = path.display())]
    TokenFile { path: PathBuf, source: io::Error },
    /// The drones' tokens are not all there, or not tokens.
    #[error("cannot use tokens {path}: {detail}", path = path.display())]
    Tokens { path: PathBuf, detail: String },
    /// A part of the simulator ended before its time.
    #[error("a task of the simulator failed")]
    Task(#[source] tokio::task::JoinError),
}
