//! Fleets in numbers: what may be asked, and of which drones the caller may have the count.

use std::sync::Arc;
use std::time::Duration;

use aerostream_actors::{DroneFilter, FleetQuestion};
use aerostream_domain::{CellSize, FleetId, FleetSummary, View};
use serde::{Deserialize, Serialize};

use super::auth::{Action, Principal, Scope};
use super::ingest::unavailable;
use super::state::{Gateway, allow};
use crate::clock;
use crate::error::{ErrorCode, Problem};

/// Longest time since a drone was heard that may be asked for: a year.
pub const WITHIN_S_MAX: u64 = 366 * 86_400;

/// Summaries of fleets.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SummaryConfig {
    /// A drone heard within so many seconds counts as heard unless the caller says otherwise.
    /// Default: 30.
    pub heard_within_s: u64,
    /// Most cells of the map in one answer; those with the fewest drones are left out. Default:
    /// 5000.
    pub cells_max: usize,
    /// Most updates per second of a stream of changes. Default: 2.
    pub updates_per_s_max: f64,
    /// Streams of changes that may be open. Default: 64.
    pub streams_max: usize,
}

impl Default for SummaryConfig {
    fn default() -> Self {
        Self {
            heard_within_s: 30,
            cells_max: 5_000,
            updates_per_s_max: 2.0,
            streams_max: 64,
        }
    }
}

/// A question as a client puts it.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asking {
    /// One fleet; all that the caller sees if it is not given.
    pub fleet: Option<String>,
    /// Side of the map's cells, degrees; no map if it is not given.
    pub cell_deg: Option<f64>,
    /// Seconds within which a drone counts as heard.
    pub within_s: Option<u64>,
}

/// A question that the caller may ask.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    pub fleet: Option<FleetId>,
    cell: Option<CellSize>,
    within: Duration,
    scope: Scope,
}

impl Asked {
    /// Judges a question.
    ///
    /// # Errors
    /// The caller may not ask it, or a part of it is wrong.
    pub fn new(gateway: &Gateway, caller: &Principal, asking: &Asking) -> Result<Self, Problem> {
        let invalid = |detail: String| Problem::new(ErrorCode::Invalid, detail);
        allow(caller, Action::ReadFleet)?;
        let fleet = match &asking.fleet {
            None => None,
            Some(text) => {
                let fleet = FleetId::parse(text);
                let fleet = fleet.map_err(|error| invalid(error.to_string()).at("fleet"))?;
                // Whoever may not see a fleet is told what is told of one that is not there.
                let is_seen = caller.scope.contains(&fleet);
                if !is_seen || gateway.registry().read().fleet(&fleet).is_none() {
                    let detail = "there is no such fleet";
                    return Err(Problem::new(ErrorCode::NotFound, detail).at("fleet"));
                }
                Some(fleet)
            }
        };
        let cell = asking.cell_deg.map(CellSize::new).transpose();
        let cell = cell.map_err(|error| invalid(error.to_string()).at("cell_deg"))?;
        let within_s = asking
            .within_s
            .unwrap_or(gateway.config.summary.heard_within_s);
        if !(1..=WITHIN_S_MAX).contains(&within_s) {
            let detail = format!("must be 1 to {WITHIN_S_MAX} seconds; it is {within_s}");
            return Err(invalid(detail).at("within_s"));
        }
        Ok(Self {
            fleet,
            cell,
            within: Duration::from_secs(within_s),
            scope: caller.scope.clone(),
        })
    }

    /// Counts the drones as they are now.
    ///
    /// # Errors
    /// A shard is not served now.
    pub async fn answer(&self, gateway: &Gateway) -> Result<FleetSummary, Problem> {
        let question = FleetQuestion {
            view: View {
                now: clock::utc_now(),
                within: self.within,
                cell: self.cell,
            },
            filter: self.filter(gateway),
            cells_max: gateway.config.summary.cells_max,
        };
        let summary = gateway.behind.drones.summary(question).await;
        summary.map_err(|reason| unavailable(&reason))
    }

    /// The registry is looked at when a drone is counted: shards know no fleets, and a drone may
    /// move to another one between two answers.
    fn filter(&self, gateway: &Gateway) -> DroneFilter {
        let registry = gateway.registry().clone();
        match (&self.fleet, &self.scope) {
            (None, Scope::All) => DroneFilter::All,
            (Some(fleet), _) => {
                let fleet = fleet.clone();
                DroneFilter::Where(Arc::new(move |drone| {
                    let registry = registry.read();
                    registry
                        .drone(drone)
                        .is_some_and(|it| it.entity.fleet == fleet)
                }))
            }
            (None, Scope::Fleets(fleets)) => {
                let fleets = fleets.clone();
                DroneFilter::Where(Arc::new(move |drone| {
                    let registry = registry.read();
                    let known = registry.drone(drone);
                    known.is_some_and(|it| fleets.contains(&it.entity.fleet))
                }))
            }
        }
    }
}
