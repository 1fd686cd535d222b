//! The adapters and roles of AeroStream.

pub mod clock;
pub mod error;
pub mod event_log;
pub mod gateway;
pub mod private_postgres;
pub mod registry;
pub mod store;
pub mod verify;
