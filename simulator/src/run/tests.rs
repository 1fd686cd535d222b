//! Runs against a server of the real service that forgets, refuses and breaks as its seed says.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use aerostream_domain::sample::Sample;
use aerostream_proto::v1::telemetry_service_server::{TelemetryService, TelemetryServiceServer};
use aerostream_proto::v1::{
    self as v1, Batch, BatchResult, IngestReply, IngestRequest, Retry, StreamReply, StreamRequest,
    stream_reply, stream_request,
};
use futures::{Stream, StreamExt};
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status as GrpcStatus, Streaming};

use super::*;
use crate::config::{Encoding, Physics, Transport};
use crate::faults::Profile;
use crate::physics::noise::Noise;

type Key = (String, u64, u64);

/// What the server has made durable, and its moods.
struct Door {
    durable: Mutex<HashMap<Key, u64>>,
    noise: Mutex<Noise>,
    faulty: bool,
}

/// What the server does with a batch.
enum Mood {
    Answer(BatchResult),
    Silence,
    Break,
}

impl Door {
    fn new(faulty: bool) -> Arc<Self> {
        Arc::new(Self {
            durable: Mutex::default(),
            noise: Mutex::new(Noise::new(5, 0)),
            faulty,
        })
    }

    fn take(&self, batch: &Batch) -> Mood {
        let mood = self.noise.lock().unwrap().between(0.0, 1.0);
        let mood = if self.faulty { mood } else { 1.0 };
        let mut result = BatchResult {
            batch_id: batch.batch_id,
            drone_id: batch.drone_id.clone(),
            ..BatchResult::default()
        };
        if mood < 0.02 {
            return Mood::Break;
        }
        if mood < 0.1 {
            result.retry = Some(Retry {
                code: "overloaded".to_owned(),
                detail: String::new(),
                after_ms: 20,
            });
            return Mood::Answer(result);
        }
        let mut durable = self.durable.lock().unwrap();
        for sample in &batch.samples {
            let key = (
                batch.drone_id.clone(),
                batch.boot.unwrap(),
                sample.seq.unwrap(),
            );
            let hash = Sample::try_from(sample.clone()).unwrap().content.hash().0;
            let before = durable.insert(key, hash);
            assert!(
                before.is_none_or(|b| b == hash),
                "content of a resend differs"
            );
            result.acknowledged += 1;
            result.repeated_samples += u32::from(before.is_some());
        }
        // Durable, but nobody is told.
        if mood < 0.15 {
            Mood::Silence
        } else {
            Mood::Answer(result)
        }
    }

    /// Compares a manifest with what is durable.
    fn check_manifest(&self, text: &str) {
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some(crate::manifest::HEADER));
        let mut told = HashMap::new();
        for line in lines {
            let parts: Vec<_> = line.split(' ').collect();
            let [drone, boot, seq, hash] = parts[..] else {
                panic!("{line:?} has not four parts");
            };
            let boot = u64::from_str_radix(boot, 16).unwrap();
            let key = (drone.to_owned(), boot, seq.parse().unwrap());
            let hash = u64::from_str_radix(hash, 16).unwrap();
            assert!(told.insert(key, hash).is_none(), "{line:?} is there twice");
        }
        assert_eq!(told, *self.durable.lock().unwrap());
    }
}

/// The service over a door that outlives it.
struct Service(Arc<Door>);

#[tonic::async_trait]
impl TelemetryService for Service {
    type StreamStream = Pin<Box<dyn Stream<Item = Result<StreamReply, GrpcStatus>> + Send>>;

    async fn stream(
        &self,
        request: Request<Streaming<StreamRequest>>,
    ) -> Result<Response<Self::StreamStream>, GrpcStatus> {
        let bearer = request.metadata().get("authorization").cloned();
        if bearer.is_none_or(|b| b != "Bearer secret") {
            return Err(GrpcStatus::unauthenticated("no token"));
        }
        let door = Arc::clone(&self.0);
        let replies = request.into_inner().filter_map(move |request| {
            let mood = match request.map(|r| r.kind) {
                Ok(Some(stream_request::Kind::Batch(batch))) => door.take(&batch),
                _ => Mood::Break,
            };
            let reply = match mood {
                Mood::Answer(result) => Some(Ok(StreamReply {
                    kind: Some(stream_reply::Kind::Result(result)),
                })),
                Mood::Silence => None,
                Mood::Break => Some(Err(GrpcStatus::unavailable("broken on purpose"))),
            };
            std::future::ready(reply)
        });
        Ok(Response::new(Box::pin(replies)))
    }

    async fn ingest(&self, _: Request<IngestRequest>) -> Result<Response<IngestReply>, GrpcStatus> {
        Err(GrpcStatus::unimplemented("the simulator does not use it"))
    }
}

/// Serves a door on a free port until the set is dropped.
async fn serve_grpc(door: &Arc<Door>, tasks: &mut JoinSet<()>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let service = TelemetryServiceServer::new(Service(Arc::clone(door)));
    tasks.spawn(async move {
        let server = Server::builder().add_service(service);
        server
            .serve_with_incoming(TcpIncoming::from(listener))
            .await
            .unwrap();
    });
    endpoint
}

/// As much of HTTP as one client needs.
async fn serve_rest(door: &Arc<Door>, tasks: &mut JoinSet<()>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let door = Arc::clone(door);
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            connections.spawn(serve_connection(Arc::clone(&door), stream));
        }
    });
    endpoint
}

async fn serve_connection(door: Arc<Door>, mut stream: TcpStream) {
    let mut bytes = Vec::new();
    loop {
        let end = bytes.windows(4).position(|w| w == b"\r\n\r\n");
        let head = end.map(|end| String::from_utf8_lossy(&bytes[..end]).to_lowercase());
        let length = head.as_ref().map(|head| {
            let length = head.split("content-length: ").nth(1).unwrap();
            length.lines().next().unwrap().parse::<usize>().unwrap()
        });
        if let (Some(end), Some(length), Some(head)) = (end, length, head)
            && bytes.len() >= end + 4 + length
        {
            let body = bytes[end + 4..end + 4 + length].to_vec();
            bytes.drain(..end + 4 + length);
            assert!(head.starts_with("post /api/v1/telemetry "), "{head}");
            assert!(head.contains("authorization: bearer secret"), "{head}");
            let Some(answer) = answer(&door, head.contains("protobuf"), &body) else {
                return;
            };
            stream.write_all(&answer).await.unwrap();
        } else if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return;
        }
    }
}

/// The whole response; `None` breaks the connection.
fn answer(door: &Door, protobuf: bool, body: &[u8]) -> Option<Vec<u8>> {
    let batch = if protobuf {
        IngestRequest::decode(body).unwrap().batches.remove(0)
    } else {
        let told: serde_json::Value = serde_json::from_slice(body).unwrap();
        let samples = told["samples"].as_array().unwrap();
        let of = |s: &serde_json::Value| v1::Sample {
            seq: s["seq"].as_u64(),
            utc_us: s["utc_us"].as_i64(),
            ..v1::Sample::default()
        };
        Batch {
            drone_id: told["drone_id"].as_str().unwrap().to_owned(),
            boot: Some(told["boot"].as_str().unwrap().parse().unwrap()),
            samples: samples.iter().map(of).collect(),
            ..Batch::default()
        }
    };
    let (status, kind, body) = match door.take(&batch) {
        Mood::Answer(result) if result.retry.is_some() => {
            let body = br#"{"code": "overloaded"}"#.to_vec();
            ("429 Too Many Requests", "application/problem+json", body)
        }
        Mood::Answer(result) if protobuf => {
            let reply = IngestReply {
                results: vec![result],
            };
            ("200 OK", "application/x-protobuf", reply.encode_to_vec())
        }
        Mood::Answer(result) => {
            let body = format!(r#"{{"acknowledged": {}}}"#, result.acknowledged);
            ("200 OK", "application/json", body.into_bytes())
        }
        Mood::Silence | Mood::Break => return None,
    };
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}");
    Some([head.as_bytes(), b"\r\n\r\n", &body].concat())
}

fn config(endpoint: String, manifest: &std::path::Path) -> Config {
    Config {
        drones: 40,
        rate_hz: 50.0,
        batch: 20,
        linger_ms: 200,
        duration_s: Some(2),
        endpoint: Some(endpoint),
        token: Some("secret".to_owned()),
        connections: 2,
        ack_timeout_ms: 300,
        manifest: Some(manifest.to_owned()),
        quiet: true,
        ..Config::default()
    }
}

async fn check(faulty: bool, change: impl FnOnce(&mut Config)) -> Report {
    let door = Door::new(faulty);
    let mut tasks = JoinSet::new();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("manifest");
    let mut config = config(String::new(), &path);
    change(&mut config);
    config.endpoint = Some(match config.transport {
        Transport::Grpc => serve_grpc(&door, &mut tasks).await,
        Transport::Rest => serve_rest(&door, &mut tasks).await,
    });
    let report = run(config, std::future::pending()).await.unwrap();
    let told = &report.numbers;
    assert!(report.is_complete(), "{report}");
    assert!(told.generated > 3000, "{report}");
    assert_eq!(told.generated, told.acknowledged, "{report}");
    assert_eq!(report.manifest_lines, Some(told.acknowledged));
    door.check_manifest(&std::fs::read_to_string(&path).unwrap());
    report
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_good_server_gets_everything_once() {
    let report = check(false, |_| {}).await;
    let told = &report.numbers;
    assert_eq!(
        (told.repeated, told.retried, told.disconnects),
        (0, 0, 0),
        "{report}"
    );
    assert!(report.to_string().contains("still stored"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_server_and_a_bad_link_lose_nothing() {
    let report = check(true, |config| config.faults.profile = Profile::Harsh).await;
    let told = &report.numbers;
    assert!(
        told.disconnects > 0 && told.retried > 0 && told.timed_out > 0,
        "{report}"
    );
    assert!(told.repeated > 0, "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rest_loses_nothing_in_protobuf() {
    let report = check(true, |config| config.transport = Transport::Rest).await;
    assert!(
        report.numbers.retry_codes.contains_key("overloaded"),
        "{report}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rest_takes_json_too() {
    let door = Door::new(false);
    let mut tasks = JoinSet::new();
    let dir = tempfile::tempdir().unwrap();
    let endpoint = serve_rest(&door, &mut tasks).await;
    let config = Config {
        transport: Transport::Rest,
        encoding: Encoding::Json,
        duration_s: Some(1),
        ..config(endpoint, &dir.path().join("manifest"))
    };
    let report = run(config, std::future::pending()).await.unwrap();
    assert!(
        report.is_complete() && report.numbers.acknowledged > 1000,
        "{report}"
    );
    let durable = door.durable.lock().unwrap().len() as u64;
    assert_eq!(report.numbers.acknowledged, durable);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replayed_physics_is_as_true() {
    check(false, |config| config.physics = Physics::Replayed).await;
}

#[tokio::test]
async fn nothing_counts_as_acknowledged_without_a_server() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("manifest");
    let config = Config {
        duration_s: Some(1),
        drain_s: 0,
        ..config(endpoint, &path)
    };
    let report = run(config, std::future::pending()).await.unwrap();
    assert!(!report.is_complete());
    assert_eq!(report.numbers.acknowledged, 0);
    assert_eq!(report.numbers.stored, report.numbers.generated);
    assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 1);
}
