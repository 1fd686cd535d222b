//! The keys that check tokens: those of files and those of issuers, as they are at one moment.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::Arc;

use jsonwebtoken::{DecodingKey, Validation};
use xxhash_rust::xxh3::xxh3_64;

use super::issuer::IssuerConfig;
use super::keys::{KeyConfig, KeyError, decoding_key};

/// Tells one key from every other, another one of the same name included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyPrint(u64);

impl KeyPrint {
    /// Of a key whose bytes these are, named so by `origin`: a file's keys, or an issuer.
    pub(super) fn new(origin: &str, kid: &str, key: &[u8]) -> Self {
        let parts = [origin.as_bytes(), &[0], kid.as_bytes(), &[0], key];
        Self(xxh3_64(&parts.concat()))
    }
}

/// What checks the tokens of one key: that key with that algorithm and no other.
#[derive(Clone)]
pub(super) struct Verifier {
    pub(super) kid: String,
    pub(super) print: KeyPrint,
    pub(super) key: DecodingKey,
    pub(super) validation: Validation,
}

/// What is always asked of a token, whoever signed it.
pub(super) fn validation(algorithm: jsonwebtoken::Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.set_required_spec_claims(&["exp"]);
    validation.leeway = 0;
    validation.validate_nbf = true;
    validation.validate_aud = false;
    validation
}

/// An issuer and the keys that it told of last.
#[derive(Clone)]
pub(super) struct Issued {
    pub(super) issuer: Arc<IssuerConfig>,
    /// Or why there are none.
    pub(super) keys: Result<Arc<Vec<Verifier>>, String>,
}

/// Every key that tokens may be signed with.
#[derive(Clone, Default)]
pub struct KeyRing {
    files: Arc<Vec<Verifier>>,
    issued: BTreeMap<String, Issued>,
    prints: HashSet<KeyPrint>,
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.kids()).finish()
    }
}

impl KeyRing {
    /// Reads the public part, or the secret, of every key.
    ///
    /// # Errors
    /// A file cannot be read or has no key of its algorithm; two keys have one name.
    pub fn load(keys: &[KeyConfig]) -> Result<Self, KeyError> {
        let mut verifiers: Vec<Verifier> = Vec::with_capacity(keys.len());
        for config in keys {
            if verifiers.iter().any(|other| other.kid == config.kid) {
                return Err(KeyError::DuplicateKid {
                    kid: config.kid.clone(),
                });
            }
            let (key, bytes) = decoding_key(config)?;
            verifiers.push(Verifier {
                kid: config.kid.clone(),
                print: KeyPrint::new("", &config.kid, &bytes),
                key,
                validation: validation(config.algorithm.jwt()),
            });
        }
        let mut ring = Self {
            files: Arc::new(verifiers),
            ..Self::default()
        };
        ring.count();
        Ok(ring)
    }

    /// The same with the files' keys of another ring.
    pub(super) fn with_files(&self, other: &Self) -> Self {
        let mut ring = Self {
            files: Arc::clone(&other.files),
            ..self.clone()
        };
        ring.count();
        ring
    }

    /// The same with other keys of an issuer.
    pub(super) fn with_issued(&self, issued: Issued) -> Self {
        let mut ring = self.clone();
        ring.issued.insert(issued.issuer.url.clone(), issued);
        ring.count();
        ring
    }

    fn count(&mut self) {
        let issued = self.issued.values();
        let issued = issued
            .filter_map(|issued| issued.keys.as_deref().ok())
            .flatten();
        self.prints = self.files.iter().chain(issued).map(|it| it.print).collect();
    }

    /// True if the key that has this print may still sign.
    pub(super) fn holds(&self, print: KeyPrint) -> bool {
        self.prints.contains(&print)
    }

    /// True if tokens of both rings are judged alike.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.prints == other.prints
    }

    pub(super) fn of_files(&self, kid: &str) -> Option<&Verifier> {
        self.files.iter().find(|verifier| verifier.kid == kid)
    }

    pub(super) fn issued_by(&self, url: &str) -> Option<&Issued> {
        self.issued.get(url)
    }

    pub(super) fn has_issuers(&self) -> bool {
        !self.issued.is_empty()
    }

    /// Names of the keys.
    pub fn kids(&self) -> Vec<String> {
        let issued = self.issued.values().flat_map(|issued| {
            let keys = issued.keys.as_deref().map_or(&[][..], Vec::as_slice);
            let name = &issued.issuer.name;
            keys.iter().map(move |key| format!("{name}:{}", key.kid))
        });
        let files = self.files.iter().map(|key| key.kid.clone());
        files.chain(issued).collect()
    }
}
