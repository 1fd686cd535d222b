//! The adapters and roles of AeroStream.

pub mod clock;
pub mod event_log;
