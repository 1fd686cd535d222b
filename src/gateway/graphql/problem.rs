//! Problems as GraphQL errors: the same codes and words as everywhere, under `extensions`.

use async_graphql::{ErrorExtensionValues, Response, ServerError};
use axum::http::HeaderValue;

use crate::error::{ErrorCode, Problem};
use crate::gateway::metrics;

/// What a field answers that may fail and is null then. Its problem is told as that of the value
/// and not of the resolver: async-graphql 7 leaves out the field of a resolver that failed, where
/// GraphQL wants null (October 2021, 6.4.4 Handling Field Errors).
pub type Answered<T> = Option<Result<T, Problem>>;

/// A problem of the request as a whole.
pub fn error(problem: &Problem) -> ServerError {
    let mut error = ServerError::new(problem.detail.clone(), None);
    extend(&mut error, problem);
    error
}

/// Tells each error's code. What the library itself found is wrong in the query's content.
pub fn complete(response: &mut Response) {
    for error in &mut response.errors {
        let problem = error.source::<Problem>().cloned();
        let problem =
            problem.unwrap_or_else(|| Problem::new(ErrorCode::Invalid, error.message.clone()));
        error.message = problem.detail.to_string();
        extend(error, &problem);
        metrics::problem(problem.code);
    }
}

fn extend(error: &mut ServerError, problem: &Problem) {
    let mut extensions = ErrorExtensionValues::default();
    extensions.set("code", problem.code.as_str());
    extensions.set("title", problem.code.title());
    if let Some(field) = &problem.field {
        extensions.set("field", field.as_str());
    }
    if let Some(wait) = problem.retry_after {
        let wait = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        extensions.set("retry_after_ms", wait);
    }
    error.extensions = Some(extensions);
}

/// The header that says how long to wait, in whole seconds.
pub fn retry_after(problem: &Problem) -> Option<HeaderValue> {
    let seconds = problem.retry_after?.as_millis().div_ceil(1000).max(1);
    Some(HeaderValue::from(seconds as u64))
}
