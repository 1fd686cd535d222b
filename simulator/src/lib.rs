//! A fleet of honest simulated drones: it knows of the server what its public doors say.
//!
//! [`run()`] is the way in. Flights are in [`physics`], free of clocks and sockets; [`lane`]
//! decides what is sent and when a sample may be forgotten, as free of them; [`mod@run`] gives it
//! time and connections.

pub mod autopilot;
pub mod config;
pub mod drone;
pub mod error;
pub mod faults;
pub mod fleet;
pub mod lane;
pub mod link;
pub mod manifest;
pub mod physics;
pub mod progress;
pub mod report;
pub mod run;
pub mod scenario;
pub mod status;
pub mod stored;
pub mod tls;
pub mod tokens;

mod clock;
mod wheel;

pub use config::Config;
pub use error::Error;
pub use report::Report;
pub use run::{Simulation, run};
pub use status::{Snapshot, Status};
