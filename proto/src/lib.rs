//! The wire of AeroStream and its one door into the domain: `TryFrom` wire to domain, `From` domain
//! to wire, and nothing else.
//!
//! What a client sends is judged here in full: [`batch_from_wire`] refuses what no version of the
//! format has and calls the domain's range checks. What the event log holds was judged before it
//! was acknowledged, so records are only checked for their shape.

pub mod alert;
pub mod batch;
pub mod command;
pub mod event;
pub mod journal;
pub mod live;
pub mod snapshot;
pub mod summary;
pub mod telemetry;

mod refuse;

#[cfg(test)]
mod tests;

pub use batch::{DecodedBatch, RefusedBatch, RefusedSample, batch_from_wire, batch_to_wire};
pub use command::{answer_from_wire, command_id};
pub use event::write_record;

/// The .proto files as a `FileDescriptorSet`, for reflection.
pub const DESCRIPTORS: &[u8] =
    include_bytes!(concat!(env!("OUT_DIR"), "/aerostream_descriptors.bin"));

/// Generated messages and services of package `aerostream.v1`.
#[expect(clippy::all, clippy::allow_attributes, reason = "generated code")]
pub mod v1 {
    tonic::include_proto!("aerostream.v1");
}
