//! A fleet in numbers, as JSON.

use std::collections::BTreeMap;

use aerostream_domain::fleet_summary::{
    ArmedCounts, BatteryCounts, CellCounts, DroneCounts, FleetSummary,
};
use aerostream_domain::{CellSize, FleetId};
use aerostream_proto::v1;
use serde::Serialize;
use utoipa::ToSchema;

use super::enums::Lower;

/// Answer of `GET /api/v1/fleet/summary`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FleetSummary)]
pub struct Summary {
    at_us: i64,
    within_s: u64,
    fleet_id: Option<String>,
    drones: Drones,
    armed: Armed,
    /// By name; states that no drone is in are left out.
    landed_state: BTreeMap<String, u64>,
    /// By name; modes that no drone is in are left out.
    flight_mode: BTreeMap<String, u64>,
    battery: Battery,
    cells: Cells,
    rate: Rate,
}

#[derive(Debug, Serialize, ToSchema)]
struct Drones {
    total: u64,
    heard: u64,
    silent: u64,
    hot: u64,
    passive: u64,
    failed: u64,
}

#[derive(Debug, Serialize, ToSchema)]
struct Armed {
    armed: u64,
    disarmed: u64,
    unknown: u64,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SummaryBattery)]
struct Battery {
    /// Ten buckets of ten percent each, from empty on.
    #[schema(value_type = Vec<u64>, min_items = 10, max_items = 10)]
    buckets: [u64; 10],
    unknown: u64,
}

#[derive(Debug, Serialize, ToSchema)]
struct Cells {
    cell_deg: Option<f64>,
    told: Vec<Cell>,
    left_out: u64,
    drones_left_out: u64,
    without_position: u64,
}

#[derive(Debug, Serialize, ToSchema)]
struct Cell {
    south_deg: f64,
    west_deg: f64,
    drones: u32,
}

#[derive(Debug, Serialize, ToSchema)]
struct Rate {
    samples: u64,
    over_ms: u64,
    samples_per_s: f64,
}

impl Summary {
    /// The summary of one fleet, or of all that the caller sees.
    #[must_use]
    pub fn new(fleet: Option<&FleetId>, summary: FleetSummary) -> Self {
        let DroneCounts {
            heard,
            silent,
            hot,
            passive,
            failed,
        } = summary.drones;
        let ArmedCounts {
            armed,
            disarmed,
            unknown,
        } = summary.armed;
        let BatteryCounts {
            buckets,
            unknown: without,
        } = summary.battery;
        Self {
            at_us: summary.at.0,
            within_s: summary.within.as_secs(),
            fleet_id: fleet.map(FleetId::to_string),
            drones: Drones {
                total: summary.drones.total(),
                heard,
                silent,
                hot,
                passive,
                failed,
            },
            armed: Armed {
                armed,
                disarmed,
                unknown,
            },
            landed_state: named(summary.landed, |it| Lower(v1::LandedState::from(it)).name()),
            flight_mode: named(summary.modes, |it| Lower(v1::FlightMode::from(it)).name()),
            battery: Battery {
                buckets,
                unknown: without,
            },
            cells: summary.cells.into(),
            rate: Rate {
                samples: summary.rate.samples,
                over_ms: summary.rate.over_ms,
                samples_per_s: summary.rate.samples_per_s(),
            },
        }
    }
}

fn named<T>(counts: Vec<(Option<T>, u64)>, name: impl Fn(T) -> String) -> BTreeMap<String, u64> {
    let name = |code: Option<T>| code.map_or_else(|| "unknown".to_owned(), &name);
    let counts = counts.into_iter();
    counts.map(|(code, count)| (name(code), count)).collect()
}

impl From<CellCounts> for Cells {
    fn from(cells: CellCounts) -> Self {
        let told = cells.size.map(|size| {
            let cell = |cell: &aerostream_domain::Cell| Cell {
                south_deg: cell.south_deg(size),
                west_deg: cell.west_deg(size),
                drones: cell.drones,
            };
            cells.told.iter().map(cell).collect()
        });
        Self {
            cell_deg: cells.size.map(CellSize::degrees),
            told: told.unwrap_or_default(),
            left_out: cells.left_out,
            drones_left_out: cells.drones_left_out,
            without_position: cells.without_position,
        }
    }
}
