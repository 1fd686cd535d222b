//! The house rules that no compiler checks. Every finding is reported at once, as `file:line`.
//! The rules are told in CONTRIBUTING.md.

#[path = "tidy/crates.rs"]
mod crates;
#[path = "tidy/documents.rs"]
mod documents;
#[path = "tidy/modules.rs"]
mod modules;
#[path = "tidy/text.rs"]
mod text;
#[path = "tidy/tree.rs"]
mod tree;

use tree::{Findings, Tree};

fn check(rule: impl FnOnce(&Tree, &mut Findings)) {
    let mut findings = Findings::default();
    rule(&Tree::read(), &mut findings);
    findings.assert_none();
}

#[test]
fn files_functions_and_lines_are_short() {
    check(text::sizes);
}

#[test]
fn modules_are_named_by_what_they_do() {
    check(text::module_names);
}

#[test]
fn nothing_is_left_to_be_done() {
    check(text::loose_ends);
}

#[test]
fn log_messages_are_lowercase_fragments() {
    check(text::log_messages);
}

#[test]
fn drivers_are_named_only_by_their_adapters() {
    check(modules::confined_names);
}

#[test]
fn modules_of_the_root_crate_depend_downwards() {
    check(modules::dependencies);
}

#[test]
fn crates_depend_downwards() {
    check(crates::dependencies);
}

#[test]
fn every_dependency_has_a_reason() {
    check(crates::reasons);
}

#[test]
fn links_of_documents_resolve() {
    check(documents::links);
}

#[test]
fn commands_in_documents_exist() {
    check(documents::commands);
}

#[test]
fn nothing_names_a_machine() {
    check(documents::machine_paths);
}

#[test]
fn migrations_are_numbered_in_order() {
    check(documents::migrations);
}
