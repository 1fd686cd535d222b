//! The adapters and roles of AeroStream.

pub mod clock;
pub mod error;
pub mod gateway;
pub mod registry;
