//! What happens to alerts, for every channel: those that are active, then the journal's news.
//!
//! Nothing is left out in silence. Who falls behind is told where it is and ends; who comes back
//! with a cursor gets what it missed from the journal, or is told that it cannot be told.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use aerostream_actors::{AlertNews, BoardView};
use aerostream_domain::alert::{Alert, AlertId, AlertRecord};
use aerostream_domain::{DroneId, Epoch, FleetId, Offset, ShardId};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;

use super::cursor::{AlertCursor, Place};
use super::replay::{Gap, Replay};
use super::{AlertFilter, Happened, SeenAlert, happenings, visible};
use crate::clock;
use crate::error::{ErrorCode, Problem};
use crate::gateway::auth::Caller;
use crate::gateway::limit::RETRY_AFTER;
use crate::gateway::metrics;
use crate::gateway::state::Gateway;
use crate::registry::Position;

/// One message of a feed.
#[derive(Debug, Clone, PartialEq)]
pub enum AlertFrame {
    /// Alerts that are active; `is_complete` with the last of them.
    Snapshot {
        cursor: String,
        alerts: Vec<SeenAlert>,
        is_complete: bool,
    },
    /// A journal record changed alerts of a drone.
    News(News),
    /// Everything since the client's cursor was told.
    Resumed { cursor: String, records: u64 },
    /// Something is missing here and will not come; a snapshot follows.
    Gap {
        reason: &'static str,
        detail: String,
    },
    /// The client was too slow, so that the feed ends; it goes on with this cursor.
    Behind { cursor: String, detail: String },
    /// Nothing happened.
    Heartbeat { cursor: String },
}

/// What one record changed.
#[derive(Debug, Clone, PartialEq)]
pub struct News {
    pub cursor: String,
    /// False of what would be so if the log, which is down, took the drone's newest samples.
    pub is_recorded: bool,
    pub drone: DroneId,
    pub fleet: Option<FleetId>,
    pub changes: Vec<Change>,
}

/// What happened to one alert.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    pub what: Happened,
    pub id: AlertId,
    /// The alert as it is behind the change; `None` if it was raised before the cursor and is over
    /// for so long that only the database has it.
    pub alert: Option<Alert>,
}

/// Who listens and for what.
#[derive(Debug, Clone)]
pub(super) struct Listener {
    pub gateway: Arc<Gateway>,
    pub caller: Arc<Caller>,
    pub filter: AlertFilter,
}

impl Listener {
    /// News of a drone, if the listener wants them; the cursor is put in later.
    pub fn news(
        &self,
        drone: &DroneId,
        record: &AlertRecord,
        find: impl Fn(AlertId) -> Option<Alert>,
    ) -> Option<News> {
        let fleet = visible(&self.gateway, &self.caller.principal, &self.filter, drone)?;
        let changes = happenings(record).into_iter().filter_map(|(what, id)| {
            let alert = find(id);
            let wanted = alert.as_ref().is_none_or(|alert| self.filter.takes(alert));
            wanted.then_some(Change { what, id, alert })
        });
        let changes: Vec<Change> = changes.collect();
        (!changes.is_empty()).then(|| News {
            cursor: String::new(),
            is_recorded: true,
            drone: drone.clone(),
            fleet,
            changes,
        })
    }
}

/// A feed of alerts.
pub struct AlertFeed {
    listener: Listener,
    epochs: Vec<Epoch>,
    /// Of each shard, where everything below was told.
    told: Vec<Offset>,
    ready: VecDeque<AlertFrame>,
    /// What is still read from the journal.
    missed: Option<Replay>,
    news: broadcast::Receiver<Arc<AlertNews>>,
    registry: watch::Receiver<Position>,
    expires: Instant,
    heartbeat: Duration,
    beats: Instant,
    /// Why it is over.
    over: Option<Problem>,
}

impl std::fmt::Debug for AlertFeed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AlertFeed")
            .field("told", &self.told)
            .finish_non_exhaustive()
    }
}

impl AlertFeed {
    /// Begins with the alerts that are active, or behind a cursor.
    ///
    /// # Errors
    /// The caller may not, or the drones are not served here.
    pub async fn open(
        gateway: Arc<Gateway>,
        caller: Arc<Caller>,
        filter: AlertFilter,
        from: Option<AlertCursor>,
    ) -> Result<Self, Problem> {
        gateway.allow_alerts(&caller.principal, &filter)?;
        let epochs = gateway.behind.drones.epochs().ok_or_else(elsewhere)?;
        let left_us = caller.principal.expires.0 - clock::utc_now().0;
        let left = Duration::from_micros(u64::try_from(left_us).unwrap_or(0));
        let heartbeat = Duration::from_millis(gateway.config.ws.heartbeat_ms);
        let listener = Listener {
            gateway: Arc::clone(&gateway),
            caller,
            filter,
        };
        let view = snapshot(&listener, from.is_none());
        let now = clock::monotonic_now();
        let mut feed = Self {
            epochs,
            told: view.positions.clone(),
            ready: VecDeque::new(),
            missed: None,
            registry: gateway.registry().position(),
            expires: now + left,
            heartbeat,
            beats: now + heartbeat,
            over: None,
            news: view.news,
            listener,
        };
        match from {
            None => feed.put_snapshot(view.alerts),
            Some(from) => feed.go_on(&from, &view.positions).await,
        }
        Ok(feed)
    }

    /// True if the next frame comes from the journal's past or is there already: then
    /// [`AlertFeed::next`] must not be dropped before it is done.
    #[must_use]
    pub fn is_catching_up(&self) -> bool {
        self.missed.is_some() || !self.ready.is_empty()
    }

    /// The next frame.
    ///
    /// # Errors
    /// Why the feed ends.
    pub async fn next(&mut self) -> Result<AlertFrame, Problem> {
        loop {
            if let Some(frame) = self.ready.pop_front() {
                self.beats = clock::monotonic_now() + self.heartbeat;
                return Ok(frame);
            }
            if let Some(over) = self.over.take() {
                return Err(over);
            }
            if let Some(replay) = &mut self.missed {
                let next = replay.next(&self.listener).await;
                self.replayed(next);
                continue;
            }
            tokio::select! {
                news = self.news.recv() => self.take(news),
                Ok(()) = self.registry.changed() => self.allow()?,
                () = tokio::time::sleep_until(self.expires) => {
                    self.allow()?;
                    return Err(Problem::new(ErrorCode::Unauthenticated, "the token expired"));
                }
                () = tokio::time::sleep_until(self.beats) => self.beat()?,
            }
        }
    }

    fn allow(&self) -> Result<(), Problem> {
        let Listener {
            gateway,
            caller,
            filter,
        } = &self.listener;
        gateway.recheck(&caller.principal)?;
        gateway.allow_alerts(&caller.principal, filter)
    }

    fn cursor(&self) -> String {
        let places = self.epochs.iter().zip(&self.told);
        let places = places.map(|(&epoch, &next)| Place { epoch, next });
        AlertCursor(places.collect()).to_text()
    }

    fn put_snapshot(&mut self, alerts: Vec<(DroneId, Alert)>) {
        let Listener {
            gateway,
            caller,
            filter,
        } = &self.listener;
        let seen = alerts.into_iter().filter_map(|(drone, alert)| {
            let fleet = visible(gateway, &caller.principal, filter, &drone)?;
            Some(SeenAlert {
                drone,
                fleet,
                alert,
            })
        });
        let seen: Vec<SeenAlert> = seen.collect();
        let each = gateway.config.alerts.snapshot_alerts_max.max(1);
        let frames = seen.len().div_ceil(each).max(1);
        let mut seen = seen.into_iter();
        for number in 1..=frames {
            let frame = AlertFrame::Snapshot {
                cursor: self.cursor(),
                alerts: seen.by_ref().take(each).collect(),
                is_complete: number == frames,
            };
            self.ready.push_back(frame);
        }
    }

    async fn go_on(&mut self, from: &AlertCursor, now: &[Offset]) {
        let is_ahead =
            |(at, (epoch, now)): (&Place, (&Epoch, &Offset))| at.epoch > *epoch || at.next > *now;
        let known = self.epochs.iter().zip(now);
        if from.0.len() != now.len() || from.0.iter().zip(known).any(is_ahead) {
            return self.gap(&Gap::OtherLog);
        }
        self.told = from.0.iter().map(|place| place.next).collect();
        match Replay::open(&self.listener.gateway, from, now).await {
            Ok(replay) => self.missed = Some(replay),
            Err(gap) => self.gap(&gap),
        }
    }

    /// Takes what the journal's past gave.
    fn replayed(&mut self, next: Result<Option<(ShardId, Offset, Option<News>)>, Gap>) {
        match next {
            Ok(Some((shard, next, news))) => {
                self.told[usize::from(shard.0)] = next;
                self.put_news(news);
            }
            Ok(None) => {
                let records = self.missed.take().map_or(0, |replay| {
                    self.told = replay.reached().to_vec();
                    replay.told()
                });
                metrics::feed_resumed("complete");
                let cursor = self.cursor();
                self.ready
                    .push_back(AlertFrame::Resumed { cursor, records });
            }
            Err(gap) => self.gap(&gap),
        }
    }

    /// Says that something is missing, and begins anew.
    fn gap(&mut self, gap: &Gap) {
        metrics::feed_resumed(gap.reason());
        self.missed = None;
        self.ready.push_back(AlertFrame::Gap {
            reason: gap.reason(),
            detail: gap.detail(),
        });
        let view = snapshot(&self.listener, true);
        self.told = view.positions;
        self.news = view.news;
        self.put_snapshot(view.alerts);
    }

    fn put_news(&mut self, news: Option<News>) {
        if let Some(mut news) = news {
            news.cursor = self.cursor();
            self.ready.push_back(AlertFrame::News(news));
        }
    }

    fn take(&mut self, news: Result<Arc<AlertNews>, RecvError>) {
        match news {
            // What is not recorded moves no cursor: it comes again.
            Ok(news) if !news.is_recorded => {
                let find = |id| news.alerts.iter().find(|alert| alert.id == id).cloned();
                let told = self.listener.news(&news.drone, &news.record, find);
                self.put_news(told.map(|told| News {
                    is_recorded: false,
                    ..told
                }));
            }
            Ok(news) => {
                let told = &mut self.told[usize::from(news.shard.0)];
                if news.offset < *told {
                    return;
                }
                *told = Offset(news.offset.0 + 1);
                let find = |id| news.alerts.iter().find(|alert| alert.id == id).cloned();
                let told = self.listener.news(&news.drone, &news.record, find);
                self.put_news(told);
            }
            Err(RecvError::Lagged(lagged)) => {
                let detail = format!(
                    "{lagged} news were not taken in time; connect again and go on with the cursor"
                );
                self.ready.push_back(AlertFrame::Behind {
                    cursor: self.cursor(),
                    detail: detail.clone(),
                });
                self.over = Some(Problem::new(ErrorCode::Overloaded, detail));
            }
            Err(RecvError::Closed) => self.over = Some(elsewhere()),
        }
    }

    fn beat(&mut self) -> Result<(), Problem> {
        let drones = &self.listener.gateway.behind.drones;
        if drones.epochs().is_none() {
            return Err(elsewhere());
        }
        // The cursor of quiet shards moves on with the journal, which does not keep for ever. News
        // are sent before positions move, so that what is not waiting here was taken.
        let reached = drones.alerts().positions();
        if self.news.is_empty() {
            self.told = reached;
        }
        let cursor = self.cursor();
        self.ready.push_back(AlertFrame::Heartbeat { cursor });
        Ok(())
    }
}

fn snapshot(listener: &Listener, is_wanted: bool) -> BoardView {
    let alerts = listener.gateway.behind.drones.alerts();
    alerts.watch(|_, alert| is_wanted && alert.is_active() && listener.filter.takes(alert))
}

fn elsewhere() -> Problem {
    let detail = "another process serves the drones now; connect again";
    Problem::new(ErrorCode::Unavailable, detail).retry_after(RETRY_AFTER)
}
