//! The adapters and roles of AeroStream.

pub mod private_postgres;
