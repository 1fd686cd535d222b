//! The adapters and roles of AeroStream.

pub mod gateway;
pub mod registry;
pub mod store;
pub mod event_log;
pub mod verify;
pub mod private_postgres;
pub mod error;
pub mod clock;
