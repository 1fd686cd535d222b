//! How much there may be by and by.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::error::{ErrorCode, Problem};

/// A token bucket.
#[derive(Debug)]
pub(super) struct Quota {
    /// What it is of.
    what: &'static str,
    burst: f64,
    per_second: f64,
    level: Mutex<Option<(f64, Instant)>>,
}

impl Quota {
    pub(super) fn new(what: &'static str, (burst, per_minute): (u32, u32)) -> Self {
        Self {
            what,
            burst: f64::from(burst),
            per_second: f64::from(per_minute) / 60.0,
            level: Mutex::new(None),
        }
    }

    /// Takes so many, or tells how long to wait for them.
    ///
    /// # Errors
    /// There are not that many now.
    pub(super) fn take(&self, count: usize, now: Instant) -> Result<(), Problem> {
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
        let detail = format!("the quota is used up of this principal's {}", self.what);
        Err(Problem::new(ErrorCode::QuotaExceeded, detail)
            .retry_after(Duration::from_secs_f64(wait)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_fills_again_with_time() {
        let quota = Quota::new("letters", (10, 60));
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
