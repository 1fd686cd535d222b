//! `CommandService`: the same commands as at the REST door, with the same reasons.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use aerostream_actors::CommandView;
use aerostream_domain::DroneId;
use aerostream_domain::command::{Command, CommandId};
use aerostream_proto::v1;
use aerostream_proto::v1::command_service_server::CommandService;
use futures::{Stream, stream};
use tonic::{Request, Response, Status};

use super::entered;
use super::status::to_status;
use crate::error::{ErrorCode, Problem};
use crate::gateway::auth::{Action, Caller};
use crate::gateway::command::Wish;
use crate::gateway::limit::Place;
use crate::gateway::state::{Gateway, allow};

/// Longest wait for one change of a command that is followed.
const STEP: Duration = Duration::from_secs(30);

pub(super) struct Commands {
    gateway: Arc<Gateway>,
}

impl Commands {
    pub(super) fn new(gateway: Arc<Gateway>) -> Self {
        Self { gateway }
    }
}

fn id(text: &str) -> Result<CommandId, Status> {
    CommandId::parse(text).map_err(|error| {
        to_status(Problem::new(ErrorCode::Invalid, error.to_string()).at("command_id"))
    })
}

fn state(view: CommandView) -> v1::CommandState {
    let entry = view.entry;
    v1::CommandState {
        command_id: entry.id().to_string(),
        drone_id: view.drone.as_str().to_owned(),
        state: entry.stage.as_str().to_owned(),
        is_final: entry.is_over(),
        principal: entry.intent.principal.clone(),
        received_us: entry.intent.received.0,
        expires_us: entry.intent.expires().0,
        changed_us: entry.changed.0,
        attempts: entry.spent,
        progress_percent: entry.progress_percent.map(u32::from),
        detail: entry
            .answer
            .map_or_else(String::new, |answer| answer.detail),
        digest: entry.intent.command.digest(),
        needs_confirmation: view.needs_confirmation,
        conflicting_intents: entry.conflicts,
        reason: entry.reason,
        command: Some(entry.intent.command.into()),
    }
}

fn wish(gateway: &Gateway, request: v1::SendCommandRequest) -> Result<Wish, Problem> {
    let invalid = |detail: String| Problem::new(ErrorCode::Invalid, detail);
    let drone = DroneId::parse(&request.drone_id);
    let drone = drone.map_err(|error| invalid(error.to_string()).at("drone_id"))?;
    let command = request.command.unwrap_or_default();
    let command =
        Command::try_from(command).map_err(|refusal| invalid(refusal.detail).at(refusal.field))?;
    let key = match request.idempotency_key.as_str() {
        "" => format!("{:032x}", rand::random::<u128>()),
        key => key.to_owned(),
    };
    let asked = request.time_to_live_ms;
    Ok(Wish {
        drone,
        key,
        command,
        time_to_live: gateway.commands.time_to_live(asked, "time_to_live_ms")?,
        emergency: request.emergency,
        confirm: request.confirm,
        group: None,
    })
}

/// Where a followed command is.
struct Following {
    gateway: Arc<Gateway>,
    caller: Arc<Caller>,
    id: CommandId,
    seen: Option<aerostream_domain::UtcMicros>,
    is_over: bool,
    _place: Place,
}

impl Following {
    /// The next state; `None` behind the end.
    async fn next(mut self) -> Option<(Result<v1::CommandState, Status>, Self)> {
        if self.is_over {
            return None;
        }
        loop {
            let judged = self.gateway.recheck(&self.caller.principal);
            let asked = match judged {
                Ok(()) => {
                    let principal = &self.caller.principal;
                    self.gateway
                        .command(principal, self.id, (self.seen, STEP))
                        .await
                }
                Err(problem) => Err(problem),
            };
            match asked {
                Ok(view) if self.seen == Some(view.entry.changed) && !view.entry.is_over() => {}
                Ok(view) => {
                    self.seen = Some(view.entry.changed);
                    self.is_over = view.entry.is_over();
                    return Some((Ok(state(view)), self));
                }
                Err(problem) => {
                    self.is_over = true;
                    return Some((Err(to_status(problem)), self));
                }
            }
        }
    }
}

#[tonic::async_trait]
impl CommandService for Commands {
    type FollowStream = Pin<Box<dyn Stream<Item = Result<v1::CommandState, Status>> + Send>>;

    async fn send(
        &self,
        request: Request<v1::SendCommandRequest>,
    ) -> Result<Response<v1::CommandState>, Status> {
        let (caller, _permit) = entered(&self.gateway, request.metadata()).await?;
        allow(&caller.principal, Action::Command).map_err(to_status)?;
        let mut permit = self.gateway.permit(&caller);
        permit.enter().map_err(to_status)?;
        let wish = wish(&self.gateway, request.into_inner()).map_err(to_status)?;
        let given = self.gateway.give(&caller.principal, wish).await;
        given.map(state).map(Response::new).map_err(to_status)
    }

    async fn get(
        &self,
        request: Request<v1::GetCommandRequest>,
    ) -> Result<Response<v1::CommandState>, Status> {
        let (caller, _permit) = entered(&self.gateway, request.metadata()).await?;
        let mut permit = self.gateway.permit(&caller);
        permit.enter().map_err(to_status)?;
        let asked = request.into_inner();
        let wait = self.gateway.commands.wait(asked.wait_ms.unwrap_or(0));
        let id = id(&asked.command_id)?;
        let view = self.gateway.command_at_its_end(&caller.principal, id, wait);
        view.await.map(state).map(Response::new).map_err(to_status)
    }

    async fn cancel(
        &self,
        request: Request<v1::CancelCommandRequest>,
    ) -> Result<Response<v1::CommandState>, Status> {
        let (caller, _permit) = entered(&self.gateway, request.metadata()).await?;
        allow(&caller.principal, Action::Command).map_err(to_status)?;
        let id = id(&request.into_inner().command_id)?;
        let view = self.gateway.cancel(&caller.principal, id).await;
        view.map(state).map(Response::new).map_err(to_status)
    }

    async fn confirm(
        &self,
        request: Request<v1::ConfirmCommandRequest>,
    ) -> Result<Response<v1::CommandState>, Status> {
        let (caller, _permit) = entered(&self.gateway, request.metadata()).await?;
        allow(&caller.principal, Action::Command).map_err(to_status)?;
        let asked = request.into_inner();
        let id = id(&asked.command_id)?;
        let view = self
            .gateway
            .confirm(&caller.principal, id, asked.digest)
            .await;
        view.map(state).map(Response::new).map_err(to_status)
    }

    async fn follow(
        &self,
        request: Request<v1::GetCommandRequest>,
    ) -> Result<Response<Self::FollowStream>, Status> {
        let (caller, _permit) = entered(&self.gateway, request.metadata()).await?;
        let id = id(&request.into_inner().command_id)?;
        // Whoever may not see it is told so before the stream begins.
        let now = (None, Duration::ZERO);
        let view = self.gateway.command(&caller.principal, id, now).await;
        view.map_err(to_status)?;
        let place = self.gateway.stream(&caller).map_err(to_status)?;
        let following = Following {
            gateway: Arc::clone(&self.gateway),
            _place: place,
            caller,
            id,
            seen: None,
            is_over: false,
        };
        Ok(Response::new(Box::pin(stream::unfold(
            following,
            Following::next,
        ))))
    }
}
