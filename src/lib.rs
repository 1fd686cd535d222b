//! The adapters and roles of AeroStream.

pub mod cli;
pub mod config;
pub mod role;

pub mod event_log;
pub mod gateway;
pub mod private_postgres;
pub mod registry;
pub mod store;
pub mod verify;
pub mod webhook;
pub mod worker;

pub mod clock;
pub mod error;
pub mod observe;
pub mod origin;
pub mod shutdown;
