//! A fleet in numbers.

use aerostream_domain::fleet_summary::{ArmedCounts, CellCounts, DroneCounts};
use aerostream_domain::{CellSize, FleetId};
use aerostream_proto::v1;
use async_graphql::{ID, SimpleObject};

use super::scalar::Long;
use super::session::Session;
use crate::error::Problem;
use crate::gateway::json::enums::{Code, Lower};
use crate::gateway::summary::{Asked, Asking};

/// A fleet in numbers, or all fleets that the caller sees.
#[derive(SimpleObject)]
pub struct FleetSummary {
    /// When it was counted, microseconds since 1970.
    at_us: Long,
    /// Seconds within which a drone counts as heard.
    within_s: Long,
    fleet_id: Option<ID>,
    drones: Drones,
    armed: Armed,
    /// States that no drone is in are left out.
    landed_state: Vec<Count>,
    /// Modes that no drone is in are left out.
    flight_mode: Vec<Count>,
    battery: Battery,
    cells: Cells,
    rate: Rate,
}

/// Drones by whether they are heard and how they are kept.
#[derive(SimpleObject)]
#[graphql(name = "DroneCounts")]
struct Drones {
    total: Long,
    heard: Long,
    silent: Long,
    hot: Long,
    passive: Long,
    failed: Long,
}

/// Drones by whether they are armed.
#[derive(SimpleObject)]
#[graphql(name = "ArmedCounts")]
struct Armed {
    armed: Long,
    disarmed: Long,
    unknown: Long,
}

/// Drones by a word; `unknown` if they never told.
#[derive(SimpleObject)]
struct Count {
    name: String,
    drones: Long,
}

/// Drones by what is left in their batteries.
#[derive(SimpleObject)]
#[graphql(name = "BatteryCounts")]
struct Battery {
    /// Ten buckets of ten percent each, from empty on.
    buckets: Vec<Long>,
    unknown: Long,
}

/// Drones by cell of the map.
#[derive(SimpleObject)]
#[graphql(name = "CellCounts")]
struct Cells {
    cell_deg: Option<f64>,
    told: Vec<Cell>,
    /// Cells that were left out since there are too many.
    left_out: Long,
    drones_left_out: Long,
    without_position: Long,
}

/// Drones in one cell.
#[derive(SimpleObject)]
struct Cell {
    south_deg: f64,
    west_deg: f64,
    drones: Long,
}

/// How much drones send.
#[derive(SimpleObject)]
struct Rate {
    samples: Long,
    over_ms: Long,
    samples_per_s: f64,
}

impl FleetSummary {
    /// Counts the drones as they are now.
    pub(super) async fn ask(session: &Session, asking: &Asking) -> Result<Self, Problem> {
        let asked = Asked::new(&session.gateway, session.principal(), asking);
        let asked = asked.map_err(camel_case)?;
        let _turn = session.turn().await?;
        let summary = asked.answer(&session.gateway).await?;
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
        Ok(Self {
            at_us: Long(summary.at.0),
            within_s: summary.within.as_secs().into(),
            fleet_id: asked.fleet.as_ref().map(FleetId::to_string).map(ID),
            drones: Drones {
                total: summary.drones.total().into(),
                heard: heard.into(),
                silent: silent.into(),
                hot: hot.into(),
                passive: passive.into(),
                failed: failed.into(),
            },
            armed: Armed {
                armed: armed.into(),
                disarmed: disarmed.into(),
                unknown: unknown.into(),
            },
            landed_state: named::<v1::LandedState, _>(summary.landed),
            flight_mode: named::<v1::FlightMode, _>(summary.modes),
            battery: Battery {
                buckets: summary.battery.buckets.map(Long::from).to_vec(),
                unknown: summary.battery.unknown.into(),
            },
            cells: summary.cells.into(),
            rate: Rate {
                samples: summary.rate.samples.into(),
                over_ms: summary.rate.over_ms.into(),
                samples_per_s: summary.rate.samples_per_s(),
            },
        })
    }
}

/// Names the argument at fault as it is called here.
fn camel_case(problem: Problem) -> Problem {
    match problem.field.as_deref() {
        Some("cell_deg") => problem.at("cellDeg"),
        Some("within_s") => problem.at("withinS"),
        _ => problem,
    }
}

fn named<T: Code + From<D>, D>(counts: Vec<(Option<D>, u64)>) -> Vec<Count> {
    let count = |(code, drones): (Option<D>, u64)| Count {
        name: code.map_or_else(|| "unknown".to_owned(), |code| Lower(T::from(code)).name()),
        drones: drones.into(),
    };
    counts.into_iter().map(count).collect()
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
