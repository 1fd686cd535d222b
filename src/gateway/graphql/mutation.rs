//! What can be done.

use async_graphql::{Context, ID, MergedObject, Object};

use super::alert::{self, Alert, Said};
use super::command::{self, Command, CommandGroup, NewCommand};
use super::problem::Answered;
use super::rule::RuleChanges;
use super::session::Session;

/// What can be done. Every wish is durable before it is answered; those of one request are done one
/// after the other, in its order.
#[derive(Debug, Default, MergedObject)]
pub struct Mutation(CommandWishes, RuleChanges);

/// Commands.
#[derive(Debug, Default)]
pub struct CommandWishes;

#[Object]
impl CommandWishes {
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

    /// Says that somebody has seen an alert; the first one stays.
    async fn acknowledge_alert(
        &self,
        context: &Context<'_>,
        drone_id: ID,
        alert_id: ID,
        comment: Option<String>,
    ) -> Answered<Alert> {
        let said = (Said::Acknowledge, comment.unwrap_or_default());
        Some(alert::answer(Session::of(context), (&drone_id, &alert_id), said).await)
    }

    /// Says something about an alert.
    async fn comment_alert(
        &self,
        context: &Context<'_>,
        drone_id: ID,
        alert_id: ID,
        comment: String,
    ) -> Answered<Alert> {
        let said = (Said::Comment, comment);
        Some(alert::answer(Session::of(context), (&drone_id, &alert_id), said).await)
    }
}
