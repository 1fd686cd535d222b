//! The wire of AeroStream and its one door into the domain: `TryFrom` wire to domain, `From` domain
//! to wire, and nothing else.

/// Generated messages and services of package `aerostream.v1`.
#[expect(
    clippy::all,
    clippy::allow_attributes,
    rust_2018_idioms,
    rustdoc::all,
    reason = "generated code"
)]
pub mod v1 {
    tonic::include_proto!("aerostream.v1");
}
