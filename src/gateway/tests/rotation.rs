//! Keys come and go while the gateway runs.

use std::fs;
use std::path::Path;

use tempfile::TempDir;
use tokio::sync::watch;

use super::server::serve_fixture;
use super::support::{Fixture, claims, eventually, start_with};
use super::ws::Client;
use crate::gateway::auth::keys::generate;
use crate::gateway::auth::{Algorithm, KeyConfig, Role, SigningKey, issue};

const DRONE: &str = "/api/v1/drones/alpha";

/// A gateway with a directory of keys, and what has it read them at once.
async fn open(directory: &TempDir, watch_ms: u64) -> (Fixture, watch::Sender<u64>) {
    let path = directory.path().to_owned();
    let fixture = start_with(|config| {
        config.auth.keys_directory = Some(path);
        config.auth.keys_watch_ms = watch_ms;
    })
    .await;
    let (ask, asked) = watch::channel(0);
    let gateway = fixture.gateway.clone();
    tokio::spawn(async move { gateway.keep_keys(asked).await });
    (fixture, ask)
}

/// Puts a new key into the directory and gives back a viewer's token of it.
fn add(directory: &Path, kid: &str) -> String {
    let path = directory.join(format!("{kid}.pem"));
    generate(&path).unwrap();
    token(&path, kid)
}

fn token(path: &Path, kid: &str) -> String {
    let key = SigningKey::load(&KeyConfig {
        kid: kid.to_owned(),
        algorithm: Algorithm::EdDsa,
        path: path.to_owned(),
    });
    issue(&key.unwrap(), &claims(Role::Viewer, &["red"])).unwrap()
}

async fn status(fixture: &Fixture, token: &str) -> u16 {
    fixture.get(DRONE, token).await.status
}

#[tokio::test]
async fn a_new_key_is_taken_and_a_removed_one_ends_what_it_opened() {
    let directory = TempDir::new().unwrap();
    let first = add(directory.path(), "first");
    let (fixture, _ask) = open(&directory, 10).await;
    assert_eq!(status(&fixture, &first).await, 200);
    let second = add(directory.path(), "second");
    eventually("the second key is taken", || async {
        status(&fixture, &second).await == 200
    })
    .await;

    let served = serve_fixture(fixture).await;
    let path = "/ws/v1/drones/alpha";
    let mut old = Client::open(&served, path, &first).await;
    let mut new = Client::open(&served, path, &second).await;
    old.expect("snapshot").await;
    new.expect("snapshot").await;
    fs::remove_file(directory.path().join("first.pem")).unwrap();
    let (code, _) = old.ending().await;
    assert_eq!(code, "unauthenticated");
    assert_eq!(status(&served.fixture, &first).await, 401);
    assert_eq!(status(&served.fixture, &second).await, 200);
}

#[tokio::test]
async fn another_key_of_the_same_name_is_another_key() {
    let directory = TempDir::new().unwrap();
    let old = add(directory.path(), "key");
    let (fixture, _ask) = open(&directory, 10).await;
    assert_eq!(status(&fixture, &old).await, 200);
    let path = directory.path().join("key.pem");
    fs::remove_file(&path).unwrap();
    let new = add(directory.path(), "key");
    eventually("the new key is taken", || async {
        status(&fixture, &new).await == 200
    })
    .await;
    assert_eq!(status(&fixture, &old).await, 401);
}

#[tokio::test]
async fn files_that_are_no_keys_change_nothing_until_they_are_right() {
    let directory = TempDir::new().unwrap();
    let good = add(directory.path(), "good");
    // Only the signal has the files read.
    let (fixture, ask) = open(&directory, 3_600_000).await;
    let next = add(directory.path(), "next");
    let broken = directory.path().join("broken.pem");
    fs::write(&broken, "half a key").unwrap();
    fs::remove_file(directory.path().join("good.pem")).unwrap();
    ask.send_replace(1);
    // What was asked for is done, and changed nothing, before the next is asked for.
    for _ in 0..20 {
        assert_eq!(status(&fixture, &next).await, 401);
        assert_eq!(status(&fixture, &good).await, 200);
        tokio::task::yield_now().await;
    }
    fs::remove_file(&broken).unwrap();
    fs::write(directory.path().join("notes.txt"), "no key").unwrap();
    ask.send_replace(2);
    eventually("the key is taken", || async {
        status(&fixture, &next).await == 200
    })
    .await;
    assert_eq!(status(&fixture, &good).await, 401);
}

#[tokio::test]
async fn there_are_no_more_keys_than_allowed() {
    use crate::gateway::auth::{AuthConfig, Authenticator};
    let directory = TempDir::new().unwrap();
    for kid in ["a", "b", "c"] {
        add(directory.path(), kid);
    }
    let config = |keys_max| AuthConfig {
        keys_directory: Some(directory.path().to_owned()),
        keys_max,
        ..AuthConfig::default()
    };
    let limits = || crate::gateway::limit::LimitConfig::default();
    assert!(Authenticator::new(&config(3), limits()).is_ok());
    let refused = Authenticator::new(&config(2), limits()).unwrap_err();
    assert!(refused.to_string().contains("keys_max"), "{refused}");
}
