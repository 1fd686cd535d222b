//! TLS on both ports.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aerostream_proto::v1::SummaryRequest;
use aerostream_proto::v1::aggregator_service_client::AggregatorServiceClient;
use aerostream_tls::Trust;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;

use super::grpc::with_token;
use super::server::{Served, serve_fixture};
use super::support::{Fixture, eventually, start_with};
use crate::gateway::GatewayConfig;
use crate::gateway::auth::Role;
use crate::gateway::grpc;
use crate::gateway::tls::{PortError, TlsConfig};

struct Files(TempDir);

impl Files {
    fn new() -> Self {
        let files = Self(TempDir::new().unwrap());
        files.renew();
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Another certificate, which signed itself.
    fn renew(&self) {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        fs::write(self.path("key.pem"), made.signing_key.serialize_pem()).unwrap();
        fs::write(self.path("cert.pem"), made.cert.pem()).unwrap();
    }

    fn config(&self) -> TlsConfig {
        TlsConfig {
            certificate: Some(self.path("cert.pem")),
            key: Some(self.path("key.pem")),
            watch_ms: 10,
            ..TlsConfig::default()
        }
    }

    async fn fixture(&self) -> Fixture {
        start_with(|config| config.tls = self.config()).await
    }
}

async fn shake(
    served: &Served,
    trust: &Path,
    protocols: &[&[u8]],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut config = Trust::new(Some(trust)).client().unwrap();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    let stream = TcpStream::connect(served.address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
}

#[tokio::test]
async fn rest_speaks_tls_to_those_who_trust_it() {
    let files = Files::new();
    let served = serve_fixture(files.fixture().await).await;
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(Trust::File(files.path("cert.pem")).client().unwrap())
        .no_proxy()
        .build()
        .unwrap();
    let url = format!("https://localhost:{}/healthz", served.address.port());
    let answer = client.get(url).send().await.unwrap();
    assert_eq!(answer.status(), 200);

    let stranger = Files::new();
    let refused = shake(&served, &stranger.path("cert.pem"), &[]).await;
    assert!(refused.is_err(), "a certificate that nobody trusts");
    for (offered, chosen) in [
        (&[b"h2".as_slice(), b"http/1.1"][..], Some(b"h2".as_slice())),
        (&[b"http/1.1"], Some(b"http/1.1")),
        (&[], None),
    ] {
        let stream = shake(&served, &files.path("cert.pem"), offered)
            .await
            .unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), chosen);
    }
}

#[tokio::test]
async fn plain_http_is_told_to_speak_tls() {
    let files = Files::new();
    let served = serve_fixture(files.fixture().await).await;
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    let request = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.contains("https://"), "{answer}");
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_from_then_on() {
    let files = Files::new();
    let served = serve_fixture(files.fixture().await).await;
    let gateway = Arc::clone(&served.fixture.gateway);
    tokio::spawn(async move { gateway.keep_keys(watch::channel(0).1).await });
    let trust = files.path("cert.pem");
    let mut open = shake(&served, &trust, &[]).await.unwrap();
    let old = files.path("old.pem");
    fs::copy(&trust, &old).unwrap();
    fs::write(files.path("key.pem"), "half").unwrap();
    files.renew();
    eventually("the new certificate is shown", || async {
        shake(&served, &trust, &[]).await.is_ok()
    })
    .await;
    assert!(shake(&served, &old, &[]).await.is_err());
    // A connection that is open goes on.
    let request = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    open.write_all(request).await.unwrap();
    let mut answer = vec![0; 12];
    open.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 200");
}

#[tokio::test]
async fn grpc_speaks_tls() {
    let files = Files::new();
    let fixture = files.fixture().await;
    let token = fixture.token(Role::Viewer, &["red"]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (_stop, stopped) = oneshot::channel::<()>();
    let gateway = fixture.gateway.clone();
    tokio::spawn(grpc::serve(listener, gateway, async {
        let _ = stopped.await;
    }));
    let trust = files.path("cert.pem");
    let endpoint = |scheme: &str| {
        let address = format!("{scheme}://localhost:{port}");
        aerostream_simulator::tls::endpoint(&address, Some(&trust)).unwrap()
    };
    let channel = endpoint("https").connect().await.unwrap();
    let request = with_token(&token, SummaryRequest::default());
    let summary = AggregatorServiceClient::new(channel).summary(request).await;
    assert!(summary.is_ok(), "{summary:?}");
    let plain = endpoint("http").connect_lazy();
    let request = with_token(&token, SummaryRequest::default());
    let refused = AggregatorServiceClient::new(plain).summary(request).await;
    assert!(refused.is_err(), "{refused:?}");
}

#[test]
fn nobody_else_reaches_a_gateway_that_nothing_is_said_of() {
    let config = GatewayConfig::default();
    for address in [config.http.address, config.grpc.address] {
        assert!(address.ip().is_loopback(), "{address}");
        config.tls.check("here", address).unwrap();
    }
    assert!(config.auth.keys.is_empty(), "and no token opens it");
}

#[test]
fn a_port_for_others_needs_tls() {
    let open = TlsConfig::default();
    for address in ["127.0.0.1:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
        open.check("here", address.parse().unwrap()).unwrap();
    }
    for address in ["0.0.0.0:1", "[::]:1", "192.0.2.1:1"] {
        let refused = open.check("gateway.http.address", address.parse().unwrap());
        let refused = refused.unwrap_err().to_string();
        for word in ["gateway.http.address", address, "is_done_in_front"] {
            assert!(refused.contains(word), "{refused}");
        }
        let in_front = TlsConfig {
            is_done_in_front: true,
            ..TlsConfig::default()
        };
        in_front.check("here", address.parse().unwrap()).unwrap();
        let files = Files::new();
        files
            .config()
            .check("here", address.parse().unwrap())
            .unwrap();
    }
    let half = TlsConfig {
        certificate: Some("cert.pem".into()),
        ..TlsConfig::default()
    };
    assert!(matches!(half.load(), Err(PortError::Half)));
}
