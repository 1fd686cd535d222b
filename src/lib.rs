//! The adapters and roles of AeroStream.

pub mod cli;
pub mod config;
pub mod role;

pub mod event_log;

pub mod clock;
pub mod observe;
pub mod shutdown;
