//! Flights worked out beforehand, for benches in which the simulator must cost little.

use std::sync::Arc;

use super::flight::{Flight, Start};
use super::noise::Noise;
use super::observe::Observer;
use crate::stored::Said;

/// Samples of a segment at most; a longer stretch of time is cut here.
const SAMPLES_MAX: usize = 4096;
/// How long the aircraft has flown when the segment begins, s.
const LEAD_S: f64 = 60.0;
const LENGTH_S: f64 = 300.0;

/// A stretch of one flight, sample by sample.
#[derive(Debug, Clone)]
pub struct Segment(Arc<[Said]>);

impl Segment {
    /// Flies it at a sample rate, in steps of at most `step_s`.
    #[must_use]
    pub fn fly(start: Start, noise: Noise, rate_hz: f64, step_s: f64) -> Self {
        let count = ((LENGTH_S * rate_hz) as usize).clamp(1, SAMPLES_MAX);
        let mut flight = Flight::new(start, noise);
        flight.advance(LEAD_S, step_s);
        let mut observer = Observer::after_boot();
        let samples = (0..count).map(|_| {
            flight.advance(1.0 / rate_hz, step_s);
            Said::of(observer.observe(&mut flight))
        });
        Self(samples.collect())
    }

    /// The n-th sample; it begins again behind the last one.
    #[must_use]
    pub fn said(&self, n: u64) -> Said {
        let at = n % self.0.len() as u64;
        self.0[at as usize].clone()
    }
}
