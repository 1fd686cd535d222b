//! What may be asked without a token: nothing here names a drone or a fleet.

use std::collections::BTreeMap;

use super::reply::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::Shared;
use super::route::About;
use super::table::routes;

/// What is here.
#[derive(Debug, Serialize, ToSchema)]
pub struct Root {
    name: &'static str,
    version: &'static str,
    /// Doors beside the calls, and what each is for.
    doors: BTreeMap<String, &'static str>,
    /// The calls, each with the names of its parameters; described in the OpenAPI document.
    paths: Vec<String>,
}

/// Tells what is here.
pub async fn root() -> Json<Root> {
    let mut root = Root {
        name: "aerostream",
        version: env!("CARGO_PKG_VERSION"),
        doors: BTreeMap::new(),
        paths: Vec::new(),
    };
    for route in routes() {
        let line = format!("{} {}", route.method, route.path);
        match route.about {
            About::Call(doc) => root.paths.push(line + &doc().query_names()),
            About::Door(about) => {
                root.doors.insert(line, about);
            }
            About::Part => {}
        }
    }
    Json(root)
}

/// Whether the process can serve.
#[derive(Debug, Serialize, ToSchema)]
pub struct Readiness {
    ready: bool,
    /// Of each part `ready`, or why it is not.
    parts: BTreeMap<String, String>,
}

/// The process is alive.
pub async fn healthz() -> &'static str {
    "ok\n"
}

/// The process can serve; 503 with the reasons if it cannot.
pub async fn readyz(State(gateway): Shared) -> Response {
    let parts = gateway.readiness().await;
    let is_ready = parts.iter().all(|(_, part)| part.is_ok());
    let told = parts.into_iter().map(|(name, part)| {
        let told = part.err().unwrap_or_else(|| "ready".to_owned());
        (name.to_owned(), told)
    });
    let body = Readiness {
        ready: is_ready,
        parts: told.collect(),
    };
    let status = if is_ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(body)).into_response()
}

/// What is counted, for Prometheus.
pub async fn metrics(State(gateway): Shared) -> Response {
    let page = (gateway.behind.metrics_page)();
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], page).into_response()
}
