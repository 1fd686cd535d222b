//! Who was heard when, and whose silence is to be looked at when: a wheel of timers per shard.
//!
//! A timer is not moved when a drone is heard, which would cost every batch something: it looks,
//! when it runs out, how long the silence really is.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aerostream_domain::DroneId;
use tokio::time::Instant;

use crate::briefs::Place;

/// When each drone of a shard was heard last; written by the drones, read by the shard.
#[derive(Debug)]
pub(crate) struct Ears {
    since: Instant,
    heard: Mutex<Vec<Ear>>,
    /// Until then, in milliseconds, nobody could be heard: the log did not take records.
    deaf_until_ms: AtomicU64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Ear {
    /// Milliseconds since the shard started.
    at_ms: u64,
    /// True if a timer will look at it.
    is_watched: bool,
}

impl Ears {
    pub fn new() -> Self {
        Self {
            since: Instant::now(),
            heard: Mutex::new(Vec::new()),
            deaf_until_ms: AtomicU64::new(0),
        }
    }

    fn now_ms(&self) -> u64 {
        self.since.elapsed().as_millis() as u64
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Ear>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<R>(&self, place: Place, change: impl FnOnce(&mut Ear) -> R) -> R {
        let mut heard = self.lock();
        let index = place.index();
        if heard.len() <= index {
            heard.resize(index + 1, Ear::default());
        }
        change(&mut heard[index])
    }

    /// The drone was heard; true if nobody looks after its silence yet.
    pub fn heard(&self, place: Place) -> bool {
        let at_ms = self.now_ms();
        self.with(place, |ear| {
            ear.at_ms = at_ms;
            !std::mem::replace(&mut ear.is_watched, true)
        })
    }

    /// Nobody looks after its silence any more, until it is heard.
    pub fn unwatched(&self, place: Place) {
        self.with(place, |ear| ear.is_watched = false);
    }

    /// A timer looks after its silence; true if none did.
    pub fn watch(&self, place: Place) -> bool {
        self.with(place, |ear| !std::mem::replace(&mut ear.is_watched, true))
    }

    /// The log did not take a record: silence until now means nothing.
    pub fn deaf(&self) {
        let now = self.now_ms();
        self.deaf_until_ms.fetch_max(now, Ordering::Relaxed);
    }

    /// How long the drone was silent while it could have been heard.
    pub fn silence(&self, place: Place) -> Duration {
        let heard = self.with(place, |ear| ear.at_ms);
        let from = heard.max(self.deaf_until_ms.load(Ordering::Relaxed));
        Duration::from_millis(self.now_ms().saturating_sub(from))
    }
}

/// Length of one step of the wheel.
const STEP: Duration = Duration::from_millis(100);

/// When to look at whom.
#[derive(Debug)]
pub(crate) struct Quiet {
    since: Instant,
    steps: BTreeMap<u64, Vec<DroneId>>,
}

impl Quiet {
    pub fn new() -> Self {
        Self {
            since: Instant::now(),
            steps: BTreeMap::new(),
        }
    }

    /// Looks at the drone after so long, at the soonest in one step.
    pub fn look_after(&mut self, drone: DroneId, wait: Duration) {
        let at = self.since.elapsed() + wait.max(STEP);
        let step = (at.as_millis() / STEP.as_millis()) as u64 + 1;
        self.steps.entry(step).or_default().push(drone);
    }

    /// The drones to be looked at now.
    pub fn due(&mut self) -> Vec<DroneId> {
        let now = (self.since.elapsed().as_millis() / STEP.as_millis()) as u64;
        let later = self.steps.split_off(&(now + 1));
        let due = std::mem::replace(&mut self.steps, later);
        due.into_values().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use aerostream_domain::{Epoch, Offset};

    use super::*;
    use crate::briefs::Briefs;

    fn alpha() -> DroneId {
        DroneId::parse("alpha").expect("an id")
    }

    #[tokio::test(start_paused = true)]
    async fn silence_counts_from_what_was_heard_and_from_when_it_could_be() {
        let epoch = Epoch {
            generation: 1,
            offset: Offset(1),
        };
        let (ears, place) = (Ears::new(), Briefs::new(epoch).add(&alpha()));
        assert!(ears.heard(place), "nobody looks after it yet");
        assert!(!ears.heard(place));
        tokio::time::advance(Duration::from_secs(4)).await;
        assert_eq!(ears.silence(place), Duration::from_secs(4));
        ears.deaf();
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(ears.silence(place), Duration::from_secs(1));
        ears.unwatched(place);
        assert!(ears.heard(place));
    }

    #[tokio::test(start_paused = true)]
    async fn a_timer_runs_out_once_and_not_early() {
        let mut quiet = Quiet::new();
        let drone = alpha();
        quiet.look_after(drone.clone(), Duration::from_millis(3500));
        tokio::time::advance(Duration::from_millis(3400)).await;
        assert!(quiet.due().is_empty());
        tokio::time::advance(Duration::from_millis(300)).await;
        assert_eq!(quiet.due(), [drone]);
        assert!(quiet.due().is_empty());
    }
}
