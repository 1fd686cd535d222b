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
mod doors;
mod floods;
mod graphql;
mod grpc;
mod history;
mod issuer;
mod openapi;
mod path;
mod registry;
mod rotation;
mod rules;
mod server;
mod summary;
mod support;
mod tls;
mod ws;
