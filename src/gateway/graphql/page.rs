//! `GET /graphql`: GraphiQL, a page to write queries in and to read the schema.
//!
//! GraphiQL is other people's work and is not part of this repository: `scripts/graphiql.sh`
//! fetches it once, checks it, and puts it into a directory that the configuration names. A gateway
//! reads it when it starts and serves it from memory; the page asks nothing of any other host.
//! Without it the page says how to get it.

use std::path::Path;
use std::sync::Arc;

use axum::extract::{Path as InPath, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

use crate::error::{ErrorCode, Problem};
use crate::gateway::http::problem::Refusal;
use crate::gateway::state::Gateway;

/// Scripts, styles and questions come from and go to this host alone. GraphiQL makes style elements
/// as it runs; scripts have no such exception.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
                      connect-src 'self'; img-src 'self' data:; font-src 'self' data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const PAGE: &str = include_str!("page/graphiql.html");
const MISSING: &str = include_str!("page/missing.html");
const START: &[u8] = include_bytes!("page/start.js");
const STYLE: &[u8] = include_bytes!("page/page.css");

/// Files of GraphiQL and what they are.
const FILES: [(&str, &str); 4] = [
    ("graphiql.min.css", CSS),
    ("graphiql.min.js", JAVASCRIPT),
    ("react.production.min.js", JAVASCRIPT),
    ("react-dom.production.min.js", JAVASCRIPT),
];

const CSS: &str = "text/css; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// The files of GraphiQL; none if one of them is missing.
#[derive(Debug, Default)]
pub(super) struct Assets(Vec<(&'static str, &'static str, Bytes)>);

impl Assets {
    pub(super) fn read(directory: Option<&Path>) -> Self {
        let Some(directory) = directory else {
            return Self::default();
        };
        let mut files = Vec::new();
        for (name, media) in FILES {
            let path = directory.join(name);
            match std::fs::read(&path) {
                Ok(bytes) => files.push((name, media, bytes.into())),
                Err(error) => {
                    let path = path.display();
                    tracing::warn!(error = %error, file.path = %path, "graphiql not served");
                    return Self::default();
                }
            }
        }
        Self(files)
    }
}

/// `GET /graphql`.
pub async fn page(State(gateway): State<Arc<Gateway>>) -> Response {
    let page = if gateway.graphql.assets.0.is_empty() {
        MISSING
    } else {
        PAGE
    };
    let policy = HeaderValue::from_static(POLICY);
    let mut response = served(HTML, Bytes::from_static(page.as_bytes()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, policy);
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// `GET /graphql/{file}`: a part of the page.
pub async fn file(
    State(gateway): State<Arc<Gateway>>,
    InPath(name): InPath<String>,
) -> Result<Response, Refusal> {
    match name.as_str() {
        "start.js" => return Ok(served(JAVASCRIPT, Bytes::from_static(START))),
        "page.css" => return Ok(served(CSS, Bytes::from_static(STYLE))),
        _ => {}
    }
    let files = &gateway.graphql.assets.0;
    let found = files.iter().find(|(known, _, _)| *known == name);
    let (_, media, bytes) = found.ok_or_else(|| {
        let detail = "GraphiQL has no such file, or is not set up";
        Problem::new(ErrorCode::NotFound, detail)
    })?;
    Ok(served(media, bytes.clone()))
}

fn served(media: &'static str, bytes: Bytes) -> Response {
    let headers: [(HeaderName, &str); 3] = [
        (CONTENT_TYPE, media),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CACHE_CONTROL, "no-cache"),
    ];
    (headers, bytes).into_response()
}
