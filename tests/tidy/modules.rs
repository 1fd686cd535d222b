//! Who may name whom within the root crate, and who may name a driver.

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::Visit;

use crate::tree::{Findings, Source, Tree};

/// A name, and the only files that may hold it (beginnings of paths).
struct Confined {
    name: &'static str,
    to: &'static [&'static str],
    /// What any file may say of it.
    free: Option<&'static str>,
}

const CONFINED: [Confined; 3] = [
    Confined {
        name: "ractor_cluster",
        to: &["cluster/shards/src/transport/ractor"],
        free: None,
    },
    Confined {
        name: "rdkafka",
        to: &["src/event_log/kafka", "tests/it/", "benches/"],
        free: None,
    },
    Confined {
        name: "sqlx",
        // The worker's tests look at what it stored.
        to: &[
            "src/store",
            "src/private_postgres",
            "src/worker/tests",
            "tests/it/",
            "benches/",
        ],
        // A pool may be handed on by who cannot say a word of SQL.
        free: Some("sqlx::PgPool"),
    },
];

/// A top module of the root crate, and the modules that it may use beside itself.
struct Layer {
    module: &'static str,
    below: &'static [&'static str],
}

/// Modules that anybody may use: they use nothing.
const GROUND: [&str; 5] = ["clock", "error", "origin", "shutdown", "task"];

/// `role`, `cli` and `config` are missing on purpose: `role` wires everything, `cli` names the
/// roles, and `config` gathers the components' own settings. No component may use them.
const LAYERS: [Layer; 9] = [
    Layer {
        module: "gateway",
        below: &["registry", "store"],
    },
    Layer {
        module: "webhook",
        // It tells alerts in the doors' words.
        below: &["gateway", "registry", "store"],
    },
    Layer {
        module: "registry",
        below: &[],
    },
    Layer {
        module: "worker",
        // Its tests start a server.
        below: &["store", "private_postgres"],
    },
    Layer {
        module: "event_log",
        below: &[],
    },
    Layer {
        module: "store",
        // Its tests start a server and verify what they stored.
        below: &["private_postgres", "verify"],
    },
    Layer {
        module: "private_postgres",
        below: &[],
    },
    Layer {
        module: "observe",
        below: &[],
    },
    Layer {
        module: "verify",
        below: &["store"],
    },
];

pub fn confined_names(tree: &Tree, findings: &mut Findings) {
    for file in tree.rust() {
        let forbidden: Vec<&Confined> = CONFINED
            .iter()
            .filter(|confined| !confined.to.iter().any(|path| file.path.starts_with(path)))
            .collect();
        if forbidden.is_empty() {
            continue;
        }
        let tokens: TokenStream = file.text.parse().expect("a Rust file has tokens");
        idents(tokens, &mut |ident| {
            let line = file.text.lines().nth(ident.span().start().line - 1);
            let is_free = |free: &str| line.is_some_and(|line| line.contains(free));
            for confined in forbidden.iter().filter(|confined| ident == confined.name) {
                if confined.free.is_some_and(is_free) {
                    continue;
                }
                let what = format!(
                    "{} is named only in {}",
                    confined.name,
                    confined.to.join(", ")
                );
                findings.add_at(file, ident.span().start(), what);
            }
        });
    }
}

fn idents(tokens: TokenStream, visit: &mut impl FnMut(&proc_macro2::Ident)) {
    for token in tokens {
        match token {
            TokenTree::Ident(ident) => visit(&ident),
            TokenTree::Group(group) => idents(group.stream(), visit),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

pub fn dependencies(tree: &Tree, findings: &mut Findings) {
    for file in tree.rust() {
        let Some(module) = top_module(file) else {
            continue;
        };
        let allowed: Vec<&str> = match LAYERS.iter().find(|layer| layer.module == module) {
            Some(layer) => layer.below.iter().copied().chain(GROUND).collect(),
            None if GROUND.contains(&module) => Vec::new(),
            None => continue,
        };
        let mut paths = CratePaths { found: Vec::new() };
        paths.visit_file(&file.syntax());
        for (used, line) in paths.found {
            if used != module && !allowed.contains(&used.as_str()) {
                let what = format!("{module} may not use {used}, only {}", allowed.join(", "));
                findings.add(file, line, what);
            }
        }
    }
}

/// `gateway` for src/gateway.rs and for src/gateway/http/batch.rs.
fn top_module(file: &Source) -> Option<&str> {
    let path = file.path.strip_prefix("src/")?;
    Some(path.split('/').next()?.trim_end_matches(".rs"))
}

/// First segments behind `crate::`, in `use` trees and in paths.
struct CratePaths {
    found: Vec<(String, usize)>,
}

impl CratePaths {
    fn add(&mut self, ident: &syn::Ident) {
        // `crate::Thing` is an item of lib.rs, not a module.
        let name = ident.to_string();
        if name.starts_with(char::is_lowercase) {
            self.found.push((name, ident.span().start().line));
        }
    }

    fn add_roots(&mut self, tree: &syn::UseTree) {
        match tree {
            syn::UseTree::Path(path) => self.add(&path.ident),
            syn::UseTree::Name(name) => self.add(&name.ident),
            syn::UseTree::Rename(rename) => self.add(&rename.ident),
            syn::UseTree::Group(group) => group.items.iter().for_each(|item| self.add_roots(item)),
            syn::UseTree::Glob(_) => {}
        }
    }
}

impl<'ast> Visit<'ast> for CratePaths {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if let syn::UseTree::Path(path) = &item.tree
            && path.ident == "crate"
        {
            self.add_roots(&path.tree);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let mut segments = path.segments.iter();
        if segments.next().is_some_and(|first| first.ident == "crate")
            && let Some(second) = segments.next()
            && segments.next().is_some()
        {
            self.add(&second.ident);
        }
        syn::visit::visit_path(self, path);
    }
}
