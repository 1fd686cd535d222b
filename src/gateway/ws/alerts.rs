//! Alerts as they happen: those that are active, then every change of one.
//!
//! | frame | meaning |
//! |---|---|
//! | `snapshot` | alerts that are active; more of them follow until `is_complete` |
//! | `alerts` | what one journal record changed: each alert with what happened to it |
//! | `resumed` | all that was missed since `from` has been told |
//! | `gap` | something is missing, with the reason; a snapshot follows |
//! | `behind` | this client was too slow: the feed ends, and goes on with the cursor |
//! | `heartbeat` | nothing happened |
//! | `error` | why the feed ends |
//!
//! A frame's `cursor` is where a client goes on that has taken the frame. Nothing is conflated. A
//! change may be told twice; `alert_id` and `turns` name it.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;

use super::feed::{MESSAGE_BYTES_MAX, nothing_to_say};
use super::frame::json;
use super::opening::{Opening, Session};
use super::socket::{End, Socket};
use crate::gateway::alert::AlertFilter;
use crate::gateway::alert::cursor::AlertCursor;
use crate::gateway::alert::feed::{AlertFeed, AlertFrame};
use crate::gateway::http::Shared;
use crate::gateway::http::alerts::Listening;
use crate::gateway::http::input;
use crate::gateway::http::problem::Refusal;
use crate::gateway::json::alert::AlertDown;
use crate::gateway::metrics;

/// `GET /ws/v1/alerts`.
pub(super) async fn open(
    State(gateway): Shared,
    opening: Opening,
    listening: Result<Query<Listening>, QueryRejection>,
) -> Result<Response, Refusal> {
    let (filter, from) = input::query(listening)?.read()?;
    if let Some(caller) = &opening.caller {
        gateway.allow_alerts(&caller.principal, &filter)?;
    }
    Ok(opening.upgrade(
        ("alerts", MESSAGE_BYTES_MAX),
        async move |session, mut socket| {
            let Err(end) = run(session, &mut socket, filter, from).await;
            socket.end(end).await;
        },
    ))
}

async fn run(
    session: Session,
    socket: &mut Socket,
    filter: AlertFilter,
    from: Option<AlertCursor>,
) -> Result<Infallible, End> {
    let (gateway, caller) = (Arc::clone(&session.gateway), Arc::clone(&session.caller));
    let mut ask = tokio::time::interval(gateway.config.ws.heartbeat());
    let mut feed = AlertFeed::open(gateway, caller, filter, from).await?;
    let mut held = session.held.clone();
    let mut stopping = pin!(held.stopping());
    loop {
        if feed.is_catching_up() {
            let frame = feed.next().await?;
            tell(socket, frame).await?;
            continue;
        }
        tokio::select! {
            heard = socket.hear() => nothing_to_say(heard)?,
            frame = feed.next() => tell(socket, frame?).await?,
            _ = ask.tick() => socket.ask().await?,
            () = &mut stopping => return Err(End::Stopping),
        }
    }
}

async fn tell(socket: &mut Socket, frame: AlertFrame) -> Result<(), End> {
    let frame = AlertDown::from(frame);
    metrics::feed_frame(frame.kind());
    Ok(socket.tell(json(&frame).into()).await?)
}
