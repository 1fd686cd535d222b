//! The actors over a log in memory.

mod support;

mod faults;
mod lifecycle;
mod path;
