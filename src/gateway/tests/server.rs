//! The accept loop: slow, silent and too many clients.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use aerostream_domain::alert::{Alert, AlertId};
use aerostream_domain::{BootId, DroneId, Seq, UtcMicros};
use async_trait::async_trait;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::support::{Fixture, PATIENCE, start_over, start_with};
use crate::gateway::auth::Role;
use crate::gateway::ports::{
    AlertQuestion, Cell, FlatRow, History, HistoryError, HistoryRequest, Key, PastAlertsError,
    PastSample, Steps, Summary,
};
use crate::gateway::{GatewayConfig, grpc, http};

pub struct Served {
    pub fixture: Fixture,
    pub address: SocketAddr,
    pub stop: oneshot::Sender<()>,
    pub task: JoinHandle<std::io::Result<()>>,
}

/// The REST door of a gateway on a port of its own.
pub async fn serve_http(change: impl FnOnce(&mut GatewayConfig)) -> Served {
    serve_fixture(start_with(change).await).await
}

async fn serve_fixture(fixture: Fixture) -> Served {
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

/// A past that ends only where a question does.
struct Endless;

#[async_trait]
impl History for Endless {
    async fn knows(&self, _: &DroneId) -> Result<bool, HistoryError> {
        Ok(true)
    }

    async fn samples(&self, _: &HistoryRequest) -> Result<Vec<PastSample>, HistoryError> {
        Ok(Vec::new())
    }

    async fn rows(&self, request: &HistoryRequest) -> Result<Vec<FlatRow>, HistoryError> {
        let begin = request.after.map_or(0, |key| key.seq.0 + 1);
        let row = |seq| FlatRow {
            key: Key {
                time: UtcMicros(request.range.start.0 + seq as i64),
                boot: BootId(1),
                seq: Seq(seq),
            },
            basis: "utc",
            cells: request.fields.fields().map(|_| Cell::Double(0.5)).collect(),
        };
        Ok((begin..begin + request.limit as u64).map(row).collect())
    }

    async fn summaries(&self, _: &DroneId, _: Steps) -> Result<Vec<Summary>, HistoryError> {
        Ok(Vec::new())
    }

    async fn estimate(&self, _: &DroneId, _: Range<UtcMicros>) -> Result<u64, HistoryError> {
        Ok(0)
    }

    async fn kept_from(&self, _: &DroneId) -> Result<UtcMicros, HistoryError> {
        Ok(UtcMicros(0))
    }

    async fn alerts(&self, _: &AlertQuestion) -> Result<Vec<(DroneId, Alert)>, PastAlertsError> {
        Ok(Vec::new())
    }

    async fn alert(&self, _: &DroneId, _: AlertId) -> Result<Option<Alert>, PastAlertsError> {
        Ok(None)
    }
}

#[tokio::test]
async fn an_export_whose_client_stops_reading_gives_its_place_back() {
    let fixture = start_over(Arc::new(Endless), |config| {
        config.http.principal_exports_max = 1;
        config.http.server.stall_timeout_ms = 1_000;
    });
    let served = serve_fixture(fixture.await).await;
    let fixture = &served.fixture;
    let token = fixture.token(Role::Viewer, &["red"]);
    let path = "/api/v1/drones/alpha/telemetry?format=csv";
    let socket = TcpSocket::new_v4().unwrap();
    // A small window is soon full.
    socket.set_recv_buffer_size(4 * 1024).unwrap();
    let mut stalled = socket.connect(served.address).await.unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\r\n");
    stalled.write_all(head.as_bytes()).await.unwrap();
    let mut start = [0; 15];
    stalled.read_exact(&mut start).await.unwrap();
    assert_eq!(&start, b"HTTP/1.1 200 OK");
    let second = format!("{path}&limit=1");
    assert_eq!(
        fixture.get(&second, &token).await.status,
        429,
        "it has the only place"
    );
    let freed = async {
        while fixture.get(&second, &token).await.status != 200 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let freed = tokio::time::timeout(PATIENCE, freed).await;
    freed.expect("the place is free although the client still has its connection");
    // What was under way is there; that it is not the whole is to be seen.
    let mut taken = Vec::new();
    let ended = tokio::time::timeout(PATIENCE, stalled.read_to_end(&mut taken)).await;
    ended.expect("the connection ended").ok();
    assert!(
        !taken.ends_with(b"0\r\n\r\n"),
        "a part must not look like the whole"
    );
}
