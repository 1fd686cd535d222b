//! One file per subcommand; the only place that wires components.

pub mod config;
