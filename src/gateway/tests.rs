//! The doors over real actors and a log in memory.
#![expect(
    clippy::disallowed_methods,
    reason = "a test's tasks end with its runtime"
)]

mod auth;
mod bad_input;
mod dead_letters;
mod graphql;
mod grpc;
mod openapi;
mod path;
mod registry;
mod roles;
mod server;
mod summary;
mod support;
mod ws;
