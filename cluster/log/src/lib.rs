//! The event log as the rest of AeroStream sees it: one port, its records, an in-memory adapter for
//! tests, and the contract that every adapter meets.

pub mod codec;
#[cfg(any(test, feature = "contract"))]
pub mod contract;
pub mod local;
pub mod memory;
pub mod port;
pub mod topic;

pub use codec::{DecodeError, decode, encode, encode_record};
pub use memory::{Fault, MemoryLog};
pub use port::{
    Append, AppendError, Appended, Bounds, EventLog, GroupEvent, GroupReader, LogError,
    PendingAppend, ReadLimits, Reader, Record,
};
pub use topic::{Partition, Topic};
