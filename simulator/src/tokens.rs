//! A token for each drone, where the door lets a drone write itself only.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use reqwest::header::HeaderValue;

use crate::error::Error;

/// Values of the header `authorization`, by drone.
pub type Tokens = Arc<HashMap<String, HeaderValue>>;

/// Reads lines of a drone's id and its token, as `aerostream token issue --drones` prints them.
///
/// # Errors
/// The file cannot be read, or a line is not such a line; the token itself is never told.
pub fn load(path: &Path) -> Result<Tokens, Error> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::TokenFile {
        path: path.to_owned(),
        source,
    })?;
    let mut tokens = HashMap::new();
    for (line, number) in text.lines().zip(1..) {
        let wrong = |detail: &str| Error::Tokens {
            path: path.to_owned(),
            detail: format!("line {number} {detail}"),
        };
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        let [drone, token] = words[..] else {
            return Err(wrong("must be a drone's id and its token"));
        };
        let mut bearer = HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|_| wrong("has a token with characters that no header may have"))?;
        bearer.set_sensitive(true);
        if tokens.insert(drone.to_owned(), bearer).is_some() {
            return Err(wrong("names a drone that has a token already"));
        }
    }
    Ok(Arc::new(tokens))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded(text: &str) -> Result<Tokens, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tokens");
        std::fs::write(&path, text).unwrap();
        load(&path).map_err(|error| error.to_string())
    }

    #[test]
    fn a_line_is_a_drone_and_its_token() {
        let tokens = loaded("# two drones\nd-1 abc\n\n  d-2\tdef\n").unwrap();
        assert_eq!(tokens.len(), 2);
        assert_eq!(tokens["d-2"], "Bearer def");
        assert!(
            !format!("{tokens:?}").contains("def"),
            "a token is never printed"
        );
        for (text, part) in [
            ("d-1\n", "line 1 must be"),
            ("d-1 a b\n", "line 1 must be"),
            ("d-1 a\nd-1 b\n", "line 2 names a drone"),
            ("d-1 \u{1}\n", "line 1 has a token"),
        ] {
            let said = loaded(text).unwrap_err();
            assert!(said.contains(part), "{text:?}: {said}");
        }
        assert!(load(Path::new("/nowhere/tokens")).is_err());
    }
}
