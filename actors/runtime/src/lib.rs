//! How the domain runs on ractor: one supervised actor per drone, grouped by shard.
//!
//! Calls go down (handle, shard, drone), events come up as answers to what a message carried. The
//! decisions are all in `aerostream-domain`; this crate brings messages, time and the log to them.

pub mod alert;
pub mod command;
pub mod config;
pub mod error;
pub mod feed;
pub mod handle;
pub mod node;
pub mod sessions;
pub mod task;

mod admission;
mod briefs;
mod clock;
mod drone_actor;
mod effects;
mod guard;
mod mark;
mod message;
mod metrics;
mod recovery;
mod replies;
mod restart;
mod shard;
mod slots;
mod told;

#[cfg(test)]
mod tests;

pub use alert::{AlertBoard, AlertNews, BoardView, BuiltInRules, RuleSource};
pub use command::{CommandConfig, CommandView, Dispatch, EmergencySent, Room};
pub use config::Config;
pub use error::ActorsError;
pub use feed::{Cursor, FeedEvent, FeedSnapshot, Frame, Subscription};
pub use handle::{
    DroneSummary, FleetQuestion, Handle, IngestOutcome, ListPage, LiveView, SampleVerdict,
    ShardStatus, Submission, Unavailable,
};
pub use node::{Hooks, Node};
pub use sessions::{Heard, Session, SessionLink, Sessions, Uplink};
pub use shard::moves::{Known, Move, Moves, Run};
pub use shard::tally::DroneFilter;
