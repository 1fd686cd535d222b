//! The gRPC door: `aerostream.v1.TelemetryService`.
//!
//! The token comes as metadata `authorization: Bearer <token>`. Messages may be compressed with
//! gzip or zstd. Every status that is not OK has metadata `aerostream-problem`: the same document
//! as the REST door gives, as ASCII JSON, which names the field at fault and how long to wait.

mod status;
mod stream;

use std::future::Future;
use std::io;
use std::sync::Arc;

use aerostream_proto::v1;
use aerostream_proto::v1::telemetry_service_server::{TelemetryService, TelemetryServiceServer};
use axum::Router;
use prost::Message;
use tokio::net::TcpListener;
use tonic::codec::CompressionEncoding;
use tonic::metadata::MetadataMap;
use tonic::server::NamedService;
use tonic::{Request, Response, Status, Streaming};

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
    server::serve(listener, router(gateway), (protocol, &config), shutdown).await
}

/// Every service of the gRPC door.
pub fn router(gateway: Arc<Gateway>) -> Router {
    let message_bytes_max = gateway.config.grpc.message_bytes_max;
    let service = TelemetryServiceServer::new(Telemetry { gateway })
        .max_decoding_message_size(message_bytes_max)
        .accept_compressed(CompressionEncoding::Gzip)
        .accept_compressed(CompressionEncoding::Zstd);
    type Service = TelemetryServiceServer<Telemetry>;
    Router::new()
        .route_service(&format!("/{}/{{*method}}", Service::NAME), service)
        .fallback(async || {
            let detail = "there is no such service here; aerostream.v1.TelemetryService is";
            to_status(Problem::new(ErrorCode::MethodNotAllowed, detail))
                .into_http::<tonic::body::Body>()
        })
}

struct Telemetry {
    gateway: Arc<Gateway>,
}

impl Telemetry {
    fn sender(&self, metadata: &MetadataMap) -> Result<Arc<Caller>, Status> {
        let authorization = metadata.get("authorization");
        let authorization = authorization.and_then(|value| value.to_str().ok());
        let caller = self.gateway.caller(authorization).map_err(to_status)?;
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
