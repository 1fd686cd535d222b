//! Compiles the .proto files with a pure-Rust compiler, so that a build needs no protoc.
//!
//! Paths are relative to the package, where Cargo runs this: the same program then serves every
//! checkout that shares a target directory.

use std::path::Path;

use prost::Message;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = [
        "alert",
        "alerts",
        "command",
        "telemetry",
        "event",
        "journal",
        "cluster",
        "rule",
        "feed",
        "fleet",
        "aggregator",
    ]
    .map(|name| format!("aerostream/v1/{name}.proto"));
    println!("cargo::rerun-if-changed=aerostream");
    let descriptors = protox::compile(&files, ["."])?;
    let directory = std::env::var("OUT_DIR")?;
    let described = Path::new(&directory).join("aerostream_descriptors.bin");
    std::fs::write(described, descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        .bytes(".aerostream.v1.DeadLetter.raw")
        .compile_fds(descriptors)?;
    Ok(())
}
