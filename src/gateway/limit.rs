//! Permits: what is under way is counted before it is taken in, and refused beyond its limit.

mod peers;
mod quota;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

pub use self::peers::Peers;
use self::quota::Quota;
use crate::clock;
use crate::error::{ErrorCode, Problem};

/// How long a refused caller is asked to wait, unless more is known.
pub const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How much may be under way.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitConfig {
    /// Requests and streamed batches under way in this gateway. Default: 8192.
    pub requests_max: usize,
    /// Bytes of bodies under way in this gateway, after decompression. Default: 128 MiB.
    pub bytes_max: usize,
    /// Requests and streamed batches under way of one principal. Default: 2048.
    pub principal_requests_max: usize,
    /// Bytes under way of one principal. Default: 32 MiB.
    pub principal_bytes_max: usize,
    /// WebSockets that are open in this gateway. Default: 8000.
    pub sockets_max: usize,
    /// WebSockets that are open of one principal. Default: 1000.
    pub principal_sockets_max: usize,
    /// WebSockets that are open and have not told their token yet. Default: 256.
    pub unknown_sockets_max: usize,
    /// Dead letters that a principal may cause at once. Default: 1000.
    pub dead_letters_burst: u32,
    /// Dead letters per minute that a principal may cause in the long run. Default: 600.
    pub dead_letters_per_minute: u32,
    /// Requests and streamed batches that a principal may send at once after a rest. Default:
    /// 100,000.
    pub principal_requests_burst: u32,
    /// Requests and streamed batches per minute of one principal in the long run. Default:
    /// 3,000,000.
    pub principal_requests_per_minute: u32,
    /// Samples that a principal may send at once after a rest. Default: 2,000,000.
    pub principal_samples_burst: u32,
    /// Samples per minute of one principal in the long run. Default: 60,000,000.
    pub principal_samples_per_minute: u32,
    /// gRPC streams that are open in this gateway. Default: 8000.
    pub streams_max: usize,
    /// gRPC streams that are open of one principal. Default: 1000.
    pub principal_streams_max: usize,
    /// Tokens that are none which one address may try at once; beyond it only tokens that are known
    /// already are taken from there. Addresses of IPv6 count by their first 64 bits. Default: 1000.
    pub bad_tokens_burst: u32,
    /// Tokens that are none which one address may try per minute in the long run. Default: 600.
    pub bad_tokens_per_minute: u32,
    /// Addresses whose bad tokens are counted; of more, the ones that tried longest ago are
    /// forgotten. Default: 10,000.
    pub bad_token_addresses_max: usize,
}

impl Default for LimitConfig {
    fn default() -> Self {
        Self {
            requests_max: 8192,
            bytes_max: 128 << 20,
            principal_requests_max: 2048,
            principal_bytes_max: 32 << 20,
            sockets_max: 8000,
            principal_sockets_max: 1000,
            unknown_sockets_max: 256,
            dead_letters_burst: 1000,
            dead_letters_per_minute: 600,
            principal_requests_burst: 100_000,
            principal_requests_per_minute: 3_000_000,
            principal_samples_burst: 2_000_000,
            principal_samples_per_minute: 60_000_000,
            streams_max: 8000,
            principal_streams_max: 1000,
            bad_tokens_burst: 1000,
            bad_tokens_per_minute: 600,
            bad_token_addresses_max: 10_000,
        }
    }
}

/// A counted limit.
#[derive(Debug)]
struct Limit {
    what: &'static str,
    used: AtomicUsize,
    max: usize,
}

impl Limit {
    const fn new(what: &'static str, max: usize) -> Self {
        Self {
            what,
            used: AtomicUsize::new(0),
            max,
        }
    }

    fn take(&self, count: usize) -> Result<(), Problem> {
        let taken = self
            .used
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |used| {
                used.checked_add(count).filter(|sum| *sum <= self.max)
            });
        taken.map(|_| ()).map_err(|_| {
            let detail = format!("{} are at their limit of {}", self.what, self.max);
            Problem::new(ErrorCode::Overloaded, detail).retry_after(RETRY_AFTER)
        })
    }

    fn give_back(&self, count: usize) {
        self.used.fetch_sub(count, Ordering::AcqRel);
    }
}

/// What is under way together: of the gateway, or of one principal.
#[derive(Debug)]
pub struct Usage {
    requests: Limit,
    bytes: Limit,
    sockets: Limit,
    letters: Quota,
    /// Requests and samples by time; the gateway's are not counted so.
    rates: Option<(Quota, Quota)>,
}

impl Usage {
    /// Nothing under way, with the limits of one principal.
    #[must_use]
    pub fn new(config: &LimitConfig) -> Self {
        Self {
            requests: Limit::new("this principal's requests", config.principal_requests_max),
            bytes: Limit::new("this principal's bytes", config.principal_bytes_max),
            sockets: Limit::new("this principal's WebSockets", config.principal_sockets_max),
            letters: Quota::new(
                "dead letters: too much of what it sends is refused",
                (config.dead_letters_burst, config.dead_letters_per_minute),
            ),
            rates: Some((
                Quota::new(
                    "requests",
                    (
                        config.principal_requests_burst,
                        config.principal_requests_per_minute,
                    ),
                ),
                Quota::new(
                    "samples",
                    (
                        config.principal_samples_burst,
                        config.principal_samples_per_minute,
                    ),
                ),
            )),
        }
    }

    /// Nothing under way, with the limits of the gateway.
    #[must_use]
    pub fn of_gateway(config: &LimitConfig) -> Self {
        Self {
            requests: Limit::new("the gateway's requests", config.requests_max),
            bytes: Limit::new("the gateway's bytes", config.bytes_max),
            sockets: Limit::new("the gateway's WebSockets", config.sockets_max),
            letters: Quota::new("dead letters", (0, 0)),
            rates: None,
        }
    }

    /// Those whose token is not told yet: they may only hold WebSockets, and few.
    #[must_use]
    pub fn of_unknown(config: &LimitConfig) -> Self {
        let max = config.unknown_sockets_max;
        Self {
            requests: Limit::new("requests without token", 0),
            bytes: Limit::new("bytes without token", 0),
            sockets: Limit::new("WebSockets that have not told their token", max),
            letters: Quota::new("dead letters", (0, 0)),
            rates: None,
        }
    }

    /// Takes from the quota of dead letters.
    ///
    /// # Errors
    /// The quota does not hold that many now.
    pub fn take_letters(&self, count: usize, now: Instant) -> Result<(), Problem> {
        self.letters.take(count, now)
    }

    /// Takes from what may be sent by and by.
    ///
    /// # Errors
    /// It is more than the principal may send now.
    pub fn take_samples(&self, count: usize, now: Instant) -> Result<(), Problem> {
        match &self.rates {
            Some((_, samples)) => samples.take(count, now),
            None => Ok(()),
        }
    }

    fn take_request(&self, now: Instant) -> Result<(), Problem> {
        match &self.rates {
            Some((requests, _)) => requests.take(1, now),
            None => Ok(()),
        }
    }

    /// Requests and bytes under way.
    #[must_use]
    pub fn under_way(&self) -> (usize, usize) {
        (
            self.requests.used.load(Ordering::Acquire),
            self.bytes.used.load(Ordering::Acquire),
        )
    }
}

/// One request under way, and its bytes; given back when dropped.
#[derive(Debug)]
pub struct Permit {
    gateway: Arc<Usage>,
    principal: Arc<Usage>,
    requests: usize,
    bytes: usize,
}

impl Permit {
    /// Counts bytes only, for a body that is still on its way: a slow sender then holds what it
    /// has sent and nothing more.
    #[must_use]
    pub const fn for_body(gateway: Arc<Usage>, principal: Arc<Usage>) -> Self {
        Self {
            gateway,
            principal,
            requests: 0,
            bytes: 0,
        }
    }

    /// Counts the request as well, once it is whole.
    ///
    /// # Errors
    /// The gateway or the principal has too many under way.
    pub fn enter(&mut self) -> Result<(), Problem> {
        self.principal.take_request(clock::monotonic_now())?;
        self.principal.requests.take(1)?;
        if let Err(problem) = self.gateway.requests.take(1) {
            self.principal.requests.give_back(1);
            return Err(problem);
        }
        self.requests += 1;
        Ok(())
    }

    /// Counts more bytes.
    ///
    /// # Errors
    /// The gateway or the principal has too many under way.
    pub fn grow(&mut self, bytes: usize) -> Result<(), Problem> {
        self.principal.bytes.take(bytes)?;
        if let Err(problem) = self.gateway.bytes.take(bytes) {
            self.principal.bytes.give_back(bytes);
            return Err(problem);
        }
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        for usage in [&self.principal, &self.gateway] {
            usage.requests.give_back(self.requests);
            usage.bytes.give_back(self.bytes);
        }
    }
}

/// Places for what takes long, in all and for each principal.
#[derive(Debug)]
pub struct Places {
    what: &'static str,
    max: usize,
    principal_max: usize,
    taken: Mutex<HashMap<String, usize>>,
}

impl Places {
    /// Nothing is taken.
    #[must_use]
    pub fn new(what: &'static str, max: usize, principal_max: usize) -> Arc<Self> {
        Arc::new(Self {
            what,
            max,
            principal_max,
            taken: Mutex::default(),
        })
    }

    /// Takes a place until it is dropped.
    ///
    /// # Errors
    /// All are taken, or all of this principal.
    pub fn take(self: &Arc<Self>, subject: &str) -> Result<Place, Problem> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let own = taken.get(subject).copied().unwrap_or_default();
        let (whose, max) = if own >= self.principal_max {
            ("this principal's", self.principal_max)
        } else if taken.values().sum::<usize>() >= self.max {
            ("the gateway's", self.max)
        } else {
            taken.insert(subject.to_owned(), own + 1);
            return Ok(Place {
                places: Arc::clone(self),
                subject: subject.to_owned(),
            });
        };
        let detail = format!("{whose} {} are at their limit of {max}", self.what);
        Err(Problem::new(ErrorCode::Overloaded, detail).retry_after(RETRY_AFTER))
    }
}

/// One of the places.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    subject: String,
}

impl Drop for Place {
    fn drop(&mut self) {
        let taken = &self.places.taken;
        let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
        match taken.get_mut(&self.subject) {
            Some(own) if *own > 1 => *own -= 1,
            _ => drop(taken.remove(&self.subject)),
        }
    }
}

/// One open WebSocket; given back when dropped.
#[derive(Debug)]
pub struct SocketPlace {
    gateway: Arc<Usage>,
    principal: Arc<Usage>,
}

impl SocketPlace {
    /// Counts one more.
    ///
    /// # Errors
    /// The gateway or the principal has too many.
    pub fn take(gateway: &Arc<Usage>, principal: &Arc<Usage>) -> Result<Self, Problem> {
        principal.sockets.take(1)?;
        if let Err(problem) = gateway.sockets.take(1) {
            principal.sockets.give_back(1);
            return Err(problem);
        }
        Ok(Self {
            gateway: Arc::clone(gateway),
            principal: Arc::clone(principal),
        })
    }
}

impl Drop for SocketPlace {
    fn drop(&mut self) {
        self.principal.sockets.give_back(1);
        self.gateway.sockets.give_back(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usages(config: &LimitConfig) -> (Arc<Usage>, Arc<Usage>) {
        (
            Arc::new(Usage::of_gateway(config)),
            Arc::new(Usage::new(config)),
        )
    }

    #[test]
    fn what_is_over_the_limit_is_refused_and_gives_back_all() {
        let config = LimitConfig {
            requests_max: 1,
            bytes_max: 10,
            ..LimitConfig::default()
        };
        let (gateway, principal) = usages(&config);
        let body = || Permit::for_body(Arc::clone(&gateway), Arc::clone(&principal));
        let mut first = body();
        first.grow(8).expect("8 of 10");
        first.enter().expect("1 of 1");
        let mut second = body();
        let refused = second.enter().expect_err("2 of 1");
        assert_eq!(refused.code, ErrorCode::Overloaded);
        assert!(second.grow(3).is_err(), "11 of 10");
        drop(second);
        assert_eq!(principal.under_way(), (1, 8));
        drop(first);
        assert_eq!(gateway.under_way(), (0, 0));
        assert_eq!(principal.under_way(), (0, 0));
    }

    #[test]
    fn places_are_counted_for_each_and_for_all() {
        let places = Places::new("exports", 3, 2);
        let held = [places.take("a").expect("1"), places.take("a").expect("2")];
        assert_eq!(
            places.take("a").expect_err("3 of 2").code,
            ErrorCode::Overloaded
        );
        let other = places.take("b").expect("3 in all");
        assert!(places.take("c").is_err(), "4 of 3");
        drop(held);
        let _again = places.take("a").expect("given back");
        drop(other);
    }
}
