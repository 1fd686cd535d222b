//! The end of the process: the first signal drains it, the second one ends it at once.

use std::future::Future;
use std::io;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// How a process ends.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How long a drain may take before what is left is given up, seconds. Default 30.
    pub grace_s: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { grace_s: 30 }
    }
}

impl Config {
    /// The grace period.
    #[must_use]
    pub fn grace(&self) -> Duration {
        Duration::from_secs(self.grace_s)
    }
}

/// Begins the shutdown; held by whoever decides that it is time.
#[derive(Debug)]
pub struct Trigger {
    begun: watch::Sender<bool>,
}

impl Trigger {
    /// A trigger and the token that it pulls.
    #[must_use]
    pub fn new() -> (Self, Shutdown) {
        let (begun, token) = watch::channel(false);
        (Self { begun }, Shutdown { begun: token })
    }

    /// Tells every holder of a token; any further call changes nothing.
    pub fn begin(&self) {
        self.begun.send_replace(true);
    }
}

/// Tells a service that it is time to drain; cheap to clone.
#[derive(Debug, Clone)]
pub struct Shutdown {
    begun: watch::Receiver<bool>,
}

impl Shutdown {
    /// True from the moment the shutdown has begun.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        *self.begun.borrow()
    }

    /// Waits for the beginning of the shutdown. A trigger that was dropped has begun it.
    pub async fn begun(mut self) {
        // An error says that the trigger is gone: nobody is left who could begin it later.
        let _ = self.begun.wait_for(|begun| *begun).await;
    }

    /// Runs `work` until it is done or the shutdown begins, whichever is first.
    pub async fn cut<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.clone().begun() => None,
            done = work => Some(done),
        }
    }
}

/// SIGINT and SIGTERM of the process, caught from now on.
#[derive(Debug)]
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Must be called inside the runtime.
    pub fn catch() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits for the next one.
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// How a process came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Everything was drained.
    Drained,
    /// A second signal came before the end of the drain.
    Interrupted,
    /// The grace period was over before the end of the drain.
    GraceOver,
}

/// Runs `services` to their end. The first signal begins the shutdown; from then on a second one
/// or the end of the grace period abandons them. Services that end by themselves end the process.
pub async fn run_until_drained<T>(
    trigger: &Trigger,
    signals: &mut Signals,
    grace: Duration,
    services: impl Future<Output = T>,
) -> (Ending, Option<T>) {
    let mut services = std::pin::pin!(services);
    tokio::select! {
        done = &mut services => return (Ending::Drained, Some(done)),
        () = signals.next() => {}
    }
    tracing::info!(
        grace_s = grace.as_secs(),
        "draining; a second signal ends it at once"
    );
    trigger.begin();
    tokio::select! {
        done = &mut services => (Ending::Drained, Some(done)),
        () = signals.next() => (Ending::Interrupted, None),
        () = tokio::time::sleep(grace) => (Ending::GraceOver, None),
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::{Signal, getpid, kill_process};

    use super::*;

    #[tokio::test]
    async fn tokens_see_the_beginning_and_a_dropped_trigger() {
        let (trigger, shutdown) = Trigger::new();
        assert!(!shutdown.has_begun());
        assert_eq!(shutdown.cut(async { 5 }).await, Some(5));
        trigger.begin();
        assert!(shutdown.has_begun());
        assert_eq!(shutdown.cut(async { 5 }).await, None);

        let (trigger, shutdown) = Trigger::new();
        drop(trigger);
        shutdown.begun().await;
    }

    /// One test for all, since signals are the whole process's.
    #[tokio::test]
    async fn the_first_signal_drains_and_the_second_ends() {
        let mut signals = Signals::catch().unwrap();
        let grace = Duration::from_secs(60);

        let (trigger, shutdown) = Trigger::new();
        let drains = async {
            kill_process(getpid(), Signal::TERM).unwrap();
            shutdown.begun().await;
            "drained"
        };
        let ended = run_until_drained(&trigger, &mut signals, grace, drains).await;
        assert_eq!(ended, (Ending::Drained, Some("drained")));

        let (trigger, shutdown) = Trigger::new();
        let hangs = async {
            kill_process(getpid(), Signal::TERM).unwrap();
            shutdown.begun().await;
            kill_process(getpid(), Signal::INT).unwrap();
            std::future::pending::<()>().await;
        };
        let ended = run_until_drained(&trigger, &mut signals, grace, hangs).await;
        assert_eq!(ended, (Ending::Interrupted, None));

        let (trigger, shutdown) = Trigger::new();
        let hangs = async {
            kill_process(getpid(), Signal::INT).unwrap();
            shutdown.begun().await;
            std::future::pending::<()>().await;
        };
        let no_grace = Duration::ZERO;
        let ended = run_until_drained(&trigger, &mut signals, no_grace, hangs).await;
        assert_eq!(ended, (Ending::GraceOver, None));
    }
}
