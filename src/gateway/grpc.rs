//! The gRPC door.
//!
//! | service | who | what |
//! |---|---|---|
//! | `aerostream.v1.TelemetryService` | drone, relay | samples in |
//! | `aerostream.v1.CommandService` | operator; readers to read | commands to drones |
//! | `aerostream.v1.AlertService` | readers; operator to answer | alerts as they happen |
//! | `aerostream.v1.AggregatorService` | viewer, operator, admin | fleets in numbers |
//! | `grpc.health.v1.Health` | anybody | what `/readyz` says; names no drone and no fleet |
//! | `grpc.reflection.v1.ServerReflection`, and `v1alpha` | anybody | the .proto files |
//!
//! The token comes as metadata `authorization: Bearer <token>`. Messages may be compressed with
//! gzip or zstd. Every status that is not OK has metadata `aerostream-problem`: the same document
//! as the REST door gives, as ASCII JSON, which names the field at fault and how long to wait.

mod aggregator;
mod alert;
mod command;
mod health;
mod status;
mod stream;

use std::future::Future;
use std::io;
use std::sync::Arc;

use aerostream_proto::v1;
use aerostream_proto::v1::aggregator_service_server::{self, AggregatorServiceServer};
use aerostream_proto::v1::alert_service_server::{self, AlertServiceServer};
use aerostream_proto::v1::command_service_server::{self, CommandServiceServer};
use aerostream_proto::v1::telemetry_service_server::{
    self, TelemetryService, TelemetryServiceServer,
};
use axum::Router;
use prost::Message;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tonic::codec::CompressionEncoding;
use tonic::metadata::MetadataMap;
use tonic::server::NamedService;
use tonic::{Request, Response, Status, Streaming};
use tonic_health::pb::health_server::HealthServer;

use self::aggregator::Aggregator;
use self::alert::Alerts;
use self::command::Commands;
use self::health::Readiness;
use self::status::{to_status, whole_problem};
use self::stream::Replies;
use super::auth::Caller;
use super::http::telemetry::wire_batches;
use super::ingest::may_send;
use super::metrics::Door;
use super::server::{self, Protocol};
use super::state::Gateway;
use crate::error::{ErrorCode, Problem};

pub use status::PROBLEM_METADATA;

/// Serves the gRPC door until `shutdown`.
///
/// # Errors
/// The listener is not bound.
pub async fn serve(
    listener: TcpListener,
    gateway: Arc<Gateway>,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let config = gateway.config.grpc.server.clone();
    let streams_max = gateway.config.grpc.streams_max;
    let protocol = Protocol::Http2 { streams_max };
    let (stop, stopping) = watch::channel(false);
    let shutdown = async {
        shutdown.await;
        stop.send_replace(true);
    };
    let router = router(gateway, Stopping(stopping));
    server::serve(listener, router, (protocol, &config), shutdown).await
}

/// Tells streams that go on for ever that the door closes.
#[derive(Debug, Clone)]
struct Stopping(watch::Receiver<bool>);

impl Stopping {
    async fn begun(&mut self) {
        // A door that is gone closes nothing any more.
        let _ = self.0.wait_for(|begun| *begun).await;
    }
}

/// What health is told of, beside the whole.
const SERVICES: [&str; 4] = [
    telemetry_service_server::SERVICE_NAME,
    command_service_server::SERVICE_NAME,
    alert_service_server::SERVICE_NAME,
    aggregator_service_server::SERVICE_NAME,
];

/// Every service of the gRPC door.
fn router(gateway: Arc<Gateway>, stopping: Stopping) -> Router {
    let message_bytes_max = gateway.config.grpc.message_bytes_max;
    let health = Readiness::new(Arc::clone(&gateway), stopping.clone());
    let health = HealthServer::new(health);
    let alerts = Alerts::new(Arc::clone(&gateway), stopping.clone());
    let alerts = AlertServiceServer::new(alerts)
        .max_decoding_message_size(message_bytes_max)
        .accept_compressed(CompressionEncoding::Gzip)
        .accept_compressed(CompressionEncoding::Zstd);
    let aggregator = Aggregator::new(Arc::clone(&gateway), stopping);
    let aggregator = AggregatorServiceServer::new(aggregator)
        .max_decoding_message_size(message_bytes_max)
        .accept_compressed(CompressionEncoding::Gzip)
        .accept_compressed(CompressionEncoding::Zstd);
    let commands = CommandServiceServer::new(Commands::new(Arc::clone(&gateway)))
        .max_decoding_message_size(message_bytes_max)
        .accept_compressed(CompressionEncoding::Gzip)
        .accept_compressed(CompressionEncoding::Zstd);
    let telemetry = TelemetryServiceServer::new(Telemetry { gateway })
        .max_decoding_message_size(message_bytes_max)
        .accept_compressed(CompressionEncoding::Gzip)
        .accept_compressed(CompressionEncoding::Zstd);
    let described = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(aerostream_proto::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let described_v1 = described().build_v1();
    let described_v1alpha = described().build_v1alpha();
    let described_v1 = described_v1.expect("the descriptors are of this build");
    let described_v1alpha = described_v1alpha.expect("the descriptors are of this build");
    Router::new()
        .route_service(&path_of(&telemetry), telemetry)
        .route_service(&path_of(&commands), commands)
        .route_service(&path_of(&alerts), alerts)
        .route_service(&path_of(&aggregator), aggregator)
        .route_service(&path_of(&health), health)
        .route_service(&path_of(&described_v1), described_v1)
        .route_service(&path_of(&described_v1alpha), described_v1alpha)
        .fallback(async || {
            let detail = "there is no such service here; reflection tells which there are";
            to_status(Problem::new(ErrorCode::MethodNotAllowed, detail))
                .into_http::<tonic::body::Body>()
        })
}

fn path_of<S: NamedService>(_: &S) -> String {
    format!("/{}/{{*method}}", S::NAME)
}

/// The caller behind the metadata of a call.
fn caller(gateway: &Gateway, metadata: &MetadataMap) -> Result<Arc<Caller>, Status> {
    let authorization = metadata.get("authorization");
    let authorization = authorization.and_then(|value| value.to_str().ok());
    gateway.caller(authorization).map_err(to_status)
}

struct Telemetry {
    gateway: Arc<Gateway>,
}

impl Telemetry {
    fn sender(&self, metadata: &MetadataMap) -> Result<Arc<Caller>, Status> {
        let caller = caller(&self.gateway, metadata)?;
        may_send(&caller.principal).map_err(to_status)?;
        Ok(caller)
    }
}

#[tonic::async_trait]
impl TelemetryService for Telemetry {
    type StreamStream = Replies;

    async fn stream(
        &self,
        request: Request<Streaming<v1::StreamRequest>>,
    ) -> Result<Response<Replies>, Status> {
        let caller = self.sender(request.metadata())?;
        let gateway = Arc::clone(&self.gateway);
        let replies = stream::replies(gateway, caller, request.into_inner());
        Ok(Response::new(replies))
    }

    async fn ingest(
        &self,
        request: Request<v1::IngestRequest>,
    ) -> Result<Response<v1::IngestReply>, Status> {
        let caller = self.sender(request.metadata())?;
        let request = request.into_inner();
        let mut permit = self.gateway.permit(&caller);
        permit.grow(request.encoded_len()).map_err(to_status)?;
        permit.enter().map_err(to_status)?;
        let arrival = self.gateway.ingest.arrival(&caller, Door::GrpcUnary);
        let batches = wire_batches(request).map_err(to_status)?;
        let outcomes = self.gateway.ingest.batches(arrival, batches).await;
        if let Some(problem) = whole_problem(&outcomes) {
            return Err(to_status(problem));
        }
        let results = outcomes.into_iter().map(Into::into).collect();
        Ok(Response::new(v1::IngestReply { results }))
    }
}
