//! Tokens: JSON Web Tokens whose key, algorithm, expiry and id are all mandatory.

use aerostream_domain::{DroneId, FleetId, UtcMicros};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::keys::SigningKey;
use super::ring::{Issued, KeyPrint, KeyRing, Verifier};
use super::{Principal, Role, Scope};

/// Longest token, in bytes.
pub const TOKEN_BYTES_MAX: usize = 4096;
/// Longest subject and token id, in bytes.
pub const NAME_BYTES_MAX: usize = 128;
/// Most fleets that a token may name.
pub const FLEETS_MAX: usize = 64;
/// Stands for every fleet in the `fleets` claim.
pub const ALL_FLEETS: &str = "*";

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    /// Who holds it; 1 to 128 printable ASCII characters.
    pub sub: String,
    pub role: Role,
    /// Fleets that it reaches; `*` is every fleet. Empty for a drone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fleets: Vec<String>,
    /// The drone of a drone token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drone: Option<String>,
    /// Names the token when it is revoked; 1 to 128 printable ASCII characters.
    pub jti: String,
    /// End of its life, seconds since 1970.
    pub exp: u64,
    /// When it was made, seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iat: Option<u64>,
    /// Start of its life, seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<u64>,
    /// Who made it; for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
}

/// Why a token is nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not a token, or longer than tokens are.
    #[error("the token is not a JSON Web Token")]
    NotAToken,
    /// Its key is not among those configured.
    #[error("the token's `kid` names no key that is known here")]
    UnknownKey,
    /// It names neither a key nor an issuer of ours.
    #[error("the token's `kid` names no key and its `iss` no issuer that is known here")]
    UnknownIssuer,
    /// Its issuer has no such key.
    #[error("the token's `kid` names no key of its issuer {issuer}")]
    UnknownKeyOf { issuer: String },
    /// The keys of its issuer are not known now.
    #[error("the keys of the issuer {issuer} are not known: {reason}")]
    NoKeysOf { issuer: String, reason: String },
    /// It is for somebody else.
    #[error("the token's `aud` does not name {audience}")]
    WrongAudience { audience: String },
    /// Its algorithm is not that of its key, or its signature does not match.
    #[error("the token's signature is not valid for its key")]
    BadSignature,
    /// It is over.
    #[error("the token has expired")]
    Expired,
    /// It has not begun.
    #[error("the token is not valid yet")]
    NotYet,
    /// A claim is absent, unknown or wrong.
    #[error("the token's claims are not valid: {0}")]
    BadClaims(String),
    /// The signer failed.
    #[error("the token could not be signed")]
    NotSigned,
}

impl TokenError {
    /// True if nobody of good will has such a token. One that is over, or whose issuer is out of
    /// reach, may be anybody's.
    #[must_use]
    pub const fn is_bad(&self) -> bool {
        !matches!(self, Self::Expired | Self::NotYet | Self::NoKeysOf { .. })
    }
}

/// Makes a token.
///
/// # Errors
/// The claims would be refused by [`verify`].
pub fn issue(key: &SigningKey, claims: &Claims) -> Result<String, TokenError> {
    principal(claims, KeyPrint::new("", &key.kid, &[]))?;
    jsonwebtoken::encode(&key.header(), claims, &key.key).map_err(|_| TokenError::NotSigned)
}

/// A random token id: 128 bits in hexadecimal.
#[must_use]
pub fn new_token_id() -> String {
    format!("{:032x}", rand::random::<u128>())
}

/// Reads a token's claims without checking its signature, to show them to its holder.
///
/// # Errors
/// It is not a token of ours in form.
pub fn inspect(token: &str) -> Result<(Option<String>, Claims), TokenError> {
    let data = jsonwebtoken::dangerous::insecure_decode::<Claims>(token.as_bytes())
        .map_err(|_| TokenError::NotAToken)?;
    Ok((data.header.kid, data.claims))
}

/// Checks a token's key, algorithm, signature, life and claims.
///
/// # Errors
/// Whichever of these is wrong.
pub fn verify(keys: &KeyRing, token: &str) -> Result<Principal, TokenError> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(TokenError::NotAToken);
    }
    let header = jsonwebtoken::decode_header(token).map_err(|error| match error.kind() {
        // Names such as `none` are no algorithm that this library has.
        jsonwebtoken::errors::ErrorKind::Json(_) => TokenError::BadSignature,
        _ => TokenError::NotAToken,
    })?;
    let kid = header.kid.ok_or(TokenError::UnknownKey)?;
    if let Some(issued) = issuer_of(keys, token) {
        return verify_issued(issued, &kid, token);
    }
    let Some(verifier) = keys.of_files(&kid) else {
        return Err(match keys.has_issuers() {
            true => TokenError::UnknownIssuer,
            false => TokenError::UnknownKey,
        });
    };
    let claims: Claims = decode(token, verifier)?;
    principal(&claims, verifier.print)
}

/// The issuer that a token says that it has: only that one's keys may have signed it.
fn issuer_of<'a>(keys: &'a KeyRing, token: &str) -> Option<&'a Issued> {
    #[derive(Clone, Deserialize)]
    struct Told {
        iss: Option<String>,
    }
    if !keys.has_issuers() {
        return None;
    }
    let told = jsonwebtoken::dangerous::insecure_decode::<Told>(token.as_bytes());
    keys.issued_by(&told.ok()?.claims.iss?)
}

fn verify_issued(issued: &Issued, kid: &str, token: &str) -> Result<Principal, TokenError> {
    let issuer = &issued.issuer;
    let keys = issued
        .keys
        .as_ref()
        .map_err(|reason| TokenError::NoKeysOf {
            issuer: issuer.url.clone(),
            reason: reason.clone(),
        })?;
    let verifier = keys.iter().find(|verifier| verifier.kid == kid);
    let verifier = verifier.ok_or_else(|| TokenError::UnknownKeyOf {
        issuer: issuer.url.clone(),
    })?;
    let claims: serde_json::Value = decode(token, verifier).map_err(|error| match error {
        TokenError::WrongAudience { .. } => TokenError::WrongAudience {
            audience: issuer.audience.clone(),
        },
        other => other,
    })?;
    principal(&issuer.translate(&claims)?, verifier.print)
}

fn decode<T: DeserializeOwned + Clone>(token: &str, verifier: &Verifier) -> Result<T, TokenError> {
    let data = jsonwebtoken::decode::<T>(token, &verifier.key, &verifier.validation);
    data.map(|data| data.claims)
        .map_err(|error| refused(error.kind()))
}

fn refused(kind: &jsonwebtoken::errors::ErrorKind) -> TokenError {
    use jsonwebtoken::errors::ErrorKind;
    match kind {
        ErrorKind::ExpiredSignature => TokenError::Expired,
        ErrorKind::ImmatureSignature => TokenError::NotYet,
        ErrorKind::InvalidAudience => TokenError::WrongAudience {
            audience: String::new(),
        },
        ErrorKind::MissingRequiredClaim(claim) => {
            TokenError::BadClaims(format!("`{claim}` must be given"))
        }
        ErrorKind::Json(error) => TokenError::BadClaims(error.to_string()),
        ErrorKind::InvalidToken | ErrorKind::Base64(_) | ErrorKind::Utf8(_) => {
            TokenError::NotAToken
        }
        _ => TokenError::BadSignature,
    }
}

fn check_name(claim: &str, text: &str) -> Result<(), TokenError> {
    let printable = text.bytes().all(|byte| byte.is_ascii_graphic());
    if text.is_empty() || text.len() > NAME_BYTES_MAX || !printable {
        let problem = format!("`{claim}` must have 1 to {NAME_BYTES_MAX} printable characters");
        return Err(TokenError::BadClaims(problem));
    }
    Ok(())
}

fn scope(fleets: &[String]) -> Result<Scope, TokenError> {
    if fleets == [ALL_FLEETS] {
        return Ok(Scope::All);
    }
    if fleets.len() > FLEETS_MAX {
        let problem = format!("`fleets` must have at most {FLEETS_MAX} entries");
        return Err(TokenError::BadClaims(problem));
    }
    let parse = |text: &String| {
        FleetId::parse(text).map_err(|error| TokenError::BadClaims(format!("`fleets`: {error}")))
    };
    fleets
        .iter()
        .map(parse)
        .collect::<Result<_, _>>()
        .map(Scope::Fleets)
}

fn principal(claims: &Claims, key: KeyPrint) -> Result<Principal, TokenError> {
    check_name("sub", &claims.sub)?;
    check_name("jti", &claims.jti)?;
    let drone = match (&claims.drone, claims.role) {
        (Some(text), Role::Drone) => Some(
            DroneId::parse(text)
                .map_err(|error| TokenError::BadClaims(format!("`drone`: {error}")))?,
        ),
        (None, Role::Drone) => {
            return Err(TokenError::BadClaims("`drone` must be given".to_owned()));
        }
        (Some(_), _) => {
            let problem = "`drone` is for the role drone only".to_owned();
            return Err(TokenError::BadClaims(problem));
        }
        (None, _) => None,
    };
    if drone.is_some() && !claims.fleets.is_empty() {
        let problem = "`fleets` is not for the role drone: its fleet is in the registry";
        return Err(TokenError::BadClaims(problem.to_owned()));
    }
    let expires = i64::try_from(claims.exp)
        .ok()
        .and_then(|seconds| seconds.checked_mul(1_000_000))
        .ok_or_else(|| TokenError::BadClaims("`exp` is out of range".to_owned()))?;
    Ok(Principal {
        subject: claims.sub.clone(),
        role: claims.role,
        scope: scope(&claims.fleets)?,
        drone,
        token_id: claims.jti.clone(),
        expires: UtcMicros(expires),
        key,
    })
}
