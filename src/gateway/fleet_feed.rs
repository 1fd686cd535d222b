//! Where the drones of fleets are, for everybody who watches a map.
//!
//! One collector asks the shards, as often as the fastest watcher wants it, where the drones are
//! that were heard meanwhile, and keeps the newest of each in a mirror. Watchers read the mirror,
//! each at its own rate: whoever is slow finds the newest state, and there is no queue. The
//! collector ends, and the mirror goes, with the last watcher.

mod collector;
mod mirror;
mod view;
mod watcher;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aerostream_actors::task::{TaskKind, spawn};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

pub use self::mirror::{Drone, Key, Spot};
pub use self::view::{Asking, Bbox, View, parts};
pub use self::watcher::{Filled, Left, Next, Sink, Watcher};

use self::collector::Collector;
use self::mirror::Mirror;
use super::auth::Principal;
use super::limit::{Place, Places};
use super::ports::Drones;
use crate::error::Problem;
use crate::registry::Registry;

/// Positions of fleets.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FleetFeedConfig {
    /// Updates per second of a watcher that does not say. Default: 1.
    pub rate_hz: f64,
    /// Most updates per second. Default: 5.
    pub rate_hz_max: f64,
    /// Watchers of this gateway. Default: 200.
    pub watchers_max: usize,
    /// Watchers of one principal. Default: 50.
    pub principal_watchers_max: usize,
    /// Drones in one frame; an update of more has several frames. Default: 5000.
    pub frame_drones_max: usize,
    /// Drones that one watcher is shown; those beyond it are counted as omitted. Default: 200,000.
    pub view_drones_max: usize,
    /// Drones that a view may name. Default: 1000.
    pub named_drones_max: usize,
    /// Fleets that a view may name. Default: 100.
    pub named_fleets_max: usize,
    /// A drone that was not heard for so many seconds leaves as silent. Default: 30.
    pub silent_after_s: u64,
    /// Shortest time between two changes of a watcher's view, in milliseconds. Default: 100.
    pub view_change_ms: u64,
    /// Longest time for a watcher to take an update, in milliseconds. Default: 15,000.
    pub update_timeout_ms: u64,
}

impl Default for FleetFeedConfig {
    fn default() -> Self {
        Self {
            rate_hz: 1.0,
            rate_hz_max: 5.0,
            watchers_max: 200,
            principal_watchers_max: 50,
            frame_drones_max: 5_000,
            view_drones_max: 200_000,
            named_drones_max: 1_000,
            named_fleets_max: 100,
            silent_after_s: 30,
            view_change_ms: 100,
            update_timeout_ms: 15_000,
        }
    }
}

/// Fewest updates per second that may be asked for.
pub const RATE_HZ_MIN: f64 = 0.01;

/// Every watcher of this gateway, and the mirror that they share.
pub struct FleetFeed {
    drones: Arc<dyn Drones>,
    registry: Registry,
    config: FleetFeedConfig,
    places: Arc<Places>,
    watched: Mutex<Watched>,
    /// Told when the fastest rate may be another.
    rates_changed: Arc<Notify>,
}

#[derive(Default)]
struct Watched {
    /// How many watchers want an update this often.
    intervals: BTreeMap<Duration, usize>,
    /// While there is a watcher.
    mirror: Option<Arc<Mirror>>,
}

impl Watched {
    fn forget(&mut self, interval: Duration) {
        if let Some(count) = self.intervals.get_mut(&interval) {
            *count -= 1;
            if *count == 0 {
                self.intervals.remove(&interval);
            }
        }
    }
}

impl std::fmt::Debug for FleetFeed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FleetFeed")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl FleetFeed {
    /// A feed that nobody watches.
    #[must_use]
    pub fn new(drones: Arc<dyn Drones>, registry: Registry, config: FleetFeedConfig) -> Arc<Self> {
        Arc::new(Self {
            places: Places::new(
                "watchers of fleets",
                config.watchers_max,
                config.principal_watchers_max,
            ),
            drones,
            registry,
            config,
            watched: Mutex::default(),
            rates_changed: Arc::default(),
        })
    }

    /// Its limits.
    #[must_use]
    pub const fn config(&self) -> &FleetFeedConfig {
        &self.config
    }

    /// Begins to watch.
    ///
    /// # Errors
    /// Too many watch already.
    pub fn watch(self: &Arc<Self>, caller: &Principal, view: View) -> Result<Watcher, Problem> {
        let place = self.places.take(&caller.subject)?;
        let interval = view.interval;
        let mut watched = self.watched();
        *watched.intervals.entry(interval).or_default() += 1;
        let mirror = watched.mirror.get_or_insert_with(|| {
            let mirror = Arc::new(Mirror::new(self.drones.shard_count()));
            let collector = Collector::new(self, Arc::clone(&mirror));
            spawn(TaskKind::Service, "fleet collector", collector.run());
            mirror
        });
        let mirror = Arc::clone(mirror);
        drop(watched);
        self.rates_changed.notify_one();
        let seat = Seat {
            feed: Arc::clone(self),
            interval,
            _place: place,
        };
        Ok(Watcher::new(seat, mirror, (caller.scope.clone(), view)))
    }

    fn watched(&self) -> MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often this mirror is to be renewed; `None` once nobody watches it.
    fn fastest(&self, mirror: &Arc<Mirror>) -> Option<Duration> {
        let watched = self.watched();
        let current = watched.mirror.as_ref()?;
        let fastest = watched.intervals.first_key_value();
        fastest
            .filter(|_| Arc::ptr_eq(current, mirror))
            .map(|(interval, _)| *interval)
    }

    /// True while somebody watches.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        self.watched().mirror.is_some()
    }

    /// How many watch.
    #[must_use]
    pub fn watchers(&self) -> usize {
        self.watched().intervals.values().sum()
    }
}

/// A watcher's place; it is left when this is dropped.
struct Seat {
    feed: Arc<FleetFeed>,
    interval: Duration,
    _place: Place,
}

impl Seat {
    fn set_interval(&mut self, interval: Duration) {
        let mut watched = self.feed.watched();
        watched.forget(self.interval);
        *watched.intervals.entry(interval).or_default() += 1;
        drop(watched);
        self.interval = interval;
        self.feed.rates_changed.notify_one();
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut watched = self.feed.watched();
        watched.forget(self.interval);
        if watched.intervals.is_empty() {
            watched.mirror = None;
        }
        drop(watched);
        self.feed.rates_changed.notify_one();
    }
}
