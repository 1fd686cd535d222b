//! Sizes, names, leftovers and log messages.

use syn::visit::Visit;

use crate::tree::{Findings, Source, Tree};

const FILE_LINES_MAX: usize = 500;
/// Written by the code, so that its length is no choice.
const WRITTEN_BY_CODE: &str = "docs/config-reference.toml";
const FUNCTION_LINES_MAX: usize = 70;
const LINE_CHARS_MAX: usize = 100;

/// Names that say nothing: what lives there has no better home, so everything ends there.
const NAMES_THAT_SAY_NOTHING: [&str; 8] = [
    "common", "utils", "util", "helpers", "helper", "types", "misc", "shared",
];

/// Marks of unfinished work, put together so that this file does not hold them.
const LOOSE_ENDS: [&str; 6] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("HA", "CK:"),
    concat!("todo", "!("),
    concat!("unimplemented", "!("),
];

/// Macros of `tracing` whose last literal is a message.
const LOG_MACROS: [&str; 5] = ["trace", "debug", "info", "warn", "error"];

pub fn sizes(tree: &Tree, findings: &mut Findings) {
    let text = [
        ".rs", ".sh", ".proto", ".sql", ".toml", ".yaml", ".yml", ".ts", ".md", "Makefile",
    ];
    for file in tree.with_ending(&text) {
        let lines = file.text.lines().count();
        if lines > FILE_LINES_MAX && file.path != WRITTEN_BY_CODE {
            findings.add(
                file,
                lines,
                format!("{lines} lines, at most {FILE_LINES_MAX}"),
            );
        }
    }
    for file in tree.rust() {
        for (number, line) in file.lines() {
            let chars = line.chars().count();
            if chars > LINE_CHARS_MAX {
                findings.add(
                    file,
                    number,
                    format!("{chars} characters, at most {LINE_CHARS_MAX}"),
                );
            }
        }
        let mut functions = Functions { file, findings };
        functions.visit_file(&file.syntax());
    }
}

struct Functions<'a> {
    file: &'a Source,
    findings: &'a mut Findings,
}

impl Functions<'_> {
    fn check(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let begin = signature.ident.span().start();
        let lines = block.brace_token.span.close().end().line - begin.line + 1;
        if lines > FUNCTION_LINES_MAX {
            let name = &signature.ident;
            let what = format!("fn {name} has {lines} lines, at most {FUNCTION_LINES_MAX}");
            self.findings.add_at(self.file, begin, what);
        }
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.check(&item.sig, &item.block);
        syn::visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.check(&item.sig, &item.block);
        syn::visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.check(&item.sig, block);
        }
        syn::visit::visit_trait_item_fn(self, item);
    }
}

pub fn module_names(tree: &Tree, findings: &mut Findings) {
    for file in tree.rust() {
        for part in file.path.trim_end_matches(".rs").split('/') {
            if part == "mod" {
                findings.add(file, 1, "foo.rs beside foo/, never mod.rs");
            } else if NAMES_THAT_SAY_NOTHING.contains(&part) {
                findings.add(
                    file,
                    1,
                    format!("{part} says nothing: name it by what it does"),
                );
            }
        }
    }
}

pub fn loose_ends(tree: &Tree, findings: &mut Findings) {
    let text = [
        ".rs", ".sh", ".proto", ".sql", ".toml", ".yaml", ".yml", ".ts", ".md", "Makefile",
    ];
    for file in tree.with_ending(&text) {
        for (number, line) in file.lines() {
            for mark in LOOSE_ENDS.iter().filter(|mark| line.contains(**mark)) {
                findings.add(file, number, format!("{mark}: do it, or file an issue"));
            }
        }
    }
}

pub fn log_messages(tree: &Tree, findings: &mut Findings) {
    for file in tree.rust() {
        let mut messages = LogMessages { file, findings };
        messages.visit_file(&file.syntax());
    }
}

struct LogMessages<'a> {
    file: &'a Source,
    findings: &'a mut Findings,
}

impl<'ast> Visit<'ast> for LogMessages<'_> {
    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        let name = item.path.segments.last().map(|last| last.ident.to_string());
        let is_log = name.is_some_and(|name| LOG_MACROS.contains(&name.as_str()));
        if is_log && let Some(message) = message_of(item) {
            let text = message.value();
            // A word such as "Postgres" or "TLS" may begin it; a sentence may not.
            let sentence = text.chars().next().is_some_and(char::is_uppercase)
                && text.chars().nth(1).is_some_and(char::is_lowercase)
                && !PROPER_NAMES.iter().any(|name| text.starts_with(name));
            if sentence || text.ends_with('.') {
                let what = format!("log message {text:?}: lowercase fragment, no period");
                self.findings
                    .add_at(self.file, message.span().start(), what);
            }
            if text.contains('{') {
                let what = format!("log message {text:?}: values are fields");
                self.findings
                    .add_at(self.file, message.span().start(), what);
            }
        }
        syn::visit::visit_macro(self, item);
    }
}

const PROPER_NAMES: [&str; 3] = ["Postgres", "Kafka", "Prometheus"];

/// The last literal that stands alone between commas: fields have an `=` before theirs.
fn message_of(item: &syn::Macro) -> Option<syn::LitStr> {
    let mut message = None;
    let mut alone = true;
    for token in item.tokens.clone() {
        match token {
            proc_macro2::TokenTree::Punct(punct) => alone = punct.as_char() == ',',
            proc_macro2::TokenTree::Literal(literal) if alone => {
                message = syn::parse_str::<syn::LitStr>(&literal.to_string())
                    .ok()
                    .map(|mut parsed| {
                        parsed.set_span(literal.span());
                        parsed
                    });
                alone = false;
            }
            _ => alone = false,
        }
    }
    message
}
