//! What breaks while drones fly, and what must be true when it is over: everything acknowledged is
//! stored once and unchanged, and nothing is acknowledged that could not be kept.

mod disk;
pub mod drones;
mod gateway;
mod kafka;
mod postgres;
mod replay;
mod worker;
