//! Verifies a token once and remembers the caller until expiry or revocation.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::time::Duration;

use aerostream_domain::UtcMicros;
use tokio::sync::watch;

use super::keep::{Source, Stamp, named, stamp};
use super::ring::Issued;
use super::token::{TokenError, verify};
use super::{AuthConfig, KeyError, KeyRing, Principal};
use crate::gateway::limit::{LimitConfig, Usage};
use crate::registry::{Credential, State};

/// Why a caller is not let in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// No `authorization: Bearer <token>`.
    #[error("the request needs `authorization: Bearer <token>`")]
    NoToken,
    /// The token is nothing.
    #[error(transparent)]
    Token(TokenError),
    /// The token was ended before its expiry.
    #[error("the token was revoked")]
    Revoked,
    /// The key that signed it was taken away.
    #[error("the key that signed the token is not known here any more")]
    KeyGone,
    /// The token's drone was retired.
    #[error("the drone of this token is retired")]
    Retired,
}

/// A caller who was let in.
#[derive(Debug)]
pub struct Caller {
    pub principal: Principal,
    /// What all tokens of the subject have under way together.
    pub usage: Arc<Usage>,
}

#[derive(Default)]
struct Generations {
    young: HashMap<Box<str>, Arc<Caller>>,
    old: HashMap<Box<str>, Arc<Caller>>,
}

/// Tells callers by their tokens. Remembers a bounded number in two generations: when the young one
/// is full it becomes the old one, and what nobody used since is dropped.
pub struct Authenticator {
    config: AuthConfig,
    keys: RwLock<Arc<KeyRing>>,
    sources: Vec<Source>,
    generation_max: usize,
    limits: LimitConfig,
    verified: RwLock<Generations>,
    usages: Mutex<HashMap<String, Weak<Usage>>>,
}

impl std::fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authenticator")
            .field("keys", &self.keys())
            .finish_non_exhaustive()
    }
}

impl Authenticator {
    /// Loads the configured keys of files; those of issuers come with [`Authenticator::keep`].
    ///
    /// # Errors
    /// A key cannot be used.
    pub fn new(config: &AuthConfig, limits: LimitConfig) -> Result<Self, KeyError> {
        let sources = config.issuers.iter().cloned().map(Source::new);
        let sources: Vec<Source> = sources.collect::<Result<_, _>>()?;
        let mut keys = KeyRing::load(&named(config)?)?;
        for source in &sources {
            let url = &source.issuer.url;
            if keys.issued_by(url).is_some() {
                return Err(KeyError::Issuer(format!("{url} is named twice")));
            }
            keys = keys.with_issued(source.unread());
        }
        Ok(Self {
            config: config.clone(),
            keys: RwLock::new(Arc::new(keys)),
            sources,
            generation_max: (config.cache_entries_max / 2).max(1),
            limits,
            verified: RwLock::default(),
            usages: Mutex::default(),
        })
    }

    /// The keys as they are now.
    pub fn keys(&self) -> Arc<KeyRing> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&keys)
    }

    /// The caller behind an `authorization` header.
    ///
    /// # Errors
    /// See [`AuthError`]; whoever is not let in is not served.
    pub fn authenticate(
        &self,
        authorization: Option<&str>,
        registry: &State,
        now: UtcMicros,
    ) -> Result<Arc<Caller>, AuthError> {
        let token = authorization.and_then(bearer).ok_or(AuthError::NoToken)?;
        let keys = self.keys();
        let remembered = self.remembered(token);
        let caller = match remembered.filter(|caller| keys.holds(caller.principal.key)) {
            Some(caller) => caller,
            None => self.admit(&keys, token)?,
        };
        check(&caller.principal, registry, now)?;
        Ok(caller)
    }

    /// True if the token behind an `authorization` header was let in before.
    pub fn remembers(&self, authorization: Option<&str>) -> bool {
        let token = authorization.and_then(bearer);
        token.is_some_and(|token| self.remembered(token).is_some())
    }

    /// Judges again a caller who was let in before.
    ///
    /// # Errors
    /// The caller may not stay.
    pub fn recheck(
        &self,
        principal: &Principal,
        registry: &State,
        now: UtcMicros,
    ) -> Result<(), AuthError> {
        if !self.keys().holds(principal.key) {
            return Err(AuthError::KeyGone);
        }
        check(principal, registry, now)
    }

    /// Has the keys of an issuer read once more; true if it may tell of others now.
    pub async fn read_again(&self, issuer: &str) -> bool {
        match self.sources.iter().find(|it| it.issuer.url == issuer) {
            Some(source) => source.read_again().await,
            None => false,
        }
    }

    /// Follows files and issuers for ever. Each value of `asked` has the files read at once; each
    /// change of the keys is told.
    pub async fn keep(&self, asked: watch::Receiver<u64>, changed: impl Fn()) {
        let tell = |issued: Issued| self.take_issued(issued, &changed);
        let issuers = self.sources.iter().map(|source| source.run(&tell));
        let issuers = futures::future::join_all(issuers);
        tokio::join!(self.keep_files(asked, &changed), issuers);
    }

    fn take_issued(&self, issued: Issued, changed: &impl Fn()) {
        self.replace(|keys| keys.with_issued(issued), changed);
    }

    /// Puts other keys into place and tells it if tokens are judged otherwise by them.
    fn replace(&self, make: impl FnOnce(&KeyRing) -> KeyRing, changed: &impl Fn()) {
        let is_like = {
            let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
            let made = Arc::new(make(&keys));
            let before = std::mem::replace(&mut *keys, made);
            before.is_like(&keys)
        };
        if !is_like {
            tracing::info!(keys = ?self.keys(), "keys of tokens changed");
            changed();
        }
    }

    async fn keep_files(&self, mut asked: watch::Receiver<u64>, changed: &impl Fn()) {
        let pause = Duration::from_millis(self.config.keys_watch_ms);
        let mut seen: Option<Stamp> = named(&self.config).ok().map(|keys| stamp(&keys));
        loop {
            let is_asked = tokio::select! {
                () = tokio::time::sleep(pause) => false,
                Ok(()) = asked.changed() => true,
            };
            let keys = named(&self.config);
            let now = keys.as_ref().ok().map(|keys| stamp(keys));
            if now == seen && !is_asked {
                continue;
            }
            seen = now;
            match keys.and_then(|keys| KeyRing::load(&keys)) {
                Ok(files) => self.replace(|keys| keys.with_files(&files), changed),
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(error, "keys not changed, since the files cannot be used");
                }
            }
        }
    }

    fn remembered(&self, token: &str) -> Option<Arc<Caller>> {
        let caller = {
            let verified = self.verified.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(caller) = verified.young.get(token) {
                return Some(Arc::clone(caller));
            }
            Arc::clone(verified.old.get(token)?)
        };
        self.remember(token, &caller);
        Some(caller)
    }

    fn admit(&self, keys: &KeyRing, token: &str) -> Result<Arc<Caller>, AuthError> {
        let principal = verify(keys, token).map_err(AuthError::Token)?;
        let usage = self.usage(&principal.subject);
        let caller = Arc::new(Caller { principal, usage });
        self.remember(token, &caller);
        Ok(caller)
    }

    fn remember(&self, token: &str, caller: &Arc<Caller>) {
        let mut verified = self
            .verified
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if verified.young.len() >= self.generation_max {
            verified.old = std::mem::take(&mut verified.young);
        }
        verified.young.insert(token.into(), Arc::clone(caller));
    }

    fn usage(&self, subject: &str) -> Arc<Usage> {
        let mut usages = self.usages.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(usage) = usages.get(subject).and_then(Weak::upgrade) {
            return usage;
        }
        // Every live entry is held by a remembered caller or by a request under way.
        if usages.len() >= 4 * self.generation_max {
            usages.retain(|_, usage| usage.strong_count() > 0);
        }
        let usage = Arc::new(Usage::new(&self.limits));
        usages.insert(subject.to_owned(), Arc::downgrade(&usage));
        usage
    }

    #[cfg(test)]
    pub(in crate::gateway) fn remembered_tokens(&self) -> usize {
        let verified = self.verified.read().unwrap_or_else(PoisonError::into_inner);
        verified.young.len() + verified.old.len()
    }
}

/// Tokens expire and are revoked, drones retire.
fn check(principal: &Principal, registry: &State, now: UtcMicros) -> Result<(), AuthError> {
    if now >= principal.expires {
        return Err(AuthError::Token(TokenError::Expired));
    }
    if registry.is_revoked(&principal.token_id) {
        return Err(AuthError::Revoked);
    }
    let own = principal
        .drone
        .as_ref()
        .and_then(|drone| registry.drone(drone));
    if own.is_some_and(|own| own.entity.credential == Credential::Retired) {
        return Err(AuthError::Retired);
    }
    Ok(())
}

fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}
