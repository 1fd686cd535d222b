//! Who tries tokens that are none, by address: guessing and flooding end soon.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::LimitConfig;

/// Bad tokens of each address, in a bucket that empties with time. A bounded number of addresses in
/// two generations: when the young one is full it becomes the old one.
#[derive(Debug)]
pub struct Peers {
    burst: f64,
    per_second: f64,
    generation_max: usize,
    counts: Mutex<[HashMap<IpAddr, (f64, Instant)>; 2]>,
}

impl Peers {
    /// Nobody has tried anything.
    #[must_use]
    pub fn new(config: &LimitConfig) -> Self {
        Self {
            burst: f64::from(config.bad_tokens_burst),
            per_second: f64::from(config.bad_tokens_per_minute) / 60.0,
            generation_max: (config.bad_token_addresses_max / 2).max(1),
            counts: Mutex::default(),
        }
    }

    /// Counts a bad token.
    pub fn note(&self, address: IpAddr, now: Instant) {
        let address = counted(address);
        let level = self.level(address, now) + 1.0;
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let [young, old] = &mut *counts;
        if young.len() >= self.generation_max && !young.contains_key(&address) {
            *old = std::mem::take(young);
        }
        young.insert(address, (level.min(self.burst), now));
    }

    /// How long the address has to wait before a token that is not known is looked at; `None` if
    /// it may come now.
    #[must_use]
    pub fn wait(&self, address: IpAddr, now: Instant) -> Option<Duration> {
        let over = self.level(counted(address), now) + 1.0 - self.burst;
        let wait = over / self.per_second.max(f64::MIN_POSITIVE);
        (over > 0.0).then(|| Duration::from_secs_f64(wait.clamp(1.0, 3600.0)))
    }

    fn level(&self, address: IpAddr, now: Instant) -> f64 {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let found = counts.iter().find_map(|counts| counts.get(&address));
        found.map_or(0.0, |(level, at)| {
            let gone = now.saturating_duration_since(*at).as_secs_f64() * self.per_second;
            (level - gone).max(0.0)
        })
    }
}

/// Who has one IPv6 address has all of its network.
fn counted(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = address.to_bits() & (u128::MAX << 64);
            IpAddr::V6(Ipv6Addr::from_bits(network))
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peers() -> Peers {
        Peers::new(&LimitConfig {
            bad_tokens_burst: 3,
            bad_tokens_per_minute: 60,
            bad_token_addresses_max: 4,
            ..LimitConfig::default()
        })
    }

    #[test]
    fn an_address_waits_after_too_many_and_others_do_not() {
        let (peers, now) = (peers(), Instant::now());
        let [own, same, other] = ["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"]
            .map(|text| text.parse::<IpAddr>().unwrap());
        for _ in 0..3 {
            assert_eq!(peers.wait(own, now), None);
            peers.note(own, now);
        }
        assert_eq!(peers.wait(own, now), Some(Duration::from_secs(1)));
        assert!(peers.wait(same, now).is_some(), "the same network");
        assert_eq!(peers.wait(other, now), None);
        assert_eq!(peers.wait(own, now + Duration::from_secs(2)), None);
    }

    #[test]
    fn addresses_are_remembered_within_bounds() {
        let (peers, now) = (peers(), Instant::now());
        for last in 0..200_u8 {
            peers.note(IpAddr::from([10, 0, 0, last]), now);
            let kept = peers.counts.lock().unwrap();
            assert!(kept.iter().map(HashMap::len).sum::<usize>() <= 4);
        }
    }
}
