//! Documents, migrations, and what no file may tell.

use std::collections::BTreeSet;
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

/// Commands in code: `make TARGET` has its target, `aerostream NAME` its subcommand.
pub fn commands(tree: &Tree, findings: &mut Findings) {
    let text = |path: &str| {
        let ending = [path];
        let source = tree.with_ending(&ending).find(|file| file.path == path);
        source.map(|file| {
            file.lines()
                .map(|(_, line)| line.to_owned())
                .collect::<Vec<_>>()
        })
    };
    let makefile = text("Makefile").unwrap_or_default();
    let targets = makefile
        .iter()
        .filter(|line| line.contains(" ## "))
        .filter_map(|line| Some(line.split_once(':')?.0));
    let targets: BTreeSet<&str> = targets.collect();
    let cli = text("src/cli.rs").unwrap_or_default();
    let subcommands = cli
        .iter()
        .skip_while(|line| !line.starts_with("enum Command"))
        .take_while(|line| !line.starts_with('}'))
        .map(|line| line.trim())
        .filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase()))
        .map(|line| line.split(['(', ',']).next().unwrap_or_default())
        .map(str::to_ascii_lowercase);
    let subcommands: BTreeSet<String> = subcommands.collect();
    for file in tree.with_ending(&[".md"]) {
        for (number, code) in codes(file) {
            if let Some(target) = behind(&code, "make")
                && !targets.contains(target)
            {
                findings.add(
                    file,
                    number,
                    format!("names `make {target}`, which is not there"),
                );
            }
            if let Some(name) = behind(&code, "aerostream")
                && !subcommands.contains(name)
                && name != "help"
            {
                let finding = format!("names `aerostream {name}`, which is not there");
                findings.add(file, number, finding);
            }
        }
    }
}

/// Code between backticks, and the lines of fences.
fn codes(file: &Source) -> Vec<(usize, String)> {
    let mut codes = Vec::new();
    let mut fenced = false;
    for (number, line) in file.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if fenced {
            codes.push((number, line.trim().to_owned()));
        } else {
            let spans = line.split('`').skip(1).step_by(2);
            codes.extend(spans.map(|span| (number, span.to_owned())));
        }
    }
    codes
}

/// The word behind the name of a program with which a line of code begins.
fn behind<'a>(code: &'a str, program: &str) -> Option<&'a str> {
    let mut words = code.split_whitespace();
    let first = words.next()?;
    let word = words.next()?;
    let is_name = word.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    let is_program = first == program || first.ends_with(&format!("/{program}"));
    (is_program && is_name && !word.starts_with('-')).then_some(word)
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

/// Each has a number that no other has; a gap is left where another branch has the number.
pub fn migrations(tree: &Tree, findings: &mut Findings) {
    let mut before = 0;
    let migrations = tree
        .with_ending(&[".sql"])
        .filter(|file| file.path.starts_with("migrations/"));
    for file in migrations {
        let name = file.path.trim_start_matches("migrations/");
        let parts = name
            .strip_suffix(".sql")
            .and_then(|name| name.split_once('_'));
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let number = parts
            .filter(|(digits, name)| digits.len() == 4 && name.chars().all(plain))
            .and_then(|(digits, _)| digits.parse::<u32>().ok());
        match number {
            Some(number) if number > before => before = number,
            _ => {
                let expected = "expected migrations/NNNN_verb_noun.sql with a number of its own";
                findings.add(file, 1, expected);
            }
        }
    }
}
