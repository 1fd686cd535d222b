//! How the simulated aircraft move, fly and measure: pure functions of time, a seed and a step.
//!
//! Level L1: a point mass with tilt from acceleration, wind-relative drag, momentum-theory power
//! and an equivalent-circuit battery. No clock, no input, no output.

pub mod atmosphere;
pub mod battery;
pub mod fixed_wing;
pub mod flight;
pub mod geo;
pub mod gps;
pub mod multirotor;
pub mod noise;
pub mod observe;
pub mod replay;
pub mod rotor_power;
pub mod vector;
pub mod wind;
