//! The files of keys: which there are, and whether they changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::super::keys::{Algorithm, AuthConfig, KeyConfig, KeyError};

/// What changes when a file does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Stamp(Vec<(PathBuf, Option<Look>)>);

/// When it was written, its length, and which file it is.
type Look = (SystemTime, u64, u64);

/// The keys of the settings and those of the directory, by their names.
///
/// # Errors
/// The directory cannot be read, or there are too many.
pub(in super::super) fn named(config: &AuthConfig) -> Result<Vec<KeyConfig>, KeyError> {
    let mut keys = config.keys.clone();
    if let Some(directory) = &config.keys_directory {
        let failed = |source| KeyError::File {
            path: directory.clone(),
            doing: "read",
            source,
        };
        let mut paths = Vec::new();
        for entry in fs::read_dir(directory).map_err(failed)? {
            paths.push(entry.map_err(failed)?.path());
        }
        paths.sort();
        keys.extend(paths.iter().filter_map(|path| key(path)));
    }
    if keys.len() > config.keys_max {
        return Err(KeyError::TooMany {
            count: keys.len(),
            max: config.keys_max,
        });
    }
    Ok(keys)
}

fn key(path: &Path) -> Option<KeyConfig> {
    let algorithm = match path.extension()?.to_str()? {
        "pem" => Algorithm::EdDsa,
        "secret" => Algorithm::Hs256,
        _ => return None,
    };
    let kid = path.file_stem()?.to_str()?.to_owned();
    let is_hidden = kid.starts_with('.');
    (!is_hidden).then(|| KeyConfig {
        kid,
        algorithm,
        path: path.to_owned(),
    })
}

/// What the files look like now, without their content.
pub(in super::super) fn stamp(keys: &[KeyConfig]) -> Stamp {
    use std::os::unix::fs::MetadataExt;
    let of = |key: &KeyConfig| {
        let meta = fs::metadata(&key.path).ok();
        let seen = meta.and_then(|meta| Some((meta.modified().ok()?, meta.len(), meta.ino())));
        (key.path.clone(), seen)
    };
    Stamp(keys.iter().map(of).collect())
}
