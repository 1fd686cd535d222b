//! Asks the shards where the drones are, as often as the fastest watcher wants to know.

use std::sync::{Arc, Weak};
use std::time::Duration;

use aerostream_domain::{Offset, UtcMicros};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::FleetFeed;
use super::mirror::{Mirror, Moment, Tick};
use crate::clock;

/// Fills one mirror.
pub(super) struct Collector {
    feed: Weak<FleetFeed>,
    mirror: Arc<Mirror>,
    rates_changed: Arc<Notify>,
    /// How far the registry was when all drones were looked up in it.
    registry: Option<Offset>,
}

impl Collector {
    pub fn new(feed: &Arc<FleetFeed>, mirror: Arc<Mirror>) -> Self {
        Self {
            feed: Arc::downgrade(feed),
            mirror,
            rates_changed: Arc::clone(&feed.rates_changed),
            registry: None,
        }
    }

    /// Fills the mirror until nobody watches it.
    pub async fn run(mut self) {
        let mut gathered: Option<Instant> = None;
        loop {
            let changed = Arc::clone(&self.rates_changed);
            let feed = self.feed.upgrade();
            let Some((feed, interval)) =
                feed.and_then(|it| it.fastest(&self.mirror).map(|interval| (it, interval)))
            else {
                return;
            };
            let now = clock::monotonic_now();
            let due = gathered.map_or(now, |last| last + interval);
            if now >= due {
                // A gathering that came late does not make the next one early.
                gathered = Some(now.min(due + interval / 2));
                self.gather(&feed).await;
                continue;
            }
            drop(feed);
            tokio::select! {
                () = tokio::time::sleep_until(due) => {}
                () = changed.notified() => {}
            }
        }
    }

    async fn gather(&mut self, feed: &FleetFeed) {
        let told = feed.drones.moves(&self.mirror.known()).await;
        let before = *self.mirror.tick.borrow();
        let silent_after = Duration::from_secs(feed.config.silent_after_s);
        let silent_after_us = i64::try_from(silent_after.as_micros()).unwrap_or(i64::MAX);
        let moment = Moment {
            tick: before.number + 1,
            silent_before: UtcMicros(clock::utc_now().0.saturating_sub(silent_after_us)),
        };
        let registry = feed.registry.position().borrow().next;
        let is_news = self.registry != Some(registry);
        self.registry = Some(registry);
        let mut unanswered = 0;
        for (shard, told) in (0..).zip(told) {
            match told {
                Ok(moves) => self.mirror.take(shard, moves, moment),
                Err(_) => unanswered += 1,
            }
            self.mirror.look(shard, moment, (&feed.registry, is_news));
            // Watchers and batches have their turn in between.
            tokio::task::yield_now().await;
        }
        self.mirror.tick.send_replace(Tick {
            number: moment.tick,
            unanswered,
        });
    }
}
