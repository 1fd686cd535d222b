//! Bad input over gRPC.

use std::collections::BTreeMap;

use aerostream::gateway::grpc::PROBLEM_METADATA;
use aerostream_proto::v1;
use aerostream_proto::v1::telemetry_service_client::TelemetryServiceClient;
use futures::stream;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::codec::CompressionEncoding;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use super::{Door, SOON, open};
use crate::support::now_us;

type Client = TelemetryServiceClient<Channel>;

impl Door {
    async fn client(&self) -> Client {
        let channel = Channel::from_shared(self.system.grpc_url()).expect("a legal address");
        let channel = channel.connect().await.expect("the gRPC door is open");
        TelemetryServiceClient::new(channel).send_compressed(CompressionEncoding::Zstd)
    }
}

fn with_token<T>(token: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let bearer = format!("Bearer {token}").parse().expect("printable");
    request.metadata_mut().insert("authorization", bearer);
    request
}

fn sample(seq: u64) -> v1::Sample {
    v1::Sample {
        seq: Some(seq),
        utc_us: Some(now_us()),
        ..v1::Sample::default()
    }
}

fn at_latitude(seq: u64, latitude_deg: f64) -> v1::Sample {
    v1::Sample {
        position: Some(v1::Position {
            latitude_deg: Some(latitude_deg),
            longitude_deg: Some(8.0),
            ..v1::Position::default()
        }),
        ..sample(seq)
    }
}

fn batch(drone: &str, batch_id: u64, samples: Vec<v1::Sample>) -> v1::Batch {
    v1::Batch {
        batch_id,
        drone_id: drone.to_owned(),
        boot: Some(1),
        samples,
        ..v1::Batch::default()
    }
}

/// Status code, and code and field of its problem document.
#[track_caller]
fn problem(status: &Status) -> (Code, String, String) {
    let document = status.metadata().get(PROBLEM_METADATA);
    let document = document.and_then(|document| document.to_str().ok());
    let document = document.unwrap_or_else(|| panic!("no problem in {status:?}"));
    let document: Value = serde_json::from_str(document).expect("JSON");
    let text = |name: &str| document[name].as_str().unwrap_or_default().to_owned();
    assert!(!text("detail").is_empty(), "{document}");
    (status.code(), text("code"), text("field"))
}

async fn refuse(client: &mut Client, token: &str, batches: Vec<v1::Batch>) -> Status {
    let request = with_token(token, v1::IngestRequest { batches });
    client
        .ingest(request)
        .await
        .expect_err("nothing good in it")
}

/// A sample, the code of its refusal and the field that it names.
fn bad_samples() -> [(v1::Sample, &'static str, &'static str); 6] {
    let battery = v1::Battery {
        remaining_percent: Some(140.0),
        ..v1::Battery::default()
    };
    let charged = v1::Sample {
        battery: vec![battery],
        ..sample(3)
    };
    [
        (
            at_latitude(1, 91.0),
            "out_of_range",
            "position.latitude_deg",
        ),
        (
            at_latitude(2, f64::NAN),
            "out_of_range",
            "position.latitude_deg",
        ),
        (charged, "out_of_range", "battery[0].remaining_percent"),
        (
            v1::Sample {
                utc_us: Some(0),
                ..sample(4)
            },
            "clock_unset",
            "utc_us",
        ),
        (
            v1::Sample {
                utc_us: Some(4_070_908_800_000_000),
                ..sample(5)
            },
            "in_the_future",
            "utc_us",
        ),
        (
            v1::Sample {
                utc_us: None,
                ..sample(6)
            },
            "no_time",
            "utc_us",
        ),
    ]
}

/// Sends the batches up one stream and gives the result of each, by its id.
async fn results(door: &Door, batches: Vec<v1::Batch>) -> BTreeMap<u64, v1::BatchResult> {
    let requests = batches.into_iter().map(|batch| v1::StreamRequest {
        kind: Some(v1::stream_request::Kind::Batch(batch)),
    });
    let mut client = door.client().await;
    let request = with_token(&door.token, stream::iter(requests));
    let mut replies = client.stream(request).await.expect("it opens").into_inner();
    let mut results = BTreeMap::new();
    while let Some(reply) = replies.message().await.expect("the stream ends well") {
        let Some(v1::stream_reply::Kind::Result(result)) = reply.kind else {
            continue;
        };
        results.insert(result.batch_id, result);
    }
    results
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_samples_in_a_stream_cost_the_others_nothing_and_are_kept() {
    let door = open().await;
    let cases = bad_samples();
    let mut requests = Vec::new();
    for (id, (bad, _, _)) in (0..).zip(&cases) {
        let samples = vec![sample(100 + 2 * id), bad.clone(), sample(101 + 2 * id)];
        requests.push(batch("alpha", id, samples));
    }
    requests.push(batch("bravo", 90, vec![sample(1)]));
    requests.push(batch("al pha", 91, vec![sample(1)]));
    requests.push(batch("alpha", 92, vec![sample(500)]));
    let results = results(&door, requests).await;
    for (id, (_, code, field)) in (0..).zip(&cases) {
        let result = &results[&id];
        assert_eq!(result.acknowledged, 2, "{result:?}");
        let refused = &result.refused[0];
        let told = (refused.index, refused.code.as_str(), refused.field.as_str());
        assert_eq!(told, (1, *code, *field), "{result:?}");
    }
    assert_eq!(
        results[&90].refused[0].code, "forbidden",
        "{:?}",
        results[&90]
    );
    assert_eq!(
        results[&91].refused[0].field, "drone_id",
        "{:?}",
        results[&91]
    );
    assert_eq!(results[&92].acknowledged, 1, "{:?}", results[&92]);
    door.stored(2 * cases.len() + 1).await;

    let letters = door.letters().await;
    for (_, code, _) in &cases {
        let kept = letters.iter().filter(|letter| letter.code == *code).count();
        let sent = cases.iter().filter(|(_, sent, _)| sent == code).count();
        assert_eq!(kept, sent, "{code}: {letters:?}");
    }
    assert!(
        letters.iter().all(|letter| letter.principal == "alpha"),
        "{letters:?}"
    );
    assert!(
        letters.iter().all(|letter| letter.encoding == "protobuf"),
        "{letters:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_are_wrong_as_a_whole_are_told_what_would_be_right() {
    let door = open().await;
    let mut client = door.client().await;
    let mine = || batch("alpha", 1, vec![sample(1)]);
    let invalid = |field: &str| {
        (
            Code::InvalidArgument,
            "invalid".to_owned(),
            field.to_owned(),
        )
    };
    let status = refuse(&mut client, &door.token, vec![]).await;
    assert_eq!(problem(&status), invalid("batches"));
    let illegal = vec![batch("a b", 1, vec![sample(1)])];
    let status = refuse(&mut client, &door.token, illegal).await;
    assert_eq!(problem(&status), invalid("drone_id"));
    let other = vec![batch("bravo", 1, vec![sample(1)])];
    let status = refuse(&mut client, &door.token, other).await;
    assert_eq!(status.code(), Code::PermissionDenied, "{status:?}");
    assert_eq!(problem(&status).2, "drone_id");
    let status = refuse(&mut client, "forged", vec![mine()]).await;
    assert_eq!(status.code(), Code::Unauthenticated, "{status:?}");
    let oversized = vec![batch("alpha", 1, (0..1_001).map(sample).collect())];
    let status = refuse(&mut client, &door.token, oversized).await;
    assert_eq!(problem(&status).2, "batches", "{status:?}");

    // 64 MiB of zeros that zstd makes a few kilobytes of.
    let mut bomb = mine();
    bomb.samples[0].raw = Some(vec![0; 64 << 20]);
    let status = refuse(&mut client, &door.token, vec![bomb]).await;
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    let resident = door.up.resident_peak();
    assert!(resident < 512 << 20, "{} MiB for a bomb", resident >> 20);

    let request = with_token(
        &door.token,
        v1::IngestRequest {
            batches: vec![mine()],
        },
    );
    let reply = client
        .ingest(request)
        .await
        .expect("a good call")
        .into_inner();
    assert_eq!(reply.results[0].acknowledged, 1);
    door.stored(1).await;
}

/// The message goes through a codec that takes bytes as they are.
#[tokio::test(flavor = "multi_thread")]
async fn truncated_protobuf_and_silent_connections() {
    let door = open().await;
    let channel = Channel::from_shared(door.system.grpc_url()).expect("a legal address");
    let channel = channel.connect().await.expect("the gRPC door is open");
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await.expect("it is open");
    let path = "/aerostream.v1.TelemetryService/Ingest";
    // Field 1 of IngestRequest with a length of 100, and 1 byte of it.
    let request = with_token(&door.token, vec![0x0a, 100, 1]);
    let path = path.parse().expect("a path");
    let answered = grpc.unary(request, path, Bytes).await;
    let status: Status = answered
        .map(|_: tonic::Response<Vec<u8>>| ())
        .expect_err("no message");
    assert!(
        matches!(status.code(), Code::InvalidArgument | Code::Internal),
        "{status:?}"
    );

    let address = ("127.0.0.1", door.system.grpc);
    let mut silent = TcpStream::connect(address).await.expect("it is open");
    silent
        .write_all(b"PRI * HTTP/2.0\r\n")
        .await
        .expect("it listens");
    let mut said = Vec::new();
    let reading = tokio::time::timeout(SOON, silent.read_to_end(&mut said));
    // A reset is an end as well.
    let _ended = reading.await.expect("the door closes a silent connection");

    let mut client = door.client().await;
    let mine = batch("alpha", 1, vec![sample(1)]);
    let request = with_token(
        &door.token,
        v1::IngestRequest {
            batches: vec![mine],
        },
    );
    let reply = client
        .ingest(request)
        .await
        .expect("a good call")
        .into_inner();
    assert_eq!(reply.results[0].acknowledged, 1);
}

/// Messages as they are.
#[derive(Debug, Clone, Copy, Default)]
struct Bytes;

impl tonic::codec::Codec for Bytes {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl tonic::codec::Encoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(
        &mut self,
        item: Vec<u8>,
        to: &mut tonic::codec::EncodeBuf<'_>,
    ) -> Result<(), Status> {
        bytes::BufMut::put_slice(to, &item);
        Ok(())
    }
}

impl tonic::codec::Decoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(
        &mut self,
        from: &mut tonic::codec::DecodeBuf<'_>,
    ) -> Result<Option<Vec<u8>>, Status> {
        use bytes::Buf;
        let all = from.copy_to_bytes(from.remaining());
        Ok(Some(all.to_vec()))
    }
}
