//! Who asks, and whom it trusts: the token and the certificates of every subcommand that calls a
//! gateway.

use std::convert::Infallible;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::Context;

/// Holds a token where no option gives one.
const TOKEN: &str = "AEROSTREAM_TOKEN";
/// Names a file with a token where neither an option nor [`TOKEN`] gives one.
const TOKEN_FILE: &str = "AEROSTREAM_TOKEN_FILE";

/// The options beat the environment, which clap's own reading of the environment could not say: to
/// it a variable and an option that exclude each other are a mistake.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Caller {
    /// Token of the caller; better AEROSTREAM_TOKEN, since others can read command lines
    #[arg(long, value_name = "TOKEN", conflicts_with = "token_file")]
    token: Option<Token>,
    /// File with the token of the caller; or AEROSTREAM_TOKEN_FILE
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// File with the certificates that an https gateway is trusted by (PEM); without it those that
    /// this machine trusts
    #[arg(long, value_name = "FILE", env = "AEROSTREAM_CA")]
    ca: Option<PathBuf>,
}

impl Caller {
    /// The token, if there is one.
    ///
    /// # Errors
    /// The file with it cannot be read.
    pub fn token(&self) -> anyhow::Result<Option<Token>> {
        self.token_with(|name| std::env::var_os(name))
    }

    /// The file of certificates that a gateway is trusted by, if one is named.
    #[must_use]
    pub fn ca(&self) -> Option<PathBuf> {
        self.ca.clone()
    }

    /// True if an option gives a token.
    #[must_use]
    pub const fn is_named(&self) -> bool {
        self.token.is_some() || self.token_file.is_some()
    }

    fn token_with(
        &self,
        environment: impl Fn(&str) -> Option<OsString>,
    ) -> anyhow::Result<Option<Token>> {
        let given = |name: &str| environment(name).filter(|value| !value.is_empty());
        let file = match (&self.token, &self.token_file) {
            (Some(token), _) => return Ok(Some(token.clone())),
            (None, Some(file)) => file.clone(),
            (None, None) => match (given(TOKEN), given(TOKEN_FILE)) {
                (Some(token), _) => {
                    let token = token.into_string().ok();
                    let token = token.with_context(|| format!("{TOKEN} is no text"))?;
                    return Ok(Some(Token::new(&token)));
                }
                (None, Some(file)) => file.into(),
                (None, None) => return Ok(None),
            },
        };
        let token = std::fs::read_to_string(&file)
            .with_context(|| format!("could not read the token file {}", file.display()))?;
        Ok(Some(Token::new(&token)))
    }
}

/// A token, which no log shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    fn new(text: &str) -> Self {
        Self(text.trim().to_owned())
    }

    /// The token as it is sent.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

impl FromStr for Token {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self::new(text))
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args, Command, FromArgMatches};

    use super::*;

    fn caller(options: &[&str]) -> Result<Caller, clap::Error> {
        let words = ["it"].iter().chain(options);
        let matches = Caller::augment_args(Command::new("it")).try_get_matches_from(words)?;
        Caller::from_arg_matches(&matches)
    }

    #[test]
    fn options_beat_the_environment_and_a_token_beats_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str| {
            let path = directory.path().join(name);
            std::fs::write(&path, format!("{name}\n")).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let (named, other) = (file("named"), file("other"));
        let nothing: &[(&str, &str)] = &[];
        let token_only: &[_] = &[(TOKEN, " variable ")];
        let file_only: &[_] = &[(TOKEN_FILE, other.as_str())];
        let both: &[_] = &[(TOKEN, "variable"), (TOKEN_FILE, other.as_str())];
        let empty: &[_] = &[(TOKEN, ""), (TOKEN_FILE, "")];
        for (options, environment, expected) in [
            (&[][..], nothing, None),
            (&[], empty, None),
            (&[], token_only, Some("variable")),
            (&[], file_only, Some("other")),
            (&[], both, Some("variable")),
            (&["--token", "option"], both, Some("option")),
            (&["--token-file", named.as_str()], both, Some("named")),
        ] {
            let look = |name: &str| {
                let found = environment.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| value.into())
            };
            let token = caller(options).unwrap().token_with(look).unwrap();
            let token = token.as_ref().map(Token::reveal);
            assert_eq!(token, expected, "{options:?} {environment:?}");
        }
        let mistake = caller(&["--token", "a", "--token-file", "b"]);
        assert!(mistake.is_err(), "which one is meant cannot be known");
    }

    #[test]
    fn a_token_is_never_shown_and_a_missing_file_is_named() {
        let shown = format!("{:?}", caller(&["--token", "secret"]).unwrap());
        assert!(!shown.contains("secret"), "{shown}");
        let missing = caller(&["--token-file", "/nowhere/token"]).unwrap();
        let error = missing.token_with(|_| None).unwrap_err();
        assert!(error.to_string().contains("/nowhere/token"), "{error}");
    }
}
