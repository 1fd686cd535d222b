//! Tokens: what is verified, what is refused, what is remembered.

use std::fs;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePublicKey};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::support::{claims, key_in};
use crate::clock;
use crate::gateway::auth::cache::AuthError;
use crate::gateway::auth::token::verify;
use crate::gateway::auth::{
    Algorithm, AuthConfig, Authenticator, KeyConfig, KeyRing, Role, SigningKey, TokenError, issue,
};
use crate::gateway::limit::LimitConfig;
use crate::registry::{Change, Entity, Revocation, State};

fn bad_claims(result: Result<impl Sized, TokenError>) -> String {
    match result.err() {
        Some(TokenError::BadClaims(problem)) => problem,
        other => panic!("expected bad claims, got {other:?}"),
    }
}

fn forge(header: &Value, claims: &Value, signature: &str) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{signature}", part(header), part(claims))
}

#[test]
fn forged_tokens_are_refused_with_their_reason() {
    let directory = TempDir::new().unwrap();
    let config = key_in(&directory);
    let key = SigningKey::load(&config).unwrap();
    let keys = KeyRing::load(std::slice::from_ref(&config)).unwrap();
    let good = claims(Role::Viewer, &["red"]);
    let token = issue(&key, &good).unwrap();
    assert_eq!(verify(&keys, &token).unwrap().role, Role::Viewer);
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let json = serde_json::to_value(&good).unwrap();
    let header = |alg: &str, kid: &str| json!({ "alg": alg, "kid": kid, "typ": "JWT" });

    // The public key as an HMAC secret: the classic confusion of keys.
    let private = fs::read_to_string(&config.path).unwrap();
    let public = ed25519_dalek::SigningKey::from_pkcs8_pem(&private)
        .unwrap()
        .verifying_key();
    let secret = public.to_public_key_pem(LineEnding::LF).unwrap();
    let confused = jsonwebtoken::encode(
        &serde_json::from_value(header("HS256", "test")).unwrap(),
        &good,
        &jsonwebtoken::EncodingKey::from_secret(secret.as_bytes()),
    );
    let mut admin = json.clone();
    admin["role"] = "admin".into();
    let check = |token: &str, expected: TokenError| {
        assert_eq!(verify(&keys, token).unwrap_err(), expected, "{token}");
    };
    check("", TokenError::NotAToken);
    check("a.b", TokenError::NotAToken);
    check(&"a".repeat(5000), TokenError::NotAToken);
    check(
        &forge(&header("none", "test"), &json, ""),
        TokenError::BadSignature,
    );
    check(
        &forge(&header("RS256", "test"), &json, signature),
        TokenError::BadSignature,
    );
    check(&confused.unwrap(), TokenError::BadSignature);
    check(
        &forge(&header("EdDSA", "test"), &admin, signature),
        TokenError::BadSignature,
    );
    check(
        &forge(&header("EdDSA", "other"), &json, signature),
        TokenError::UnknownKey,
    );
    check(
        &forge(&json!({ "alg": "EdDSA" }), &json, signature),
        TokenError::UnknownKey,
    );
    check(&format!("{signed}."), TokenError::BadSignature);
}

#[test]
fn signed_tokens_with_wrong_claims_are_refused_with_their_reason() {
    let directory = TempDir::new().unwrap();
    let config = key_in(&directory);
    let keys = KeyRing::load(std::slice::from_ref(&config)).unwrap();
    let private = fs::read_to_string(&config.path).unwrap();
    let json = serde_json::to_value(claims(Role::Viewer, &["red"])).unwrap();
    let check = |token: &str, expected: TokenError| {
        assert_eq!(verify(&keys, token).unwrap_err(), expected, "{token}");
    };
    let sign = |claims: &Value| {
        let header =
            serde_json::from_value(json!({ "alg": "EdDSA", "kid": "test", "typ": "JWT" })).unwrap();
        let der = ed25519_dalek::SigningKey::from_pkcs8_pem(&private).unwrap();
        let der = ed25519_dalek::pkcs8::EncodePrivateKey::to_pkcs8_der(&der).unwrap();
        let key = jsonwebtoken::EncodingKey::from_ed_der(der.as_bytes());
        jsonwebtoken::encode(&header, claims, &key).unwrap()
    };
    let with = |name: &str, value: Value| {
        let mut changed = json.clone();
        changed[name] = value;
        sign(&changed)
    };
    check(&with("exp", 1.into()), TokenError::Expired);
    check(&with("nbf", 4_000_000_000_u64.into()), TokenError::NotYet);
    let mut endless = json.clone();
    endless.as_object_mut().unwrap().remove("exp");
    assert!(bad_claims(verify(&keys, &sign(&endless))).contains("exp"));
    for (name, value) in [
        ("role", json!("root")),
        ("fleets", json!(["a b"])),
        ("drone", json!("alpha")),
        ("jti", json!("")),
        ("sub", json!("a\nb")),
        ("power", json!(1)),
    ] {
        let problem = bad_claims(verify(&keys, &with(name, value)));
        assert!(
            problem.contains(name) || name == "role",
            "{name}: {problem}"
        );
    }
}

#[test]
fn a_drone_token_names_one_drone_and_no_fleet() {
    let directory = TempDir::new().unwrap();
    let key = SigningKey::load(&key_in(&directory)).unwrap();
    let mut drone = claims(Role::Drone, &[]);
    assert!(issue(&key, &drone).is_ok());
    drone.fleets = vec!["red".to_owned()];
    assert!(bad_claims(issue(&key, &drone)).contains("fleets"));
    drone.fleets.clear();
    drone.drone = None;
    assert!(bad_claims(issue(&key, &drone)).contains("drone"));
}

#[test]
fn secrets_stay_secret_and_keys_private() {
    use std::os::unix::fs::PermissionsExt;
    let directory = TempDir::new().unwrap();
    let config = key_in(&directory);
    let mode = fs::metadata(&config.path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(
        crate::gateway::auth::keys::generate(&config.path).is_err(),
        "never replaced"
    );
    let printed = format!(
        "{:?} {:?}",
        SigningKey::load(&config).unwrap(),
        KeyRing::load(std::slice::from_ref(&config)).unwrap()
    );
    assert_eq!(
        printed,
        "SigningKey { kid: \"test\", algorithm: EdDsa, .. } [\"test\"]"
    );

    let short = directory.path().join("short");
    fs::write(&short, "too short\n").unwrap();
    let secret = directory.path().join("secret");
    fs::write(&secret, "0123456789abcdef0123456789abcdef\n").unwrap();
    let hs256 = |path: &std::path::Path| KeyConfig {
        kid: "hs".to_owned(),
        algorithm: Algorithm::Hs256,
        path: path.to_owned(),
    };
    assert!(KeyRing::load(&[hs256(&short)]).is_err());
    assert!(
        KeyRing::load(&[hs256(&secret), hs256(&secret)]).is_err(),
        "one name, two keys"
    );
    let keys = KeyRing::load(&[config, hs256(&secret)]).unwrap();
    let key = SigningKey::load(&hs256(&secret)).unwrap();
    let token = issue(&key, &claims(Role::Operator, &["*"])).unwrap();
    assert_eq!(verify(&keys, &token).unwrap().role, Role::Operator);
}

#[test]
fn callers_are_remembered_within_bounds_until_revoked_or_expired() {
    let directory = TempDir::new().unwrap();
    let config = key_in(&directory);
    let key = SigningKey::load(&config).unwrap();
    let auth = AuthConfig {
        keys: vec![config],
        cache_entries_max: 8,
        ..AuthConfig::default()
    };
    let auth = Authenticator::new(&auth, LimitConfig::default()).unwrap();
    let now = clock::utc_now();
    let mut registry = State::default();
    let header = |place: usize| {
        let mut claims = claims(Role::Viewer, &["red"]);
        claims.jti = format!("jti-{place}");
        format!("Bearer {}", issue(&key, &claims).unwrap())
    };
    let first = header(0);
    let caller = auth.authenticate(Some(&first), &registry, now).unwrap();
    let again = auth.authenticate(Some(&first), &registry, now).unwrap();
    assert!(std::sync::Arc::ptr_eq(&caller, &again), "verified once");
    for place in 1..40 {
        auth.authenticate(Some(&header(place)), &registry, now)
            .unwrap();
        assert!(auth.remembered_tokens() <= 8);
    }
    assert_eq!(
        auth.authenticate(Some(&first), &registry, caller.principal.expires)
            .unwrap_err(),
        AuthError::Token(TokenError::Expired)
    );
    let revocation = Revocation {
        token_id: "jti-0".to_owned(),
        token_expires: caller.principal.expires,
        reason: String::new(),
    };
    let change = Change {
        replaces: None,
        at: now,
        principal: "test".to_owned(),
        entity: Entity::Revocation(revocation),
    };
    registry.apply(aerostream_domain::Offset(0), now, Some(change));
    let refused = auth.authenticate(Some(&first), &registry, now).unwrap_err();
    assert_eq!(refused, AuthError::Revoked);
    for absent in [None, Some("Basic abc"), Some("Bearer "), Some("Bearer")] {
        let refused = auth.authenticate(absent, &registry, now).unwrap_err();
        assert_eq!(refused, AuthError::NoToken, "{absent:?}");
    }
}
