//! What may be asked without a token.

use super::doc::{Doc, text};
use crate::gateway::http::probe::{Readiness, Root};
use crate::gateway::http::reply::AnyObject;

const TAG: &str = "probes";

/// `GET /`.
pub fn root() -> Doc {
    Doc::open("getRoot", TAG, "Tells what is here").answer::<Root>(200, "Doors and paths")
}

/// `GET /healthz`.
pub fn healthz() -> Doc {
    let doc = Doc::open("getHealth", TAG, "Tells that the process is alive");
    doc.answer_as(200, "It is alive", &[("text/plain", Some(text()))])
}

/// `GET /readyz`.
pub fn readyz() -> Doc {
    Doc::open("getReadiness", TAG, "Tells whether the process can serve")
        .answer::<Readiness>(200, "Every part is ready")
        .answer::<Readiness>(503, "A part is not ready, and why")
}

/// `GET /metrics`.
pub fn metrics() -> Doc {
    let doc = Doc::open("getMetrics", TAG, "Tells what is counted, for Prometheus");
    doc.answer_as(
        200,
        "Prometheus' text format",
        &[("text/plain", Some(text()))],
    )
}

/// `GET /api/v1/openapi.json`.
pub fn document() -> Doc {
    Doc::open("getOpenApi", TAG, "Gives this document").answer::<AnyObject>(200, "OpenAPI 3.1")
}
