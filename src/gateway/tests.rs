//! The doors over real actors and a log in memory.
#![expect(
    clippy::disallowed_methods,
    reason = "a test's tasks end with its runtime"
)]

mod aggregator;
mod alerts;
mod auth;
mod bad_input;
mod commands;
mod dead_letters;
mod graphql;
mod grpc;
mod history;
mod openapi;
mod path;
mod registry;
mod roles;
mod rules;
mod server;
mod summary;
mod support;
mod ws;
