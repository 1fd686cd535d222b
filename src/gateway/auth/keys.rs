//! The keys that make and check tokens. None of their bytes is ever printed.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePrivateKey};
use jsonwebtoken::{DecodingKey, EncodingKey};
use serde::{Deserialize, Serialize};

use super::issuer::IssuerConfig;

/// Shortest HS256 secret, in bytes: as long as the hash.
pub const SECRET_BYTES_MIN: usize = 32;
/// Largest key file, in bytes.
pub const KEY_FILE_BYTES_MAX: u64 = 16 * 1024;

/// How tokens are checked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuthConfig {
    /// Keys that tokens may be signed with; each token names one by its `kid`. Default: none, so
    /// that every token is refused.
    pub keys: Vec<KeyConfig>,
    /// Directory of more keys, which may come and go without a restart: `KID.pem` is an `eddsa`
    /// key, `KID.secret` an `hs256` one, and other files are none. Default: no directory.
    pub keys_directory: Option<PathBuf>,
    /// How often the files of keys are looked at, in milliseconds; SIGHUP has them read at once.
    /// Default: 5000.
    pub keys_watch_ms: u64,
    /// Most keys of files. Default: 64.
    pub keys_max: usize,
    /// Others who issue tokens (OpenID Connect). Default: none.
    pub issuers: Vec<IssuerConfig>,
    /// Verified tokens that are remembered. Default: 200,000.
    pub cache_entries_max: usize,
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            keys_directory: None,
            keys_watch_ms: 5000,
            keys_max: 64,
            issuers: Vec::new(),
            cache_entries_max: 200_000,
        }
    }
}

/// One key.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyConfig {
    /// Name that tokens give in their `kid` header.
    pub kid: String,
    /// The one algorithm that this key is used with.
    pub algorithm: Algorithm,
    /// `eddsa`: a PEM file, PKCS#8 private or SPKI public. `hs256`: a file with the secret, at
    /// least 32 bytes; a line break at its end does not count.
    pub path: PathBuf,
}

/// Signature algorithm of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
#[value(rename_all = "lowercase")]
pub enum Algorithm {
    /// Ed25519.
    EdDsa,
    /// HMAC with SHA-256.
    Hs256,
}

impl Algorithm {
    pub(super) const fn jwt(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::EdDsa => jsonwebtoken::Algorithm::EdDSA,
            Self::Hs256 => jsonwebtoken::Algorithm::HS256,
        }
    }
}

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file could not be read or written.
    #[error("the key file {} could not be {doing}", path.display())]
    File {
        path: PathBuf,
        doing: &'static str,
        source: io::Error,
    },
    /// The file holds no key of the algorithm.
    #[error("the key file {} holds {problem}", path.display())]
    Content {
        path: PathBuf,
        problem: &'static str,
    },
    /// Two keys have one name.
    #[error("two keys have the kid {kid:?}")]
    DuplicateKid { kid: String },
    /// More keys than are allowed.
    #[error("there are {count} keys, but gateway.auth.keys_max is {max}")]
    TooMany { count: usize, max: usize },
    /// An issuer's settings cannot be used.
    #[error("gateway.auth.issuers: {0}")]
    Issuer(String),
}

fn read(path: &Path) -> Result<Vec<u8>, KeyError> {
    let failed = |source| KeyError::File {
        path: path.to_owned(),
        doing: "read",
        source,
    };
    let size = fs::metadata(path).map_err(failed)?.len();
    if size > KEY_FILE_BYTES_MAX {
        return Err(content(path, "more bytes than any key has"));
    }
    fs::read(path).map_err(failed)
}

fn content(path: &Path, problem: &'static str) -> KeyError {
    KeyError::Content {
        path: path.to_owned(),
        problem,
    }
}

fn read_secret(path: &Path) -> Result<Vec<u8>, KeyError> {
    let mut secret = read(path)?;
    while matches!(secret.last(), Some(b'\n' | b'\r')) {
        secret.pop();
    }
    if secret.len() < SECRET_BYTES_MIN {
        return Err(content(path, "a secret of less than 32 bytes"));
    }
    Ok(secret)
}

fn read_pem(path: &Path) -> Result<String, KeyError> {
    String::from_utf8(read(path)?).map_err(|_| content(path, "no PEM text"))
}

/// A key that makes tokens.
#[derive(Clone)]
pub struct SigningKey {
    pub(super) kid: String,
    pub(super) algorithm: Algorithm,
    pub(super) key: EncodingKey,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("kid", &self.kid)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

impl SigningKey {
    /// Reads the private part of a key.
    ///
    /// # Errors
    /// The file cannot be read or has no private key of the algorithm.
    pub fn load(config: &KeyConfig) -> Result<Self, KeyError> {
        let key = match config.algorithm {
            Algorithm::Hs256 => EncodingKey::from_secret(&read_secret(&config.path)?),
            Algorithm::EdDsa => {
                let key = ed25519_dalek::SigningKey::from_pkcs8_pem(&read_pem(&config.path)?)
                    .map_err(|_| content(&config.path, "no Ed25519 private key in PKCS#8 PEM"))?;
                let der = key
                    .to_pkcs8_der()
                    .map_err(|_| content(&config.path, "a key that cannot be encoded"))?;
                EncodingKey::from_ed_der(der.as_bytes())
            }
        };
        Ok(Self {
            kid: config.kid.clone(),
            algorithm: config.algorithm,
            key,
        })
    }

    pub(super) fn header(&self) -> jsonwebtoken::Header {
        let mut header = jsonwebtoken::Header::new(self.algorithm.jwt());
        header.kid = Some(self.kid.clone());
        header
    }
}

/// Makes a new Ed25519 key and writes it as PKCS#8 PEM, readable by its owner only.
///
/// # Errors
/// The file exists already or cannot be written; an existing key is never replaced.
pub fn generate(path: &Path) -> Result<(), KeyError> {
    let key = ed25519_dalek::SigningKey::from_bytes(&rand::random());
    let pem = key
        .to_pkcs8_pem(LineEnding::LF)
        .map_err(|_| content(path, "a key that cannot be encoded"))?;
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        file.write_all(pem.as_bytes())?;
        file.sync_all()
    };
    write().map_err(|source| KeyError::File {
        path: path.to_owned(),
        doing: "written",
        source,
    })
}

/// The public part, or the secret, of a key, and bytes that no other key has.
pub(super) fn decoding_key(config: &KeyConfig) -> Result<(DecodingKey, Vec<u8>), KeyError> {
    if config.algorithm == Algorithm::Hs256 {
        let secret = read_secret(&config.path)?;
        return Ok((DecodingKey::from_secret(&secret), secret));
    }
    let pem = read_pem(&config.path)?;
    let public = match ed25519_dalek::SigningKey::from_pkcs8_pem(&pem) {
        Ok(private) => private.verifying_key(),
        Err(_) => ed25519_dalek::VerifyingKey::from_public_key_pem(&pem)
            .map_err(|_| content(&config.path, "no Ed25519 key in PEM"))?,
    };
    if public.is_weak() {
        return Err(content(&config.path, "a weak Ed25519 key"));
    }
    let public = public.as_bytes();
    Ok((DecodingKey::from_ed_der(public), public.to_vec()))
}
