//! One file per subcommand; the only place that wires components.

pub mod up;
pub mod worker;
pub mod migrate;
pub mod simulate;
pub mod verify;
pub mod config;

mod log;
mod node;

pub use node::NodeConfig;
