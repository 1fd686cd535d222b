//! The REST door.
//!
//! | method and path | who | what |
//! |---|---|---|
//! | `POST /api/v1/telemetry` | drone, relay | samples in; see [`telemetry`] for the answers |
//! | `GET /api/v1/drones` | viewer, operator, admin | drones that were heard, by id |
//! | `GET /api/v1/fleet/summary` | the same | counts by state, battery, place; see [`summary`] |
//! | `GET /api/v1/drones/{id}` | the same, and the drone | live state |
//! | `GET /api/v1/drones/{id}/telemetry` | the same, and the drone | the past; see [`history`] |
//! | `POST /api/v1/drones`, `POST /api/v1/drones/{id}/retire` | admin | enrol, retire |
//! | `GET /api/v1/fleets`, `GET /api/v1/fleets/{id}/drones` | viewer, operator, admin | registry |
//! | `POST /api/v1/fleets`, `PATCH /api/v1/fleets/{id}` | admin | create, change |
//! | `GET /api/v1/rules/fields` | viewer, operator, admin | what a rule may compare |
//! | `.../fleets/{id}/rules`, `.../drones/{id}/rules` | readers; admin changes | see [`rules`] |
//! | `POST /api/v1/fleets/{id}/rules/test` | readers | tries a rule on the past |
//! | `/api/v1/fleets/{id}/fences` | readers; admin changes | see [`fences`] |
//! | `POST /api/v1/tokens/revoke` | admin of every fleet | ends a token |
//! | `POST /api/v1/drones/{id}/commands`, `POST /api/v1/commands` | operator | see [`commands`] |
//! | `GET /api/v1/commands/{id}`, `GET /api/v1/drones/{id}/commands` | readers | states |
//! | `POST /api/v1/commands/{id}/cancel`, `.../confirm` | operator | takes back, confirms |
//! | `GET /api/v1/drones/{id}/commands/next`, `.../{command}/answer` | drone, relay | fetches |
//! | `GET /api/v1/alerts`, `GET /api/v1/drones/{id}/alerts` | readers | see [`alerts`] |
//! | `POST /api/v1/drones/{id}/alerts/{alert}/acknowledge`, `.../comments` | operator | answers |
//! | `/ws/v1/drones/{id}`, `/ws/v1/alerts`, `/ws/v1/ingest` | see [`super::ws`] | WebSockets |
//! | `POST /graphql` | by what is asked | the same, by GraphQL; see [`super::graphql`] |
//! | `GET /graphql` | anybody | GraphiQL |
//! | `GET /api/v1/dead-letters`, `.../{id}`, `POST .../{id}/replay` | admin | what was refused |
//! | `GET /api/v1/audit` | admin | who did what |
//! | `/`, `/healthz`, `/readyz`, `/metrics` | anybody | names no drone and no fleet |
//! | `GET /api/v1/openapi.json`, `GET /api` | anybody | all of this, to read and to try |

pub mod alerts;
pub mod audit;
pub mod body;
pub mod commands;
pub mod dead_letters;
pub mod fences;
pub mod history;
pub mod input;
pub mod openapi;
pub mod probe;
pub mod problem;
pub mod read;
pub mod registry;
pub mod reply;
pub mod route;
pub mod rules;
pub mod summary;
pub mod table;
pub mod telemetry;

use std::future::Future;
use std::io;
use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use tokio::net::TcpListener;

use self::problem::Refusal;
use super::auth::Caller;
use super::limit::Permit;
use super::server::{self, Port, Protocol};
use super::state::Gateway;
use crate::error::{ErrorCode, Problem};

/// Serves the REST door until `shutdown`.
///
/// # Errors
/// The listener is not bound.
pub async fn serve(
    listener: TcpListener,
    gateway: Arc<Gateway>,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let port = Port {
        protocol: Protocol::Http1,
        config: gateway.config.http.server.clone(),
        identity: gateway.identity(),
    };
    server::serve(listener, router(gateway), port, shutdown).await
}

/// Serves every route of the REST door.
pub fn router(gateway: Arc<Gateway>) -> Router {
    let router = table::routes()
        .into_iter()
        .fold(Router::new(), |router, route| route.into_router(router));
    router
        .method_not_allowed_fallback(async || {
            Refusal::from(Problem::new(
                ErrorCode::MethodNotAllowed,
                "this path has other methods; see the header `allow`",
            ))
        })
        .fallback(async || {
            Refusal::from(Problem::new(
                ErrorCode::NotFound,
                "there is no such path; `/` tells which there are",
            ))
        })
        .with_state(gateway)
}

/// A caller who was let in: whoever takes this as an argument is closed to everybody else.
#[derive(Debug)]
pub struct Known(pub Arc<Caller>);

impl FromRequestParts<Arc<Gateway>> for Known {
    type Rejection = Refusal;

    async fn from_request_parts(
        parts: &mut Parts,
        gateway: &Arc<Gateway>,
    ) -> Result<Self, Refusal> {
        let authorization = parts.headers.get(AUTHORIZATION);
        let authorization = authorization.and_then(|value| value.to_str().ok());
        Ok(Self(gateway.caller(authorization).await?))
    }
}

/// A caller who asks without sending anything, counted while the answer is made.
#[derive(Debug)]
pub struct Asking(pub Arc<Caller>, pub Permit);

impl FromRequestParts<Arc<Gateway>> for Asking {
    type Rejection = Refusal;

    async fn from_request_parts(
        parts: &mut Parts,
        gateway: &Arc<Gateway>,
    ) -> Result<Self, Refusal> {
        let Known(caller) = Known::from_request_parts(parts, gateway).await?;
        let mut permit = gateway.permit(&caller);
        permit.enter()?;
        Ok(Self(caller, permit))
    }
}

/// A part of the path.
#[derive(Debug)]
pub struct Segment(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let segment = Path::from_request_parts(parts, state).await;
        segment.map(|Path(segment)| Self(segment)).map_err(|error| {
            let problem = Problem::new(ErrorCode::Malformed, error.body_text());
            problem.at("path").into()
        })
    }
}

pub(super) type Shared = State<Arc<Gateway>>;
