//! Every RPC of the gRPC door.

use aerostream_proto::v1;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use prost::Message;
use prost_types::FileDescriptorSet;
use tonic::Code;
use tonic::transport::Channel;
use tower::{Service, ServiceExt};

use super::callers::Place;
use super::table::{Findings, assert_complete, rows};
use crate::gateway::tests::grpc::{batch, open_over};

const TABLE: &str = include_str!("rpc.txt");

/// `package.Service/Method` of every RPC that reflection tells of, reflection itself included.
fn rpcs() -> Vec<String> {
    let sets = [
        aerostream_proto::DESCRIPTORS,
        tonic_health::pb::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
    ];
    let sets = sets.map(|set| FileDescriptorSet::decode(set).expect("descriptors of this build"));
    let mut rpcs = Vec::new();
    for file in sets.iter().flat_map(|set| &set.file) {
        for service in &file.service {
            let (package, name) = (file.package(), service.name());
            let methods = service.method.iter().map(|method| method.name());
            rpcs.extend(methods.map(|method| format!("{package}.{name}/{method}")));
        }
    }
    rpcs
}

/// What is sent, by its name in the table.
fn message(name: &str, place: &Place) -> Vec<u8> {
    let command_id = place.fill("{command}");
    let summary = v1::SummaryRequest {
        fleet_id: Some("red".to_owned()),
        ..v1::SummaryRequest::default()
    };
    match name {
        "nothing" => Vec::new(),
        "batch" => {
            let batches = vec![batch("alpha", 1, 47.0)];
            v1::IngestRequest { batches }.encode_to_vec()
        }
        "streamed batch" => {
            let batch = v1::stream_request::Kind::Batch(batch("alpha", 1, 47.0));
            v1::StreamRequest { kind: Some(batch) }.encode_to_vec()
        }
        "hold" => {
            let hold = v1::command::Kind::Hold(v1::command::Hold {});
            v1::SendCommandRequest {
                drone_id: "alpha".to_owned(),
                idempotency_key: "table".to_owned(),
                command: Some(v1::Command { kind: Some(hold) }),
                ..v1::SendCommandRequest::default()
            }
            .encode_to_vec()
        }
        "command" => {
            let wait_ms = None;
            v1::GetCommandRequest {
                command_id,
                wait_ms,
            }
            .encode_to_vec()
        }
        "cancel" => v1::CancelCommandRequest { command_id }.encode_to_vec(),
        "confirm" => {
            let digest = 1;
            v1::ConfirmCommandRequest { command_id, digest }.encode_to_vec()
        }
        "seen" => v1::AnswerAlertRequest {
            drone_id: "alpha".to_owned(),
            alert_id: "0".repeat(32),
            comment: "seen".to_owned(),
        }
        .encode_to_vec(),
        "fleet" => summary.encode_to_vec(),
        "watched fleet" => v1::WatchSummaryRequest {
            summary: Some(summary),
            updates_per_s: None,
        }
        .encode_to_vec(),
        other => panic!("{other} is no message; add it here"),
    }
}

/// The status of a call: of its head, of its end, or OK once it answers something.
async fn status(channel: &Channel, rpc: &str, message: &[u8], token: &str) -> String {
    let length = u32::try_from(message.len()).unwrap();
    let framed = [&[0], &length.to_be_bytes()[..], message].concat();
    let request = axum::http::Request::post(format!("/{rpc}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("authorization", format!("Bearer {token}"))
        .body(tonic::body::Body::new(Full::new(Bytes::from(framed))))
        .unwrap();
    let mut channel = channel.clone();
    let ready = channel.ready().await.unwrap();
    let mut response = ready.call(request).await.unwrap();
    let code = |headers: &axum::http::HeaderMap| {
        let status = headers.get("grpc-status")?;
        let code = Code::from_bytes(status.as_bytes());
        Some(format!("{code:?}"))
    };
    if let Some(code) = code(response.headers()) {
        return code;
    }
    match response.body_mut().frame().await {
        Some(Ok(frame)) => match frame.trailers_ref() {
            Some(trailers) => code(trailers).expect("trailers with a status"),
            None => format!("{:?}", Code::Ok),
        },
        other => panic!("{rpc} ended without status: {other:?}"),
    }
}

#[tokio::test]
async fn every_rpc_with_every_role() {
    let rows = rows(TABLE);
    assert_complete(rpcs(), &rows, "rpc.txt");
    let mut findings = Findings::default();
    for row in &rows {
        let place = Place::new().await;
        let message = message(row.sent[0], &place);
        let callers = place.callers();
        let door = open_over(place.fixture).await;
        let mut got = Vec::new();
        for caller in callers {
            let status = status(&door.channel, row.door, &message, &caller.token);
            got.push((caller.name, status.await));
        }
        findings.compare(row, &got);
    }
    findings.assert_none();
}
