//! Alerts as server-sent events: the frames of the WebSocket, for readers that know nothing but
//! HTTP. An event's id is its cursor, with which a browser comes back by itself.

use std::convert::Infallible;

use axum::Extension;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream;
use serde_json::json;

use super::super::problem::Refusal;
use super::super::{Known, Shared, input};
use super::Listening;
use crate::error::{ErrorCode, Problem};
use crate::gateway::alert::cursor::AlertCursor;
use crate::gateway::alert::feed::AlertFeed;
use crate::gateway::json::alert::AlertDown;
use crate::gateway::limit::SocketPlace;
use crate::gateway::metrics;
use crate::gateway::server::Upgraded;

/// Header with the cursor of the last event that the client has taken.
const LAST_EVENT_ID: &str = "last-event-id";

/// `GET /events/v1/alerts`.
pub async fn open(
    State(gateway): Shared,
    Known(caller): Known,
    Extension(held): Extension<Upgraded>,
    headers: HeaderMap,
    listening: Result<Query<Listening>, QueryRejection>,
) -> Result<Response, Refusal> {
    let (filter, mut from) = input::query(listening)?.read()?;
    if let Some(id) = headers.get(LAST_EVENT_ID) {
        let id = id.to_str().unwrap_or_default();
        let cursor = AlertCursor::from_text(id);
        from = Some(cursor.map_err(|problem| problem.at(LAST_EVENT_ID))?);
    }
    let place = gateway.socket(Some(&caller))?;
    let feed = AlertFeed::open(gateway, caller, filter, from).await?;
    let telling = Telling {
        feed,
        held,
        _place: place,
    };
    let events = stream::unfold(Some(telling), async |telling| {
        let (event, telling) = telling?.next().await;
        Some((Ok::<_, Infallible>(event), telling))
    });
    let kind = HeaderValue::from_static("text/event-stream");
    let fresh = HeaderValue::from_static("no-store");
    let headers = [(CONTENT_TYPE, kind), (CACHE_CONTROL, fresh)];
    Ok((headers, Body::from_stream(events)).into_response())
}

struct Telling {
    feed: AlertFeed,
    held: Upgraded,
    _place: SocketPlace,
}

impl Telling {
    /// The next event; behind the last one there is nobody to ask.
    async fn next(mut self) -> (Bytes, Option<Self>) {
        let next = tokio::select! {
            next = self.feed.next() => next,
            () = self.held.stopping() => {
                let detail = "the gateway is stopping; connect again";
                Err(Problem::new(ErrorCode::Unavailable, detail))
            }
        };
        match next {
            Ok(frame) => {
                let frame = AlertDown::from(frame);
                metrics::feed_frame(frame.kind());
                let data = serde_json::to_string(&frame)
                    .expect("a document of texts and numbers is always JSON");
                (event(frame.kind(), frame.cursor(), &data), Some(self))
            }
            Err(problem) => {
                metrics::problem(problem.code);
                let data = json!({
                    "type": "error", "code": problem.code.as_str(), "detail": problem.detail
                });
                (event("error", None, &data.to_string()), None)
            }
        }
    }
}

fn event(kind: &str, cursor: Option<&str>, data: &str) -> Bytes {
    let id = cursor.map(|cursor| format!("id: {cursor}\n"));
    let id = id.unwrap_or_default();
    // JSON of one line has no line break within.
    format!("event: {kind}\n{id}data: {data}\n\n").into()
}
