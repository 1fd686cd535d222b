//! The adapters and roles of AeroStream.
