//! `AggregatorService`, health and reflection over a real connection.

use std::time::Duration;

use aerostream_domain::FleetSummary;
use aerostream_proto::v1;
use aerostream_proto::v1::aggregator_service_client::AggregatorServiceClient;
use aerostream_proto::v1::summary_update::Kind;
use tonic::transport::Channel;
use tonic::{Code, Streaming};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use super::grpc::{Door, open_over, problem, with_token};
use super::summary::two_drones;
use super::support::{PATIENCE, by, claims, start, start_with};
use crate::clock;
use crate::gateway::auth::{Role, issue};
use crate::registry::Revocation;

fn client(door: &Door) -> AggregatorServiceClient<Channel> {
    AggregatorServiceClient::new(door.channel.clone())
}

fn question(fleet: Option<&str>, cell_deg: Option<f64>) -> v1::SummaryRequest {
    v1::SummaryRequest {
        fleet_id: fleet.map(str::to_owned),
        cell_deg,
        within_s: None,
    }
}

fn watch(summary: v1::SummaryRequest, updates_per_s: Option<f64>) -> v1::WatchSummaryRequest {
    v1::WatchSummaryRequest {
        summary: Some(summary),
        updates_per_s,
    }
}

async fn next(updates: &mut Streaming<v1::SummaryUpdate>) -> Kind {
    let update = tokio::time::timeout(PATIENCE, updates.message()).await;
    update.unwrap().unwrap().unwrap().kind.unwrap()
}

#[tokio::test]
async fn a_summary_has_the_scope_of_its_caller() {
    let door = open_over(start().await).await;
    two_drones(&door.fixture).await;
    let mut client = client(&door);
    for (fleets, fleet, total) in [
        (["*"], None, 2),
        (["red"], None, 1),
        (["*"], Some("blue"), 1),
        (["none"], None, 0),
    ] {
        let token = door.fixture.token(Role::Viewer, &fleets);
        let request = with_token(&token, question(fleet, Some(1.0)));
        let summary = client.summary(request).await.unwrap().into_inner();
        let summary = FleetSummary::try_from(summary).unwrap();
        assert_eq!(summary.drones.total(), total, "{fleets:?} {fleet:?}");
        assert_eq!(summary.cells.told.len() as u64, total);
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_question_is_told() {
    let door = open_over(start().await).await;
    let mut client = client(&door);
    let red = door.fixture.token(Role::Viewer, &["red"]);
    let within = |within_s| v1::SummaryRequest {
        within_s: Some(within_s),
        ..v1::SummaryRequest::default()
    };
    let plain = v1::SummaryRequest::default;
    let invalid = Code::InvalidArgument;
    let cases = [
        (question(None, Some(0.0)), None, invalid, "cell_deg"),
        (question(None, Some(f64::NAN)), None, invalid, "cell_deg"),
        (question(None, Some(-3.0)), None, invalid, "cell_deg"),
        (within(0), None, invalid, "within_s"),
        (within(u64::MAX), None, invalid, "within_s"),
        (question(Some("a b"), None), None, invalid, "fleet"),
        (question(Some("blue"), None), None, Code::NotFound, "fleet"),
        (question(Some("none"), None), None, Code::NotFound, "fleet"),
        (plain(), Some(-1.0), invalid, "updates_per_s"),
        (plain(), Some(0.0), invalid, "updates_per_s"),
        (plain(), Some(1000.0), invalid, "updates_per_s"),
        (plain(), Some(f64::NAN), invalid, "updates_per_s"),
    ];
    for (question, updates_per_s, code, field) in cases {
        let request = with_token(&red, watch(question.clone(), updates_per_s));
        let status = client.watch_summary(request).await.unwrap_err();
        assert_eq!(status.code(), code, "{question:?} {status:?}");
        assert_eq!(problem(&status)["field"], field);
        if updates_per_s.is_none() {
            let request = with_token(&red, question);
            let status = client.summary(request).await.unwrap_err();
            assert_eq!(status.code(), code);
        }
    }
    let drone = door.fixture.token(Role::Drone, &[]);
    for (token, code) in [
        (&*drone, Code::PermissionDenied),
        ("forged", Code::Unauthenticated),
    ] {
        let status = client.summary(with_token(token, plain())).await;
        assert_eq!(status.unwrap_err().code(), code);
        let request = with_token(token, watch(plain(), None));
        assert_eq!(
            client.watch_summary(request).await.unwrap_err().code(),
            code
        );
    }
}

#[tokio::test]
async fn changes_lead_from_one_summary_to_the_next() {
    let door = open_over(start_with(|config| config.summary.updates_per_s_max = 50.0).await).await;
    let mut client = client(&door);
    let token = door.fixture.token(Role::Viewer, &["*"]);
    let request = with_token(&token, watch(question(None, Some(1.0)), Some(50.0)));
    let mut updates = client.watch_summary(request).await.unwrap().into_inner();
    let Kind::Full(first) = next(&mut updates).await else {
        panic!("the first update is no full one");
    };
    let mut told = FleetSummary::try_from(first).unwrap();
    assert_eq!(told.drones.total(), 0);
    two_drones(&door.fixture).await;
    let mut quiet = 0;
    while told.drones.total() < 2 || quiet < 2 {
        let Kind::Changes(changes) = next(&mut updates).await else {
            panic!("a later update is a full one");
        };
        // What did not change is not told again.
        quiet = if changes.cells.is_none() {
            quiet + 1
        } else {
            0
        };
        told.apply(changes.try_into().unwrap());
    }
    let request = with_token(&token, question(None, Some(1.0)));
    let now = client.summary(request).await.unwrap().into_inner();
    let now = FleetSummary::try_from(now).unwrap();
    let (at, rate) = (told.at, told.rate);
    assert_eq!(told, FleetSummary { at, rate, ..now });
}

#[tokio::test]
async fn a_watch_ends_when_its_token_does_or_the_door_closes() {
    let door = open_over(start_with(|config| config.summary.streams_max = 1).await).await;
    let mut client = client(&door);
    let mut short = claims(Role::Viewer, &["red"]);
    short.jti = "short".to_owned();
    short.exp = clock::utc_now().0 as u64 / 1_000_000 + 2;
    let short = issue(&door.fixture.key, &short).unwrap();
    let long = door.fixture.token(Role::Operator, &["red"]);
    let kept = door.fixture.token(Role::Admin, &["red"]);
    let question = || watch(v1::SummaryRequest::default(), Some(0.001));
    for (token, lost) in [(&short, false), (&long, true)] {
        let request = with_token(token, question());
        let mut updates = client.watch_summary(request).await.unwrap().into_inner();
        next(&mut updates).await;
        // The only place is taken.
        let refused = client.watch_summary(with_token(&kept, question())).await;
        assert_eq!(refused.unwrap_err().code(), Code::ResourceExhausted);
        if lost {
            let revocation = Revocation {
                token_id: claims(Role::Operator, &["red"]).jti,
                token_expires: clock::utc_now() + Duration::from_secs(3600),
                reason: "lost".to_owned(),
            };
            let registry = &door.fixture.registry;
            registry.revoke(revocation, by()).await.unwrap();
        }
        let ended = tokio::time::timeout(PATIENCE, updates.message()).await;
        let status = ended.unwrap().unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated, "{status:?}");
    }
    let request = with_token(&kept, question());
    let mut updates = client.watch_summary(request).await.unwrap().into_inner();
    next(&mut updates).await;
    door.stop.send(()).unwrap();
    let ended = tokio::time::timeout(PATIENCE, updates.message()).await;
    assert_eq!(ended.unwrap().unwrap_err().code(), Code::Unavailable);
    let served = tokio::time::timeout(PATIENCE, door.served).await;
    served.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn reflection_lists_the_services_to_anybody() {
    let door = open_over(start().await).await;
    let mut client = ServerReflectionClient::new(door.channel.clone());
    let ask = |request| ServerReflectionRequest {
        host: String::new(),
        message_request: Some(request),
    };
    let symbol = "aerostream.v1.AggregatorService".to_owned();
    let questions = [
        ask(MessageRequest::ListServices(String::new())),
        ask(MessageRequest::FileContainingSymbol(symbol)),
    ];
    let answers = client.server_reflection_info(futures::stream::iter(questions));
    let mut answers = answers.await.unwrap().into_inner();
    let mut next = async || answers.message().await.unwrap().unwrap().message_response;
    let Some(MessageResponse::ListServicesResponse(listed)) = next().await else {
        panic!("no list of services");
    };
    let names: Vec<_> = listed.service.iter().map(|it| it.name.as_str()).collect();
    for name in [
        "aerostream.v1.TelemetryService",
        "aerostream.v1.AggregatorService",
        "grpc.health.v1.Health",
    ] {
        assert!(names.contains(&name), "{names:?}");
    }
    let Some(MessageResponse::FileDescriptorResponse(files)) = next().await else {
        panic!("no description of the service");
    };
    let described = files.file_descriptor_proto.concat();
    let method = b"WatchSummary";
    assert!(described.windows(method.len()).any(|part| part == method));
}

#[tokio::test]
async fn health_says_what_readiness_says() {
    let door = open_over(start().await).await;
    let mut client = HealthClient::new(door.channel.clone());
    let ask = |service: &str| HealthCheckRequest {
        service: service.to_owned(),
    };
    for service in [
        "",
        "aerostream.v1.TelemetryService",
        "aerostream.v1.AggregatorService",
    ] {
        let answer = client.check(ask(service)).await.unwrap().into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving, "{service}");
    }
    let unknown = client.check(ask("none")).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
    let watched = client
        .watch(ask(""))
        .await
        .unwrap()
        .into_inner()
        .message()
        .await;
    assert_eq!(watched.unwrap().unwrap().status(), ServingStatus::Serving);

    let fixture = super::support::start_unready("shards", "not owned").await;
    let door = open_over(fixture).await;
    let mut client = HealthClient::new(door.channel.clone());
    let answer = client.check(ask("")).await.unwrap().into_inner();
    assert_eq!(answer.status(), ServingStatus::NotServing);
}
