//! Who may give, see, take back and confirm commands.

use std::time::Duration;

use aerostream_actors::CommandView;
use aerostream_domain::command::{Cancel, CommandId, CommandRecord, Confirm};
use aerostream_domain::{DroneId, UtcMicros};
use futures::StreamExt;

use super::{FOLD_WAIT, Wish, no_command, not_durable};
use crate::clock;
use crate::error::{ErrorCode, Problem};
use crate::gateway::auth::{Action, Principal};
use crate::gateway::ingest::unavailable;
use crate::gateway::limit::RETRY_AFTER;
use crate::gateway::state::{Gateway, allow, no_drone};
use crate::registry::Credential;

/// Commands of a group that are asked for at once.
const GROUP_ASKED_AT_ONCE: usize = 64;

impl Gateway {
    /// Gives a command to a drone; answered when the wish is durable.
    ///
    /// # Errors
    /// The caller may not, the wish is wrong or too much, or the log did not take it.
    pub async fn give(&self, principal: &Principal, wish: Wish) -> Result<CommandView, Problem> {
        let fleet = self.allow_drone(principal, Action::Command, &wish.drone)?;
        let fleet = fleet.ok_or_else(no_drone)?;
        let is_retired = {
            let registry = self.registry().read();
            let known = registry.drone(&wish.drone);
            known.is_some_and(|known| known.entity.credential == Credential::Retired)
        };
        if is_retired {
            let detail = "the drone is retired: nobody commands it any more";
            return Err(Problem::new(ErrorCode::Retired, detail).at("drone_id"));
        }
        self.commands.take(principal, (fleet, wish)).await
    }

    /// A command that the caller may see; with `seen` at its next change or after `wait`.
    ///
    /// # Errors
    /// There is none, or its owner cannot be asked.
    pub async fn command(
        &self,
        principal: &Principal,
        id: CommandId,
        (seen, wait): (Option<UtcMicros>, Duration),
    ) -> Result<CommandView, Problem> {
        allow(principal, Action::ReadDrone)?;
        // Whoever may not see it does not wait for it either.
        let view = self.remembered(id).await?;
        let seen = seen.filter(|_| !wait.is_zero() && !view.entry.is_over());
        self.visible(principal, &view)?;
        let Some(seen) = seen else {
            return Ok(view);
        };
        let later = self.behind.drones.command(id, Some(seen), wait).await;
        let later = later.map_err(|error| unavailable(&error))?;
        Ok(later.unwrap_or(view))
    }

    /// A command as its owner knows it, or as the database has it once the owner has forgotten it.
    async fn remembered(&self, id: CommandId) -> Result<CommandView, Problem> {
        let unknown = match self.commands.known(id).await {
            Err(problem) if problem.code == ErrorCode::NotFound => problem,
            known => return known,
        };
        let Some(history) = &self.behind.history else {
            return Err(unknown);
        };
        let stored = history.command(id).await.map_err(|error| {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, command.id = %id, "an ended command was not read");
            let detail = "no drone has this command now, and the database, which has those of \
                          earlier days, cannot be read";
            Problem::new(ErrorCode::Unavailable, detail).retry_after(RETRY_AFTER)
        })?;
        let (drone, entry) = stored.ok_or(unknown)?;
        Ok(CommandView {
            entry,
            drone,
            needs_confirmation: false,
        })
    }

    /// A command that the caller may see, when it is over, at the latest after `wait`.
    ///
    /// # Errors
    /// As [`Gateway::command`].
    pub async fn command_at_its_end(
        &self,
        principal: &Principal,
        id: CommandId,
        wait: Duration,
    ) -> Result<CommandView, Problem> {
        let deadline = clock::monotonic_now() + wait;
        let mut view = self.command(principal, id, (None, wait)).await?;
        loop {
            let left = deadline.saturating_duration_since(clock::monotonic_now());
            if view.entry.is_over() || left.is_zero() {
                return Ok(view);
            }
            let seen = Some(view.entry.changed);
            view = self.command(principal, id, (seen, left)).await?;
        }
    }

    fn visible(&self, principal: &Principal, view: &CommandView) -> Result<(), Problem> {
        let allowed = self.allow_drone(principal, Action::ReadDrone, &view.drone);
        allowed.map(|_| ()).map_err(|_| no_command())
    }

    /// Every command of a drone within a day, the newest first.
    ///
    /// # Errors
    /// The caller may not see the drone, or its owner cannot be asked.
    pub async fn commands_of(
        &self,
        principal: &Principal,
        drone: &DroneId,
    ) -> Result<Vec<CommandView>, Problem> {
        let fleet = self.allow_drone(principal, Action::ReadDrone, drone)?;
        fleet.ok_or_else(no_drone)?;
        let views = self.behind.drones.commands(drone).await;
        let mut views = views.map_err(|error| unavailable(&error))?;
        views.reverse();
        Ok(views)
    }

    /// The commands of a group that the caller may see, in the order of their drones.
    ///
    /// # Errors
    /// There is none, or an owner cannot be asked.
    pub async fn command_group(
        &self,
        principal: &Principal,
        group: u128,
    ) -> Result<Vec<CommandView>, Problem> {
        allow(principal, Action::ReadDrone)?;
        let ids = self.behind.drones.command_group(group).await;
        let ids = ids.map_err(|error| unavailable(&error))?;
        let views: Vec<_> = futures::stream::iter(ids)
            .map(|id| self.commands.known(id))
            .buffered(GROUP_ASKED_AT_ONCE)
            .collect()
            .await;
        let mut seen = Vec::new();
        for view in views {
            match view {
                Ok(view) if self.visible(principal, &view).is_ok() => seen.push(view),
                Ok(_) => {}
                // It was forgotten meanwhile.
                Err(problem) if problem.code == ErrorCode::NotFound => {}
                Err(problem) => return Err(problem),
            }
        }
        if seen.is_empty() {
            let detail = "there is no such group of commands";
            return Err(Problem::new(ErrorCode::NotFound, detail).at("group_id"));
        }
        seen.sort_by(|one, other| one.drone.cmp(&other.drone));
        Ok(seen)
    }

    /// Takes a command back; answered when the wish is durable.
    ///
    /// # Errors
    /// As [`Gateway::give`].
    pub async fn cancel(
        &self,
        principal: &Principal,
        id: CommandId,
    ) -> Result<CommandView, Problem> {
        let cancel = CommandRecord::Cancel(Cancel {
            id,
            principal: principal.subject.clone(),
            received: clock::utc_now(),
        });
        self.wish_about(principal, id, cancel).await
    }

    /// Confirms a dangerous command; answered when the wish is durable.
    ///
    /// # Errors
    /// As [`Gateway::give`]; a conflict if the digest is that of another command.
    pub async fn confirm(
        &self,
        principal: &Principal,
        id: CommandId,
        digest: u64,
    ) -> Result<CommandView, Problem> {
        allow(principal, Action::Command)?;
        let view = self.commands.known(id).await?;
        self.visible(principal, &view)?;
        if view.entry.intent.command.digest() != digest {
            let detail = "is the digest of another command";
            return Err(Problem::new(ErrorCode::Conflict, detail).at("digest"));
        }
        let confirm = CommandRecord::Confirm(Confirm {
            id,
            principal: principal.subject.clone(),
            received: clock::utc_now(),
            digest,
        });
        self.wish_about(principal, id, confirm).await
    }

    async fn wish_about(
        &self,
        principal: &Principal,
        id: CommandId,
        record: CommandRecord,
    ) -> Result<CommandView, Problem> {
        allow(principal, Action::Command)?;
        let view = self.commands.known(id).await?;
        self.visible(principal, &view)?;
        if view.entry.is_over() {
            return Ok(view);
        }
        let fleet = self
            .registry()
            .fleet_of(&view.drone)
            .ok_or_else(no_command)?;
        let about = (&fleet, &view.drone);
        let appended = self.commands.append(about, record, false).await;
        appended.map_err(|unwritten| not_durable(id, unwritten))?;
        // The owner folds it within moments; what it is then is worth more than what it was.
        let seen = Some(view.entry.changed);
        let after = self.behind.drones.command(id, seen, FOLD_WAIT).await;
        Ok(after.ok().flatten().unwrap_or(view))
    }
}
