//! Tokens of an issuer that is not us, whose keys are fetched from a server of the test.

mod server;

use axum::http::Method;
use serde_json::{Value, json};
use tokio::sync::watch;

use self::server::{Key, Server};
use super::support::{Fixture, eventually, start_with};
use crate::clock;
use crate::gateway::auth::issuer::{IssuerKeysConfig, RoleOf};
use crate::gateway::auth::{IssuerConfig, Role};

const AUDIENCE: &str = "aerostream";

fn config(server: &Server) -> IssuerConfig {
    IssuerConfig {
        name: "corp".to_owned(),
        url: server.url(),
        audience: AUDIENCE.to_owned(),
        ca: None,
        claims: crate::gateway::auth::issuer::ClaimNames {
            role: "realm_access.roles".to_owned(),
            ..Default::default()
        },
        roles: vec![
            RoleOf {
                value: "fleet-ops".to_owned(),
                role: Role::Operator,
            },
            RoleOf {
                value: "staff".to_owned(),
                role: Role::Viewer,
            },
        ],
        keys: IssuerKeysConfig {
            unknown_kid_pause_ms: 0,
            retry_ms: 10,
            ..IssuerKeysConfig::default()
        },
    }
}

async fn open(server: &Server, change: impl FnOnce(&mut IssuerConfig)) -> Fixture {
    let mut issuer = config(server);
    change(&mut issuer);
    let fixture = start_with(|config| config.auth.issuers = vec![issuer]).await;
    let gateway = fixture.gateway.clone();
    tokio::spawn(async move { gateway.keep_keys(watch::channel(0).1).await });
    let token = server.keys()[0].sign(&claims(server));
    eventually("the keys are read", || async {
        ask(&fixture, &token).await.0 != 503
    })
    .await;
    fixture
}

/// A viewer of fleet red.
fn claims(server: &Server) -> Value {
    let now = clock::utc_now().0 / 1_000_000;
    json!({
        "iss": server.url(), "aud": [AUDIENCE, "account"], "sub": "ann", "jti": "token-1",
        "exp": now + 600, "iat": now, "typ": "Bearer", "scope": "openid",
        "realm_access": { "roles": ["offline_access", "staff"] }, "fleets": ["red"],
    })
}

fn with(claims: &Value, name: &str, value: impl Into<Value>) -> Value {
    let mut changed = claims.clone();
    changed[name] = value.into();
    changed
}

/// Status, code and what is told.
async fn ask(fixture: &Fixture, token: &str) -> (u16, String) {
    let answer = fixture.get("/api/v1/drones/alpha", token).await;
    let detail = answer.json()["detail"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    (answer.status, detail)
}

#[tokio::test]
async fn every_algorithm_is_taken_with_its_own_key_only() {
    let server = Server::start(&[Key::ed25519("ed"), Key::p256("ec"), Key::rsa("rsa")]).await;
    let fixture = open(&server, |_| {}).await;
    let claims = claims(&server);
    for key in server.keys() {
        let told = ask(&fixture, &key.sign(&claims)).await;
        // Red's drone was not heard, but it is there for a viewer of red.
        assert_eq!(told, (200, String::new()), "{}", key.kid);
    }
    let forged = |token: String| {
        let (head, _) = token.rsplit_once('.').unwrap();
        format!("{head}.AAAA")
    };
    let keys = server.keys();
    let bad = "the token's signature is not valid for its key";
    for token in [
        server::unsigned(&claims, "ed"),
        keys[0].sign_as("ec", &claims),
        keys[1].sign_as("rsa", &claims),
        // The public key as an HMAC secret: the classic confusion of keys.
        keys[2].confused(&claims),
        forged(keys[2].sign(&claims)),
        forged(keys[0].sign(&claims)),
    ] {
        assert_eq!(ask(&fixture, &token).await, (401, bad.to_owned()));
    }
}

#[tokio::test]
async fn claims_are_judged_and_translated() {
    let server = Server::start(&[Key::p256("ec")]).await;
    let fixture = open(&server, |_| {}).await;
    let (key, claims) = (&server.keys()[0], claims(&server));
    let now = clock::utc_now().0 / 1_000_000;
    for (changed, expected) in [
        (with(&claims, "exp", now - 60), "the token has expired"),
        (
            with(&claims, "nbf", now + 600),
            "the token is not valid yet",
        ),
        (
            with(&claims, "aud", "other"),
            "the token's `aud` does not name aerostream",
        ),
        (with(&claims, "aud", Value::Null), "`aud`"),
        (
            with(&claims, "iss", "https://elsewhere.example"),
            "the token's `kid` names no key and its `iss` no issuer that is known here",
        ),
        (with(&claims, "jti", Value::Null), "`jti` must be given"),
        (
            with(&claims, "realm_access", json!({ "roles": ["admin"] })),
            "`realm_access.roles` names no role that is known here",
        ),
        (
            with(&claims, "fleets", 7),
            "`fleets` must be a list of texts",
        ),
        (with(&claims, "fleets", json!(["a b"])), "`fleets`"),
    ] {
        let (status, detail) = ask(&fixture, &key.sign(&changed)).await;
        assert_eq!(status, 401, "{changed}: {detail}");
        assert!(detail.contains(expected), "{detail} for {changed}");
    }
    let foreign = with(&claims, "fleets", "blue green");
    assert_eq!(ask(&fixture, &key.sign(&foreign)).await.0, 404);

    let roles = json!({ "roles": ["staff", "fleet-ops"] });
    let operator = key.sign(&with(&claims, "realm_access", roles));
    let path = "/api/v1/drones/alpha/commands";
    let body = r#"{"command":"hold"}"#;
    let given = fixture.send(Method::POST, path, &operator, body).await;
    assert_eq!(given.status, 202);
    assert_eq!(given.json()["principal"], "corp:ann", "{}", given.json());
}

#[tokio::test]
async fn new_keys_are_found_and_old_ones_are_gone() {
    let server = Server::start(&[Key::ed25519("one")]).await;
    let fixture = open(&server, |_| {}).await;
    let claims = claims(&server);
    let first = server.keys()[0].sign(&claims);
    assert_eq!(ask(&fixture, &first).await.0, 200);
    server.tell(&[Key::ed25519("two")]);
    let second = server.keys()[0].sign(&claims);
    // The first token of the new key has the keys read.
    assert_eq!(ask(&fixture, &second).await.0, 200);
    let (status, detail) = ask(&fixture, &first).await;
    assert_eq!(status, 401);
    assert!(detail.contains("names no key of its issuer"), "{detail}");
}

#[tokio::test]
async fn unknown_keys_do_not_have_the_issuer_asked_again_and_again() {
    let server = Server::start(&[Key::ed25519("one")]).await;
    let fixture = open(&server, |issuer| issuer.keys.unknown_kid_pause_ms = 600_000).await;
    let claims = claims(&server);
    let before = server.reads();
    for turn in 0..50 {
        let stranger = Key::ed25519(&format!("stranger-{turn}"));
        assert_eq!(ask(&fixture, &stranger.sign(&claims)).await.0, 401);
    }
    assert_eq!(server.reads(), before);
}

#[tokio::test]
async fn known_keys_outlive_the_issuer_for_a_while() {
    let server = Server::start(&[Key::ed25519("one")]).await;
    let fixture = open(&server, |issuer| {
        issuer.keys.refresh_ms = 10;
    })
    .await;
    let token = server.keys()[0].sign(&claims(&server));
    assert_eq!(ask(&fixture, &token).await.0, 200);
    server.fail(true);
    let failed = server.failures();
    eventually("the issuer fails twice", || async {
        server.failures() > failed + 2
    })
    .await;
    assert_eq!(ask(&fixture, &token).await.0, 200);
}

#[tokio::test]
async fn keys_that_are_too_old_count_no_more() {
    let server = Server::start(&[Key::ed25519("one")]).await;
    let fixture = open(&server, |issuer| {
        issuer.keys.refresh_ms = 10;
        issuer.keys.age_max_ms = 50;
    })
    .await;
    let token = server.keys()[0].sign(&claims(&server));
    server.fail(true);
    eventually("the keys are too old", || async {
        ask(&fixture, &token).await.0 == 503
    })
    .await;
    let (_, detail) = ask(&fixture, &token).await;
    assert!(detail.contains("are not known: "), "{detail}");
    server.fail(false);
    eventually("the keys are back", || async {
        ask(&fixture, &token).await.0 == 200
    })
    .await;
}

#[tokio::test]
async fn answers_that_are_no_keys_change_nothing() {
    let server = Server::start(&[Key::ed25519("one")]).await;
    let fixture = open(&server, |issuer| {
        issuer.keys.refresh_ms = 10;
        issuer.keys.answer_bytes_max = 10_000;
    })
    .await;
    let token = server.keys()[0].sign(&claims(&server));
    assert_eq!(ask(&fixture, &token).await.0, 200);
    for answer in [
        "[]".to_owned(),
        "{\"keys\":[]}".to_owned(),
        "x".repeat(20_000),
        json!({ "keys": [{ "kty": "oct", "kid": "one", "k": "c2VjcmV0" }] }).to_string(),
    ] {
        server.say(&answer);
        let before = server.reads();
        eventually("it is read", || async { server.reads() > before + 1 }).await;
        assert_eq!(ask(&fixture, &token).await.0, 200, "{answer:.40}");
    }
}

#[test]
fn keys_are_not_fetched_over_an_open_net() {
    let issuer = |url: &str, name: &str| IssuerConfig {
        name: name.to_owned(),
        url: url.to_owned(),
        audience: AUDIENCE.to_owned(),
        ca: None,
        claims: Default::default(),
        roles: Vec::new(),
        keys: IssuerKeysConfig::default(),
    };
    for url in [
        "https://id.example/realm",
        "http://127.0.0.1:9",
        "http://[::1]/",
    ] {
        issuer(url, "corp").check().unwrap();
    }
    for (url, name) in [
        ("http://id.example", "corp"),
        ("http://127.0.0.1.example", "corp"),
        ("ftp://127.0.0.1", "corp"),
        ("nothing", "corp"),
        ("https://id.example", ""),
        ("https://id.example", "a:b"),
    ] {
        assert!(issuer(url, name).check().is_err(), "{url} {name}");
    }
}
