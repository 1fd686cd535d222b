//! The accept loop: slow, silent and too many clients.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::support::{Fixture, PATIENCE, start_with};
use crate::gateway::auth::Role;
use crate::gateway::{GatewayConfig, grpc, http};

pub struct Served {
    pub fixture: Fixture,
    pub address: SocketAddr,
    pub stop: oneshot::Sender<()>,
    pub task: JoinHandle<std::io::Result<()>>,
}

/// The REST door of a gateway on a port of its own.
pub async fn serve_http(change: impl FnOnce(&mut GatewayConfig)) -> Served {
    let fixture = start_with(change).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let gateway = fixture.gateway.clone();
    let task = tokio::spawn(http::serve(listener, gateway, async {
        let _ = stopped.await;
    }));
    Served {
        fixture,
        address,
        stop,
        task,
    }
}

/// Everything that the server says until it closes.
async fn rest(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut text)).await;
    let _ = read.expect("the server closes the connection");
    String::from_utf8_lossy(&text).into_owned()
}

#[tokio::test]
async fn silent_and_slow_clients_are_dropped() {
    let served = serve_http(|config| {
        config.http.server.header_timeout_ms = 200;
        config.http.body_timeout_ms = 200;
    })
    .await;
    let mut silent = TcpStream::connect(served.address).await.unwrap();
    assert_eq!(rest(&mut silent).await, "");
    let mut dribbling = TcpStream::connect(served.address).await.unwrap();
    dribbling
        .write_all(b"GET / HTTP/1.1\r\nhost:")
        .await
        .unwrap();
    rest(&mut dribbling).await;
    let mut slow_body = TcpStream::connect(served.address).await.unwrap();
    let token = served.fixture.token(Role::Drone, &[]);
    let head = format!(
        "POST /api/v1/telemetry HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\
         content-length: 100\r\n\r\n{{"
    );
    slow_body.write_all(head.as_bytes()).await.unwrap();
    let answer = rest(&mut slow_body).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("too_slow"), "{answer}");
    served.stop.send(()).unwrap();
    tokio::time::timeout(PATIENCE, served.task)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn one_connection_too_many_is_closed_at_once() {
    let served = serve_http(|config| config.http.server.connections_max = 1).await;
    let mut first = TcpStream::connect(served.address).await.unwrap();
    first
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut start = [0; 15];
    first.read_exact(&mut start).await.unwrap();
    assert_eq!(&start, b"HTTP/1.1 200 OK");
    let mut second = TcpStream::connect(served.address).await.unwrap();
    assert_eq!(rest(&mut second).await, "");
    // Shutdown ends idle connections as well.
    served.stop.send(()).unwrap();
    tokio::time::timeout(PATIENCE, served.task)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    rest(&mut first).await;
}

#[tokio::test]
async fn a_silent_client_of_the_grpc_port_is_dropped() {
    let fixture = start_with(|config| config.grpc.server.header_timeout_ms = 200).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let gateway = fixture.gateway.clone();
    let task = tokio::spawn(grpc::serve(listener, gateway, std::future::pending()));
    let mut silent = TcpStream::connect(address).await.unwrap();
    rest(&mut silent).await;
    task.abort();
}
