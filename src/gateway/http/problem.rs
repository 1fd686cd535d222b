//! Problems as RFC 9457 documents.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

use crate::error::{ErrorCode, Problem};
use crate::gateway::json::reply::BatchReply;
use crate::gateway::metrics;

/// Media type of a problem.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// A problem on its way to an HTTP client, with what became of each batch if that is known.
#[derive(Debug)]
pub struct Refusal {
    problem: Problem,
    results: Vec<BatchReply>,
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self {
            problem,
            results: Vec::new(),
        }
    }
}

impl Refusal {
    /// Tells what became of each batch as well.
    #[must_use]
    pub fn with_results(problem: Problem, results: Vec<BatchReply>) -> Self {
        Self { problem, results }
    }
}

/// Why a request is not done (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct Document<'a> {
    /// `urn:aerostream:problem:` and the code.
    r#type: String,
    /// The code in a phrase, the same for every occurrence.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What was wrong, and what would be right.
    detail: &'a str,
    /// Stable name of the kind of problem.
    #[schema(schema_with = codes)]
    code: &'static str,
    /// Path of what was wrong, such as `samples[3].position.latitude_deg`.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    /// How long to wait before trying again; only where trying again is right.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    /// What became of each batch, where that is known.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(value_type = Vec<BatchReply>, required = false)]
    results: &'a [BatchReply],
}

fn codes() -> Object {
    let names = ErrorCode::ALL.map(ErrorCode::as_str);
    let codes = ObjectBuilder::new().schema_type(Type::String);
    codes.enum_values(Some(names)).build()
}

impl<'a> Document<'a> {
    fn new(problem: &'a Problem, results: &'a [BatchReply]) -> Self {
        let retry_after = problem.retry_after;
        Self {
            r#type: format!("urn:aerostream:problem:{}", problem.code.as_str()),
            title: problem.code.title(),
            status: problem.code.http_status(),
            detail: &problem.detail,
            code: problem.code.as_str(),
            field: problem.field.as_deref(),
            retry_after_ms: retry_after
                .map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
            results,
        }
    }
}

/// A problem as JSON text.
#[must_use]
pub fn to_json(problem: &Problem) -> String {
    let document = Document::new(problem, &[]);
    serde_json::to_string(&document).expect("a document of texts and numbers is always JSON")
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self { problem, results } = self;
        metrics::problem(problem.code);
        let document = Document::new(&problem, &results);
        let text =
            serde_json::to_vec(&document).expect("a document of texts and numbers is always JSON");
        let mut response = Response::new(Body::from(text));
        *response.status_mut() = StatusCode::from_u16(problem.code.http_status())
            .expect("every code has a legal HTTP status");
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if let Some(wait) = problem.retry_after {
            // The header has whole seconds; a shorter wait is rounded up.
            let seconds = wait.as_millis().div_ceil(1000).max(1);
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds as u64));
        }
        if problem.code == ErrorCode::Unauthenticated {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
