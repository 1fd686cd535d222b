//! Answers to telemetry as JSON.

use serde::Serialize;
use utoipa::ToSchema;

use super::request::Shape;
use crate::error::Problem;
use crate::gateway::ingest::{BatchOutcome, Fate};

/// What the sender of samples without boot and seq is told.
const RECEIVED_NOTE: &str =
    "the gateway chose boot, seq and time; sending this again makes a new sample";

/// What became of one batch.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct BatchReply {
    /// As the request named it; left out if it is 0.
    #[serde(skip_serializing_if = "is_zero")]
    #[schema(required = false)]
    pub batch_id: u64,
    pub drone_id: String,
    /// Samples that are durable now, repeats included.
    pub acknowledged: u32,
    /// How many of these were repeats.
    pub repeated: u32,
    /// Samples that will never be taken; durable among the dead letters.
    pub refused: Vec<RefusedReply>,
    /// Why nothing was taken, and that sending it again is right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<ReasonReply>,
    /// Why no sample of the batch will ever be taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rejected: Option<ReasonReply>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<&'static str>,
}

/// A sample that was refused.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RefusedReply {
    /// Zero-based place in the batch.
    pub index: u32,
    pub seq: Option<u64>,
    /// Stable name of the reason.
    pub code: String,
    /// Path from the top of the request.
    pub field: String,
    /// What was wrong and what would be right.
    pub detail: String,
}

/// Why a whole batch was not taken.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ReasonReply {
    pub code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    pub detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_ms: Option<u64>,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Path of a sample's field from the top of the request.
fn path(shape: Shape, batch: usize, sample: u32, field: &str) -> String {
    let dot = if field.is_empty() { "" } else { "." };
    match shape {
        Shape::Single => field.to_owned(),
        Shape::Batch => format!("samples[{sample}]{dot}{field}"),
        Shape::Batches => format!("batches[{batch}].samples[{sample}]{dot}{field}"),
    }
}

/// Path of a batch's field from the top of the request.
#[must_use]
pub fn batch_path(shape: Shape, batch: usize, field: &str) -> String {
    match shape {
        Shape::Single => field
            .strip_prefix("samples[0].")
            .unwrap_or(field)
            .to_owned(),
        Shape::Batch => field.to_owned(),
        Shape::Batches if field.is_empty() => format!("batches[{batch}]"),
        Shape::Batches => format!("batches[{batch}].{field}"),
    }
}

fn reason(shape: Shape, place: usize, problem: &Problem) -> ReasonReply {
    let field = problem.field.as_deref();
    ReasonReply {
        code: problem.code.as_str(),
        field: field.map(|field| batch_path(shape, place, field)),
        detail: problem.detail.to_string(),
        after_ms: problem
            .retry_after
            .map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
    }
}

impl BatchReply {
    /// Puts the outcome of the batch at a place of the request into words.
    #[must_use]
    pub fn new(shape: Shape, place: usize, outcome: BatchOutcome) -> Self {
        let mut reply = Self {
            batch_id: outcome.batch_id,
            drone_id: outcome.drone_id,
            acknowledged: 0,
            repeated: 0,
            refused: Vec::new(),
            retry: None,
            rejected: None,
            note: None,
        };
        match outcome.fate {
            Fate::Settled {
                acknowledged,
                repeated,
                refused,
                received_identity,
            } => {
                reply.acknowledged = acknowledged;
                reply.repeated = repeated;
                let refused = refused.into_iter().map(|one| RefusedReply {
                    index: one.index,
                    seq: one.seq,
                    code: one.code,
                    field: path(shape, place, one.index, &one.field),
                    detail: one.detail,
                });
                reply.refused = refused.collect();
                reply.note = (received_identity && acknowledged > 0).then_some(RECEIVED_NOTE);
            }
            Fate::Retry(problem) => reply.retry = Some(reason(shape, place, &problem)),
            Fate::Rejected(problem) => reply.rejected = Some(reason(shape, place, &problem)),
        }
        reply
    }
}
