//! Roll-ups of a fleet: each shard tallies the briefs of its drones, tallies are merged.

use std::collections::HashMap;
use std::time::Duration;

use crate::brief::Brief;
use crate::sample::{FlightMode, LandedState};
use crate::units::UtcMicros;

/// Buckets of the battery histogram; each is ten percent wide and the last has 100 in it.
pub const BATTERY_BUCKETS: usize = 10;

const LANDED: [LandedState; 4] = [
    LandedState::OnGround,
    LandedState::InAir,
    LandedState::TakingOff,
    LandedState::Landing,
];
const MODES: [FlightMode; 15] = [
    FlightMode::Ready,
    FlightMode::Takeoff,
    FlightMode::Hold,
    FlightMode::Mission,
    FlightMode::ReturnToLaunch,
    FlightMode::Land,
    FlightMode::Offboard,
    FlightMode::FollowMe,
    FlightMode::Manual,
    FlightMode::Altctl,
    FlightMode::Posctl,
    FlightMode::Acro,
    FlightMode::Stabilized,
    FlightMode::Orbit,
    FlightMode::Other,
];

/// Side of the cells of a map, in degrees of latitude and longitude.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CellSize(f64);

/// Why a number is no size of cells.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error(
    "a cell must be {} to {} degrees wide; this one is {found}",
    CellSize::DEG_MIN,
    CellSize::DEG_MAX
)]
pub struct CellSizeError {
    pub found: f64,
}

impl CellSize {
    /// Smallest side, about 100 m.
    pub const DEG_MIN: f64 = 0.001;
    /// Largest side.
    pub const DEG_MAX: f64 = 90.0;

    /// Checks the number.
    ///
    /// # Errors
    /// It is not within the two bounds, or no number at all.
    pub fn new(degrees: f64) -> Result<Self, CellSizeError> {
        if (Self::DEG_MIN..=Self::DEG_MAX).contains(&degrees) {
            return Ok(Self(degrees));
        }
        Err(CellSizeError { found: degrees })
    }

    /// The side, degrees.
    #[must_use]
    pub const fn degrees(self) -> f64 {
        self.0
    }

    /// The cell of a place: its row from the south pole and its column from the antimeridian.
    /// The north pole and 180 degrees east belong to the last ones.
    #[must_use]
    pub fn cell_of(self, latitude_deg: f64, longitude_deg: f64) -> (u32, u32) {
        let place = |from_edge_deg: f64, all_deg: f64| {
            let last = (all_deg / self.0).ceil() - 1.0;
            (from_edge_deg / self.0).floor().clamp(0.0, last) as u32
        };
        let row = place(latitude_deg + 90.0, 180.0);
        (row, place(longitude_deg + 180.0, 360.0))
    }
}

/// Drones in one cell of the map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cell {
    /// Cells between it and the south pole.
    pub row: u32,
    /// Cells between it and 180 degrees west.
    pub column: u32,
    pub drones: u32,
}

impl Cell {
    /// Its southern edge, degrees north.
    #[must_use]
    pub fn south_deg(&self, size: CellSize) -> f64 {
        tidy(f64::from(self.row) * size.0 - 90.0)
    }

    /// Its western edge, degrees east.
    #[must_use]
    pub fn west_deg(&self, size: CellSize) -> f64 {
        tidy(f64::from(self.column) * size.0 - 180.0)
    }
}

/// Without the digits that only a product of two fractions has.
fn tidy(degrees: f64) -> f64 {
    (degrees * 1e9).round() / 1e9
}

/// What is asked of a fleet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    /// The asker's clock.
    pub now: UtcMicros,
    /// A drone heard within so long counts as heard, another as silent.
    pub within: Duration,
    /// Cells to count in; `None` for no map.
    pub cell: Option<CellSize>,
}

/// How a shard keeps a drone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    Hot,
    Passive,
    Failed,
}

/// Drones by how they are; every drone that was ever heard is one of `heard` and `silent`, and one
/// of `hot`, `passive` and `failed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DroneCounts {
    pub heard: u64,
    pub silent: u64,
    pub hot: u64,
    pub passive: u64,
    pub failed: u64,
}

impl DroneCounts {
    /// Every drone that was ever heard.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.heard + self.silent
    }
}

/// Drones by whether their motors may turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ArmedCounts {
    pub armed: u64,
    pub disarmed: u64,
    pub unknown: u64,
}

/// Drones by the charge of their first pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BatteryCounts {
    /// From `10 i` percent on, to below `10 (i + 1)`; the last has 100 in it.
    pub buckets: [u64; BATTERY_BUCKETS],
    pub unknown: u64,
}

/// Drones by where they are.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CellCounts {
    /// `None` if no map was asked for; then there are no cells.
    pub size: Option<CellSize>,
    /// Those with the most drones, by row and column.
    pub told: Vec<Cell>,
    /// Cells with drones that are not among those told, for want of room.
    pub left_out: u64,
    /// Drones in the cells that were left out.
    pub drones_left_out: u64,
    /// Drones that never told where they are; counted whether or not a map was asked for.
    pub without_position: u64,
}

/// Samples that became durable, by their receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rate {
    pub samples: u64,
    /// Milliseconds back from now in which they were received.
    pub over_ms: u64,
}

impl Rate {
    /// Samples per second, 0 if there was no time yet.
    #[must_use]
    pub fn samples_per_s(&self) -> f64 {
        match self.over_ms {
            0 => 0.0,
            over_ms => self.samples as f64 * 1000.0 / over_ms as f64,
        }
    }
}

/// A fleet in numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct FleetSummary {
    pub at: UtcMicros,
    pub within: Duration,
    pub drones: DroneCounts,
    pub armed: ArmedCounts,
    /// Only states that some drone is in; `None` is unknown and comes last.
    pub landed: Vec<(Option<LandedState>, u64)>,
    /// Only modes that some drone is in; `None` is unknown and comes last.
    pub modes: Vec<(Option<FlightMode>, u64)>,
    pub battery: BatteryCounts,
    pub cells: CellCounts,
    pub rate: Rate,
}

/// Counts on the way to a summary.
#[derive(Debug, Clone)]
pub struct Tally {
    view: View,
    drones: DroneCounts,
    armed: ArmedCounts,
    landed: [u64; LANDED.len() + 1],
    modes: [u64; MODES.len() + 1],
    battery: BatteryCounts,
    cells: HashMap<(u32, u32), u32>,
    without_position: u64,
    rate: Rate,
}

impl Tally {
    /// Nothing counted yet; the counts of samples reach back no further than `since_start`.
    #[must_use]
    pub fn new(view: View, since_start: Duration) -> Self {
        let since_start_ms = u64::try_from(since_start.as_millis()).unwrap_or(u64::MAX);
        let over_ms = crate::brief::rate_reach_ms(view.now).min(since_start_ms);
        Self {
            view,
            drones: DroneCounts::default(),
            armed: ArmedCounts::default(),
            landed: Default::default(),
            modes: Default::default(),
            battery: BatteryCounts::default(),
            cells: HashMap::new(),
            without_position: 0,
            rate: Rate {
                samples: 0,
                over_ms,
            },
        }
    }

    /// Counts one drone; one that was never heard is no drone yet.
    pub fn add(&mut self, brief: &Brief, kept: Kept) {
        let Some(received) = brief.received() else {
            return;
        };
        if received + self.view.within >= self.view.now {
            self.drones.heard += 1;
        } else {
            self.drones.silent += 1;
        }
        *match kept {
            Kept::Hot => &mut self.drones.hot,
            Kept::Passive => &mut self.drones.passive,
            Kept::Failed => &mut self.drones.failed,
        } += 1;
        *match brief.armed() {
            Some(true) => &mut self.armed.armed,
            Some(false) => &mut self.armed.disarmed,
            None => &mut self.armed.unknown,
        } += 1;
        self.landed[brief.landed().map_or(LANDED.len(), |state| state as usize)] += 1;
        self.modes[brief.mode().map_or(MODES.len(), |mode| mode as usize)] += 1;
        *match brief.battery_percent() {
            Some(percent) => &mut self.battery.buckets[bucket_of(percent)],
            None => &mut self.battery.unknown,
        } += 1;
        match (brief.position(), self.view.cell) {
            (Some((latitude_deg, longitude_deg)), Some(size)) => {
                let cell = size.cell_of(latitude_deg, longitude_deg);
                *self.cells.entry(cell).or_default() += 1;
            }
            (Some(_), None) => {}
            (None, _) => self.without_position += 1,
        }
        self.rate.samples += brief.samples(self.view.now);
    }

    /// Adds what another one counted in the same view.
    pub fn merge(&mut self, other: Self) {
        let sums = [
            (&mut self.drones.heard, other.drones.heard),
            (&mut self.drones.silent, other.drones.silent),
            (&mut self.drones.hot, other.drones.hot),
            (&mut self.drones.passive, other.drones.passive),
            (&mut self.drones.failed, other.drones.failed),
            (&mut self.armed.armed, other.armed.armed),
            (&mut self.armed.disarmed, other.armed.disarmed),
            (&mut self.armed.unknown, other.armed.unknown),
            (&mut self.battery.unknown, other.battery.unknown),
            (&mut self.without_position, other.without_position),
            (&mut self.rate.samples, other.rate.samples),
        ];
        let lists = (self.landed.iter_mut().zip(other.landed))
            .chain(self.modes.iter_mut().zip(other.modes))
            .chain(self.battery.buckets.iter_mut().zip(other.battery.buckets));
        for (sum, more) in sums.into_iter().chain(lists) {
            *sum += more;
        }
        self.rate.over_ms = self.rate.over_ms.max(other.rate.over_ms);
        for (cell, drones) in other.cells {
            *self.cells.entry(cell).or_default() += drones;
        }
    }

    /// The summary, with at most `cells_max` cells told.
    #[must_use]
    pub fn finish(self, cells_max: usize) -> FleetSummary {
        FleetSummary {
            at: self.view.now,
            within: self.view.within,
            drones: self.drones,
            armed: self.armed,
            landed: named(&LANDED, &self.landed),
            modes: named(&MODES, &self.modes),
            battery: self.battery,
            cells: CellCounts {
                size: self.view.cell,
                without_position: self.without_position,
                ..told(self.cells, cells_max)
            },
            rate: self.rate,
        }
    }
}

fn bucket_of(percent: f32) -> usize {
    ((percent / 10.0).max(0.0) as usize).min(BATTERY_BUCKETS - 1)
}

fn named<T: Copy>(names: &[T], counts: &[u64]) -> Vec<(Option<T>, u64)> {
    let names = names.iter().copied().map(Some).chain([None]);
    let counted = names.zip(counts.iter().copied());
    counted.filter(|(_, count)| *count > 0).collect()
}

fn told(cells: HashMap<(u32, u32), u32>, cells_max: usize) -> CellCounts {
    let all = cells.into_iter().map(|((row, column), drones)| Cell {
        row,
        column,
        drones,
    });
    let mut told: Vec<Cell> = all.collect();
    let mut left_out = Vec::new();
    if told.len() > cells_max {
        let fullest_first = |cell: &Cell| (std::cmp::Reverse(cell.drones), cell.row, cell.column);
        told.select_nth_unstable_by_key(cells_max, fullest_first);
        left_out = told.split_off(cells_max);
    }
    told.sort_unstable();
    CellCounts {
        told,
        left_out: left_out.len() as u64,
        drones_left_out: left_out.iter().map(|cell| u64::from(cell.drones)).sum(),
        ..CellCounts::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_stand_at_their_own_places() {
        for (place, state) in LANDED.into_iter().enumerate() {
            assert_eq!(state as usize, place);
        }
        for (place, mode) in MODES.into_iter().enumerate() {
            assert_eq!(mode as usize, place);
        }
    }

    #[test]
    fn sizes_of_cells_are_checked() {
        for degrees in [0.0, -1.0, 0.0009, 90.1, f64::NAN, f64::INFINITY] {
            let error = CellSize::new(degrees).unwrap_err();
            assert!(error.to_string().contains("0.001 to 90"), "{error}");
        }
        assert!(CellSize::new(0.001).is_ok() && CellSize::new(90.0).is_ok());
    }

    #[test]
    fn every_place_has_one_cell() {
        let check = |degrees: f64, place: (f64, f64), expected: (u32, u32)| {
            let size = CellSize::new(degrees).unwrap();
            assert_eq!(size.cell_of(place.0, place.1), expected, "{place:?}");
        };
        check(90.0, (-90.0, -180.0), (0, 0));
        check(90.0, (90.0, 180.0), (1, 3));
        check(0.5, (47.3977, 8.5456), (274, 377));
        check(0.7, (90.0, 180.0), (257, 514));
        let size = CellSize::new(0.1).unwrap();
        let cell = Cell {
            row: 1373,
            column: 1885,
            drones: 1,
        };
        assert_eq!((cell.south_deg(size), cell.west_deg(size)), (47.3, 8.5));
    }

    #[test]
    fn the_fullest_cells_are_told() {
        let cells = HashMap::from([((1, 1), 5), ((0, 9), 7), ((2, 2), 1), ((3, 3), 5)]);
        let counts = told(cells.clone(), 2);
        let places: Vec<_> = counts
            .told
            .iter()
            .map(|cell| (cell.row, cell.drones))
            .collect();
        assert_eq!(places, [(0, 7), (1, 5)]);
        assert_eq!((counts.left_out, counts.drones_left_out), (2, 6));
        assert_eq!(told(cells, 4).left_out, 0);
    }
}
