//! A fleet in numbers: one shape for every door that tells it as text.

use std::collections::BTreeMap;

use aerostream_domain::fleet_summary::{
    ArmedCounts, BatteryCounts, CellCounts, DroneCounts, FleetSummary,
};
use aerostream_domain::{CellSize, FleetId};
use aerostream_proto::v1;
use async_graphql::{ID, SimpleObject};
use serde::Serialize;
use utoipa::ToSchema;

use super::enums::{Code, Long, Lower};

/// A fleet in numbers, or all fleets that the caller sees.
#[derive(Debug, Serialize, ToSchema, SimpleObject)]
#[schema(as = FleetSummary)]
#[graphql(name = "FleetSummary")]
pub struct Summary {
    /// When it was counted, microseconds since 1970.
    #[schema(value_type = i64)]
    at_us: Long,
    /// Seconds within which a drone counts as heard.
    #[schema(value_type = u64)]
    within_s: Long,
    #[schema(value_type = Option<String>)]
    fleet_id: Option<ID>,
    drones: Drones,
    armed: Armed,
    /// By name; states that no drone is in are left out.
    #[schema(value_type = BTreeMap<String, u64>)]
    landed_state: Counts,
    /// By name; modes that no drone is in are left out.
    #[schema(value_type = BTreeMap<String, u64>)]
    flight_mode: Counts,
    battery: Battery,
    cells: Cells,
    rate: Rate,
}

/// Drones by a word; `unknown` if they never told.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct Counts(pub BTreeMap<String, Long>);

/// Drones by whether they are heard and how they are kept.
#[derive(Debug, Serialize, ToSchema, SimpleObject)]
#[graphql(name = "DroneCounts")]
struct Drones {
    #[schema(value_type = u64)]
    total: Long,
    #[schema(value_type = u64)]
    heard: Long,
    #[schema(value_type = u64)]
    silent: Long,
    #[schema(value_type = u64)]
    hot: Long,
    #[schema(value_type = u64)]
    passive: Long,
    #[schema(value_type = u64)]
    failed: Long,
}

/// Drones by whether they are armed.
#[derive(Debug, Serialize, ToSchema, SimpleObject)]
#[graphql(name = "ArmedCounts")]
struct Armed {
    #[schema(value_type = u64)]
    armed: Long,
    #[schema(value_type = u64)]
    disarmed: Long,
    #[schema(value_type = u64)]
    unknown: Long,
}

/// Drones by what is left in their batteries.
#[derive(Debug, Serialize, ToSchema, SimpleObject)]
#[schema(as = SummaryBattery)]
#[graphql(name = "BatteryCounts")]
struct Battery {
    /// Ten buckets of ten percent each, from empty on.
    #[schema(value_type = Vec<u64>, min_items = 10, max_items = 10)]
    buckets: Vec<Long>,
    #[schema(value_type = u64)]
    unknown: Long,
}

/// Drones by cell of the map.
#[derive(Debug, Serialize, ToSchema, SimpleObject)]
#[graphql(name = "CellCounts")]
struct Cells {
    cell_deg: Option<f64>,
    told: Vec<Cell>,
    /// Cells that were left out since there are too many.
    #[schema(value_type = u64)]
    left_out: Long,
    #[schema(value_type = u64)]
    drones_left_out: Long,
    #[schema(value_type = u64)]
    without_position: Long,
}

/// Drones in one cell.
#[derive(Debug, Serialize, ToSchema, SimpleObject)]
struct Cell {
    south_deg: f64,
    west_deg: f64,
    #[schema(value_type = u32)]
    drones: Long,
}

/// How much drones send.
#[derive(Debug, Serialize, ToSchema, SimpleObject)]
struct Rate {
    #[schema(value_type = u64)]
    samples: Long,
    #[schema(value_type = u64)]
    over_ms: Long,
    samples_per_s: f64,
}

impl Summary {
    /// The summary of one fleet, or of all that the caller sees.
    #[must_use]
    pub fn new(fleet: Option<&FleetId>, summary: FleetSummary) -> Self {
        let BatteryCounts { buckets, unknown } = summary.battery;
        Self {
            at_us: Long(summary.at.0),
            within_s: summary.within.as_secs().into(),
            fleet_id: fleet.map(FleetId::to_string).map(ID),
            drones: summary.drones.into(),
            armed: summary.armed.into(),
            landed_state: named::<v1::LandedState, _>(summary.landed),
            flight_mode: named::<v1::FlightMode, _>(summary.modes),
            battery: Battery {
                buckets: buckets.map(Long::from).to_vec(),
                unknown: unknown.into(),
            },
            cells: summary.cells.into(),
            rate: Rate {
                samples: summary.rate.samples.into(),
                over_ms: summary.rate.over_ms.into(),
                samples_per_s: summary.rate.samples_per_s(),
            },
        }
    }
}

impl From<DroneCounts> for Drones {
    fn from(counts: DroneCounts) -> Self {
        let total = counts.total().into();
        let DroneCounts {
            heard,
            silent,
            hot,
            passive,
            failed,
        } = counts;
        Self {
            total,
            heard: heard.into(),
            silent: silent.into(),
            hot: hot.into(),
            passive: passive.into(),
            failed: failed.into(),
        }
    }
}

impl From<ArmedCounts> for Armed {
    fn from(counts: ArmedCounts) -> Self {
        let ArmedCounts {
            armed,
            disarmed,
            unknown,
        } = counts;
        Self {
            armed: armed.into(),
            disarmed: disarmed.into(),
            unknown: unknown.into(),
        }
    }
}

fn named<T: Code + From<D>, D>(counts: Vec<(Option<D>, u64)>) -> Counts {
    let count = |(code, drones): (Option<D>, u64)| {
        let name = code.map_or_else(|| "unknown".to_owned(), |code| Lower(T::from(code)).name());
        (name, drones.into())
    };
    Counts(counts.into_iter().map(count).collect())
}

impl From<CellCounts> for Cells {
    fn from(cells: CellCounts) -> Self {
        let told = cells.size.map(|size| {
            let cell = |cell: &aerostream_domain::Cell| Cell {
                south_deg: cell.south_deg(size),
                west_deg: cell.west_deg(size),
                drones: u64::from(cell.drones).into(),
            };
            cells.told.iter().map(cell).collect()
        });
        Self {
            cell_deg: cells.size.map(CellSize::degrees),
            told: told.unwrap_or_default(),
            left_out: cells.left_out.into(),
            drones_left_out: cells.drones_left_out.into(),
            without_position: cells.without_position.into(),
        }
    }
}
