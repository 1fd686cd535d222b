//! Who is alive and who owns which shard, decided by one ordered control log.
//!
//! Today one node owns every shard; its claim already goes through the control log, so every record
//! that it writes carries an epoch and a second process cannot write beside it unnoticed.
//!
//! [`control_log`] knows more than that node writes, and [`placement`], [`lease`] and
//! [`shard_state`] decide what several nodes would do with it. They are pure, and nothing drives
//! them yet (docs/adr/012).

mod checkpoint;

pub mod control_log;
pub mod error;
pub mod lease;
pub mod ownership;
pub mod placement;
pub mod shard_state;
pub mod watch;

pub use control_log::members::MemberId;
pub use control_log::owners::ShardOwner;
pub use control_log::{ControlState, Effect, Stamp};
pub use error::ClusterError;
pub use ownership::{ClaimedShard, NodeIdentity, Ownership, claim_all};
pub use watch::{Fenced, watch_control_log};
