//! Asks an issuer for its keys, by OpenID Connect Discovery.

use std::sync::Arc;
use std::time::Duration;

use aerostream_tls::Trust;
use reqwest::redirect::Policy;
use serde::Deserialize;

use super::super::issuer::{IssuerConfig, check_url};
use super::super::ring::Verifier;
use super::super::{KeyError, jwks};

pub(super) struct Fetcher {
    issuer: Arc<IssuerConfig>,
    client: reqwest::Client,
}

/// What of an issuer's own description is of interest.
#[derive(Deserialize)]
struct Description {
    issuer: String,
    jwks_uri: String,
}

impl Fetcher {
    pub(super) fn new(issuer: Arc<IssuerConfig>) -> Result<Self, KeyError> {
        let wrong = |problem: String| KeyError::Issuer(format!("{}: {problem}", issuer.name));
        let trust = Trust::new(issuer.ca.as_deref());
        let tls = trust.client().map_err(|error| wrong(error.to_string()))?;
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .timeout(Duration::from_millis(issuer.keys.timeout_ms))
            // Keys come from the address that was configured, and from no other.
            .redirect(Policy::none())
            .build()
            .map_err(|error| wrong(error.to_string()))?;
        Ok(Self { issuer, client })
    }

    /// The keys that the issuer tells of now, or why it does not.
    pub(super) async fn keys(&self) -> Result<Vec<Verifier>, String> {
        let at = self.issuer.url.trim_end_matches('/');
        let at = format!("{at}/.well-known/openid-configuration");
        let description = self.get(&at).await?;
        let description: Description = serde_json::from_slice(&description)
            .map_err(|error| format!("{at} does not describe an issuer: {error}"))?;
        if description.issuer != self.issuer.url {
            let told = description.issuer;
            return Err(format!("{at} describes another issuer, {told}"));
        }
        let at = description.jwks_uri;
        check_url(&at).map_err(|problem| format!("the address of its keys {problem}"))?;
        jwks::read(&self.get(&at).await?, &self.issuer)
    }

    async fn get(&self, url: &str) -> Result<Vec<u8>, String> {
        let failed = |error: reqwest::Error| format!("{url}: {}", told(&error));
        let mut answer = self.client.get(url).send().await.map_err(failed)?;
        if !answer.status().is_success() {
            return Err(format!("{url} answered {}", answer.status()));
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            if bytes.len() + chunk.len() > self.issuer.keys.answer_bytes_max {
                return Err(format!("{url} answered more than is read"));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }
}

/// The error with all of its causes.
fn told(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |told, cause| format!("{told}: {cause}"))
}
