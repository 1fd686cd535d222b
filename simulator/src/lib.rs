//! A fleet of honest simulated drones.
