//! The files of the repository, read once per rule, and what is wrong with them.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use proc_macro2::LineColumn;

/// Directories that hold nothing of ours.
const NOT_OURS: [&str; 5] = ["target", "node_modules", "var", "dist", "fixtures"];

/// A text file of the repository.
pub struct Source {
    /// Relative to the root, with `/`.
    pub path: String,
    pub text: String,
}

impl Source {
    pub fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text
            .lines()
            .zip(1..)
            .map(|(line, number)| (number, line))
    }

    /// The syntax of a Rust file.
    pub fn syntax(&self) -> syn::File {
        syn::parse_file(&self.text)
            .unwrap_or_else(|error| panic!("{} is not parsed: {error}", self.path))
    }
}

/// Every text file that is ours.
pub struct Tree {
    pub root: PathBuf,
    files: Vec<Source>,
}

impl Tree {
    pub fn read() -> Self {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let mut files = Vec::new();
        collect(&root, &root, &mut files);
        files.sort_by(|one, other| one.path.cmp(&other.path));
        Self { root, files }
    }

    /// Files with one of the endings.
    pub fn with_ending<'a>(&'a self, endings: &'a [&str]) -> impl Iterator<Item = &'a Source> {
        self.files
            .iter()
            .filter(|file| endings.iter().any(|ending| file.path.ends_with(ending)))
    }

    pub fn rust(&self) -> impl Iterator<Item = &Source> {
        self.with_ending(&[".rs"])
    }

    pub fn exists(&self, path: &Path) -> bool {
        self.root.join(path).exists()
    }
}

fn collect(root: &Path, directory: &Path, files: &mut Vec<Source>) {
    let entries = std::fs::read_dir(directory).expect("a directory of the repository");
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let kind = entry.file_type().expect("a kind of file");
        if kind.is_dir() {
            let hidden = name.starts_with('.') && name != ".ci";
            if !hidden && !NOT_OURS.contains(&&*name) {
                collect(root, &path, files);
            }
        } else if kind.is_file()
            && let Ok(text) = std::fs::read_to_string(&path)
        {
            let path = path.strip_prefix(root).expect("below the root");
            let path = path.to_string_lossy().into_owned();
            files.push(Source { path, text });
        }
    }
}

/// What breaks a rule.
#[derive(Default)]
pub struct Findings(Vec<String>);

impl Findings {
    pub fn add(&mut self, file: &Source, line: usize, what: impl std::fmt::Display) {
        self.0.push(format!("{}:{line}: {what}", file.path));
    }

    pub fn add_at(&mut self, file: &Source, place: LineColumn, what: impl std::fmt::Display) {
        self.add(file, place.line, what);
    }

    pub fn assert_none(self) {
        let mut report = String::new();
        for finding in &self.0 {
            write!(report, "\n{finding}").expect("a String takes everything");
        }
        assert!(self.0.is_empty(), "{} findings:{report}", self.0.len());
    }
}
