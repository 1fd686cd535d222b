//! Identity for clients that send none: the gateway chooses boot and seq.

use std::sync::atomic::{AtomicI64, Ordering};

use aerostream_domain::{BootId, DroneId, Sample, UtcMicros};
use xxhash_rust::xxh3::xxh3_64;

/// Gateways that can choose numbers side by side: the low bits of each number.
pub const SLOTS: u64 = 1024;

/// Chooses identities. Numbers of one gateway grow strictly; those of two gateways differ while
/// their slots do.
#[derive(Debug)]
pub struct ReceivedIdentity {
    slot: u64,
    last_us: AtomicI64,
}

impl ReceivedIdentity {
    /// `slot` is taken modulo [`SLOTS`].
    #[must_use]
    pub const fn new(slot: u64) -> Self {
        Self {
            slot: slot % SLOTS,
            last_us: AtomicI64::new(0),
        }
    }

    /// The boot of every sample of a drone that has no boot of its own.
    #[must_use]
    pub fn boot(drone: &DroneId) -> BootId {
        BootId(xxh3_64(format!("received:{drone}").as_bytes()))
    }

    /// Numbers the samples and sets their time to their receipt.
    pub fn stamp(&self, samples: &mut [Sample], received: UtcMicros) {
        let count = samples.len() as i64;
        let previous = self
            .last_us
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |last| {
                Some((last + 1).max(received.0) + count - 1)
            });
        let last = previous.unwrap_or_else(|last| last);
        let first = (last + 1).max(received.0).max(0) as u64;
        for (place, sample) in samples.iter_mut().enumerate() {
            sample.seq = (first + place as u64) * SLOTS + self.slot;
            sample.utc = Some(received);
            sample.since_boot = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_grow_when_the_clock_does_not() {
        let identity = ReceivedIdentity::new(SLOTS + 3);
        let now = UtcMicros(2_000_000_000_000_000);
        let mut seqs = Vec::new();
        for received in [now, now, UtcMicros(now.0 - 5), UtcMicros(now.0 + 10)] {
            let mut samples = vec![Sample::default(); 2];
            identity.stamp(&mut samples, received);
            assert!(samples.iter().all(|sample| sample.utc == Some(received)));
            seqs.extend(samples.iter().map(|sample| sample.seq));
        }
        assert!(seqs.is_sorted_by(|earlier, later| earlier < later));
        assert!(seqs.iter().all(|seq| seq % SLOTS == 3));
        assert!(seqs.iter().all(|seq| i64::try_from(*seq).is_ok()));
    }
}
