//! The GraphQL door: drones, their live state and their past, of each only what is asked for.
//!
//! A request is refused before anything is asked of anybody when it is too large, too deep or may
//! bring too much (see `cost`). A query that is answered has status 200, with the problems of its
//! parts under `errors`; a request that is not answered has the status of its problem. Every error
//! has the code, the title and the words that REST has, under `extensions`.
//!
//! The schema may be asked for by whoever has a token; it is in `docs/schema.graphql` anyway.

mod alert;
mod command;
pub mod config;
mod cost;
mod cursor;
mod drone;
mod groups;
mod live;
mod mutation;
mod nesting;
mod page;
mod positions;
mod problem;
mod query;
mod rule;
mod scalar;
mod session;
mod subscription;
mod summary;
mod telemetry;

use std::sync::Arc;
use std::time::Duration;

use async_graphql::parser::types::{ExecutableDocument, OperationType};
use async_graphql::{Response as Answer, ServerError, Variables};
use axum::extract::{Request, State};
use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use futures::stream::BoxStream;
use futures::{StreamExt, stream};
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub use config::GraphqlConfig;
pub use page::{file, page};

use self::page::Assets;
use self::query::Schema;
use self::session::Session;
use super::auth::Caller;
use super::http::{body, input};
use super::limit::{self, Places};
use super::metrics;
use super::state::{Gateway, HttpConfig};
use crate::error::{ErrorCode, Problem};

/// Media type of an answer.
const GRAPHQL_JSON: &str = "application/graphql-response+json";
/// Media type of a request, and of answers to clients that know no other.
const JSON: &str = "application/json";

/// What the queries of a gateway share.
pub struct Door {
    schema: Schema,
    cost: Arc<Semaphore>,
    /// What runs over WebSockets.
    pub(super) operations: Arc<Places>,
    assets: Assets,
}

impl Door {
    /// A door with nothing under way.
    #[must_use]
    pub fn new(config: &GraphqlConfig) -> Self {
        let cost_max = config.cost_under_way_max.min(Semaphore::MAX_PERMITS);
        Self {
            schema: query::schema(),
            cost: Arc::new(Semaphore::new(cost_max)),
            operations: Places::new(
                "GraphQL operations over WebSockets",
                config.all_operations_max,
                config.principal_operations_max,
            ),
            assets: Assets::read(config.graphiql_directory.as_deref()),
        }
    }

    fn reserve(&self, cost: u64) -> Result<OwnedSemaphorePermit, Problem> {
        let cost = u32::try_from(cost).unwrap_or(u32::MAX);
        let permit = Arc::clone(&self.cost).try_acquire_many_owned(cost);
        permit.map_err(|_| {
            let detail = "the queries under way bring as much as is allowed at one time \
                          (cost_under_way_max)";
            Problem::new(ErrorCode::Overloaded, detail).retry_after(limit::RETRY_AFTER)
        })
    }
}

/// The schema as text.
#[must_use]
pub fn sdl() -> String {
    let options = async_graphql::SDLExportOptions::new();
    query::schema().sdl_with_options(options.sorted_fields().sorted_arguments())
}

/// A request as it is sent. Extensions are for extended servers; nothing is done with them.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Asked {
    query: String,
    operation_name: Option<String>,
    variables: Option<serde_json::Map<String, serde_json::Value>>,
    #[serde(rename = "extensions")]
    _extensions: Option<serde::de::IgnoredAny>,
}

impl Asked {
    /// A request that came another way.
    #[must_use]
    pub fn new(
        query: String,
        operation_name: Option<String>,
        variables: Option<serde_json::Map<String, serde_json::Value>>,
    ) -> Self {
        Self {
            query,
            operation_name,
            variables,
            _extensions: None,
        }
    }
}

/// A request that is within its limits.
struct Prepared {
    request: async_graphql::Request,
    cost: u64,
    is_subscription: bool,
}

impl Prepared {
    fn new(asked: Asked, config: &GraphqlConfig) -> Result<Self, Problem> {
        let variables = asked.variables.unwrap_or_default();
        let variables = Variables::from_json(serde_json::Value::Object(variables));
        let document = parse(&asked.query)?;
        let measure = cost::check(&document, &variables, config)?;
        let named = asked.operation_name.as_deref();
        let mut operations = document.operations.iter();
        let wanted = operations
            .find(|(name, _)| named.is_none() || name.map(async_graphql::Name::as_str) == named);
        let is_subscription =
            wanted.is_some_and(|(_, operation)| operation.node.ty == OperationType::Subscription);
        let mut request = async_graphql::Request::new(asked.query).variables(variables);
        request.operation_name = asked.operation_name;
        request.set_parsed_query(document);
        Ok(Self {
            request,
            cost: measure.cost,
            is_subscription,
        })
    }
}

/// Answers an operation that came over a WebSocket: a subscription with many answers, any other
/// with one.
///
/// # Errors
/// It is malformed, beyond a limit, or too much is under way.
pub fn operate(
    gateway: &Arc<Gateway>,
    caller: Arc<Caller>,
    asked: Asked,
) -> Result<BoxStream<'static, Answer>, Problem> {
    let prepared = Prepared::new(asked, &gateway.config.graphql)?;
    let complete = |mut answer: Answer| {
        problem::complete(&mut answer);
        answer
    };
    if prepared.is_subscription {
        let session = Session::new(Arc::clone(gateway), caller);
        let schema = &gateway.graphql.schema;
        let answers = schema.execute_stream(prepared.request.data(session));
        return Ok(answers.map(complete).boxed());
    }
    let cost = gateway.graphql.reserve(prepared.cost)?;
    let gateway = Arc::clone(gateway);
    let answer = async move {
        let _cost = cost;
        let answer = execute(&gateway, caller, prepared.request).await;
        answer.map_or_else(
            |problem| Answer::from_errors(vec![told(&problem)]),
            complete,
        )
    };
    Ok(stream::once(answer).boxed())
}

/// A problem as an error of GraphQL.
#[must_use]
pub fn told(problem: &Problem) -> ServerError {
    metrics::problem(problem.code);
    problem::error(problem)
}

/// That a connection runs as many operations as it may.
#[must_use]
pub fn too_many_operations(most: usize) -> Problem {
    let detail = format!("a connection may run {most} operations at one time (operations_max)");
    Problem::new(ErrorCode::Overloaded, detail).retry_after(limit::RETRY_AFTER)
}

/// `POST /graphql`.
pub async fn answer(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    let media = media(request.headers());
    match answered(gateway, request).await {
        Ok(mut answer) => {
            problem::complete(&mut answer);
            // What was refused as a whole has no data at all.
            let refused = answer.data == async_graphql::Value::Null && is_whole(&answer);
            let status = if refused && media == GRAPHQL_JSON {
                StatusCode::UNPROCESSABLE_ENTITY
            } else {
                StatusCode::OK
            };
            respond(status, media, &answer)
        }
        Err(problem) => refuse(&problem, media),
    }
}

/// True if no part of the query was resolved: the errors are of the query itself.
fn is_whole(answer: &Answer) -> bool {
    !answer.errors.is_empty() && answer.errors.iter().all(|error| error.path.is_empty())
}

async fn answered(gateway: Arc<Gateway>, request: Request) -> Result<Answer, Problem> {
    let (parts, body) = request.into_parts();
    let authorization = parts.headers.get(AUTHORIZATION);
    let caller = gateway.caller(authorization.and_then(|value| value.to_str().ok()))?;
    is_json(&parts.headers)?;
    let config = &gateway.config.graphql;
    let limits = HttpConfig {
        body_bytes_max: config.body_bytes_max,
        decoded_bytes_max: config.body_bytes_max,
        ..gateway.config.http.clone()
    };
    let mut permit = gateway.permit(&caller);
    let body = body::read(&parts.headers, body, &limits, &mut permit).await?;
    permit.enter()?;
    let asked: Asked = input::json(&body)?;
    let prepared = Prepared::new(asked, config)?;
    let _cost = gateway.graphql.reserve(prepared.cost)?;
    execute(&gateway, caller, prepared.request).await
}

async fn execute(
    gateway: &Arc<Gateway>,
    caller: Arc<Caller>,
    request: async_graphql::Request,
) -> Result<Answer, Problem> {
    let session = Session::new(Arc::clone(gateway), caller);
    let wait = Duration::from_millis(gateway.config.graphql.timeout_ms);
    let answer = gateway.graphql.schema.execute(request.data(session));
    tokio::time::timeout(wait, answer).await.map_err(|_| {
        let detail = format!(
            "the answer took longer than {} ms; ask for less",
            wait.as_millis()
        );
        Problem::new(ErrorCode::DeadlinePassed, detail)
    })
}

fn parse(query: &str) -> Result<ExecutableDocument, Problem> {
    nesting::check(query)?;
    async_graphql::parser::parse_query(query)
        .map_err(|error| Problem::new(ErrorCode::Malformed, error.to_string()).at("query"))
}

fn is_json(headers: &HeaderMap) -> Result<(), Problem> {
    let media = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = media.map(|media| media.split(';').next().unwrap_or_default().trim());
    if essence.is_some_and(|essence| essence.eq_ignore_ascii_case(JSON)) {
        return Ok(());
    }
    let detail = "the content type must be application/json";
    Err(Problem::new(ErrorCode::UnsupportedMedia, detail).at("content-type"))
}

/// The media type of the answer: a client of an older kind asks for plain JSON by name.
fn media(headers: &HeaderMap) -> &'static str {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
    match accept {
        Some(accept) if accept.contains(JSON) && !accept.contains(GRAPHQL_JSON) => JSON,
        _ => GRAPHQL_JSON,
    }
}

fn refuse(problem: &Problem, media: &'static str) -> Response {
    metrics::problem(problem.code);
    let status = StatusCode::from_u16(problem.code.http_status())
        .expect("every code has a legal HTTP status");
    let answer = Answer::from_errors(vec![problem::error(problem)]);
    let mut response = respond(status, media, &answer);
    let headers = response.headers_mut();
    if let Some(wait) = problem::retry_after(problem) {
        headers.insert(RETRY_AFTER, wait);
    }
    if problem.code == ErrorCode::Unauthenticated {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

fn respond(status: StatusCode, media: &'static str, answer: &Answer) -> Response {
    let text = serde_json::to_vec(answer).expect("values of GraphQL are always JSON");
    let media = HeaderValue::from_static(media);
    (status, [(CONTENT_TYPE, media)], text).into_response()
}
