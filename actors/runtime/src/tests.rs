//! The actors over a log in memory.
#![expect(
    clippy::disallowed_methods,
    reason = "a test waits for its tasks itself"
)]

mod support;

mod alerts;
mod commands;
mod faults;
mod feed;
mod lifecycle;
mod path;
mod summary;
