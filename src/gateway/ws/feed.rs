//! A drone's feed: a snapshot, then every record as it becomes durable.
//!
//! | frame | meaning |
//! |---|---|
//! | `snapshot` | the drone as it is; updates follow |
//! | `update` | new samples; `recorded: false` while the event log is slow or down |
//! | `resumed` | all that was missed since `from` has been told |
//! | `gap` | something is missing, with the reason; a snapshot follows |
//! | `conflated` | this client was too slow: so many events were skipped; the newest state |
//! | `heartbeat` | nothing happened |
//! | `error` | why the feed ends |
//!
//! A frame's `cursor` is where a client goes on that has taken the frame.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use aerostream_actors::{Cursor, FeedEvent, FeedSnapshot, Frame, Subscription};
use aerostream_domain::{BootId, DroneId, Seq};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use serde::Deserialize;
use tokio::time::MissedTickBehavior;

use super::cursor::{self, Brought};
use super::frame::{Down, update};
use super::opening::{Opening, Session, elsewhere, expired};
use super::replay::{Gap, Replay};
use super::socket::{End, Heard, Socket};
use crate::error::{ErrorCode, Problem};
use crate::gateway::auth::Action;
use crate::gateway::http::problem::Refusal;
use crate::gateway::http::{Segment, Shared, input};
use crate::gateway::ingest::unavailable;
use crate::gateway::metrics;

/// Largest message of a client, in bytes: it has nothing to say but its token.
pub(super) const MESSAGE_BYTES_MAX: usize = 16 * 1024;
/// How often a feed that resumes reads the log again since live frames came faster.
const CATCH_UPS_MAX: u32 = 5;
/// How long a heartbeat waits to hear that nothing was missed.
const QUIET_ASK_MAX: Duration = Duration::from_secs(1);

/// Where to begin.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Begin {
    /// Cursor of the last frame that the client has taken.
    from: Option<String>,
}

/// `GET /ws/v1/drones/{id}`.
pub(super) async fn open(
    State(gateway): Shared,
    opening: Opening,
    Segment(drone): Segment,
    begin: Result<Query<Begin>, QueryRejection>,
) -> Result<Response, Refusal> {
    let drone = input::drone_id(&drone)?;
    let from = input::query(begin)?.from;
    let from = from.as_deref().map(cursor::from_text).transpose()?;
    if let Some(caller) = &opening.caller {
        gateway.allow_drone(&caller.principal, Action::ReadDrone, &drone)?;
    }
    Ok(opening.upgrade(
        ("feed", MESSAGE_BYTES_MAX),
        async move |session, mut socket| {
            let Err(end) = run(session, &mut socket, drone, from).await;
            socket.end(end).await;
        },
    ))
}

async fn run(
    session: Session,
    socket: &mut Socket,
    drone: DroneId,
    from: Option<Brought>,
) -> Result<Infallible, End> {
    allow(&session, &drone)?;
    let drones = &session.gateway.behind.drones;
    let subscription = drones.subscribe(&drone).await;
    let subscription = subscription.map_err(|why| unavailable(&why))?;
    let snapshot = snapshot(&subscription).await?;
    let mut feed = Feed {
        at: snapshot.cursor,
        newest: None,
        told: true,
        catch_ups: CATCH_UPS_MAX,
        subscription,
        session,
        drone,
    };
    match from {
        None => feed.tell_snapshot(socket, snapshot).await?,
        Some(brought) => feed.go_on(socket, brought, snapshot).await?,
    }
    feed.follow(socket).await
}

fn allow(session: &Session, drone: &DroneId) -> Result<(), Problem> {
    let principal = &session.caller.principal;
    session.gateway.recheck(principal)?;
    let allowed = session
        .gateway
        .allow_drone(principal, Action::ReadDrone, drone);
    allowed.map(|_| ())
}

async fn snapshot(subscription: &Subscription) -> Result<FeedSnapshot, Problem> {
    let snapshot = subscription.snapshot().await;
    snapshot.map_err(|why| unavailable(&why))
}

struct Feed {
    session: Session,
    drone: DroneId,
    subscription: Subscription,
    /// Every record below it has been told.
    at: Cursor,
    /// Newest sample of the last snapshot; what is older is not shown as unrecorded any more.
    newest: Option<(BootId, Seq)>,
    /// True if something was told since the last heartbeat.
    told: bool,
    /// How often the log may still be read because live frames came faster than resuming.
    catch_ups: u32,
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
                heard = socket.hear() => nothing_to_say(heard)?,
                event = self.subscription.next() => self.tell(socket, event).await?,
                _ = heartbeat.tick() => self.heartbeat(socket).await?,
                () = &mut expired => return Err(self.expired().into()),
                Ok(()) = registry.changed() => allow(&self.session, &self.drone)?,
                () = &mut stopping => return Err(End::Stopping),
            }
        }
    }

    fn expired(&self) -> Problem {
        let expired = || Problem::new(ErrorCode::Unauthenticated, "the token expired");
        let judged = allow(&self.session, &self.drone);
        judged.err().unwrap_or_else(expired)
    }

    async fn tell(&mut self, socket: &mut Socket, event: FeedEvent) -> Result<(), End> {
        match event {
            FeedEvent::Frame(frame) => self.tell_frame(socket, &frame).await?,
            FeedEvent::Lagged(_) if self.catch_ups > 0 => {
                // The client is as fast as the log; it was the log that took a while.
                self.catch_ups -= 1;
                self.subscription.skip();
                let snapshot = snapshot(&self.subscription).await?;
                self.catch_up(socket, snapshot).await?;
            }
            FeedEvent::Lagged(lagged) => {
                let skipped = lagged + self.subscription.skip();
                let snapshot = snapshot(&self.subscription).await?;
                self.took(&snapshot);
                let frame = Down::conflated(&self.drone, skipped, snapshot);
                socket.tell(frame.text()).await?;
            }
            FeedEvent::Interrupted => {
                let snapshot = snapshot(&self.subscription).await?;
                self.catch_up(socket, snapshot).await?;
            }
            FeedEvent::Late => self.gap(socket, &Gap::Late).await?,
            FeedEvent::Fenced => {
                let detail = "another process serves the drone now; connect again";
                return Err(elsewhere(detail).into());
            }
        }
        self.told = true;
        Ok(())
    }

    async fn tell_frame(&mut self, socket: &mut Socket, frame: &Frame) -> Result<(), End> {
        match frame.cursor {
            Some(cursor) if cursor.telemetry <= self.at.telemetry => return Ok(()),
            Some(cursor) => {
                self.at = cursor;
                self.catch_ups = 0;
            }
            None if self.is_past(frame) => return Ok(()),
            None => {}
        }
        Ok(socket.tell(update(frame)).await?)
    }

    fn is_past(&self, frame: &Frame) -> bool {
        self.newest.is_some_and(|(boot, seq)| {
            let samples = &frame.record.samples;
            frame.record.boot == boot && samples.iter().all(|sample| sample.seq <= seq)
        })
    }

    fn took(&mut self, snapshot: &FeedSnapshot) {
        self.at = snapshot.cursor;
        let live = snapshot.view.as_ref().map(|view| &view.live);
        self.newest = live.and_then(|live| Some((live.boot?, live.newest?.seq)));
    }

    async fn tell_snapshot(
        &mut self,
        socket: &mut Socket,
        snapshot: FeedSnapshot,
    ) -> Result<(), End> {
        self.took(&snapshot);
        self.catch_ups = 0;
        let frame = Down::snapshot(&self.drone, snapshot);
        Ok(socket.tell(frame.text()).await?)
    }

    async fn gap(&mut self, socket: &mut Socket, gap: &Gap) -> Result<(), End> {
        socket.tell(gap.frame().text()).await?;
        let snapshot = snapshot(&self.subscription).await?;
        self.tell_snapshot(socket, snapshot).await
    }

    /// Goes on where a client was, or says what it misses.
    async fn go_on(
        &mut self,
        socket: &mut Socket,
        brought: Brought,
        snapshot: FeedSnapshot,
    ) -> Result<(), End> {
        let (from, now) = (brought.cursor, snapshot.cursor);
        let gap = if !brought.is_of(&self.drone) {
            Some(Gap::OtherDrone)
        } else if from.epoch > now.epoch || from.telemetry > now.telemetry {
            Some(Gap::OtherLog)
        } else {
            None
        };
        if let Some(gap) = gap {
            metrics::feed_resumed(gap.reason());
            return self.gap(socket, &gap).await;
        }
        self.at = from;
        self.catch_up(socket, snapshot).await
    }

    /// Tells from the log what was missed up to the snapshot, or that it cannot be told.
    async fn catch_up(&mut self, socket: &mut Socket, snapshot: FeedSnapshot) -> Result<(), End> {
        match self.replay(socket, snapshot.cursor).await? {
            Ok(records) => {
                metrics::feed_resumed("complete");
                self.took(&snapshot);
                let cursor = cursor::to_text(&self.drone, self.at);
                let frame = Down::Resumed { cursor, records };
                Ok(socket.tell(frame.text()).await?)
            }
            Err(gap) => {
                metrics::feed_resumed(gap.reason());
                self.gap(socket, &gap).await
            }
        }
    }

    async fn replay(&mut self, socket: &mut Socket, to: Cursor) -> Result<Result<u64, Gap>, End> {
        let from = self.at.telemetry;
        if from >= to.telemetry {
            return Ok(Ok(0));
        }
        let gateway = Arc::clone(&self.session.gateway);
        let place = (&self.drone, self.subscription.shard());
        let mut replay = match Replay::open(&gateway, place, from, to).await {
            Ok(replay) => replay,
            Err(gap) => return Ok(Err(gap)),
        };
        loop {
            match replay.next().await {
                Ok(Some(frame)) => {
                    socket.tell(update(&frame)).await?;
                    self.at = frame.cursor.unwrap_or(self.at);
                }
                Ok(None) => return Ok(Ok(replay.records())),
                Err(gap) => return Ok(Err(gap)),
            }
        }
    }

    async fn heartbeat(&mut self, socket: &mut Socket) -> Result<(), End> {
        socket.ask().await?;
        if !self.subscription.is_held() {
            let detail = "another process serves the drone now; connect again";
            return Err(elsewhere(detail).into());
        }
        if std::mem::take(&mut self.told) {
            return Ok(());
        }
        // The cursor of a quiet drone moves on with the log, which does not keep for ever.
        let asked = tokio::time::timeout(QUIET_ASK_MAX, self.subscription.snapshot()).await;
        if let Ok(Ok(now)) = asked
            && self.subscription.is_told()
            && now.cursor.telemetry > self.at.telemetry
        {
            self.at = now.cursor;
        }
        let frame = Down::heartbeat(&self.drone, self.at);
        Ok(socket.tell(frame.text()).await?)
    }
}

pub(super) fn nothing_to_say(heard: Heard) -> Result<(), End> {
    match heard {
        Heard::Alive => Ok(()),
        Heard::Closed => Err(End::Gone),
        Heard::Broken(problem) => Err(problem.into()),
        Heard::Text(_) | Heard::Binary(_) => {
            let detail = "a feed takes no messages from its client";
            Err(Problem::new(ErrorCode::UnsupportedMedia, detail).into())
        }
    }
}
