//! When a failed actor starts again: exponential backoff with an intensity limit.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::config::Config;

/// Failures of one actor.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    recent: VecDeque<Instant>,
}

impl Failures {
    /// Notes a failure and tells how long the actor rests.
    pub fn note(&mut self, now: Instant, config: &Config) -> Duration {
        let window = Duration::from_secs(config.restart_window_s);
        while self
            .recent
            .front()
            .is_some_and(|at| now.duration_since(*at) > window)
        {
            self.recent.pop_front();
        }
        self.recent.push_back(now);
        let max = Duration::from_millis(config.restart_backoff_max_ms);
        if self.recent.len() > config.restarts_max {
            self.recent.truncate(config.restarts_max);
            return max;
        }
        let doublings = self.recent.len().saturating_sub(1).min(20) as u32;
        Duration::from_millis(config.restart_backoff_min_ms << doublings).min(max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_end_in_a_rest() {
        let config = Config {
            restarts_max: 3,
            ..Config::default()
        };
        let mut failures = Failures::default();
        let start = Instant::now();
        let waits: Vec<u128> = (0..5)
            .map(|_| failures.note(start, &config).as_millis())
            .collect();
        assert_eq!(waits, [100, 200, 400, 10_000, 10_000]);
        let later = start + Duration::from_secs(61);
        assert_eq!(failures.note(later, &config).as_millis(), 100);
    }
}
