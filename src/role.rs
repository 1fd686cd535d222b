//! One file per subcommand; the only place that wires components.

pub mod command;
pub mod config;
pub mod dlq;
pub mod drone;
pub mod fleet;
pub mod migrate;
pub mod replay;
pub mod simulate;
pub mod token;
pub mod up;
pub mod verify;
pub mod watch;
pub mod worker;

mod caller;
mod client;
mod hangup;
mod log;
mod node;
mod registry;
mod webhooks;
mod wire;

pub use node::NodeConfig;
