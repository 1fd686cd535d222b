//! What a drone observes in one boot, what it sends of it, and what must come of it, reckoned
//! without the crate's rules.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aerostream_domain::drone::live::LiveState;
use aerostream_domain::sample::{Battery, Content, Extra, Position};
use aerostream_domain::{
    BootId, BootMicros, BootRecord, PowerUpBasis, Sample, TimeBasis, UtcMicros,
};
use proptest::prelude::*;

/// 2026-06-01T00:00:00Z.
const SEASON: UtcMicros = UtcMicros(1_780_272_000_000_000);
const SECOND: u64 = 1_000_000;
const HOUR: u64 = 3_600 * SECOND;

/// What clocks a drone has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clocks {
    Both,
    BootOnly,
    UtcOnly,
}

/// What happens to a drone's UTC clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mishap {
    None,
    /// Unset for one sample.
    Unset(usize),
    /// Far ahead for one sample.
    FarAhead(usize),
    /// Ten days late for one sample.
    Late(usize),
    /// An hour back from one sample on.
    Reset(usize),
}

/// One boot of a drone.
#[derive(Debug, Clone)]
pub struct Flight {
    pub boot: BootId,
    pub clocks: Clocks,
    pub mishap: Mishap,
    power_up: UtcMicros,
    /// Distance of neighbouring sequence numbers.
    step: u64,
    contents: Vec<Content>,
    forwarded_after: Duration,
}

/// A sample on its way, and the row that it must become.
#[derive(Debug, Clone)]
pub struct Planned {
    pub flight: BootId,
    pub sample: Sample,
    pub time: UtcMicros,
    pub basis: TimeBasis,
}

/// A row of the database: (boot, seq, time), content.
pub type Row = (u64, u64, i64, u64);

fn content() -> impl Strategy<Value = Content> {
    let position = prop::option::of((-90..=90_i32).prop_map(|degrees| Position {
        latitude_deg: Some(f64::from(degrees)),
        longitude_deg: Some(f64::from(degrees)),
        ..Position::default()
    }));
    let battery = prop::collection::btree_map(0..4_u8, 0..=100_u8, 0..3);
    let extras = prop::collection::btree_map("[a-c]", any::<i64>(), 0..3);
    (position, battery, extras).prop_map(|(position, battery, extras)| Content {
        position,
        battery: battery
            .into_iter()
            .map(|(id, percent)| Battery {
                id,
                remaining_percent: Some(f32::from(percent)),
                ..Battery::default()
            })
            .collect(),
        extras: extras
            .into_iter()
            .map(|(name, value)| (name, Extra::Integer(value)))
            .collect(),
        ..Content::default()
    })
}

fn mishap() -> impl Strategy<Value = Mishap> {
    prop_oneof![
        Just(Mishap::None),
        (0..9_usize).prop_map(Mishap::Unset),
        (0..9_usize).prop_map(Mishap::FarAhead),
        (0..9_usize).prop_map(Mishap::Late),
        (2..9_usize).prop_map(Mishap::Reset),
    ]
}

/// One to three boots, some hours apart, in the order of their power-up, any of them with the id
/// that chance gave it and with the same sequence numbers.
pub fn flights() -> impl Strategy<Value = Vec<Flight>> {
    let flight = (
        any::<u64>(),
        prop_oneof![
            Just(Clocks::Both),
            Just(Clocks::BootOnly),
            Just(Clocks::UtcOnly)
        ],
        mishap(),
        prop_oneof![4 => Just(1_u64), 1 => 2..50_u64],
        prop::collection::vec(content(), 3..40),
    );
    prop::collection::vec(flight, 1..4).prop_map(|flights| {
        let mut taken = BTreeSet::new();
        let fresh = |boot: &u64| taken.insert(*boot);
        let flights: Vec<_> = flights.into_iter().collect();
        let kept: Vec<bool> = flights.iter().map(|flight| &flight.0).map(fresh).collect();
        (0..)
            .zip(flights)
            .zip(kept)
            .filter(|(_, kept)| *kept)
            .map(|((at, (boot, clocks, mishap, step, contents)), _)| Flight {
                boot: BootId(boot),
                clocks,
                // A lone UTC clock has nothing that could tell that it is wrong.
                mishap: match (clocks, mishap) {
                    (Clocks::Both, mishap) | (_, mishap @ Mishap::None) => mishap,
                    (_, mishap @ Mishap::Reset(_)) => mishap,
                    _ => Mishap::None,
                },
                power_up: SEASON.plus_boot(BootMicros(at * 5 * HOUR)),
                step,
                contents,
                forwarded_after: Duration::ZERO,
            })
            .collect()
    })
}

impl Flight {
    /// A boot with both clocks and a position a second.
    pub fn steady(samples: usize, forwarded_after: Duration) -> Self {
        let content = Content {
            position: Some(Position {
                relative_altitude_m: Some(30.0),
                ..Position::default()
            }),
            ..Content::default()
        };
        Self {
            boot: BootId(7),
            clocks: Clocks::Both,
            mishap: Mishap::None,
            power_up: SEASON,
            step: 1,
            contents: vec![content; samples],
            forwarded_after,
        }
    }

    /// The boot record as the journal has it.
    pub fn record(&self) -> BootRecord {
        let (power_up, basis) = match self.clocks {
            Clocks::Both => (self.power_up, PowerUpBasis::BothClocks),
            Clocks::BootOnly => (self.power_up, PowerUpBasis::Sending),
            Clocks::UtcOnly => (self.utc(0), PowerUpBasis::FirstUtc),
        };
        BootRecord {
            boot: self.boot,
            power_up,
            basis,
        }
    }

    fn clock(at: usize) -> BootMicros {
        BootMicros(SECOND * (1 + at as u64))
    }

    fn utc(&self, at: usize) -> UtcMicros {
        let truth = self.power_up.plus_boot(Self::clock(at));
        match self.mishap {
            Mishap::Unset(bad) if bad == at => UtcMicros(12_000_000),
            Mishap::FarAhead(bad) if bad == at => truth.plus_boot(BootMicros(600_000 * HOUR)),
            Mishap::Late(bad) if bad == at => truth.minus_boot(BootMicros(240 * HOUR)),
            Mishap::Reset(from) if from <= at => truth.minus_boot(BootMicros(HOUR)),
            _ => truth,
        }
    }

    /// The samples of this boot, in the drone's order.
    pub fn planned(&self) -> impl Iterator<Item = Planned> {
        self.contents.iter().enumerate().map(|(at, content)| {
            let truth = self.power_up.plus_boot(Self::clock(at));
            let utc = self.utc(at);
            let (time, basis) = match self.clocks {
                Clocks::Both if utc == truth => (utc, TimeBasis::Utc),
                Clocks::Both | Clocks::BootOnly => (truth, TimeBasis::Paired),
                Clocks::UtcOnly => (utc, TimeBasis::Utc),
            };
            Planned {
                flight: self.boot,
                sample: Sample {
                    seq: 1_000 + self.step * at as u64,
                    utc: (self.clocks != Clocks::BootOnly).then_some(utc),
                    since_boot: (self.clocks != Clocks::UtcOnly).then_some(Self::clock(at)),
                    content: content.clone(),
                },
                time,
                basis,
            }
        })
    }

    /// The gateway's clock when this boot's first batch comes.
    pub fn received(&self) -> UtcMicros {
        self.power_up.plus_boot(Self::clock(self.contents.len())) + self.forwarded_after
    }

    /// The boot clock then, from a drone that tells it.
    pub fn sent_at_boot(&self) -> Option<BootMicros> {
        (self.clocks == Clocks::BootOnly).then(|| Self::clock(self.contents.len()))
    }
}

/// Every row that must be there.
pub fn rows(flights: &[Flight]) -> BTreeSet<Row> {
    let row = |planned: Planned| {
        let hash = planned.sample.content.hash();
        (planned.flight.0, planned.sample.seq, planned.time.0, hash.0)
    };
    flights.iter().flat_map(Flight::planned).map(row).collect()
}

/// Live state must be what the samples of the latest boot say, the highest seq last.
pub fn check_live(flights: &[Flight], live: &LiveState) {
    let latest = flights.iter().max_by_key(|flight| {
        let record = flight.record();
        (record.power_up, record.boot)
    });
    let latest = latest.expect("there is a flight");
    let mut position = None;
    let mut batteries = BTreeMap::new();
    let mut extras = BTreeMap::new();
    let mut last = None;
    for planned in latest.planned() {
        let content = &planned.sample.content;
        position = content.position.or(position);
        batteries.extend(content.battery.iter().map(|pack| (pack.id, pack.clone())));
        extras.extend(content.extras.iter().cloned());
        last = Some((planned.sample.seq, planned.time, planned.basis));
    }
    assert_eq!(live.boot, Some(latest.boot));
    assert_eq!(live.power_up, Some(latest.record().power_up));
    assert_eq!(live.groups.position, position);
    assert_eq!(
        live.groups.battery,
        batteries.into_values().collect::<Vec<_>>()
    );
    assert_eq!(live.groups.extras, extras.into_iter().collect::<Vec<_>>());
    let newest = live
        .newest
        .map(|newest| (newest.seq.0, newest.time, newest.basis));
    assert_eq!(newest, last);
}
