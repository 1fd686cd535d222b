//! The page to try the REST door: Swagger UI out of the binary. It asks no other host, and its
//! policy forbids it to.

use std::sync::Arc;

use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use utoipa_swagger_ui::Config;

use super::DOCUMENT;
use crate::error::{ErrorCode, Problem};
use crate::gateway::http::Segment;
use crate::gateway::http::problem::Refusal;

/// Where the page is.
pub const PAGE: &str = "/api";
/// Where its files are.
pub const FILES: &str = "/api/docs/{*file}";

/// Scripts and styles from here only; answers from here only. The page builds style attributes as
/// it draws, and draws small pictures out of `data:` addresses.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
                      img-src 'self' data:; connect-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

/// `GET /api`: leads to the page's first file.
pub async fn page() -> Response {
    (StatusCode::FOUND, [(LOCATION, "/api/docs/index.html")]).into_response()
}

/// `GET /api/docs/{file}`.
pub async fn file(Segment(file): Segment) -> Result<Response, Refusal> {
    // Answers are measured and the token survives a reload only where the user asks for it.
    let config = Config::from(DOCUMENT)
        .display_operation_id(true)
        .display_request_duration(true)
        .validator_url("none")
        .query_config_enabled(false);
    let served = utoipa_swagger_ui::serve(&file, Arc::new(config));
    let served = served.map_err(|_| Problem::new(ErrorCode::Internal, "the page is broken"))?;
    let served =
        served.ok_or_else(|| Problem::new(ErrorCode::NotFound, "the page has no such file"))?;
    let mut response = served.bytes.into_owned().into_response();
    let headers = response.headers_mut();
    let media = HeaderValue::from_str(&served.content_type)
        .unwrap_or(HeaderValue::from_static("application/octet-stream"));
    headers.insert(CONTENT_TYPE, media);
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "max-age=300"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}
