//! Lists of drones: which of them a caller sees, page by page, for every door.

use aerostream_actors::DroneSummary;
use aerostream_domain::{DroneId, FleetId};

use super::auth::{Principal, Scope};
use super::ingest::unavailable;
use super::state::Gateway;
use crate::error::Problem;

/// Pages of actors that are looked through for one page of a caller who sees few of them.
const ROUNDS_MAX: usize = 8;
/// Most drones of such a page.
const ROUND_MAX: usize = 1000;

/// A drone that the caller may see.
#[derive(Debug, Clone)]
pub struct Listed {
    pub summary: DroneSummary,
    pub fleet: Option<FleetId>,
}

/// A page, which may be shorter than its limit.
#[derive(Debug, Default)]
pub struct Page {
    pub drones: Vec<Listed>,
    /// Ask again behind this one; the list is over when there is none.
    pub next_after: Option<DroneId>,
}

/// Drones behind `after` in id order that the caller may see and that are wanted.
///
/// # Errors
/// A shard does not answer now.
pub async fn page(
    gateway: &Gateway,
    caller: &Principal,
    after: Option<DroneId>,
    limit: usize,
    wanted: impl Fn(&Listed) -> bool,
) -> Result<Page, Problem> {
    let mut page = Page {
        drones: Vec::new(),
        next_after: after,
    };
    let mut size = limit;
    for _ in 0..ROUNDS_MAX {
        let round = gateway.behind.drones.list(page.next_after, size).await;
        let round = round.map_err(|reason| unavailable(&reason))?;
        page.next_after = round.next_after;
        for summary in round.drones {
            let Some(listed) = visible(gateway, caller, summary).filter(&wanted) else {
                continue;
            };
            page.drones.push(listed);
            // Where the page ends is decided by what the caller sees.
            if page.drones.len() == limit {
                page.next_after = page.drones.last().map(|last| last.summary.drone.clone());
                return Ok(page);
            }
        }
        if page.next_after.is_none() {
            break;
        }
        // Few were wanted of this round.
        size = (size * 4).clamp(limit, limit.max(ROUND_MAX));
    }
    Ok(page)
}

fn visible(gateway: &Gateway, caller: &Principal, summary: DroneSummary) -> Option<Listed> {
    let fleet = gateway.registry().fleet_of(&summary.drone);
    let seen = match &fleet {
        Some(fleet) => caller.scope.contains(fleet),
        None => caller.scope == Scope::All,
    };
    seen.then_some(Listed { summary, fleet })
}
