//! Where drones are, as GraphQL tells it.

use std::sync::Arc;

use aerostream_domain::DroneId;
use async_graphql::{Enum, ID, SimpleObject};
use futures::future::BoxFuture;

use super::session::Session;
use crate::clock;
use crate::error::Problem;
use crate::gateway::auth::Caller;
use crate::gateway::fleet_feed::{Asking, Drone, Key, Left, Next, Sink, View, Watcher};
use crate::gateway::json::enums::{Long, Real32, Real64};
use crate::gateway::state::Gateway;

/// What an update of positions is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum FleetPositionsKind {
    /// Drones that are new in view or were heard, and drones that left.
    Update,
    /// Some shards cannot be asked: their drones stand still here.
    Gap,
    /// All shards are asked again.
    Resumed,
    /// Forget every drone: all that is in view is told again.
    Resync,
}

/// Where drones are; each once, the newest.
#[derive(Debug, SimpleObject)]
pub struct FleetPositions {
    kind: FleetPositionsKind,
    at_us: Long,
    drones: Vec<DronePosition>,
    left: Vec<DroneLeft>,
    /// Updates of these drones that were skipped, since these are newer.
    conflated: Long,
    /// Drones in view that are not told, since one client is shown no more.
    omitted: Long,
    /// True if the same update goes on.
    more: bool,
    /// Shards that cannot be asked.
    shards_silent: i32,
}

/// Where a drone is.
#[derive(Debug, SimpleObject)]
pub struct DronePosition {
    id: ID,
    latitude_deg: Real64,
    longitude_deg: Real64,
    relative_altitude_m: Option<Real64>,
    heading_deg: Option<Real32>,
    ground_speed_m_s: Option<Real32>,
    battery_percent: Option<Real32>,
    armed: Option<bool>,
    /// When the newest record was received, microseconds since 1970.
    received_us: Long,
}

/// A drone that is not shown any more.
#[derive(Debug, SimpleObject)]
pub struct DroneLeft {
    id: ID,
    /// `out_of_view`, `silent`, `retired`, `other_fleet`.
    reason: String,
}

#[derive(Default)]
struct Lists {
    drones: Vec<DronePosition>,
    left: Vec<DroneLeft>,
}

impl Sink for Lists {
    fn moved(&mut self, _: Key, drone: &Drone, _: bool) {
        let brief = &drone.brief;
        let (latitude_deg, longitude_deg) = brief.position().unwrap_or_default();
        self.drones.push(DronePosition {
            id: ID(drone.id.to_string()),
            latitude_deg: Real64(latitude_deg),
            longitude_deg: Real64(longitude_deg),
            relative_altitude_m: brief.relative_altitude_m().map(Real64),
            heading_deg: brief.heading_deg().map(Real32),
            ground_speed_m_s: brief.ground_speed_m_s().map(Real32),
            battery_percent: brief.battery_percent().map(Real32),
            armed: brief.armed(),
            received_us: Long(brief.received().map_or(0, |at| at.0)),
        });
    }

    fn left(&mut self, _: Key, drone: &DroneId, why: Left) {
        self.left.push(DroneLeft {
            id: ID(drone.to_string()),
            reason: why.as_str().to_owned(),
        });
    }
}

/// A view that is watched.
pub(super) struct Watched {
    gateway: Arc<Gateway>,
    caller: Arc<Caller>,
    watcher: Watcher,
    /// True while an update is not told to its end.
    more: bool,
}

impl Watched {
    pub fn begin(session: &Session, asking: &Asking) -> Result<Self, Problem> {
        let gateway = Arc::clone(&session.gateway);
        let view = View::new(&gateway, session.principal(), asking)?;
        let watcher = gateway.fleet_feed.watch(session.principal(), view)?;
        Ok(Self {
            caller: Arc::clone(&session.caller),
            gateway,
            watcher,
            more: false,
        })
    }

    pub fn next(&mut self) -> BoxFuture<'_, Result<FleetPositions, Problem>> {
        Box::pin(async {
            loop {
                if self.more
                    && let Some(told) = self.fill()
                {
                    return Ok(told);
                }
                let (kind, shards) = match self.watcher.next().await {
                    Next::News => {
                        self.more = true;
                        continue;
                    }
                    Next::Gap { shards, .. } => (FleetPositionsKind::Gap, shards),
                    Next::Resumed => (FleetPositionsKind::Resumed, 0),
                    Next::Resync => (FleetPositionsKind::Resync, 0),
                };
                self.gateway.recheck(&self.caller.principal)?;
                return Ok(FleetPositions {
                    shards_silent: shards.into(),
                    ..told(kind, Lists::default())
                });
            }
        })
    }

    fn fill(&mut self) -> Option<FleetPositions> {
        let mut lists = Lists::default();
        let most = self.gateway.fleet_feed.config().frame_drones_max;
        let filled = self.watcher.fill(&mut lists, most);
        self.more = filled.more;
        (filled.drones > 0 || filled.omitted > 0).then(|| FleetPositions {
            conflated: filled.conflated.into(),
            omitted: filled.omitted.into(),
            more: filled.more,
            ..told(FleetPositionsKind::Update, lists)
        })
    }
}

fn told(kind: FleetPositionsKind, lists: Lists) -> FleetPositions {
    FleetPositions {
        kind,
        at_us: Long(clock::utc_now().0),
        drones: lists.drones,
        left: lists.left,
        conflated: Long(0),
        omitted: Long(0),
        more: false,
        shards_silent: 0,
    }
}
