//! Keeps the keys as they are out there: files that change, issuers that change their keys.

mod fetch;
mod files;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use self::fetch::Fetcher;
pub(super) use self::files::{Stamp, named, stamp};
use super::KeyError;
use super::issuer::IssuerConfig;
use super::ring::{Issued, Verifier};
use crate::clock;

/// Reads the keys of one issuer again and again.
pub(super) struct Source {
    pub(super) issuer: Arc<IssuerConfig>,
    fetcher: Fetcher,
    wanted: Notify,
    turn: watch::Sender<Turn>,
}

/// Where the reading is.
#[derive(Debug, Default)]
struct Turn {
    reading: bool,
    ended: Option<Instant>,
}

impl Source {
    pub(super) fn new(issuer: IssuerConfig) -> Result<Self, KeyError> {
        issuer.check()?;
        let issuer = Arc::new(issuer);
        Ok(Self {
            fetcher: Fetcher::new(Arc::clone(&issuer))?,
            issuer,
            wanted: Notify::new(),
            turn: watch::Sender::default(),
        })
    }

    /// What is known of the issuer before anything was read.
    pub(super) fn unread(&self) -> Issued {
        Issued {
            issuer: Arc::clone(&self.issuer),
            keys: Err("they are not read yet".to_owned()),
        }
    }

    /// Reads for ever; tells what it read.
    pub(super) async fn run(&self, tell: impl Fn(Issued)) {
        let config = &self.issuer.keys;
        let mut good: Option<(Arc<Vec<Verifier>>, Instant)> = None;
        let mut failing = false;
        loop {
            self.turn.send_modify(|turn| turn.reading = true);
            let read = self.fetcher.keys().await;
            let now = clock::monotonic_now();
            let name = &self.issuer.name;
            let wait = match read {
                Ok(keys) => {
                    if failing {
                        tracing::info!(issuer = name, "keys of the issuer are read again");
                    }
                    failing = false;
                    let keys = Arc::new(keys);
                    good = Some((Arc::clone(&keys), now));
                    self.told(Ok(keys), &tell);
                    config.refresh_ms
                }
                Err(reason) => {
                    if !failing {
                        tracing::warn!(issuer = name, reason, "keys of the issuer not read");
                    }
                    failing = true;
                    let age_max = Duration::from_millis(config.age_max_ms);
                    if good
                        .as_ref()
                        .is_none_or(|(_, at)| now.duration_since(*at) > age_max)
                    {
                        good = None;
                        self.told(Err(reason), &tell);
                    }
                    config.retry_ms.min(config.refresh_ms)
                }
            };
            self.turn.send_replace(Turn {
                reading: false,
                ended: Some(now),
            });
            self.pause(now, Duration::from_millis(wait)).await;
        }
    }

    fn told(&self, keys: Result<Arc<Vec<Verifier>>, String>, tell: &impl Fn(Issued)) {
        tell(Issued {
            issuer: Arc::clone(&self.issuer),
            keys,
        });
    }

    /// Waits, or until somebody wants the keys and it is not too soon.
    async fn pause(&self, since: Instant, wait: Duration) {
        let end = since + wait;
        while let Ok(()) = tokio::time::timeout_at(end, self.wanted.notified()).await {
            if clock::monotonic_now().duration_since(since) >= self.unknown_pause() {
                return;
            }
        }
    }

    fn unknown_pause(&self) -> Duration {
        Duration::from_millis(self.issuer.keys.unknown_kid_pause_ms)
    }

    /// Has the keys read once more, if that was not done just now; true if it was done.
    pub(super) async fn read_again(&self) -> bool {
        let mut turn = self.turn.subscribe();
        let may = {
            let turn = turn.borrow_and_update();
            let since = turn
                .ended
                .map(|at| clock::monotonic_now().duration_since(at));
            turn.reading || since.is_none_or(|since| since >= self.unknown_pause())
        };
        if !may {
            return false;
        }
        self.wanted.notify_one();
        // Two answers are read, each within its own limit.
        let longest = Duration::from_millis(2 * self.issuer.keys.timeout_ms);
        let before = turn.borrow().ended;
        let ended = turn.wait_for(|turn| !turn.reading && turn.ended != before);
        matches!(tokio::time::timeout(longest, ended).await, Ok(Ok(_)))
    }
}
