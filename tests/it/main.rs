//! Integration tests: the real binary, a real Kafka broker and a real Postgres server.
//! One binary for all of them, so that it links once and the servers start once.
mod support;

mod alert;
mod bad_input;
mod chaos;
mod command;
mod config;
mod event_log;
mod faults;
mod feed;
mod graphql;
mod harness;
mod openapi;
mod planted_faults;
mod replay;
mod telemetry_path;
