//! The drones of a run: where they live, what they are, what luck they have.

use std::f64::consts::{PI, TAU};

use aerostream_domain::DroneId;

use crate::autopilot::Autopilot;
use crate::clock::micros;
use crate::config::{Config, Physics};
use crate::drone::{Drone, Source};
use crate::error::Error;
use crate::faults::Luck;
use crate::physics::flight::{Flight, Kind, Start};
use crate::physics::geo::Origin;
use crate::physics::noise::Noise;
use crate::physics::observe::Observer;
use crate::physics::replay::Segment;
use crate::physics::wind::Climate;
use crate::scenario::Scenario;

/// Streams of random numbers, apart from those of faults.
const FLEET_STREAM: u64 = 3 << 40;
/// Flights worked out beforehand, of each kind.
const SEGMENTS: u64 = 4;
/// A drone goes home at this state of charge, percent.
const RETURN_PERCENT: f64 = 25.0;
/// Packs at the start, percent.
const START_PERCENT: (f64, f64) = (60.0, 100.0);
/// Drones wait up to this long before their first take-off, s.
const WAIT_S_MAX: f64 = 20.0;

/// Ground around the default home, m above mean sea level.
const GROUND_M: (f64, f64) = (480.0, 560.0);

/// Makes the drones of one connection out of all: every `lanes`-th.
///
/// # Errors
/// If the prefix makes no legal drone id.
pub fn drones(
    config: &Config,
    scenario: &Scenario,
    lane: usize,
    lanes: usize,
    start_us: i64,
) -> Result<Vec<Drone>, Error> {
    let segments = match config.physics {
        Physics::Integrated => Vec::new(),
        Physics::Replayed => segments(config),
    };
    (0..config.drones)
        .skip(lane)
        .step_by(lanes)
        .map(|number| drone(config, scenario, &segments, number, start_us))
        .collect()
}

/// The id of a drone.
///
/// # Errors
/// If the prefix makes no legal one.
pub fn drone_id(config: &Config, number: u32) -> Result<DroneId, Error> {
    let id = format!("{}{number:05}", config.prefix);
    DroneId::parse(&id).map_err(|source| Error::Prefix {
        prefix: config.prefix.clone(),
        source,
    })
}

fn drone(
    config: &Config,
    scenario: &Scenario,
    segments: &[(Kind, Segment)],
    number: u32,
    start_us: i64,
) -> Result<Drone, Error> {
    let id = drone_id(config, number)?;
    let mut noise = Noise::new(config.seed, FLEET_STREAM + u64::from(number));
    let start = start(config, scenario, number, &mut noise);
    let source = match config.physics {
        Physics::Integrated => {
            let flight = Box::new(Flight::new(start, noise.clone()));
            Source::Flying(flight, Observer::after_boot(), config.step_s())
        }
        Physics::Replayed => {
            let mine: Vec<_> = segments.iter().filter(|(k, _)| *k == start.kind).collect();
            let segment = mine[number as usize % mine.len()].1.clone();
            Source::Replayed(segment, noise.number() >> 1)
        }
    };
    let luck = Luck::new(config.seed, u64::from(number), config.faults.rates());
    let mut drone = Drone::new(id, number, source, luck, start_us);
    let group = scenario.group_of(number);
    let obedience = group.and_then(|group| group.obedience);
    drone.autopilot = Autopilot::new(obedience.unwrap_or(config.obedience));
    // First samples are spread over one period, so that the fleet does not send in step.
    drone.next_due_us = start_us + micros(noise.between(0.0, 1.0 / config.rate_hz));
    Ok(drone)
}

fn start(config: &Config, scenario: &Scenario, number: u32, noise: &mut Noise) -> Start {
    let group = scenario.group_of(number).cloned().unwrap_or_default();
    // A golden-angle spiral spreads homes evenly over the disc.
    let share = (f64::from(number) + 0.5) / f64::from(config.drones);
    let distance_m = config.spread_km * 1000.0 * share.sqrt();
    let angle = f64::from(number) * PI * (3.0 - 5.0_f64.sqrt());
    let middle = Origin::new(config.latitude_deg, config.longitude_deg);
    let (latitude, longitude) = middle.degrees(distance_m * angle.cos(), distance_m * angle.sin());
    let drawn_kind = if noise.chance(config.fixed_wing_percent / 100.0) {
        Kind::FixedWing
    } else {
        Kind::Multirotor
    };
    let drawn_percent = noise.between(START_PERCENT.0, START_PERCENT.1);
    let drawn_wait_s = noise.between(0.0, WAIT_S_MAX);
    let drawn_health = noise.between(85.0, 100.0);
    Start {
        kind: group.kind.map_or(drawn_kind, Kind::from),
        home: Origin::new(latitude, longitude),
        ground_m: noise.between(GROUND_M.0, GROUND_M.1),
        climate: Climate {
            speed_10m_m_s: config.wind_m_s * noise.between(0.7, 1.3),
            // One weather for the whole fleet, with local differences.
            from_rad: (config.seed as f64).sin() * TAU + noise.between(-0.3, 0.3),
            turbulence_kt: config.turbulence_kt,
        },
        soc: group.start_percent.unwrap_or(drawn_percent) / 100.0,
        health: group.health_percent.unwrap_or(drawn_health) / 100.0,
        wait_s: group.wait_s.unwrap_or(drawn_wait_s),
        return_soc: group.return_percent.unwrap_or(RETURN_PERCENT) / 100.0,
        warmer_k: 3.0,
    }
}

fn segments(config: &Config) -> Vec<(Kind, Segment)> {
    let ordinary = Scenario::default();
    let kinds = [Kind::Multirotor, Kind::FixedWing];
    let all = kinds
        .iter()
        .flat_map(|kind| (0..SEGMENTS).map(|n| (*kind, n)));
    all.map(|(kind, n)| {
        let mut noise = Noise::new(config.seed, FLEET_STREAM - 1 - n);
        let start = Start {
            kind,
            ..start(config, &ordinary, n as u32, &mut noise)
        };
        (
            kind,
            Segment::fly(start, noise, config.rate_hz, config.step_s()),
        )
    })
    .collect()
}
