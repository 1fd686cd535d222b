//! How a WebSocket begins: who is calling, is there room, and then the upgrade.

use std::sync::Arc;
use std::time::Duration;

use aerostream_actors::task::{TaskKind, spawn};
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::extract::{Extension, FromRequestParts};
use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};
use axum::http::request::Parts;
use axum::response::Response;
use serde::Deserialize;

use super::socket::{End, Heard, Socket};
use crate::clock;
use crate::error::{ErrorCode, Problem};
use crate::gateway::auth::Caller;
use crate::gateway::http::input;
use crate::gateway::http::problem::Refusal;
use crate::gateway::limit::{RETRY_AFTER, SocketPlace};
use crate::gateway::server::Upgraded;
use crate::gateway::state::Gateway;
use crate::origin;

/// The subprotocol that is spoken.
const PROTOCOL: &str = "aerostream.v1";
/// How a subprotocol begins that is a token.
const BEARER_PROTOCOL: &str = "bearer.";
/// Buffers of one WebSocket, in bytes; larger messages grow them for a while.
const BUFFER_BYTES: usize = 4 * 1024;

/// Up to how many limits a message is read, so that its sender can be told that it is too large:
/// a connection that is closed before takes the reason with it.
const READ_LIMITS: usize = 2;

/// A request for a WebSocket, with its caller if that is known already.
pub(super) struct Opening {
    pub caller: Option<Arc<Caller>>,
    gateway: Arc<Gateway>,
    upgrade: WebSocketUpgrade,
    held: Upgraded,
    place: SocketPlace,
}

/// A WebSocket that is open, with its caller if that is known already.
pub(super) struct Arrival {
    pub gateway: Arc<Gateway>,
    pub caller: Option<Arc<Caller>>,
    pub held: Upgraded,
    pub place: SocketPlace,
}

/// A WebSocket whose caller is known.
pub(super) struct Session {
    pub gateway: Arc<Gateway>,
    pub caller: Arc<Caller>,
    pub held: Upgraded,
    _place: SocketPlace,
}

impl FromRequestParts<Arc<Gateway>> for Opening {
    type Rejection = Refusal;

    async fn from_request_parts(
        parts: &mut Parts,
        gateway: &Arc<Gateway>,
    ) -> Result<Self, Refusal> {
        let caller = match authorization(&parts.headers) {
            Some(authorization) => Some(gateway.caller(Some(&authorization)).await?),
            None => None,
        };
        let upgrade = WebSocketUpgrade::from_request_parts(parts, gateway).await;
        let upgrade = upgrade.map_err(|error| not_one(&error))?;
        let held = Extension::<Upgraded>::from_request_parts(parts, gateway).await;
        let Extension(held) = held.map_err(|_| {
            let detail = "this server cannot hold a WebSocket";
            Problem::new(ErrorCode::Internal, detail)
        })?;
        Ok(Self {
            place: gateway.socket(caller.as_deref())?,
            caller,
            gateway: Arc::clone(gateway),
            upgrade,
            held,
        })
    }
}

/// The token as a header has it, wherever the client put it.
fn authorization(headers: &HeaderMap) -> Option<String> {
    if let Some(value) = headers.get(AUTHORIZATION) {
        return Some(value.to_str().unwrap_or_default().to_owned());
    }
    let protocols = headers.get_all(SEC_WEBSOCKET_PROTOCOL).into_iter();
    let mut offered = protocols
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    let token = offered.find_map(|one| one.trim().strip_prefix(BEARER_PROTOCOL))?;
    Some(format!("Bearer {token}"))
}

fn not_one(error: &WebSocketUpgradeRejection) -> Problem {
    let detail = format!("this path speaks WebSocket only: {}", error.body_text());
    Problem::new(ErrorCode::Malformed, detail).at("upgrade")
}

impl Opening {
    /// Upgrades and runs the session once the caller is known.
    pub fn upgrade<F>(
        self,
        kind: (&'static str, usize),
        session: impl FnOnce(Session, Socket) -> F + Send + 'static,
    ) -> Response
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.upgrade_to(PROTOCOL, kind, async move |arrival, mut socket| {
            let Arrival {
                gateway,
                caller,
                held,
                place,
            } = arrival;
            let known = match caller {
                Some(caller) => Ok((caller, place)),
                None => introduced(&gateway, &mut socket, place).await,
            };
            match known {
                Ok((caller, place)) => {
                    let session_of = Session {
                        gateway,
                        caller,
                        held,
                        _place: place,
                    };
                    session(session_of, socket).await;
                }
                Err(end) => socket.end(end).await,
            }
        })
    }

    /// Upgrades to a protocol in which callers tell their tokens in another way.
    pub fn upgrade_to<F>(
        self,
        protocol: &'static str,
        (kind, message_bytes_max): (&'static str, usize),
        session: impl FnOnce(Arrival, Socket) -> F + Send + 'static,
    ) -> Response
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let Self {
            caller,
            gateway,
            upgrade,
            held,
            place,
        } = self;
        let upgrade = upgrade
            .protocols([protocol])
            .read_buffer_size(BUFFER_BYTES)
            .write_buffer_size(BUFFER_BYTES)
            .max_frame_size(message_bytes_max * READ_LIMITS)
            .max_message_size(message_bytes_max * READ_LIMITS);
        let run = async move |stream: WebSocket| {
            let socket = Socket::new(stream, (kind, message_bytes_max), &gateway.config.ws);
            let arrival = Arrival {
                gateway,
                caller,
                held,
                place,
            };
            session(arrival, socket).await;
        };
        let origin = origin::current();
        upgrade.on_upgrade(async move |stream| {
            // A panic inside is told under this name.
            let run = origin::within(origin, run(stream));
            let _ = spawn(TaskKind::Request, kind, run).await;
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Introduction {
    authorization: String,
}

/// Waits for the first message, which has the token.
async fn introduced(
    gateway: &Gateway,
    socket: &mut Socket,
    place: SocketPlace,
) -> Result<(Arc<Caller>, SocketPlace), End> {
    let wait = Duration::from_millis(gateway.config.ws.token_timeout_ms);
    let by = clock::monotonic_now() + wait;
    let text = loop {
        match tokio::time::timeout_at(by, socket.hear()).await {
            Ok(Heard::Text(text)) => break text,
            Ok(Heard::Alive) => {}
            Ok(Heard::Closed) => return Err(End::Gone),
            Ok(Heard::Broken(problem)) => return Err(problem.into()),
            Ok(Heard::Binary(_)) => return Err(no_introduction("it is binary").into()),
            Err(_) => {
                let detail = format!("the token must come within {} ms", wait.as_millis());
                return Err(Problem::new(ErrorCode::TooSlow, detail).into());
            }
        }
    };
    let introduction: Introduction =
        input::json(text.as_bytes()).map_err(|problem| no_introduction(&problem.detail))?;
    let caller = gateway.caller(Some(&introduction.authorization)).await?;
    let known = gateway.socket(Some(&caller))?;
    drop(place);
    Ok((caller, known))
}

fn no_introduction(why: &str) -> Problem {
    let detail = format!(
        "the first message must be {{\"authorization\":\"Bearer <token>\"}}, unless the token came \
         as a header or subprotocol: {why}"
    );
    Problem::new(ErrorCode::Unauthenticated, detail).at("authorization")
}

/// What a client is told whose feed is not served here any more.
pub(super) fn elsewhere(detail: &'static str) -> Problem {
    Problem::new(ErrorCode::Unavailable, detail).retry_after(RETRY_AFTER)
}

/// Resolves when the caller's token expires.
pub(super) async fn expired(caller: &Caller) {
    let left = caller
        .principal
        .expires
        .0
        .saturating_sub(clock::utc_now().0);
    tokio::time::sleep(Duration::from_micros(u64::try_from(left).unwrap_or(0))).await;
}
