//! The crates' dependencies on each other, and the reasons of the others.

use crate::tree::{Findings, Source, Tree};

/// A crate of ours and the crates of ours that it may depend on.
struct Layer {
    manifest: &'static str,
    below: &'static [&'static str],
}

/// The map of ARCHITECTURE.md; the root crate may use them all.
const LAYERS: [Layer; 8] = [
    Layer {
        manifest: "actors/domain/Cargo.toml",
        below: &[],
    },
    Layer {
        manifest: "proto/Cargo.toml",
        below: &["domain"],
    },
    Layer {
        manifest: "cluster/tls/Cargo.toml",
        below: &[],
    },
    Layer {
        manifest: "cluster/log/Cargo.toml",
        below: &["domain", "proto"],
    },
    Layer {
        manifest: "cluster/shards/Cargo.toml",
        below: &["domain", "proto", "log"],
    },
    Layer {
        manifest: "actors/runtime/Cargo.toml",
        below: &["domain", "proto", "log", "cluster"],
    },
    Layer {
        manifest: "replay/Cargo.toml",
        below: &["domain", "proto", "simulator"],
    },
    Layer {
        manifest: "simulator/Cargo.toml",
        below: &["domain", "proto", "tls"],
    },
];

pub fn dependencies(tree: &Tree, findings: &mut Findings) {
    for file in tree.with_ending(&["/Cargo.toml"]) {
        let Some(layer) = LAYERS.iter().find(|layer| layer.manifest == file.path) else {
            findings.add(
                file,
                1,
                "a crate that ARCHITECTURE.md and tests/tidy/crates.rs miss",
            );
            continue;
        };
        for (number, name, section) in entries(file) {
            let ours = name
                .strip_prefix("aerostream-")
                .filter(|_| is_dependencies(&section));
            if let Some(ours) = ours.filter(|ours| !layer.below.contains(ours)) {
                findings.add(file, number, format!("may not depend on aerostream-{ours}"));
            }
        }
    }
    for layer in LAYERS {
        assert!(
            tree.exists(layer.manifest.as_ref()),
            "{} is gone",
            layer.manifest
        );
    }
}

pub fn reasons(tree: &Tree, findings: &mut Findings) {
    for file in tree.with_ending(&["Cargo.toml"]) {
        for (number, name, section) in entries(file) {
            let line = file.text.lines().nth(number - 1).unwrap_or_default();
            if section == "workspace.dependencies" {
                if !name.starts_with("aerostream-")
                    && !line.contains("} # ")
                    && !line.contains("\" # ")
                {
                    findings.add(
                        file,
                        number,
                        format!("{name} without a reason behind its version"),
                    );
                }
            } else if is_dependencies(&section) && line.contains("version") {
                findings.add(
                    file,
                    number,
                    format!("{name}: versions are in the root Cargo.toml"),
                );
            }
        }
    }
}

fn is_dependencies(section: &str) -> bool {
    section.ends_with("dependencies")
}

/// Line number, name and section of every entry of a manifest, one entry a line.
fn entries(file: &Source) -> impl Iterator<Item = (usize, String, String)> {
    let mut section = String::new();
    file.lines().filter_map(move |(number, line)| {
        if let Some(header) = line.strip_prefix('[') {
            section = header.trim_end_matches(']').to_owned();
            return None;
        }
        let (name, _) = line.split_once(['=', '.'])?;
        let name = name.trim();
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let is_name = !name.is_empty() && name.chars().all(plain);
        is_name.then(|| (number, name.to_owned(), section.clone()))
    })
}
