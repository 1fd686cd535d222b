//! The long fault tests, `make chaos`: minutes where tests/it/faults takes seconds.

mod everything;
mod outage;
mod spike;
