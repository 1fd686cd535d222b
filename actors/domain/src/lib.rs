//! What a drone is and what it may do.
//!
//! Pure: no async, no clock, no randomness, no environment. Time comes in as an argument; what has
//! to happen outside comes out as a value.

pub mod alert;
pub mod brief;
pub mod command;
pub mod drone;
pub mod fleet_summary;
pub mod ids;
pub mod record;
pub mod sample;
pub mod units;
pub mod validate;

mod content_hash;

pub use brief::Brief;
pub use content_hash::ContentHash;
pub use drone::snapshot::{DroneSnapshot, WindowSnapshot};
pub use drone::{Admission, AppendId, Drone, Limits, Receipt, Verdict};
pub use fleet_summary::{Cell, CellSize, CellSizeError, FleetSummary, Kept, Tally, View};
pub use ids::{
    BootId, DroneId, Epoch, FenceId, FleetId, IdError, NodeId, Offset, RuleId, Seq, ShardCount,
    ShardId,
};
pub use record::{
    Cause, Claim, JournalEntry, JournalKind, ShardMark, StateEntry, StateKind, TelemetryEntry,
};
pub use sample::{
    Batch, BootRecord, PowerUpBasis, RecordedSample, Sample, TelemetryRecord, TimeBasis,
};
pub use units::{BootMicros, UtcMicros};
pub use validate::{Refusal, RefusalCode};
