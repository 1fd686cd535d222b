//! Limits, endings, and clients that break the rules.

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Client, Said, Token, batch, seqs};
use crate::gateway::auth::{Role, issue};
use crate::gateway::tests::server::serve_http;
use crate::gateway::tests::support::{PATIENCE, by, claims, drone, eventually, fleet};
use crate::registry::{Change, Credential, Drone, Entity};

const ALPHA: &str = "/ws/v1/drones/alpha";

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_one_client_is_refused_and_disturbs_nobody() {
    let served = serve_http(|config| config.limits.principal_sockets_max = 20).await;
    let flooding = served.viewer();
    let mut open = Vec::new();
    let mut refused = 0;
    for _ in 0..200 {
        match Client::try_open(&served, ALPHA, Token::Header(&flooding)).await {
            Ok(client) => open.push(client),
            Err((status, problem)) => {
                assert_eq!((status, &problem["code"]), (429, &json!("overloaded")));
                let detail = problem["detail"].as_str().unwrap();
                assert!(
                    detail.contains("this principal's WebSockets") && detail.contains("20"),
                    "{detail}"
                );
                refused += 1;
            }
        }
    }
    assert_eq!((open.len(), refused), (20, 180));
    let calm = served.fixture.token(Role::Operator, &["red"]);
    let mut calm = Client::open(&served, ALPHA, &calm).await;
    calm.expect("snapshot").await;
    served.record(batch([1])).await;
    assert_eq!(seqs(&calm.expect("update").await), [1]);
    open.pop();
    eventually("the place is given back", async || {
        Client::try_open(&served, ALPHA, Token::Header(&flooding))
            .await
            .is_ok()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_tell_no_token_have_few_places() {
    let served = serve_http(|config| config.limits.unknown_sockets_max = 1).await;
    let unknown = Client::try_open(&served, ALPHA, Token::Later)
        .await
        .unwrap();
    let refused = Client::try_open(&served, ALPHA, Token::Later).await;
    assert_eq!(refused.err().unwrap().0, 429);
    Client::open(&served, ALPHA, &served.viewer())
        .await
        .expect("snapshot")
        .await;
    drop(unknown);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_ends_with_its_token_and_with_its_scope() {
    let served = serve_http(|_| {}).await;
    let mut short = claims(Role::Viewer, &["*"]);
    short.jti = "short".to_owned();
    short.exp = crate::clock::utc_now().0 as u64 / 1_000_000 + 2;
    let short = issue(&served.fixture.key, &short).unwrap();
    let mut expiring = Client::open(&served, ALPHA, &short).await;
    expiring.expect("snapshot").await;

    let mut revoked = Client::open(&served, ALPHA, &served.viewer()).await;
    revoked.expect("snapshot").await;
    let red = served.fixture.token(Role::Viewer, &["red"]);
    let mut scoped = Client::open(&served, ALPHA, &red).await;
    scoped.expect("snapshot").await;

    let registry = &served.fixture.registry;
    let of_viewer = claims(Role::Viewer, &["*"]);
    let revocation = crate::registry::Revocation {
        token_id: of_viewer.jti,
        token_expires: aerostream_domain::UtcMicros(of_viewer.exp as i64 * 1_000_000),
        reason: "lost".to_owned(),
    };
    let moved = Drone {
        id: drone("alpha"),
        fleet: fleet("blue"),
        name: String::new(),
        kind: String::new(),
        credential: Credential::Active,
    };
    let version = registry.read().drone(&moved.id).unwrap().version;
    let change = Change {
        replaces: Some(version),
        at: crate::clock::utc_now(),
        principal: "test".to_owned(),
        entity: Entity::Drone(moved),
    };
    registry.write(change).await.unwrap();
    assert_eq!(scoped.ending().await, ("not_found".to_owned(), 1008));
    registry.revoke(revocation, by()).await.unwrap();
    assert_eq!(revoked.ending().await, ("unauthenticated".to_owned(), 1008));
    assert_eq!(
        expiring.ending().await,
        ("unauthenticated".to_owned(), 1008)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_break_the_rules_are_told_which() {
    let served = serve_http(|_| {}).await;
    let token = served.viewer();
    for (message, expected) in [
        ("hello".to_owned(), ("unsupported_media", 1003)),
        ("x".repeat(20_000), ("too_large", 1009)),
    ] {
        let mut client = Client::open(&served, ALPHA, &token).await;
        client.expect("snapshot").await;
        client.say(message).await;
        let (code, close) = client.ending().await;
        assert_eq!((code.as_str(), close), expected);
    }
    let mut client = Client::open(&served, ALPHA, &token).await;
    client.expect("snapshot").await;
    // A text frame that is masked and is not UTF-8, then one without a mask.
    for (bytes, expected) in [
        (&[0x81, 0x81, 0, 0, 0, 0, 0xff][..], ("malformed", 1007)),
        (&[0x81, 0x01, 0x41][..], ("malformed", 1007)),
    ] {
        let mut client = Client::open(&served, ALPHA, &token).await;
        client.expect("snapshot").await;
        client.stream.get_mut().write_all(bytes).await.unwrap();
        let (code, close) = client.ending().await;
        assert_eq!((code.as_str(), close), expected, "{bytes:?}");
    }
    served.record(batch([1])).await;
    assert_eq!(
        seqs(&client.expect("update").await),
        [1],
        "nobody else is touched"
    );
    let plain = served.fixture.get(ALPHA, &token).await;
    assert_eq!(plain.problem().0, 400, "{:?}", plain.json());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_answer_is_dropped() {
    let served = serve_http(|config| {
        config.ws.heartbeat_ms = 50;
        config.ws.silence_max_ms = 200;
    })
    .await;
    let mut dead = TcpStream::connect(served.address).await.unwrap();
    let head = format!(
        "GET {ALPHA} HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         authorization: Bearer {}\r\n\r\n",
        served.viewer()
    );
    dead.write_all(head.as_bytes()).await.unwrap();
    let mut live = Client::open(&served, ALPHA, &served.viewer()).await;
    let mut said = Vec::new();
    let read = async {
        tokio::join!(dead.read_to_end(&mut said), async {
            // One that answers is kept much longer.
            for _ in 0..10 {
                assert!(matches!(live.hear().await, Said::Json(_)));
            }
        })
    };
    let ended = tokio::time::timeout(PATIENCE, read).await;
    let _ = ended.expect("it is dropped").0;
    assert!(said.starts_with(b"HTTP/1.1 101"));
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_says_goodbye_to_each_websocket() {
    let served = serve_http(|_| {}).await;
    let mut client = Client::open(&served, ALPHA, &served.viewer()).await;
    client.expect("snapshot").await;
    served.stop.send(()).unwrap();
    let Said::Closed { code, reason } = client.hear().await else {
        panic!("it is told")
    };
    assert_eq!(code, 1001);
    assert!(reason.contains("cursor"), "{reason}");
    let ended = tokio::time::timeout(PATIENCE, served.task).await;
    ended.unwrap().unwrap().unwrap();
}
