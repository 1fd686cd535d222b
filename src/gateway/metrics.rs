//! What the gateway counts. Labels come from closed enums; none is ever a drone.

use std::time::Duration;

use metrics::{counter, gauge, histogram};

use super::auth::Action;
use crate::error::ErrorCode;

/// Samples by what became of them: `acknowledged`, `repeated`, `refused`, `retry`, `denied`.
pub const SAMPLES: &str = "aerostream_gateway_samples_total";
/// Batches by door: `rest`, `grpc_unary`, `grpc_stream`, `websocket`, `replay`.
pub const BATCHES: &str = "aerostream_gateway_batches_total";
/// Problems answered, by code.
pub const PROBLEMS: &str = "aerostream_gateway_problems_total";
/// From a whole request to its answer, in seconds.
pub const INGEST_DURATION: &str = "aerostream_gateway_ingest_duration_seconds";
/// Dead letters that are durable.
pub const DEAD_LETTERS: &str = "aerostream_gateway_dead_letters_total";
/// Dead letters that were not written since the principal's quota was used up.
pub const DEAD_LETTERS_OVER_QUOTA: &str = "aerostream_gateway_dead_letters_over_quota_total";
/// Connections that are open, by door: `http`, `grpc`.
pub const CONNECTIONS: &str = "aerostream_gateway_connections";
/// Connections closed at once since too many are open.
pub const CONNECTIONS_REFUSED: &str = "aerostream_gateway_connections_refused_total";
/// gRPC streams that are open.
pub const STREAMS: &str = "aerostream_gateway_streams";
/// What callers tried that they may not, by action.
pub const FORBIDDEN: &str = "aerostream_gateway_forbidden_total";
/// Drones enrolled by themselves.
pub const ENROLLED: &str = "aerostream_gateway_drones_enrolled_total";

/// WebSockets that are open, by kind: `feed`, `fleet`, `graphql`,
/// `ingest`.
pub const SOCKETS: &str = "aerostream_gateway_sockets";
/// Frames of feeds by type, such as `update` and `gap`.
pub const FEED_FRAMES: &str = "aerostream_gateway_feed_frames_total";
/// Events of feeds that slow clients were not told one by one.
pub const FEED_CONFLATED: &str = "aerostream_gateway_feed_conflated_total";
/// Resumed feeds by result: `complete`, or the reason of the gap.
pub const FEED_RESUMES: &str = "aerostream_gateway_feed_resumes_total";

/// Which door a batch came through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    Rest,
    GrpcUnary,
    GrpcStream,
    WebSocket,
    /// A dead letter, sent again by an administrator.
    Replay,
}

impl Door {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Rest => "rest",
            Self::GrpcUnary => "grpc_unary",
            Self::GrpcStream => "grpc_stream",
            Self::WebSocket => "websocket",
            Self::Replay => "replay",
        }
    }
}

/// Samples of one batch by what became of them.
#[derive(Debug, Clone, Copy, Default)]
pub struct SampleCounts {
    pub acknowledged: u64,
    pub repeated: u64,
    pub refused: u64,
    pub retry: u64,
    pub denied: u64,
}

pub(crate) fn batch(door: Door, samples: SampleCounts, took: Duration) {
    counter!(BATCHES, "door" => door.as_str()).increment(1);
    histogram!(INGEST_DURATION, "door" => door.as_str()).record(took.as_secs_f64());
    let results = [
        ("acknowledged", samples.acknowledged),
        ("repeated", samples.repeated),
        ("refused", samples.refused),
        ("retry", samples.retry),
        ("denied", samples.denied),
    ];
    for (result, count) in results.into_iter().filter(|(_, count)| *count > 0) {
        counter!(SAMPLES, "result" => result).increment(count);
    }
}

pub(crate) fn problem(code: ErrorCode) {
    counter!(PROBLEMS, "code" => code.as_str()).increment(1);
}

pub(crate) fn forbidden(action: Action) {
    counter!(FORBIDDEN, "action" => action.as_str()).increment(1);
}

pub(crate) fn dead_letters_written(count: usize) {
    counter!(DEAD_LETTERS).increment(count as u64);
}

pub(crate) fn dead_letters_over_quota(count: usize) {
    counter!(DEAD_LETTERS_OVER_QUOTA).increment(count as u64);
}

pub(crate) fn connection_opened(door: &'static str) {
    gauge!(CONNECTIONS, "door" => door).increment(1.0);
}

pub(crate) fn connection_closed(door: &'static str) {
    gauge!(CONNECTIONS, "door" => door).decrement(1.0);
}

pub(crate) fn connection_refused(door: &'static str) {
    counter!(CONNECTIONS_REFUSED, "door" => door).increment(1);
}

pub(crate) fn stream_opened() {
    gauge!(STREAMS).increment(1.0);
}

pub(crate) fn stream_closed() {
    gauge!(STREAMS).decrement(1.0);
}

pub(crate) fn socket_opened(kind: &'static str) {
    gauge!(SOCKETS, "kind" => kind).increment(1.0);
}

pub(crate) fn socket_closed(kind: &'static str) {
    gauge!(SOCKETS, "kind" => kind).decrement(1.0);
}

pub(crate) fn feed_frame(kind: &'static str) {
    counter!(FEED_FRAMES, "type" => kind).increment(1);
}

pub(crate) fn feed_conflated(events: u64) {
    counter!(FEED_CONFLATED).increment(events);
}

pub(crate) fn feed_resumed(result: &'static str) {
    counter!(FEED_RESUMES, "result" => result).increment(1);
}

pub(crate) fn drone_enrolled() {
    counter!(ENROLLED).increment(1);
}
