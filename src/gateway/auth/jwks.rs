//! A set of public keys as issuers tell it (RFC 7517).

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

use super::issuer::IssuerConfig;
use super::ring::{KeyPrint, Verifier, validation};

/// Shortest modulus of an RSA key, in bytes.
const RSA_BYTES_MIN: usize = 256;
/// Longest name of a key, in bytes.
const KID_BYTES_MAX: usize = 256;

#[derive(Deserialize)]
struct Set {
    keys: Vec<Value>,
}

/// The keys of a set that tokens may be signed with; others, such as those for encryption, are
/// passed over.
///
/// # Errors
/// It is no set, or has no key that can be used.
pub(super) fn read(json: &[u8], issuer: &IssuerConfig) -> Result<Vec<Verifier>, String> {
    let set: Set = serde_json::from_slice(json)
        .map_err(|error| format!("what it tells is no set of keys: {error}"))?;
    let mut verifiers: Vec<Verifier> = Vec::new();
    for key in set.keys.into_iter().take(issuer.keys.keys_max) {
        let Some(verifier) = verifier(key, issuer) else {
            continue;
        };
        if verifiers.iter().all(|other| other.kid != verifier.kid) {
            verifiers.push(verifier);
        }
    }
    if verifiers.is_empty() {
        return Err("its set has no key that tokens could be checked with".to_owned());
    }
    Ok(verifiers)
}

fn verifier(key: Value, issuer: &IssuerConfig) -> Option<Verifier> {
    let key: Jwk = serde_json::from_value(key).ok()?;
    let is_for_signing = matches!(
        key.common.public_key_use,
        None | Some(PublicKeyUse::Signature)
    );
    let kid = key.common.key_id.clone()?;
    if !is_for_signing || kid.len() > KID_BYTES_MAX {
        return None;
    }
    let algorithm = algorithm(&key)?;
    let mut validation = validation(algorithm);
    validation.set_audience(&[&issuer.audience]);
    validation.set_issuer(&[&issuer.url]);
    validation.set_required_spec_claims(&["exp", "iss", "aud"]);
    validation.validate_aud = true;
    validation.leeway = issuer.keys.leeway_s;
    let bytes = format!("{algorithm:?} {:?}", key.algorithm);
    Some(Verifier {
        print: KeyPrint::new(&issuer.url, &kid, bytes.as_bytes()),
        key: DecodingKey::from_jwk(&key).ok()?,
        kid,
        validation,
    })
}

/// The one algorithm of a key. A symmetric key has none: whoever can read the set could sign.
fn algorithm(key: &Jwk) -> Option<Algorithm> {
    let told = key.common.key_algorithm.as_ref();
    let told = told.map(|told| told.to_string().parse::<Algorithm>());
    let natural = match &key.algorithm {
        AlgorithmParameters::EllipticCurve(curve) => match curve.curve {
            EllipticCurve::P256 => vec![Algorithm::ES256],
            EllipticCurve::P384 => vec![Algorithm::ES384],
            _ => return None,
        },
        AlgorithmParameters::OctetKeyPair(pair) => match pair.curve {
            EllipticCurve::Ed25519 if is_strong(&pair.x) => vec![Algorithm::EdDSA],
            _ => return None,
        },
        AlgorithmParameters::RSA(rsa) if length(&rsa.n) >= RSA_BYTES_MIN => vec![
            Algorithm::RS256,
            Algorithm::RS384,
            Algorithm::RS512,
            Algorithm::PS256,
            Algorithm::PS384,
            Algorithm::PS512,
        ],
        AlgorithmParameters::RSA(_) | AlgorithmParameters::OctetKey(_) => return None,
    };
    match told {
        None => natural.first().copied(),
        Some(told) => told.ok().filter(|told| natural.contains(told)),
    }
}

fn decoded(base64: &str) -> Option<Vec<u8>> {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(base64)
        .ok()
}

fn length(base64: &str) -> usize {
    let bytes = decoded(base64).unwrap_or_default();
    bytes.iter().skip_while(|byte| **byte == 0).count()
}

fn is_strong(x: &str) -> bool {
    let bytes = decoded(x).and_then(|bytes| bytes.try_into().ok());
    let key = bytes.and_then(|bytes| ed25519_dalek::VerifyingKey::from_bytes(&bytes).ok());
    key.is_some_and(|key| !key.is_weak())
}
