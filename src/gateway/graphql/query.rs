//! What can be asked.

use async_graphql::{Context, EmptyMutation, EmptySubscription, ID, Object, Result};

use super::drone::{Drone, DroneConnection, DroneFilter};
use super::session::Session;

/// The schema of the door.
pub type Schema = async_graphql::Schema<Query, EmptyMutation, EmptySubscription>;

/// Builds the schema.
#[must_use]
pub fn schema() -> Schema {
    // What a query may be was judged before the library sees it; see `cost`.
    Schema::build(Query, EmptyMutation, EmptySubscription).finish()
}

/// What can be asked.
#[derive(Debug)]
pub struct Query;

/// What can be asked. Whoever may not see something is told that it is not there.
#[Object]
impl Query {
    /// A drone that is enrolled or was heard.
    async fn drone(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The drone's id.")] id: ID,
    ) -> Result<Option<Drone>> {
        Ok(Some(Drone::find(Session::of(context), &id).await?))
    }

    /// Drones that were heard and that the caller may see, in the order of their ids.
    async fn drones(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Entries of the page; 100 if not said.")] first: Option<i32>,
        #[graphql(desc = "The `endCursor` of the page before.")] after: Option<String>,
        #[graphql(desc = "Which drones; all if not said.")] filter: Option<DroneFilter>,
    ) -> Result<Option<DroneConnection>> {
        let page = DroneConnection::page(Session::of(context), first, after, filter);
        Ok(Some(page.await?))
    }
}
