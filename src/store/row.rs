//! A sample as a row of `telemetry`: the one place that turns content into columns and back.

pub mod codes;
pub mod columns;
pub mod decode;
pub mod encode;
pub mod fields;
pub mod rest;

#[cfg(test)]
mod tests;
