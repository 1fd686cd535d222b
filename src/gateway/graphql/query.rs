//! What can be asked.

use async_graphql::{Context, ID, MergedObject, Object};

use super::alert::{self, AlertPage, AlertsFilter};
use super::command::{self, Command};
use super::drone::{Drone, DroneConnection, DroneFilter};
use super::mutation::Mutation;
use super::problem::Answered;
use super::rule::RuleQueries;
use super::session::Session;
use super::subscription::Subscription;
use super::summary;
use crate::gateway::json::summary::Summary;
use crate::gateway::summary::Asking;

/// The schema of the door.
pub type Schema = async_graphql::Schema<Query, Mutation, Subscription>;

/// Builds the schema.
#[must_use]
pub fn schema() -> Schema {
    // What a query may be was judged before the library sees it; see `cost`.
    Schema::build(Query::default(), Mutation::default(), Subscription).finish()
}

/// What can be asked. Whoever may not see something is told that it is not there.
#[derive(Debug, Default, MergedObject)]
pub struct Query(DroneQueries, RuleQueries);

/// Questions about drones and their commands.
#[derive(Debug, Default)]
pub struct DroneQueries;

#[Object]
impl DroneQueries {
    /// A drone that is enrolled, was heard or has a past in the database.
    async fn drone(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The drone's id.")] id: ID,
    ) -> Answered<Drone> {
        Some(Drone::find(Session::of(context), &id).await)
    }

    /// Drones that were heard and that the caller may see, in the order of their ids.
    async fn drones(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Entries of the page; 100 if not said.")] first: Option<i32>,
        #[graphql(desc = "The `endCursor` of the page before.")] after: Option<String>,
        #[graphql(desc = "Which drones; all if not said.")] filter: Option<DroneFilter>,
    ) -> Answered<DroneConnection> {
        let page = DroneConnection::page(Session::of(context), first, after, filter);
        Some(page.await)
    }

    /// A command, as its owner knows it.
    async fn command(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The command's id.")] id: ID,
    ) -> Answered<Command> {
        Some(command::find(Session::of(context), &id).await)
    }

    /// Every command of a drone within a day, the newest first.
    async fn commands(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The drone's id.")] drone_id: ID,
    ) -> Answered<Vec<Command>> {
        Some(command::of_drone(Session::of(context), &drone_id).await)
    }

    /// Alerts, the newest first: those that are active and the last ones that are over, without the
    /// database; or, with `history`, `from` or `to`, all that the database has.
    async fn alerts(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Entries of the page; 100 if not said.")] first: Option<i32>,
        #[graphql(desc = "The `nextAfter` of the page before.")] after: Option<String>,
        #[graphql(desc = "Which alerts; all if not said.")] filter: Option<AlertsFilter>,
    ) -> Answered<AlertPage> {
        let filter = filter.unwrap_or_default();
        Some(alert::list(Session::of(context), filter, (first, after)).await)
    }

    /// The drones of one fleet, or of all that the caller sees, in numbers; no drone is asked.
    async fn fleet_summary(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "One fleet; all that the caller sees if not said.")] fleet: Option<ID>,
        #[graphql(desc = "Side of the cells of a map, degrees; no map if not said.")]
        cell_deg: Option<f64>,
        #[graphql(desc = "Seconds within which a drone counts as heard.")] within_s: Option<i32>,
    ) -> Answered<Summary> {
        let asking = Asking {
            fleet: fleet.map(|fleet| fleet.0),
            cell_deg,
            within_s: within_s.map(|within| u64::try_from(within).unwrap_or(0)),
        };
        Some(summary::ask(Session::of(context), &asking).await)
    }
}
