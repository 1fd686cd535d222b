//! What may be asked without a token: nothing here names a drone or a fleet.

use super::reply::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::Shared;

/// Tells what is here.
pub async fn root() -> Json<serde_json::Value> {
    Json(json!({
        "name": "aerostream",
        "version": env!("CARGO_PKG_VERSION"),
        "paths": [
            "POST /api/v1/telemetry",
            "GET /api/v1/drones?after&limit",
            "POST /api/v1/drones",
            "GET /api/v1/drones/{id}",
            "GET /api/v1/fleet/summary?fleet&cell_deg&within_s",
            "GET /api/v1/drones/{id}/telemetry?from&to&limit",
            "POST /api/v1/drones/{id}/retire",
            "GET /api/v1/fleets?after&limit",
            "POST /api/v1/fleets",
            "PATCH /api/v1/fleets/{id}",
            "GET /api/v1/fleets/{id}/drones?after&limit",
            "POST /api/v1/tokens/revoke",
            "GET /api/v1/dead-letters?drone&code&from&to&after&limit",
            "GET /api/v1/dead-letters/{partition}-{offset}",
            "POST /api/v1/dead-letters/{partition}-{offset}/replay",
            "GET /healthz",
            "GET /readyz",
            "GET /metrics",
        ],
    }))
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
        (name.to_owned(), serde_json::Value::from(told))
    });
    let body = json!({
        "ready": is_ready,
        "parts": told.collect::<serde_json::Map<_, _>>(),
    });
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
