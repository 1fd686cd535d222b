//! The long fault tests, `make chaos`: minutes where tests/it/faults takes seconds.

mod broker;
mod everything;
mod outage;
mod spike;
