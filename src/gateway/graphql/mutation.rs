//! What can be done.

use async_graphql::{Context, ID, Object};

use super::command::{self, Command, CommandGroup, NewCommand};
use super::problem::Answered;
use super::session::Session;

/// What can be done.
#[derive(Debug)]
pub struct Mutation;

/// What can be done. Every wish is durable before it is answered.
#[Object]
impl Mutation {
    /// Gives a command to a drone.
    async fn send_command(
        &self,
        context: &Context<'_>,
        drone_id: ID,
        input: NewCommand,
    ) -> Answered<Command> {
        Some(command::give(Session::of(context), &drone_id, input).await)
    }

    /// Gives a command to these drones, and to every drone of the fleet that is not retired.
    async fn send_group_command(
        &self,
        context: &Context<'_>,
        #[graphql(default)] drone_ids: Vec<ID>,
        fleet_id: Option<ID>,
        input: NewCommand,
    ) -> Answered<CommandGroup> {
        let to = (drone_ids, fleet_id);
        Some(command::give_many(Session::of(context), to, input).await)
    }

    /// Takes a command back, if it is not over.
    async fn cancel_command(&self, context: &Context<'_>, id: ID) -> Answered<Command> {
        Some(command::cancel(Session::of(context), &id).await)
    }

    /// The second step of a dangerous command.
    async fn confirm_command(
        &self,
        context: &Context<'_>,
        id: ID,
        #[graphql(desc = "The command's digest: nothing else is confirmed.")] digest: String,
    ) -> Answered<Command> {
        Some(command::confirm(Session::of(context), &id, &digest).await)
    }
}
