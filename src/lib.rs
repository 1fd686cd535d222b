//! The adapters and roles of AeroStream.

pub mod clock;
pub mod event_log;
pub mod private_postgres;
pub mod store;
pub mod verify;
pub mod worker;
