//! Recorded flights, streamed through the door that drones use.
//!
//! The way of a message: [`source`] hands out bytes, [`tlog`] or [`ulog`] finds the messages and
//! tells what is damaged, [`recording`] gives each its place and clock, [`content`] says it in the
//! words of the domain, [`timing`] fits it into the present or leaves it in the past, [`sending`]
//! keeps it until the gateway has it. [`run()`] is the way in.

pub mod config;
pub mod content;
pub mod error;
pub mod mavlink;
pub mod message;
pub mod recording;
pub mod report;
pub mod run;
pub mod sending;
pub mod source;
pub mod survey;
pub mod timing;
pub mod tlog;
pub mod ulog;

mod progress;

pub use config::Config;
pub use error::Error;
pub use report::Report;
pub use run::run;
pub use survey::Survey;
