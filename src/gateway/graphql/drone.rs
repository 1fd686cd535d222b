//! Drones: one, and pages of them.

use std::sync::Arc;
use std::time::Duration;

use aerostream_actors::{DroneSummary, LiveView};
use aerostream_domain::ids::ID_BYTES_MAX;
use aerostream_domain::{DroneId, FleetId, UtcMicros};
use async_graphql::connection::PageInfo;
use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use tokio::sync::OnceCell;

use super::cursor;
use super::live::{self, Live};
use super::problem::Answered;
use super::session::Session;
use super::telemetry::{self, Asked, TelemetryConnection};
use crate::clock;
use crate::error::{ErrorCode, Problem};
use crate::gateway::auth::Action;
use crate::gateway::http::input::{self, PAGE_DEFAULT};
use crate::gateway::http::read;
use crate::gateway::ingest::unavailable;
use crate::gateway::json::enums::{Long, Real32, Real64, Whole};
use crate::gateway::json::shape::Time;
use crate::gateway::list::{self, Listed};
use crate::gateway::state::{allow, no_drone};

/// A drone that the caller may see.
pub struct Drone {
    pub(super) id: DroneId,
    fleet: Option<FleetId>,
    summary: Option<DroneSummary>,
    view: OnceCell<Option<LiveView>>,
}

/// The few values that lists show.
#[derive(SimpleObject)]
#[graphql(name = "DroneSummary")]
struct Brief {
    /// Id of the power-up of the drone.
    boot: Option<Whole>,
    /// When the newest batch was received, microseconds since 1970.
    received_us: Option<Long>,
    latitude_deg: Option<Real64>,
    longitude_deg: Option<Real64>,
    relative_altitude_m: Option<Real64>,
    battery_percent: Option<Real32>,
    armed: Option<bool>,
}

impl From<DroneSummary> for Brief {
    fn from(summary: DroneSummary) -> Self {
        Self {
            boot: summary.boot.map(|boot| Whole(boot.0)),
            received_us: summary.last_received.map(|at| Long(at.0)),
            latitude_deg: summary.latitude_deg.map(Real64),
            longitude_deg: summary.longitude_deg.map(Real64),
            relative_altitude_m: summary.relative_altitude_m.map(Real64),
            battery_percent: summary.battery_percent.map(Real32),
            armed: summary.armed,
        }
    }
}

/// A drone.
#[Object]
impl Drone {
    /// Its id.
    async fn id(&self) -> ID {
        ID(self.id.to_string())
    }

    /// The fleet that it is enrolled in.
    async fn fleet_id(&self) -> Option<ID> {
        self.fleet.as_ref().map(|fleet| ID(fleet.to_string()))
    }

    /// The few values that lists show; in a page of drones they cost no further question.
    async fn summary(&self, context: &Context<'_>) -> Answered<Brief> {
        if let Some(summary) = &self.summary {
            return Some(Ok(summary.clone().into()));
        }
        let view = self.view(Session::of(context)).await.transpose()?;
        Some(view.map(|view| {
            let mut brief = aerostream_domain::Brief::default();
            brief.renew(&view.live, 0);
            DroneSummary::from((self.id.clone(), brief)).into()
        }))
    }

    /// Live state, from the drone's actor and not from the database; null if it was never heard.
    async fn live(&self, context: &Context<'_>) -> Answered<Live> {
        let view = self.view(Session::of(context)).await.transpose()?;
        Some(view.map(|view| live::told(view.clone(), clock::utc_now())))
    }

    /// What it sent before, oldest first, as the database has it: the last ten minutes if no time
    /// is said. Only the columns of the fields that are asked for are read.
    async fn telemetry(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "First moment; ten minutes before `to` if not said.")] from: Option<Time>,
        #[graphql(desc = "Moment behind the last; now if not said.")] to: Option<Time>,
        #[graphql(desc = "Entries of the page; 100 if not said.")] first: Option<i32>,
        #[graphql(desc = "The `endCursor` of the page before.")] after: Option<String>,
    ) -> Answered<TelemetryConnection> {
        let asked = Asked {
            from,
            to,
            first,
            after,
        };
        let fields = match telemetry::fields(&context.field()) {
            Ok(fields) => fields,
            Err(problem) => return Some(Err(problem)),
        };
        let page = TelemetryConnection::page(Session::of(context), &self.id, asked, fields);
        Some(page.await)
    }
}

impl Drone {
    /// The drone of this id, if the caller may see it.
    pub(super) async fn find(session: &Session, id: &str) -> Result<Self, Problem> {
        let id = input::drone_id(id).map_err(|problem| problem.at("id"))?;
        let allowed = session
            .gateway
            .allow_drone(session.principal(), Action::ReadDrone, &id);
        let fleet = allowed.map_err(at_id)?;
        let drone = Self {
            id,
            fleet,
            summary: None,
            view: OnceCell::new(),
        };
        // Whoever is enrolled is there; anybody else must have been heard, now or before.
        if drone.fleet.is_none()
            && drone.view(session).await?.is_none()
            && !drone.has_past(session).await?
        {
            return Err(at_id(no_drone()));
        }
        Ok(drone)
    }

    fn listed(listed: Listed) -> Self {
        Self {
            id: listed.summary.drone.clone(),
            fleet: listed.fleet,
            summary: Some(listed.summary),
            view: OnceCell::new(),
        }
    }

    async fn has_past(&self, session: &Session) -> Result<bool, Problem> {
        let _turn = session.turn().await?;
        read::has_past(&session.gateway, &self.id).await
    }

    async fn view(&self, session: &Session) -> Result<Option<&LiveView>, Problem> {
        let ask = async || {
            let _turn = session.turn().await?;
            let view = session.gateway.behind.drones.live(&self.id).await;
            view.map_err(|reason| unavailable(&reason))
        };
        self.view.get_or_try_init(ask).await.map(Option::as_ref)
    }
}

fn at_id(problem: Problem) -> Problem {
    if problem.field.is_some() {
        problem.at("id")
    } else {
        problem
    }
}

/// Which drones are wanted: those for which everything that is said here is so. A value that a
/// drone never told is not so.
#[derive(Debug, InputObject)]
pub struct DroneFilter {
    /// Of this fleet.
    fleet: Option<ID>,
    armed: Option<bool>,
    /// Battery below this, percent.
    battery_below: Option<f64>,
    /// Heard within the last so many seconds.
    heard_within_s: Option<i32>,
    /// Ids that begin with this.
    id_prefix: Option<String>,
}

/// A filter that was looked at.
struct Wanted {
    fleet: Option<FleetId>,
    armed: Option<bool>,
    battery_below: Option<f64>,
    heard_since: Option<UtcMicros>,
    id_prefix: String,
}

impl Wanted {
    fn new(filter: Option<DroneFilter>, session: &Session) -> Result<Self, Problem> {
        let Some(filter) = filter else {
            return Ok(Self {
                fleet: None,
                armed: None,
                battery_below: None,
                heard_since: None,
                id_prefix: String::new(),
            });
        };
        let wrong = |detail, field| Err(Problem::new(ErrorCode::Invalid, detail).at(field));
        let fleet = filter.fleet.map(|fleet| input::fleet_id(&fleet));
        let at_fleet = |problem: Problem| problem.at("filter.fleet");
        let fleet = fleet.transpose().map_err(at_fleet)?;
        if let Some(fleet) = &fleet {
            let gateway = &session.gateway;
            let allowed = gateway.allow_fleet(session.principal(), Action::ReadFleet, fleet);
            allowed.map_err(at_fleet)?;
        }
        if let Some(below) = filter.battery_below
            && !(0.0..=100.0).contains(&below)
        {
            return wrong("must be 0 to 100 percent", "filter.batteryBelow");
        }
        let heard_since = match filter.heard_within_s {
            Some(..=0) => return wrong("must be 1 second or more", "filter.heardWithinS"),
            Some(within) => {
                let within = Duration::from_secs(u64::from(within.unsigned_abs()));
                Some(clock::utc_now() - within)
            }
            None => None,
        };
        let id_prefix = filter.id_prefix.unwrap_or_default();
        if !id_prefix.is_empty() {
            let checked = input::drone_id(&id_prefix);
            checked.map_err(|problem| problem.at("filter.idPrefix"))?;
        }
        Ok(Self {
            fleet,
            armed: filter.armed,
            battery_below: filter.battery_below,
            heard_since,
            id_prefix,
        })
    }

    fn holds(&self, listed: &Listed) -> bool {
        let Listed { summary, fleet } = listed;
        let battery = summary.battery_percent.map(f64::from);
        self.fleet
            .as_ref()
            .is_none_or(|wanted| fleet.as_ref() == Some(wanted))
            && self.armed.is_none_or(|armed| summary.armed == Some(armed))
            && self
                .battery_below
                .is_none_or(|below| battery.is_some_and(|battery| battery < below))
            && self
                .heard_since
                .is_none_or(|since| summary.last_received.is_some_and(|at| at >= since))
            && summary.drone.as_str().starts_with(&self.id_prefix)
    }

    /// True if no drone behind this one has the prefix.
    fn is_past(&self, id: &DroneId) -> bool {
        let (id, prefix) = (id.as_str(), self.id_prefix.as_str());
        id > prefix && !id.starts_with(prefix)
    }
}

/// The last id that is before every id with this prefix, if there is one.
fn before(prefix: &str) -> Option<DroneId> {
    /// What ids are made of, in the order in which they are sorted.
    const LETTERS: &str = "-.0123456789:ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz";
    let last = prefix.chars().next_back()?;
    let head = &prefix[..prefix.len() - last.len_utf8()];
    let fill = "z".repeat(ID_BYTES_MAX - prefix.len());
    let smaller = LETTERS.chars().rev().filter(|letter| *letter < last);
    smaller
        .map(|letter| format!("{head}{letter}{fill}"))
        .chain([head.to_owned()])
        .find_map(|id| DroneId::parse(&id).ok())
}

/// A page of drones in the order of their ids. It may be shorter than `first`, even empty, while
/// there are more: the list is over when `hasNextPage` is false.
#[derive(SimpleObject)]
pub struct DroneConnection {
    edges: Vec<DroneEdge>,
    nodes: Vec<Arc<Drone>>,
    page_info: PageInfo,
}

/// A drone and its place in the list.
#[derive(SimpleObject)]
pub struct DroneEdge {
    cursor: String,
    node: Arc<Drone>,
}

impl DroneConnection {
    /// The page behind a cursor.
    pub(super) async fn page(
        session: &Session,
        first: Option<i32>,
        after: Option<String>,
        filter: Option<DroneFilter>,
    ) -> Result<Self, Problem> {
        let gateway = &session.gateway;
        allow(session.principal(), Action::ReadFleet)?;
        let limit = first_of(first, PAGE_DEFAULT, gateway.config.http.page_max)?;
        let after = after.as_deref().map(cursor::drone).transpose()?;
        let wanted = Wanted::new(filter, session)?;
        let behind = after.clone().max(before(&wanted.id_prefix));
        let holds = |listed: &Listed| wanted.holds(listed);
        let page = list::page(gateway, session.principal(), behind, limit, holds).await?;
        let next = page.next_after.filter(|id| !wanted.is_past(id));
        let listed = page.drones.into_iter().map(Drone::listed);
        let nodes: Vec<Arc<Drone>> = listed.map(Arc::new).collect();
        let edges: Vec<DroneEdge> = nodes
            .iter()
            .map(|node| DroneEdge {
                cursor: cursor::of_drone(&node.id),
                node: Arc::clone(node),
            })
            .collect();
        let last = edges.last().map(|edge| edge.cursor.clone());
        let page_info = PageInfo {
            has_previous_page: after.is_some(),
            has_next_page: next.is_some(),
            start_cursor: edges.first().map(|edge| edge.cursor.clone()),
            end_cursor: next.as_ref().map(cursor::of_drone).or(last),
        };
        Ok(Self {
            edges,
            nodes,
            page_info,
        })
    }
}

/// How many entries a page shall have.
pub(super) fn first_of(first: Option<i32>, default: usize, max: usize) -> Result<usize, Problem> {
    let Some(first) = first else {
        return Ok(default.min(max));
    };
    let asked = usize::try_from(first).ok();
    asked
        .filter(|asked| (1..=max).contains(asked))
        .ok_or_else(|| {
            let detail = format!("must be 1 to {max}; it is {first}");
            Problem::new(ErrorCode::Invalid, detail).at("first")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_looked_for_from_where_it_begins() {
        for (prefix, neighbours) in [
            ("b", ["a-9", "azzz", "b"]),
            ("sim-0", ["sim", "sim-", "sim-0"]),
            ("A", ["9", "9zz", "A"]),
            ("x-", ["w", "x", "x-"]),
        ] {
            let start = before(prefix).unwrap();
            let [far, near, first] = neighbours.map(|id| DroneId::parse(id).unwrap());
            assert!(
                far <= start && near <= start && start < first,
                "{prefix}: {start}"
            );
        }
        assert_eq!(before(""), None);
        assert_eq!(before("0"), None);
        let whole = "z".repeat(ID_BYTES_MAX);
        assert!(before(&whole) < DroneId::parse(&whole).ok());
    }
}
