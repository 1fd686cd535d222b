//! How the domain runs on ractor: one supervised actor per drone, grouped by shard.

pub mod handle;

pub use handle::{
    DroneSummary, Handle, IngestOutcome, ListPage, LiveView, SampleVerdict, Submission, Unavailable,
};
