//! Writes the reference file: the defaults as they are, each under what its field's comment says.
//!
//! A field is documented once, beside the code. Serde does not keep comments, so they are read from
//! the sources: a struct is known by the set of its fields.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use serde_json::{Map, Value};

const HEADER: &str = "\
# Every setting of AeroStream with its default. Written from the code by `make config-reference`.
#
# Name a file such as this one by --config or AEROSTREAM_CONFIG; what it leaves out keeps its
# default. A variable AEROSTREAM_SHUTDOWN__GRACE_S overrides `grace_s` in `[shutdown]`, and
# `--set shutdown.grace_s=10` overrides both. Where a name tells a unit, the value may be a whole
# number of it or a string with a unit: \"5s\", \"250ms\", \"7d\", \"256MiB\".
";

/// Where settings are declared.
const SOURCES: [&str; 4] = ["src", "actors", "cluster", "simulator"];

/// A struct of settings as it is written: its own comment, and its fields in order with theirs.
struct Declared {
    comment: String,
    fields: Vec<(String, String)>,
}

pub fn render(defaults: &Value) -> String {
    let declared = declared();
    let mut text = HEADER.to_owned();
    let root = defaults.as_object().expect("the settings are a table");
    write_table(&mut text, "", root, &declared);
    text
}

fn write_table(text: &mut String, path: &str, table: &Map<String, Value>, all: &[Declared]) {
    let declared = find(path, table, all);
    if !path.is_empty() {
        write!(text, "\n{}[{path}]\n", commented(&declared.comment)).expect("a String");
    }
    // Values stand before tables: in TOML a value behind a table's heading belongs to that table.
    for (name, comment) in &declared.fields {
        let value = &table[name];
        if value.is_object() {
            continue;
        }
        text.push_str(&commented(comment));
        match toml_text(value) {
            Some(value) => writeln!(text, "{name} = {value}"),
            None => writeln!(text, "# {name} ="),
        }
        .expect("a String");
    }
    for (name, _) in &declared.fields {
        if let Value::Object(inner) = &table[name] {
            let path = if path.is_empty() {
                name.clone()
            } else {
                format!("{path}.{name}")
            };
            write_table(text, &path, inner, all);
        }
    }
}

fn find<'a>(path: &str, table: &Map<String, Value>, all: &'a [Declared]) -> &'a Declared {
    let names: BTreeSet<&str> = table.keys().map(String::as_str).collect();
    let mut found = all.iter().filter(|declared| {
        let fields: BTreeSet<&str> = declared
            .fields
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        fields == names
    });
    let first = found
        .next()
        .unwrap_or_else(|| panic!("no struct of settings has the fields {names:?} of [{path}]"));
    for other in found {
        assert!(
            first.fields == other.fields,
            "two structs of settings have the fields {names:?} and other comments"
        );
    }
    first
}

fn commented(comment: &str) -> String {
    comment.lines().fold(String::new(), |mut text, line| {
        writeln!(text, "#{line}").expect("a String");
        text
    })
}

fn toml_text(value: &Value) -> Option<String> {
    if value.is_null() {
        return None;
    }
    let value = toml::Value::try_from(value).expect("a default is a TOML value");
    Some(value.to_string())
}

/// Every struct of the sources that refuses unknown fields: those are the settings.
fn declared() -> Vec<Declared> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for directory in SOURCES {
        collect(&root.join(directory), &mut found);
    }
    found
}

fn collect(directory: &Path, found: &mut Vec<Declared>) {
    for entry in std::fs::read_dir(directory)
        .expect("a directory of sources")
        .flatten()
    {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = std::fs::read_to_string(&path).expect("a source file");
            let file = syn::parse_file(&text).expect("a source file that compiles");
            found.extend(file.items.iter().filter_map(read_struct));
        }
    }
}

fn read_struct(item: &syn::Item) -> Option<Declared> {
    let syn::Item::Struct(item) = item else {
        return None;
    };
    let is_settings = item.attrs.iter().any(|attribute| {
        let is_serde = attribute.path().is_ident("serde");
        is_serde
            && attribute.meta.require_list().is_ok_and(|list| {
                let tokens = list.tokens.to_string();
                tokens.contains("deny_unknown_fields") && tokens.contains("default")
            })
    });
    let fields = item.fields.iter().filter_map(|field| {
        let name = field.ident.as_ref()?.to_string();
        Some((name, comment_of(&field.attrs)))
    });
    is_settings.then(|| Declared {
        comment: comment_of(&item.attrs),
        fields: fields.collect(),
    })
}

/// The lines of a `///` comment, each with the blank that it begins with.
fn comment_of(attributes: &[syn::Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| {
        let syn::Meta::NameValue(meta) = &attribute.meta else {
            return None;
        };
        let syn::Expr::Lit(literal) = &meta.value else {
            return None;
        };
        match &literal.lit {
            syn::Lit::Str(text) if meta.path.is_ident("doc") => Some(text.value()),
            _ => None,
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}
