//! The doors: they tell who is calling, refuse what is too much or wrong, and route to the actors.
//! A gateway holds no state that another one would miss.

pub mod alert;
pub mod auth;
pub mod command;
pub mod dead_letter;
pub mod fleet_feed;
pub mod graphql;
pub mod grpc;
pub mod history;
pub mod http;
pub mod identity;
pub mod ingest;
pub mod json;
pub mod limit;
pub mod list;
pub mod metrics;
pub mod ports;
pub mod rules;
pub mod server;
pub mod state;
pub mod summary;
pub mod ws;

pub use state::{Behind, Gateway, GatewayConfig, ReadyCheck};

#[cfg(test)]
mod tests;
