//! An issuer of tokens that is not us (OpenID Connect): who it is and what its claims mean here.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::token::{Claims, TokenError};
use super::{KeyError, Role};

/// An issuer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerConfig {
    /// Short name of it, which its subjects get in front: `corp` makes `corp:ann`.
    pub name: String,
    /// What its tokens have as `iss`, and where `/.well-known/openid-configuration` is found;
    /// https, or http on this machine.
    pub url: String,
    /// What its tokens must have in `aud`.
    pub audience: String,
    /// File with the certificates that its server is trusted by (PEM). Default: those that this
    /// machine trusts.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// Which claim tells what.
    #[serde(default)]
    pub claims: ClaimNames,
    /// What the values of the role claim mean; of several that a token has the first of this list
    /// counts. Default: each role by its own name, the least powerful first.
    #[serde(default)]
    pub roles: Vec<RoleOf>,
    /// How its keys are read.
    #[serde(default)]
    pub keys: IssuerKeysConfig,
}

/// Names of claims; a dot goes into an object, `realm_access.roles`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClaimNames {
    /// Who holds the token. Default: `sub`.
    pub subject: String,
    /// Role, or a list of them. Default: `role`.
    pub role: String,
    /// Fleets as a list or as words; `*` is every fleet. Default: `fleets`.
    pub fleets: String,
    /// The drone of a token of role drone. Default: `drone`.
    pub drone: String,
    /// What a revocation names. Default: `jti`.
    pub token_id: String,
}

impl Default for ClaimNames {
    fn default() -> Self {
        Self {
            subject: "sub".to_owned(),
            role: "role".to_owned(),
            fleets: "fleets".to_owned(),
            drone: "drone".to_owned(),
            token_id: "jti".to_owned(),
        }
    }
}

/// What a value of the role claim means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleOf {
    pub value: String,
    pub role: Role,
}

/// How the keys of an issuer are read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IssuerKeysConfig {
    /// How often they are read, in milliseconds. Default: 300,000.
    pub refresh_ms: u64,
    /// How often that is tried while it fails, in milliseconds. Default: 5000.
    pub retry_ms: u64,
    /// A token with a key that is not known has them read at once, but not again within so many
    /// milliseconds. Default: 5000.
    pub unknown_kid_pause_ms: u64,
    /// How long they count while the issuer is out of reach, in milliseconds. Default: a day.
    pub age_max_ms: u64,
    /// Longest time for one answer of the issuer, in milliseconds. Default: 5000.
    pub timeout_ms: u64,
    /// Largest answer of the issuer, in bytes. Default: 256 KiB.
    pub answer_bytes_max: usize,
    /// Most keys that are taken from it. Default: 32.
    pub keys_max: usize,
    /// How much later than its clock ours may be when a token begins, in seconds. Default: 10.
    pub leeway_s: u64,
}

impl Default for IssuerKeysConfig {
    fn default() -> Self {
        Self {
            refresh_ms: 300_000,
            retry_ms: 5000,
            unknown_kid_pause_ms: 5000,
            age_max_ms: 86_400_000,
            timeout_ms: 5000,
            answer_bytes_max: 256 << 10,
            keys_max: 32,
            leeway_s: 10,
        }
    }
}

fn bad(problem: String) -> TokenError {
    TokenError::BadClaims(problem)
}

/// The value of a claim: by its whole name, since names may be URLs, or else along its dots.
fn find<'a>(claims: &'a Value, name: &str) -> Option<&'a Value> {
    let along = || {
        name.split('.')
            .try_fold(claims, |value, part| value.get(part))
    };
    claims.get(name).or_else(along).filter(|it| !it.is_null())
}

fn text(claims: &Value, name: &str) -> Result<Option<String>, TokenError> {
    match find(claims, name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(bad(format!("`{name}` must be a text"))),
    }
}

fn texts(claims: &Value, name: &str) -> Result<Vec<String>, TokenError> {
    let wrong = || bad(format!("`{name}` must be a list of texts"));
    match find(claims, name) {
        None => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(text.split_whitespace().map(str::to_owned).collect()),
        Some(Value::Array(list)) => {
            let texts = list.iter().map(|it| it.as_str().map(str::to_owned));
            texts.collect::<Option<_>>().ok_or_else(wrong)
        }
        Some(_) => Err(wrong()),
    }
}

impl IssuerConfig {
    /// Refuses settings that could let in somebody who is not meant.
    ///
    /// # Errors
    /// A setting is empty, or the URL is not safe.
    pub fn check(&self) -> Result<(), KeyError> {
        let wrong = |problem: String| Err(KeyError::Issuer(format!("{}: {problem}", self.name)));
        if self.name.is_empty() || !self.name.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return wrong("`name` must be letters and digits".to_owned());
        }
        if self.audience.is_empty() {
            return wrong("`audience` must be given: tokens for others are not for us".to_owned());
        }
        check_url(&self.url).or_else(|problem| wrong(format!("`url` {problem}")))
    }

    /// What a token of this issuer says, in our own words.
    ///
    /// # Errors
    /// A claim is absent or of another kind than it must be.
    pub fn translate(&self, claims: &Value) -> Result<Claims, TokenError> {
        let names = &self.claims;
        let must = |name: &String| {
            text(claims, name)?.ok_or_else(|| bad(format!("`{name}` must be given")))
        };
        let seconds = |name: &str| claims.get(name).and_then(Value::as_u64);
        let role = self.role(&texts(claims, &names.role)?)?;
        let fleets = match role {
            Role::Drone => Vec::new(),
            _ => texts(claims, &names.fleets)?,
        };
        let drone = match role {
            Role::Drone => text(claims, &names.drone)?,
            _ => None,
        };
        Ok(Claims {
            sub: format!("{}:{}", self.name, must(&names.subject)?),
            role,
            fleets,
            drone,
            jti: must(&names.token_id)?,
            exp: seconds("exp").ok_or_else(|| bad("`exp` must be given".to_owned()))?,
            iat: seconds("iat"),
            nbf: seconds("nbf"),
            iss: Some(self.url.clone()),
        })
    }

    fn role(&self, told: &[String]) -> Result<Role, TokenError> {
        let meant = |value: &str| told.iter().any(|told| told == value);
        let role = if self.roles.is_empty() {
            Role::ALL.into_iter().find(|role| meant(role.as_str()))
        } else {
            let known = self.roles.iter().find(|known| meant(&known.value));
            known.map(|known| known.role)
        };
        let name = &self.claims.role;
        role.ok_or_else(|| bad(format!("`{name}` names no role that is known here")))
    }
}

/// Refuses addresses from which keys must not be fetched.
///
/// # Errors
/// It is no address, or others could change what comes from it.
pub(super) fn check_url(url: &str) -> Result<(), String> {
    let parsed = reqwest::Url::parse(url).map_err(|error| format!("is no address: {error}"))?;
    if is_private(&parsed) {
        return Ok(());
    }
    Err("must be https, since keys come from it; http is for this machine".to_owned())
}

/// True if nobody on the way can read or change what goes there: https, or http on this machine.
#[must_use]
pub fn is_private(url: &reqwest::Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    let is_here = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
    match url.scheme() {
        "https" => true,
        "http" => is_here,
        _ => false,
    }
}
