//! `POST /api/v1/telemetry`: samples in.
//!
//! The body is JSON (`application/json`: one lone sample with `drone_id`, one batch with `samples`,
//! or `batches`) or protobuf (`application/x-protobuf`: `IngestRequest`). It may be compressed with
//! gzip or zstd. The answer has the form of the request.
//!
//! | status | meaning |
//! |---|---|
//! | 200 | something is acknowledged; `refused`, `retry` and `rejected` tell what is not |
//! | 400, 413, 415 | the body as a whole cannot be read |
//! | 401, 403 | the token does not allow it |
//! | 422 | everything was read and refused; sending it again as it is makes no sense |
//! | 429, 503, 504 | nothing is acknowledged; send it again after `retry-after` |

use aerostream_domain::validate::BATCH_SAMPLES_MAX;
use aerostream_proto::v1;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use prost::Message;
use serde::Serialize;
use utoipa::ToSchema;

use super::problem::Refusal;
use super::reply::Json;
use super::{Known, Shared, body};
use crate::error::{ErrorCode, Problem};
use crate::gateway::dead_letter::{Content, Encoding, Letter};
use crate::gateway::ingest::{Arrival, BatchOutcome, Fate, Incoming, Ingest, Raw, may_send};
use crate::gateway::json::reply::{BatchReply, batch_path};
use crate::gateway::json::request::{Shape, read};
use crate::gateway::metrics::Door;

/// Media type of a protobuf body.
pub const PROTOBUF: &str = "application/x-protobuf";

/// Takes samples in.
pub async fn ingest(
    State(gateway): Shared,
    Known(caller): Known,
    request: Request,
) -> Result<Response, Refusal> {
    may_send(&caller.principal)?;
    let (Parts { headers, .. }, body) = request.into_parts();
    let media = Media::of(&headers)?;
    let mut permit = gateway.permit(&caller);
    let body = body::read(&headers, body, &gateway.config.http, &mut permit).await?;
    permit.enter()?;
    let arrival = gateway.ingest.arrival(&caller, Door::Rest);
    let read = match media {
        Media::Json => read(&body).map(|request| (request.shape, request.batches)),
        Media::Protobuf => protobuf(&body).map(|batches| (Shape::Batches, batches)),
    };
    let (shape, batches) = match read {
        Ok(read) => read,
        Err(problem) => return Err(keep(&gateway.ingest, arrival, media, body, problem).await),
    };
    let outcomes = gateway.ingest.batches(arrival, batches).await;
    answer(media, shape, outcomes)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Media {
    Json,
    Protobuf,
}

impl Media {
    fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let Some(value) = headers.get(CONTENT_TYPE) else {
            return Ok(Self::Json);
        };
        let value = value.to_str().unwrap_or_default();
        match value.split(';').next().unwrap_or_default().trim() {
            "application/json" => Ok(Self::Json),
            PROTOBUF => Ok(Self::Protobuf),
            _ => {
                let detail = "the content type must be application/json or application/x-protobuf";
                let problem = Problem::new(ErrorCode::UnsupportedMedia, detail);
                Err(problem.at("content-type"))
            }
        }
    }
}

/// A body that cannot be read is refused only once it is durable among the dead letters.
async fn keep(
    ingest: &Ingest,
    arrival: Arrival<'_>,
    media: Media,
    body: Bytes,
    problem: Problem,
) -> Refusal {
    let letter = Letter {
        drone: arrival.caller.principal.drone.clone(),
        boot: None,
        seq: None,
        code: problem.code.as_str().to_owned(),
        field: problem.field.clone().unwrap_or_default(),
        detail: problem.detail.to_string(),
        raw: body,
        encoding: match media {
            Media::Json => Encoding::Json,
            Media::Protobuf => Encoding::Protobuf,
        },
        content: Content::Request,
    };
    match ingest.keep(arrival, vec![letter]).await {
        Ok(()) => problem.into(),
        Err(unkept) => unkept.into(),
    }
}

/// Reads an `IngestRequest`.
fn protobuf(body: &Bytes) -> Result<Vec<Incoming>, Problem> {
    let request = v1::IngestRequest::decode(body.clone()).map_err(|error| {
        let detail = format!("the body must be an aerostream.v1.IngestRequest: {error}");
        Problem::new(ErrorCode::Malformed, detail)
    })?;
    wire_batches(request)
}

/// Takes the batches of a request of the wire, from whichever door.
///
/// # Errors
/// There is none, or there is too much in them.
pub fn wire_batches(request: v1::IngestRequest) -> Result<Vec<Incoming>, Problem> {
    let count = request.batches.len();
    if count == 0 {
        let detail = "must have at least one batch; there is none";
        return Err(Problem::new(ErrorCode::Invalid, detail).at("batches"));
    }
    let samples: usize = request
        .batches
        .iter()
        .map(|batch| batch.samples.len())
        .sum();
    if count.max(samples) > BATCH_SAMPLES_MAX {
        let detail = format!(
            "a request may have at most {BATCH_SAMPLES_MAX} batches and samples in all; it has \
             {count} and {samples}"
        );
        return Err(Problem::new(ErrorCode::TooLarge, detail).at("batches"));
    }
    Ok(request.batches.into_iter().map(Incoming::of_wire).collect())
}

impl Incoming {
    /// A batch that came as protobuf.
    #[must_use]
    pub fn of_wire(batch: v1::Batch) -> Self {
        Self {
            raw: Raw::Protobuf(batch.encode_to_vec().into()),
            batch,
            unread: Vec::new(),
            misread: None,
        }
    }
}

/// What became of several batches.
#[derive(Debug, Serialize, ToSchema)]
pub struct Results {
    results: Vec<BatchReply>,
}

fn answer(media: Media, shape: Shape, outcomes: Vec<BatchOutcome>) -> Result<Response, Refusal> {
    if let Some(problem) = whole_problem(shape, &outcomes) {
        let results = match &outcomes[..] {
            [one] if !matches!(one.fate, Fate::Settled { .. }) => Vec::new(),
            _ => replies(shape, outcomes),
        };
        return Err(Refusal::with_results(problem, results));
    }
    if media == Media::Protobuf {
        let results = outcomes.into_iter().map(Into::into).collect();
        let reply = v1::IngestReply { results }.encode_to_vec();
        let headers = [(CONTENT_TYPE, HeaderValue::from_static(PROTOBUF))];
        return Ok((headers, reply).into_response());
    }
    let mut results = replies(shape, outcomes);
    Ok(match (shape, results.pop()) {
        (Shape::Single | Shape::Batch, Some(only)) => Json(only).into_response(),
        (_, last) => {
            results.extend(last);
            Json(Results { results }).into_response()
        }
    })
}

pub(super) fn replies(shape: Shape, outcomes: Vec<BatchOutcome>) -> Vec<BatchReply> {
    let outcomes = outcomes.into_iter().enumerate();
    let replies = outcomes.map(|(place, outcome)| BatchReply::new(shape, place, outcome));
    replies.collect()
}

/// The problem of a request of which nothing is acknowledged. One batch to be sent again makes the
/// request one to be sent again; else its first problem stands for all.
pub(super) fn whole_problem(shape: Shape, outcomes: &[BatchOutcome]) -> Option<Problem> {
    let nothing = outcomes.iter().all(|outcome| match &outcome.fate {
        Fate::Settled { acknowledged, .. } => *acknowledged == 0,
        Fate::Retry(_) | Fate::Rejected(_) => true,
    });
    if !nothing {
        return None;
    }
    let numbered = || outcomes.iter().enumerate();
    let retry = numbered().find(|(_, outcome)| matches!(outcome.fate, Fate::Retry(_)));
    let (place, outcome) = retry.or_else(|| numbered().next())?;
    Some(match &outcome.fate {
        Fate::Retry(problem) | Fate::Rejected(problem) => Problem {
            field: problem
                .field
                .as_deref()
                .map(|field| batch_path(shape, place, field)),
            ..problem.clone()
        },
        Fate::Settled { .. } => {
            let reply = BatchReply::new(shape, place, outcome.clone());
            let first = reply.refused.into_iter().next()?;
            Problem::new(ErrorCode::Invalid, first.detail).at(first.field)
        }
    })
}
