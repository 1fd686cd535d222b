//! What must hold over all conversions.

mod alerts;
mod commands;
mod examples;
mod golden;
mod hostile;
mod ranges;
mod round_trip;
mod shape;
mod snapshots;
mod strategies;
mod summaries;
