//! What must hold over all conversions.

mod examples;
mod golden;
mod hostile;
mod round_trip;
mod strategies;
