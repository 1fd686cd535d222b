//! A fleet of honest simulated drones.

pub mod physics;
