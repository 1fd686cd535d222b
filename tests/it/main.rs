//! Integration tests: the real binary, a real Kafka broker and a real Postgres server.
//! One binary for all of them, so that it links once and the servers start once.
#![expect(
    clippy::disallowed_methods,
    reason = "a test measures real time and sees the real environment"
)]

mod support;

mod config;
mod harness;
