//! Compiles the .proto files with a pure-Rust compiler, so that a build needs no protoc.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = ["telemetry", "event", "journal", "cluster", "fleet"].map(|name| {
        root.join("aerostream/v1")
            .join(name)
            .with_extension("proto")
    });
    println!(
        "cargo::rerun-if-changed={}",
        root.join("aerostream").display()
    );
    let descriptors = protox::compile(&files, [root])?;
    tonic_prost_build::configure()
        .bytes(".aerostream.v1.DeadLetter.raw")
        .compile_fds(descriptors)?;
    Ok(())
}
