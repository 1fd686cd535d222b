//! A fleet's feed: where the drones are that the caller sees, by viewport and at a bounded rate.
//!
//! | frame | meaning |
//! |---|---|
//! | `view` | what is shown from here on, and the columns of drones |
//! | `update` | drones that are new in view or were heard, and drones that left, with the reason |
//! | `gap` | so many shards cannot be asked: their drones stand still here |
//! | `resumed` | all shards are asked again; the newest of each drone that was heard follows |
//! | `resync` | forget every drone: all that is in view is told again |
//! | `heartbeat` | nothing happened |
//! | `error` | why the feed ends |
//!
//! Every frame has a `seq`, one more than the frame before. A drone is told at most once in an
//! update, the newest state of it; `conflated` counts what was skipped for it. The client changes
//! its view by a message, `{"bbox":[west,south,east,north],"fleet_ids":[..],"drone_ids":[..],
//! "rate_hz":2}`, which replaces the view before; what is left out does not narrow it. With
//! `?format=binary` updates are protobuf (`aerostream.v1.FleetUpdate`).

mod binary;
mod text;

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use serde::Deserialize;
use tokio::time::{Instant, MissedTickBehavior};

use super::opening::{Opening, Session, expired};
use super::socket::{End, Heard, Socket};
use crate::clock;
use crate::error::{ErrorCode, Problem};
use crate::gateway::fleet_feed::{Asking, Next, View, Watcher};
use crate::gateway::http::problem::Refusal;
use crate::gateway::http::{Shared, input};
use crate::gateway::metrics;

/// Largest message of a client, in bytes: a view that names as many drones as it may.
const MESSAGE_BYTES_MAX: usize = 128 * 1024;

/// How the feed begins.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Begin {
    /// West, south, east, north.
    bbox: Option<String>,
    fleet_ids: Option<String>,
    drone_ids: Option<String>,
    rate_hz: Option<f64>,
    #[serde(default)]
    format: Format,
}

/// What updates are written in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Format {
    #[default]
    Json,
    Binary,
}

impl Begin {
    fn asking(&self) -> Result<Asking, Problem> {
        let list = |text: &String| text.split(',').map(str::to_owned).collect();
        let number = |text: &str| {
            text.trim().parse::<f64>().map_err(|error| {
                let detail = format!("must be west,south,east,north in degrees: {text:?}: {error}");
                Problem::new(ErrorCode::Invalid, detail).at("bbox")
            })
        };
        let bbox = self.bbox.as_deref();
        Ok(Asking {
            bbox: bbox
                .map(|text| text.split(',').map(number).collect())
                .transpose()?,
            fleet_ids: self.fleet_ids.as_ref().map(list),
            drone_ids: self.drone_ids.as_ref().map(list),
            rate_hz: self.rate_hz,
        })
    }
}

/// `GET /ws/v1/fleet`.
pub(super) async fn open(
    State(gateway): Shared,
    opening: Opening,
    begin: Result<Query<Begin>, QueryRejection>,
) -> Result<Response, Refusal> {
    let begin = input::query(begin)?;
    let asking = begin.asking()?;
    if let Some(caller) = &opening.caller {
        View::new(&gateway, &caller.principal, &asking)?;
    }
    Ok(opening.upgrade(
        ("fleet", MESSAGE_BYTES_MAX),
        async move |session, mut socket| {
            let Err(end) = run(session, &mut socket, asking, begin.format).await;
            socket.end(end).await;
        },
    ))
}

async fn run(
    session: Session,
    socket: &mut Socket,
    asking: Asking,
    format: Format,
) -> Result<Infallible, End> {
    let principal = &session.caller.principal;
    session.gateway.recheck(principal)?;
    let view = View::new(&session.gateway, principal, &asking)?;
    let watcher = session.gateway.fleet_feed.watch(principal, view)?;
    let mut feed = Feed {
        watcher,
        session,
        format,
        seq: 0,
        told: true,
    };
    feed.tell_view(socket).await?;
    feed.follow(socket).await
}

struct Feed {
    session: Session,
    watcher: Watcher,
    format: Format,
    /// Number of the last frame.
    seq: u64,
    /// True if something was told since the last heartbeat.
    told: bool,
}

impl Feed {
    async fn follow(&mut self, socket: &mut Socket) -> Result<Infallible, End> {
        let mut heartbeat = tokio::time::interval(self.session.gateway.config.ws.heartbeat());
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        heartbeat.reset();
        let mut registry = self.session.gateway.registry().position();
        let mut held = self.session.held.clone();
        let mut stopping = pin!(held.stopping());
        let caller = Arc::clone(&self.session.caller);
        let mut expired = pin!(expired(&caller));
        loop {
            tokio::select! {
                heard = socket.hear() => self.hear(socket, heard).await?,
                next = self.watcher.next() => self.tell(socket, next).await?,
                _ = heartbeat.tick() => self.heartbeat(socket).await?,
                () = &mut expired => {
                    self.session.gateway.recheck(&caller.principal)?;
                    let detail = "the token expired";
                    return Err(Problem::new(ErrorCode::Unauthenticated, detail).into());
                }
                Ok(()) = registry.changed() => self.session.gateway.recheck(&caller.principal)?,
                () = &mut stopping => return Err(End::Stopping),
            }
        }
    }

    async fn hear(&mut self, socket: &mut Socket, heard: Heard) -> Result<(), End> {
        let text = match heard {
            Heard::Alive => return Ok(()),
            Heard::Closed => return Err(End::Gone),
            Heard::Broken(problem) => return Err(problem.into()),
            Heard::Binary(_) => {
                let detail = "a view is told as text";
                return Err(Problem::new(ErrorCode::UnsupportedMedia, detail).into());
            }
            Heard::Text(text) => text,
        };
        let asking: Asking = input::json(text.as_bytes())?;
        let principal = &self.session.caller.principal;
        let view = View::new(&self.session.gateway, principal, &asking)?;
        self.watcher.look_at(view);
        self.tell_view(socket).await
    }

    async fn tell_view(&mut self, socket: &mut Socket) -> Result<(), End> {
        let frame = text::Down::View {
            rate_hz: 1.0 / self.watcher.view().interval.as_secs_f64(),
            silent_after_s: self.session.gateway.fleet_feed.config().silent_after_s,
            columns: text::COLUMNS,
        };
        self.say(socket, &frame).await
    }

    async fn tell(&mut self, socket: &mut Socket, next: Next) -> Result<(), End> {
        let frame = match next {
            Next::News => return self.update(socket).await,
            Next::Gap { shards, of } => text::Down::Gap {
                shards,
                of,
                detail: "these shards cannot be asked now: their drones stand still here",
            },
            Next::Resumed => text::Down::Resumed,
            Next::Resync => text::Down::Resync {
                detail: "a shard began anew: forget every drone, all in view are told again",
            },
        };
        self.say(socket, &frame).await
    }

    /// Tells all that is new, in frames of bounded size.
    async fn update(&mut self, socket: &mut Socket) -> Result<(), End> {
        let config = self.session.gateway.fleet_feed.config().clone();
        let give_up = clock::monotonic_now() + Duration::from_millis(config.update_timeout_ms);
        loop {
            let (message, filled) = match self.format {
                Format::Json => text::update(&mut self.watcher, self.seq + 1, &config),
                Format::Binary => binary::update(&mut self.watcher, self.seq + 1, &config),
            };
            metrics::feed_conflated(filled.conflated);
            if filled.drones > 0 || filled.omitted > 0 {
                self.seq += 1;
                self.told = true;
                metrics::feed_frame("fleet_update");
                by(give_up, socket.send(message)).await?;
            }
            if !filled.more {
                return Ok(());
            }
        }
    }

    async fn say(&mut self, socket: &mut Socket, frame: &text::Down) -> Result<(), End> {
        self.seq += 1;
        self.told = true;
        metrics::feed_frame(frame.kind());
        Ok(socket.tell(frame.text(self.seq)).await?)
    }

    async fn heartbeat(&mut self, socket: &mut Socket) -> Result<(), End> {
        socket.ask().await?;
        if !std::mem::take(&mut self.told) {
            let at_us = clock::utc_now().0;
            let frame = text::Down::Heartbeat { at_us };
            self.say(socket, &frame).await?;
            self.told = false;
        }
        Ok(())
    }
}

async fn by(
    give_up: Instant,
    sent: impl Future<Output = Result<(), super::socket::Gone>>,
) -> Result<(), End> {
    match tokio::time::timeout_at(give_up, sent).await {
        Ok(sent) => Ok(sent?),
        Err(_) => {
            let detail = "you take updates too slowly: ask for a smaller view or a lower rate, or \
                          for ?format=binary";
            Err(Problem::new(ErrorCode::TooSlow, detail).into())
        }
    }
}
