//! The doors over real actors and a log in memory.

mod auth;
mod bad_input;
mod grpc;
mod path;
mod registry;
mod roles;
mod server;
mod support;
