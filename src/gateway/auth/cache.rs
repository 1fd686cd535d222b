//! Verifies a token once and remembers the caller until expiry or revocation.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};

use aerostream_domain::UtcMicros;

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
    keys: KeyRing,
    generation_max: usize,
    limits: LimitConfig,
    verified: RwLock<Generations>,
    usages: Mutex<HashMap<String, Weak<Usage>>>,
}

impl std::fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authenticator")
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}

impl Authenticator {
    /// Loads the configured keys.
    ///
    /// # Errors
    /// A key cannot be used.
    pub fn new(config: &AuthConfig, limits: LimitConfig) -> Result<Self, KeyError> {
        Ok(Self {
            keys: KeyRing::load(&config.keys)?,
            generation_max: (config.cache_entries_max / 2).max(1),
            limits,
            verified: RwLock::default(),
            usages: Mutex::default(),
        })
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
        let caller = match self.remembered(token) {
            Some(caller) => caller,
            None => self.admit(token)?,
        };
        check(&caller.principal, registry, now)?;
        Ok(caller)
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

    fn admit(&self, token: &str) -> Result<Arc<Caller>, AuthError> {
        let principal = verify(&self.keys, token).map_err(AuthError::Token)?;
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
    pub(super) fn remembered_tokens(&self) -> usize {
        let verified = self.verified.read().unwrap_or_else(PoisonError::into_inner);
        verified.young.len() + verified.old.len()
    }
}

/// Judges again a caller who was let in before: tokens expire and are revoked, drones retire.
///
/// # Errors
/// The caller may not stay.
pub fn check(principal: &Principal, registry: &State, now: UtcMicros) -> Result<(), AuthError> {
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
