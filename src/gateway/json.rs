//! JSON of the REST door: its shapes, how requests are read and how answers are written.

pub mod alert;
pub mod command;
pub mod enums;
pub mod fence;
pub mod reply;
pub mod request;
pub mod rule;
pub mod shape;
pub mod summary;

pub use request::{Request, Shape};
