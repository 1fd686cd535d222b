//! WebSockets: feeds down, batches up.
//!
//! | path | who | what |
//! |---|---|---|
//! | `/ws/v1/drones/{id}?from=<cursor>` | whoever may read the drone | its feed; see `feed` |
//! | `/ws/v1/alerts?from=<cursor>` | viewer, operator, admin | alerts; see `alerts` |
//! | `/ws/v1/fleet` | whoever may read fleets | positions by viewport; see `fleet` |
//! | `/graphql/ws` | whoever has a token | GraphQL with subscriptions; see `graphql` |
//! | `/ws/v1/ingest` | drone, relay | samples in; see `ingest` |
//!
//! The token comes as header `authorization`, as subprotocol `bearer.<token>` beside
//! `aerostream.v1`, or in the first message: `{"authorization":"Bearer <token>"}`. It is never part
//! of a URL. A WebSocket ends with an `error` frame that says why, then a close frame.

mod alerts;
mod cursor;
mod feed;
mod fleet;
mod frame;
mod graphql;
mod ingest;
mod opening;
mod replay;
mod socket;

use std::time::Duration;

use axum::http::Method;
use axum::routing::get;
use serde::{Deserialize, Serialize};

use super::http::route::Route;

/// WebSockets.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WsConfig {
    /// Longest time until the first message with the token, in milliseconds. Default: 5000.
    pub token_timeout_ms: u64,
    /// How often a feed says that it is alive, and any client is asked whether it is, in
    /// milliseconds. Default: 15,000.
    pub heartbeat_ms: u64,
    /// A client that says nothing or takes nothing for so long is dropped, in milliseconds.
    /// Default: 45,000.
    pub silence_max_ms: u64,
    /// Largest message that a sender of samples may send, in bytes. Default: 256 KiB.
    pub message_bytes_max: usize,
    /// Messages of one sender that may be without result; the next is not read meanwhile.
    /// Default: 64.
    pub messages_in_flight_max: usize,
    /// Resumed feeds that read the event log at once. Default: 32.
    pub replays_max: usize,
    /// Records that a resumed feed gets from the event log; if more are missing it gets a gap.
    /// Default: 50,000.
    pub replay_records_max: u64,
    /// Bytes of the event log that are read for one resumed feed, other drones of the shard
    /// included. Default: 256 MiB.
    pub replay_bytes_max: u64,
    /// Longest time that a feed may take to resume, in milliseconds. Default: 10,000.
    pub replay_timeout_ms: u64,
}

impl Default for WsConfig {
    fn default() -> Self {
        Self {
            token_timeout_ms: 5_000,
            heartbeat_ms: 15_000,
            silence_max_ms: 45_000,
            message_bytes_max: 256 << 10,
            messages_in_flight_max: 64,
            replays_max: 32,
            replay_records_max: 50_000,
            replay_bytes_max: 256 << 20,
            replay_timeout_ms: 10_000,
        }
    }
}

impl WsConfig {
    const fn heartbeat(&self) -> Duration {
        Duration::from_millis(self.heartbeat_ms)
    }

    const fn silence_max(&self) -> Duration {
        Duration::from_millis(self.silence_max_ms)
    }
}

/// The paths of this door.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::door(
            Method::GET,
            "/ws/v1/drones/{id}",
            get(feed::open),
            "WebSocket: the feed of a drone; with `?from=<cursor>` what was missed first",
        ),
        Route::door(
            Method::GET,
            "/ws/v1/alerts",
            get(alerts::open),
            "WebSocket: alerts as they happen; with `?from=<cursor>` what was missed first",
        ),
        Route::door(
            Method::GET,
            "/ws/v1/fleet",
            get(fleet::open),
            "WebSocket: positions of the drones in view, at a rate of the client's",
        ),
        Route::door(
            Method::GET,
            "/graphql/ws",
            get(graphql::open),
            "WebSocket: GraphQL with subscriptions, as graphql-transport-ws has it",
        ),
        Route::door(
            Method::GET,
            "/ws/v1/ingest",
            get(ingest::open),
            "WebSocket: batches up, results down",
        ),
    ]
}
