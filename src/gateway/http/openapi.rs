//! The OpenAPI document of the REST door, made from the table of its routes: each line there names
//! what is told here, and the schemas come from the types that are read and written.

pub mod alerts;
pub mod commands;
pub mod dead_letters;
pub mod doc;
pub mod drones;
pub mod fleets;
pub mod page;
pub mod probes;
pub mod rules;
pub mod samples;
pub mod telemetry;

use std::sync::LazyLock;

use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, Method};
use axum::response::{IntoResponse, Response};
use utoipa::openapi::path::{HttpMethod, PathsBuilder};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, OpenApi, OpenApiBuilder};

pub use self::doc::Doc;
use super::route::About;

/// Path of the document.
pub const DOCUMENT: &str = "/api/v1/openapi.json";

const DESCRIPTION: &str = "\
Telemetry of fleets of drones: samples in, live state and the past out, and the registry of who \
may do what.

**Tokens.** Every call but the probes needs `authorization: Bearer <token>`. `aerostream up` \
writes tokens to `var/tokens/`; `aerostream token issue` makes others. A token has a role and \
fleets; what it may not see is not there for it (404).

**Problems.** What is not done is told as `application/problem+json` (RFC 9457): `code` is the \
stable name, `field` the path of what was wrong, `detail` says what would be right. A path that \
does not exist is 404, a wrong method 405 with `allow`. After 429 and 503 wait for \
`retry-after`.

**Pages.** A list takes `limit` and `after`, and tells `next_after` until it is over.

**Limits** are settings; the ones told here are their defaults.

Samples may also come by gRPC; `GET /` tells every other door of this port.";

static JSON: LazyLock<String> = LazyLock::new(|| {
    let mut text =
        serde_json::to_string_pretty(&document()).expect("a document of texts is always JSON");
    text.push('\n');
    text
});

/// `GET /api/v1/openapi.json`.
pub async fn serve() -> Response {
    let json = HeaderValue::from_static("application/json");
    ([(CONTENT_TYPE, json)], text()).into_response()
}

/// The document as it is served.
#[must_use]
pub fn text() -> &'static str {
    &JSON
}

/// The document.
#[must_use]
pub fn document() -> OpenApi {
    let mut paths = PathsBuilder::new().build();
    let mut schemas = std::collections::BTreeMap::new();
    for route in super::table::routes() {
        let About::Call(doc) = route.about else {
            continue;
        };
        let (operation, named) = doc().into_operation();
        paths.add_path_operation(route.path, vec![http_method(&route.method)], operation);
        schemas.extend(named);
    }
    samples::describe(&mut schemas);
    schemas.values_mut().for_each(samples::unname_unsigned);
    let token = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some("A token of `aerostream token issue`."));
    let components = ComponentsBuilder::new()
        .schemas_from_iter(schemas)
        .security_scheme(doc::BEARER, SecurityScheme::Http(token.build()));
    let info = InfoBuilder::new()
        .title("AeroStream")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(DESCRIPTION));
    let none: [&str; 0] = [];
    OpenApiBuilder::new()
        .info(info.build())
        .paths(paths)
        .components(Some(components.build()))
        .security(Some([SecurityRequirement::new(doc::BEARER, none)]))
        .tags(Some(tags()))
        .build()
}

fn http_method(method: &Method) -> HttpMethod {
    match *method {
        Method::POST => HttpMethod::Post,
        Method::PUT => HttpMethod::Put,
        Method::PATCH => HttpMethod::Patch,
        Method::DELETE => HttpMethod::Delete,
        _ => HttpMethod::Get,
    }
}

fn tags() -> Vec<utoipa::openapi::Tag> {
    [
        ("telemetry", "Samples in"),
        ("drones", "Who is there, how they are, how they were"),
        ("commands", "What drones are told, and what became of it"),
        ("alerts", "What is wrong or was, and who has seen it"),
        (
            "fleets",
            "Groups of drones, and whether drones come by themselves",
        ),
        ("rules", "What raises alerts, and fences"),
        ("tokens", "Ending tokens"),
        ("dead-letters", "What was refused, and sending it again"),
        (
            "probes",
            "Without a token: nothing here names a drone or a fleet",
        ),
    ]
    .map(|(name, about)| {
        TagBuilder::new()
            .name(name)
            .description(Some(about))
            .build()
    })
    .into()
}
