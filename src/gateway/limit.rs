//! Permits: what is under way is counted before it is taken in, and refused beyond its limit.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

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
}

impl Usage {
    /// Nothing under way, with the limits of one principal.
    #[must_use]
    pub fn new(config: &LimitConfig) -> Self {
        Self {
            requests: Limit::new("this principal's requests", config.principal_requests_max),
            bytes: Limit::new("this principal's bytes", config.principal_bytes_max),
            sockets: Limit::new("this principal's WebSockets", config.principal_sockets_max),
            letters: Quota::new(config.dead_letters_burst, config.dead_letters_per_minute),
        }
    }

    /// Nothing under way, with the limits of the gateway.
    #[must_use]
    pub fn of_gateway(config: &LimitConfig) -> Self {
        Self {
            requests: Limit::new("the gateway's requests", config.requests_max),
            bytes: Limit::new("the gateway's bytes", config.bytes_max),
            sockets: Limit::new("the gateway's WebSockets", config.sockets_max),
            letters: Quota::new(0, 0),
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
            letters: Quota::new(0, 0),
        }
    }

    /// Takes from the quota of dead letters.
    ///
    /// # Errors
    /// The quota does not hold that many now.
    pub fn take_letters(&self, count: usize, now: Instant) -> Result<(), Problem> {
        self.letters.take(count, now)
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

/// A token bucket.
#[derive(Debug)]
struct Quota {
    burst: f64,
    per_second: f64,
    level: Mutex<Option<(f64, Instant)>>,
}

impl Quota {
    fn new(burst: u32, per_minute: u32) -> Self {
        Self {
            burst: f64::from(burst),
            per_second: f64::from(per_minute) / 60.0,
            level: Mutex::new(None),
        }
    }

    fn take(&self, count: usize, now: Instant) -> Result<(), Problem> {
        let count = count as f64;
        let mut level = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        let (before, since) = level.unwrap_or((self.burst, now));
        let gained = now.saturating_duration_since(since).as_secs_f64() * self.per_second;
        let available = (before + gained).min(self.burst);
        let left = available - count;
        *level = Some((if left < 0.0 { available } else { left }, now));
        if left >= 0.0 {
            return Ok(());
        }
        let wait = (-left / self.per_second.max(f64::MIN_POSITIVE)).clamp(1.0, 3600.0);
        let detail = "this principal's quota of dead letters is used up: too much of what it \
                      sends is refused";
        Err(Problem::new(ErrorCode::QuotaExceeded, detail)
            .retry_after(Duration::from_secs_f64(wait)))
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
    fn a_quota_fills_again_with_time() {
        let quota = Quota::new(10, 60);
        let start = Instant::now();
        quota.take(10, start).expect("the burst");
        let refused = quota.take(5, start).expect_err("it is empty");
        assert_eq!(refused.code, ErrorCode::QuotaExceeded);
        assert_eq!(refused.retry_after, Some(Duration::from_secs(5)));
        let later = start + Duration::from_secs(5);
        quota.take(5, later).expect("five seconds bring five");
        assert!(quota.take(1, later).is_err());
    }
}
