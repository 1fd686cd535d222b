//! What goes wrong, decided by the seed alone: each drone's n-th batch always meets the same fate.

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::clock::micros;
use crate::physics::noise::Noise;

/// How bad the world is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// Nothing goes wrong.
    #[default]
    None,
    /// A good radio link over a town.
    Mild,
    /// Bad links, reboots, wrong clocks.
    Harsh,
}

/// A profile and what differs from it.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What goes wrong, as a whole. Default: none.
    #[arg(long = "faults", value_enum, default_value = "none")]
    pub profile: Profile,
    /// Batches or answers lost on the way, percent. Default: the profile's (0, 1, 10).
    #[arg(long)]
    pub loss_percent: Option<f64>,
    /// Batches that arrive twice, percent. Default: the profile's (0, 0.5, 5).
    #[arg(long)]
    pub duplicate_percent: Option<f64>,
    /// Batches held back behind later ones, percent. Default: the profile's (0, 1, 10).
    #[arg(long)]
    pub reorder_percent: Option<f64>,
    /// Mean extra delay of a batch, milliseconds. Default: the profile's (0, 30, 200).
    #[arg(long)]
    pub delay_ms: Option<f64>,
    /// Mean time between two reboots of a drone, seconds; 0: never. Default: the profile's
    /// (0, 3600, 300).
    #[arg(long)]
    pub reboot_every_s: Option<f64>,
    /// Mean time between two outages of a drone's link, seconds; 0: never. Default: the profile's
    /// (0, 1800, 180).
    #[arg(long)]
    pub outage_every_s: Option<f64>,
    /// Mean length of an outage, seconds. Default: the profile's (0, 20, 30).
    #[arg(long)]
    pub outage_s: Option<f64>,
    /// Drones whose clocks are wrong, percent. Default: the profile's (0, 2, 25).
    #[arg(long)]
    pub wrong_clock_percent: Option<f64>,
    /// Drones that send everything again and again, percent. Default: the profile's (0, 0, 5).
    #[arg(long)]
    pub resend_percent: Option<f64>,
}

/// Settled probabilities (0 to 1) and times.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    pub loss: f64,
    pub duplicate: f64,
    pub reorder: f64,
    pub delay_ms: f64,
    pub reboot_every_s: f64,
    pub outage_every_s: f64,
    pub outage_s: f64,
    pub wrong_clock: f64,
    pub resend: f64,
}

/// A held-back batch waits up to this long, s.
const REORDER_S_MAX: f64 = 1.5;
/// A drone without the time of day finds it this long after its power-up, s.
pub const CLOCK_FOUND_S: f64 = 60.0;
const CLOCK_OFFSET_S: f64 = 7200.0;

impl Config {
    /// The profile with its differences.
    #[must_use]
    pub fn rates(&self) -> Rates {
        let pick = |own: Option<f64>, mild: f64, harsh: f64| {
            own.unwrap_or(match self.profile {
                Profile::None => 0.0,
                Profile::Mild => mild,
                Profile::Harsh => harsh,
            })
        };
        let share = |own, mild, harsh| (pick(own, mild, harsh) / 100.0).clamp(0.0, 1.0);
        Rates {
            loss: share(self.loss_percent, 1.0, 10.0),
            duplicate: share(self.duplicate_percent, 0.5, 5.0),
            reorder: share(self.reorder_percent, 1.0, 10.0),
            delay_ms: pick(self.delay_ms, 30.0, 200.0).max(0.0),
            reboot_every_s: pick(self.reboot_every_s, 3600.0, 300.0),
            outage_every_s: pick(self.outage_every_s, 1800.0, 180.0),
            outage_s: pick(self.outage_s, 20.0, 30.0),
            wrong_clock: share(self.wrong_clock_percent, 2.0, 25.0),
            resend: share(self.resend_percent, 0.0, 5.0),
        }
    }
}

/// What becomes of one batch on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fate {
    /// How much later it leaves, microseconds.
    pub delay_us: i64,
    pub course: Course,
}

/// Whether a batch and its answer arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Course {
    Arrives,
    ArrivesTwice,
    LostGoing,
    /// It arrives; the drone never hears of it.
    AnswerLost,
}

/// A drone's clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockKind {
    /// Both clocks, both right.
    Right,
    /// Both; the time of day is off by so many microseconds.
    Offset(i64),
    /// Both; the time of day starts in 1970 and is found later.
    Reset,
    /// No time of day at all.
    BootOnly,
    /// No boot clock.
    UtcOnly,
}

/// What happens to a drone apart from its batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mishap {
    Reboot,
    OutageBegins,
    OutageEnds,
}

/// The bad luck of one drone.
#[derive(Debug, Clone)]
pub struct Luck {
    rates: Rates,
    link: Noise,
    life: Noise,
    reboot_us: i64,
    outage_us: i64,
    outage_ends_us: Option<i64>,
    /// Its clocks.
    pub clock: ClockKind,
    /// Whether it sends everything again and again.
    pub resends: bool,
}

const LINK_STREAM: u64 = 1 << 40;
const LIFE_STREAM: u64 = 2 << 40;

impl Luck {
    /// The same seed, drone number and rates give the same luck.
    #[must_use]
    pub fn new(seed: u64, drone: u64, rates: Rates) -> Self {
        let mut life = Noise::new(seed, LIFE_STREAM + drone);
        let clock = if life.chance(rates.wrong_clock) {
            match life.number() % 4 {
                0 => ClockKind::Offset(micros(life.between(-CLOCK_OFFSET_S, CLOCK_OFFSET_S))),
                1 => ClockKind::Reset,
                2 => ClockKind::BootOnly,
                _ => ClockKind::UtcOnly,
            }
        } else {
            ClockKind::Right
        };
        let resends = life.chance(rates.resend);
        let mut luck = Self {
            rates,
            link: Noise::new(seed, LINK_STREAM + drone),
            life,
            reboot_us: i64::MAX,
            outage_us: i64::MAX,
            outage_ends_us: None,
            clock,
            resends,
        };
        luck.reboot_us = luck.next(0, rates.reboot_every_s);
        luck.outage_us = luck.next(0, rates.outage_every_s);
        luck
    }

    fn next(&mut self, from_us: i64, every_s: f64) -> i64 {
        if every_s > 0.0 {
            from_us.saturating_add(micros(self.life.waiting_time_s(every_s)))
        } else {
            i64::MAX
        }
    }

    /// What becomes of the next batch.
    pub fn fate(&mut self) -> Fate {
        let rates = self.rates;
        let link = &mut self.link;
        // Every fate takes the same number of draws, so that one knob does not shift the others.
        let lost = link.between(0.0, 1.0) < rates.loss;
        let going = link.between(0.0, 1.0) < 0.5;
        let twice = link.between(0.0, 1.0) < rates.duplicate;
        let held = link.between(0.0, 1.0) < rates.reorder;
        let hold_s = link.between(0.0, REORDER_S_MAX);
        let delay_s = link.waiting_time_s(rates.delay_ms / 1000.0);
        let course = match (lost, going, twice) {
            (true, true, _) => Course::LostGoing,
            (true, false, _) => Course::AnswerLost,
            (false, _, true) => Course::ArrivesTwice,
            (false, _, false) => Course::Arrives,
        };
        let delay_us = micros(delay_s + if held { hold_s } else { 0.0 });
        Fate { delay_us, course }
    }

    /// The next thing that has happened by now, microseconds of the run; call until `None`.
    pub fn mishap(&mut self, run_us: i64) -> Option<Mishap> {
        if self.outage_ends_us.is_some_and(|end| end <= run_us) {
            let end = self.outage_ends_us.take().unwrap_or(run_us);
            self.outage_us = self.next(end, self.rates.outage_every_s);
            return Some(Mishap::OutageEnds);
        }
        if self.outage_ends_us.is_none() && self.outage_us <= run_us {
            let length = self.life.waiting_time_s(self.rates.outage_s);
            self.outage_ends_us = Some(self.outage_us.saturating_add(micros(length)));
            return Some(Mishap::OutageBegins);
        }
        if self.reboot_us <= run_us {
            self.reboot_us = self.next(self.reboot_us, self.rates.reboot_every_s);
            return Some(Mishap::Reboot);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn harsh() -> Rates {
        Config {
            profile: Profile::Harsh,
            ..Config::default()
        }
        .rates()
    }

    #[test]
    fn a_seed_repeats_every_fate_and_mishap() {
        let tell = |seed, drone| {
            let mut luck = Luck::new(seed, drone, harsh());
            let mut mishaps = Vec::new();
            for second in 0..3600 {
                while let Some(mishap) = luck.mishap(second * 1_000_000) {
                    mishaps.push((second, mishap));
                }
            }
            let fates: Vec<_> = (0..200).map(|_| luck.fate()).collect();
            (mishaps, fates, luck.clock)
        };
        assert_eq!(tell(1, 5), tell(1, 5));
        assert_ne!(tell(1, 5).1, tell(1, 6).1);
        assert_ne!(tell(1, 5).1, tell(2, 5).1);
    }

    #[test]
    fn how_often_mishaps_are_asked_for_changes_nothing() {
        let tell = |step: i64| {
            let mut luck = Luck::new(3, 1, harsh());
            let mut mishaps = Vec::new();
            let mut now = 0;
            while now < 7_200_000_000 {
                while let Some(mishap) = luck.mishap(now) {
                    mishaps.push(mishap);
                }
                now += step;
            }
            mishaps.iter().filter(|m| **m == Mishap::Reboot).count()
        };
        assert!(tell(50_000) > 10);
    }

    #[test]
    fn fates_come_as_often_as_their_rates() {
        let mut luck = Luck::new(9, 0, harsh());
        let n = 20_000;
        let fates: Vec<_> = (0..n).map(|_| luck.fate()).collect();
        let count = |course| fates.iter().filter(|f| f.course == course).count() as f64 / n as f64;
        assert!((count(Course::LostGoing) - 0.05).abs() < 0.01);
        assert!((count(Course::AnswerLost) - 0.05).abs() < 0.01);
        assert!((count(Course::ArrivesTwice) - 0.045).abs() < 0.01);
    }

    #[test]
    fn without_faults_nothing_goes_wrong() {
        let mut luck = Luck::new(9, 0, Config::default().rates());
        for i in 0..1000 {
            let fate = luck.fate();
            assert_eq!((fate.delay_us, fate.course), (0, Course::Arrives));
            assert_eq!(luck.mishap(i * 100_000_000), None);
        }
        assert_eq!((luck.clock, luck.resends), (ClockKind::Right, false));
    }

    #[test]
    fn single_knobs_change_a_profile() {
        let rates = Config {
            profile: Profile::Mild,
            loss_percent: Some(50.0),
            ..Config::default()
        }
        .rates();
        assert!((rates.loss - 0.5).abs() < 1e-12 && (rates.duplicate - 0.005).abs() < 1e-12);
    }
}
