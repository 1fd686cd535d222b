//! Documents, migrations, and what no file may tell.

use std::path::Path;

use crate::tree::{Findings, Source, Tree};

/// Beginnings of paths that exist on one machine only.
const MACHINE_PATHS: [&str; 4] = [
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/Us", "ers/"),
];

pub fn links(tree: &Tree, findings: &mut Findings) {
    for file in tree.with_ending(&[".md"]) {
        let directory = Path::new(&file.path).parent().unwrap_or(Path::new(""));
        for (number, target) in targets(file) {
            let elsewhere = target.contains("://") || target.starts_with("mailto:");
            let path = target.split('#').next().unwrap_or_default();
            if !elsewhere && !path.is_empty() && !tree.exists(&directory.join(path)) {
                findings.add(
                    file,
                    number,
                    format!("link to {target}, which is not there"),
                );
            }
        }
        for (number, path) in named_files(file) {
            if !tree.exists(Path::new(path)) {
                findings.add(file, number, format!("names {path}, which is not there"));
            }
        }
    }
}

/// Targets of `[text](target)`.
fn targets(file: &Source) -> impl Iterator<Item = (usize, &str)> {
    file.lines().flat_map(|(number, line)| {
        line.split("](")
            .skip(1)
            .filter_map(move |rest| Some((number, rest.split_once(')')?.0)))
    })
}

/// Files named as code, `src/main.rs`: they go stale as quietly as links do.
fn named_files(file: &Source) -> impl Iterator<Item = (usize, &str)> {
    let endings = [".rs", ".proto", ".sh", ".sql", ".toml", ".md"];
    file.lines().flat_map(move |(number, line)| {
        line.split('`')
            .skip(1)
            .step_by(2)
            .filter(move |code| {
                let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
                code.contains('/')
                    && code.chars().all(plain)
                    && endings.iter().any(|ending| code.ends_with(ending))
            })
            .map(move |code| (number, code))
    })
}

pub fn machine_paths(tree: &Tree, findings: &mut Findings) {
    let text = [
        ".rs",
        ".sh",
        ".proto",
        ".sql",
        ".toml",
        ".yaml",
        ".yml",
        ".ts",
        ".md",
        ".json",
        "Makefile",
        ".ci/run",
        "Dockerfile",
    ];
    for file in tree.with_ending(&text) {
        for (number, line) in file.lines() {
            for path in MACHINE_PATHS.iter().filter(|path| line.contains(**path)) {
                findings.add(file, number, format!("{path} is a path of one machine"));
            }
        }
    }
}

pub fn migrations(tree: &Tree, findings: &mut Findings) {
    let migrations = tree
        .with_ending(&[".sql"])
        .filter(|file| file.path.starts_with("migrations/"));
    for (file, number) in migrations.zip(1..) {
        let expected = format!("migrations/{number:04}_");
        let name = file.path.strip_prefix(&expected);
        let is_name = name
            .and_then(|name| name.strip_suffix(".sql"))
            .is_some_and(|name| {
                name.chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
            });
        if !is_name {
            findings.add(file, 1, format!("expected {expected}verb_noun.sql"));
        }
    }
}
