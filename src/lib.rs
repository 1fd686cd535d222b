//! The adapters and roles of AeroStream.

pub mod cli;
pub mod config;
pub mod role;

pub mod gateway;
pub mod registry;
pub mod worker;
pub mod store;
pub mod event_log;
pub mod verify;
pub mod private_postgres;

pub mod error;
pub mod clock;
pub mod observe;
pub mod shutdown;
