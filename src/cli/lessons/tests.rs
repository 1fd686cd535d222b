//! Every lesson is true of the command line.

use std::collections::BTreeSet;

use clap::error::ErrorKind;

use super::*;
use crate::cli::Cli;
use crate::cli::completions::{ShellName, script};

fn command() -> Command {
    Cli::taught()
}

fn names(command: &Command, at: &str, all: &mut BTreeSet<String>) {
    all.insert(at.to_owned());
    for subcommand in command.get_subcommands() {
        if subcommand.get_name() != "help" {
            names(subcommand, &path(at, subcommand.get_name()), all);
        }
    }
}

/// Words as a shell takes them; single quotes hold words together.
fn words(line: &str) -> Vec<String> {
    let parts = line.split('\'').enumerate();
    parts
        .flat_map(|(place, part)| {
            if place % 2 == 1 {
                vec![part.to_owned()]
            } else {
                part.split_whitespace().map(str::to_owned).collect()
            }
        })
        .collect()
}

#[test]
fn every_subcommand_has_a_lesson_with_two_examples() {
    let mut all = BTreeSet::new();
    names(&command(), "", &mut all);
    let taught: Vec<&str> = LESSONS.iter().map(|lesson| lesson.of).collect();
    let unique: BTreeSet<String> = taught.iter().map(ToString::to_string).collect();
    assert_eq!(unique.len(), taught.len(), "a lesson is there twice");
    assert_eq!(unique, all, "lessons against subcommands");
    for lesson in LESSONS {
        assert!(lesson.purpose.ends_with('.'), "{}", lesson.of);
        assert!(
            lesson.examples.len() >= 2,
            "`{}` has too few examples",
            lesson.of
        );
    }
}

#[test]
fn every_example_is_taken_by_the_command_line_and_is_of_its_subcommand() {
    for lesson in LESSONS {
        for (_, line) in lesson.examples {
            let begins = path("aerostream", lesson.of);
            let named = words(line);
            let mut rest = named.iter();
            // Options of `fleet` and `drone` stand before the name of what they do.
            assert!(
                begins
                    .split_whitespace()
                    .all(|name| rest.any(|word| word == name)),
                "{line:?} is not an example of {begins:?}"
            );
            match command().try_get_matches_from(&named) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::DisplayHelp => {}
                Err(error) => panic!("{line}\n{error}"),
            }
        }
    }
}

#[test]
fn help_teaches_and_a_slip_is_answered_by_what_was_meant() {
    let help = command()
        .try_get_matches_from(["aerostream", "up", "--help"])
        .unwrap_err()
        .to_string();
    for told in ["Examples:", "aerostream up --drones 5000", "Exit status:"] {
        assert!(help.contains(told), "{help}");
    }
    let slip = command()
        .try_get_matches_from(["aerostream", "fleets"])
        .unwrap_err();
    assert_eq!(slip.exit_code(), 2);
    assert!(slip.to_string().contains("'fleet'"), "{slip}");
}

#[test]
fn completions_name_every_subcommand() {
    let mut all = BTreeSet::new();
    names(&command(), "", &mut all);
    for shell in [ShellName::Bash, ShellName::Zsh, ShellName::Fish] {
        let script = String::from_utf8(script(shell, command())).unwrap();
        for name in all.iter().filter_map(|path| path.rsplit(' ').next()) {
            assert!(script.contains(name), "{shell:?} does not know {name}");
        }
        assert!(script.contains("drones-max"), "{shell:?} knows no options");
    }
}
