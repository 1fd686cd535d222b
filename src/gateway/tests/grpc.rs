//! The gRPC door over a real connection.

use std::time::Duration;

use aerostream_proto::v1;
use aerostream_proto::v1::telemetry_service_client::TelemetryServiceClient;
use aerostream_proto::v1::{stream_reply, stream_request};
use futures::stream;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tonic::codec::CompressionEncoding;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use super::support::{Fixture, PATIENCE, by, claims, now_us, start};
use crate::clock;
use crate::gateway::auth::{Role, issue};
use crate::gateway::grpc::{self, PROBLEM_METADATA};
use crate::registry::Revocation;

pub struct Door {
    pub fixture: Fixture,
    pub channel: Channel,
    client: TelemetryServiceClient<Channel>,
    pub stop: oneshot::Sender<()>,
    pub served: JoinHandle<std::io::Result<()>>,
}

async fn open() -> Door {
    open_over(start().await).await
}

pub async fn open_over(fixture: Fixture) -> Door {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (stop, stopped) = oneshot::channel::<()>();
    let gateway = fixture.gateway.clone();
    let served = tokio::spawn(grpc::serve(listener, gateway, async {
        let _ = stopped.await;
    }));
    let channel = Channel::from_shared(url).unwrap().connect().await.unwrap();
    let client =
        TelemetryServiceClient::new(channel.clone()).send_compressed(CompressionEncoding::Zstd);
    Door {
        fixture,
        channel,
        client,
        stop,
        served,
    }
}

pub fn with_token<T>(token: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let value = format!("Bearer {token}").parse().unwrap();
    request.metadata_mut().insert("authorization", value);
    request
}

pub fn batch(drone: &str, batch_id: u64, latitude_deg: f64) -> v1::Batch {
    let position = v1::Position {
        latitude_deg: Some(latitude_deg),
        longitude_deg: Some(8.0),
        ..v1::Position::default()
    };
    v1::Batch {
        batch_id,
        drone_id: drone.to_owned(),
        boot: Some(1),
        sent_at_boot_us: None,
        samples: vec![v1::Sample {
            seq: Some(batch_id),
            utc_us: Some(now_us()),
            position: Some(position),
            ..v1::Sample::default()
        }],
    }
}

pub fn problem(status: &Status) -> serde_json::Value {
    let document = status.metadata().get(PROBLEM_METADATA).unwrap();
    serde_json::from_str(document.to_str().unwrap()).unwrap()
}

#[tokio::test]
async fn unary_answers_and_statuses_name_the_field() {
    let mut door = open().await;
    let token = door.fixture.token(Role::Drone, &[]);
    let request = |batches| v1::IngestRequest { batches };
    let good = request(vec![batch("alpha", 1, 47.0), batch("alpha", 2, 91.0)]);
    let reply = door
        .client
        .ingest(with_token(&token, good))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(reply.results[0].acknowledged, 1);
    let refused = &reply.results[1].refused[0];
    let told = (refused.code.as_str(), refused.field.as_str(), refused.seq);
    assert_eq!(told, ("out_of_range", "position.latitude_deg", Some(2)));
    assert_eq!(door.fixture.letters().len(), 1);
    assert_eq!(door.fixture.letters()[0].encoding, "protobuf");

    let viewer = door.fixture.token(Role::Viewer, &["*"]);
    let cases = [
        (
            token.as_str(),
            vec![batch("bravo", 1, 1.0)],
            Code::PermissionDenied,
            "drone_id",
        ),
        (
            viewer.as_str(),
            vec![batch("alpha", 1, 1.0)],
            Code::PermissionDenied,
            "",
        ),
        (
            "forged",
            vec![batch("alpha", 1, 1.0)],
            Code::Unauthenticated,
            "authorization",
        ),
        (token.as_str(), vec![], Code::InvalidArgument, "batches"),
        (
            token.as_str(),
            vec![batch("a b", 1, 1.0)],
            Code::InvalidArgument,
            "drone_id",
        ),
    ];
    for (token, batches, code, field) in cases {
        let status = door
            .client
            .ingest(with_token(token, request(batches)))
            .await
            .unwrap_err();
        assert_eq!(status.code(), code, "{status:?}");
        assert_eq!(
            problem(&status)["field"].as_str().unwrap_or_default(),
            field
        );
    }
    let status = door.client.ingest(request(vec![])).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    drop(door.client);
    door.stop.send(()).unwrap();
    tokio::time::timeout(PATIENCE, door.served)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn a_message_that_is_too_large_after_decompression_is_refused() {
    let mut door = open().await;
    let token = door.fixture.token(Role::Drone, &[]);
    let mut bomb = batch("alpha", 1, 1.0);
    bomb.samples[0].raw = Some(vec![0; 8 << 20]);
    let request = v1::IngestRequest {
        batches: vec![bomb],
    };
    let status = door
        .client
        .ingest(with_token(&token, request))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
}

fn upward(batch: v1::Batch) -> v1::StreamRequest {
    v1::StreamRequest {
        kind: Some(stream_request::Kind::Batch(batch)),
    }
}

fn result(reply: v1::StreamReply) -> v1::BatchResult {
    match reply.kind {
        Some(stream_reply::Kind::Result(result)) => result,
        other => panic!("no result but {other:?}"),
    }
}

#[tokio::test]
async fn every_batch_of_a_stream_is_answered_before_it_ends() {
    let mut door = open().await;
    let relay = door.fixture.token(Role::Relay, &["red"]);
    let mut batches: Vec<_> = (1..=300)
        .map(|id| upward(batch("alpha", id, 47.0)))
        .collect();
    batches.push(upward(batch("bravo", 301, 47.0)));
    batches.push(upward(batch("alpha", 302, 91.0)));
    let request = with_token(&relay, stream::iter(batches));
    let mut replies = door.client.stream(request).await.unwrap().into_inner();
    let mut results = Vec::new();
    while let Some(reply) = replies.message().await.unwrap() {
        results.push(result(reply));
    }
    results.sort_by_key(|result| result.batch_id);
    let ids: Vec<_> = results.iter().map(|result| result.batch_id).collect();
    assert_eq!(ids, (1..=302).collect::<Vec<_>>());
    let acknowledged: u32 = results.iter().map(|result| result.acknowledged).sum();
    let retry = results
        .iter()
        .filter(|result| result.retry.is_some())
        .count();
    assert_eq!(acknowledged as usize + retry, 300);
    assert_eq!(results[300].refused[0].code, "forbidden");
    assert_eq!(results[301].refused[0].field, "position.latitude_deg");
}

#[tokio::test]
async fn a_stream_ends_when_its_token_is_revoked_or_expires() {
    let mut door = open().await;
    let mut short = claims(Role::Drone, &[]);
    short.jti = "short".to_owned();
    short.exp = clock::utc_now().0 as u64 / 1_000_000 + 2;
    let short = issue(&door.fixture.key, &short).unwrap();
    let long = door.fixture.token(Role::Relay, &["red"]);
    for (seq, token, lost) in [(1, short, false), (2, long, true)] {
        let (batches, queue) = mpsc::channel(4);
        let queue = stream::unfold(queue, async |mut queue| Some((queue.recv().await?, queue)));
        let request = with_token(&token, Box::pin(queue));
        batches
            .send(upward(batch("alpha", seq, 47.0)))
            .await
            .unwrap();
        let mut replies = door.client.stream(request).await.unwrap().into_inner();
        let first = result(replies.message().await.unwrap().unwrap());
        assert_eq!(first.acknowledged, 1, "{first:?}");
        if lost {
            let revocation = Revocation {
                token_id: claims(Role::Relay, &["red"]).jti,
                token_expires: clock::utc_now() + Duration::from_secs(3600),
                reason: "lost".to_owned(),
            };
            door.fixture
                .registry
                .revoke(revocation, by())
                .await
                .unwrap();
        }
        let ended = tokio::time::timeout(PATIENCE, replies.message())
            .await
            .unwrap();
        let status = ended.unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated, "{status:?}");
        drop(batches);
        // A token that is over opens nothing any more.
        let request = with_token(&token, v1::IngestRequest::default());
        let refused = door.client.ingest(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated);
    }
}
