//! The adapters and roles of AeroStream.

pub mod private_postgres;
pub mod store;
pub mod verify;
