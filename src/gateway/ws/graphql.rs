//! GraphQL over WebSocket, as the protocol `graphql-transport-ws` has it: queries, mutations and
//! subscriptions, many at a time over one connection.
//!
//! The token comes with `connection_init`, as `{"authorization":"Bearer <token>"}`, unless it came
//! as a header. What a subscription tells waits for its client, so that whoever is slow is told
//! less and not later: positions are the newest, updates of a drone are conflated.

mod message;

use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use aerostream_actors::task::{TaskKind, spawn};
use async_graphql::Response as Answer;
use axum::extract::State;
use axum::response::Response;
use futures::StreamExt;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use self::message::{Asked, Down, Goodbye, Up};
use super::opening::{Arrival, Opening, expired};
use super::socket::{End, Gone, Heard, Socket};
use crate::clock;
use crate::error::Problem;
use crate::gateway::auth::Caller;
use crate::gateway::graphql;
use crate::gateway::http::Shared;
use crate::gateway::http::problem::Refusal;
use crate::gateway::limit::{Place, SocketPlace};
use crate::gateway::server::Upgraded;
use crate::gateway::state::Gateway;
use crate::origin;

/// The subprotocol that is spoken.
const PROTOCOL: &str = "graphql-transport-ws";

/// `GET /graphql/ws`.
pub(in crate::gateway) async fn open(
    State(gateway): Shared,
    opening: Opening,
) -> Result<Response, Refusal> {
    let bytes_max = gateway.config.graphql.body_bytes_max;
    Ok(opening.upgrade_to(
        PROTOCOL,
        ("graphql", bytes_max),
        async move |arrival, mut socket| {
            let Err(end) = run(arrival, &mut socket).await;
            match end {
                Ended::End(end) => socket.end(end).await,
                Ended::Goodbye(goodbye) => socket.close(goodbye.code, &goodbye.reason).await,
            }
        },
    ))
}

/// How a connection ends.
enum Ended {
    End(End),
    Goodbye(Goodbye),
}

impl From<End> for Ended {
    fn from(end: End) -> Self {
        Self::End(end)
    }
}

impl From<Gone> for Ended {
    fn from(gone: Gone) -> Self {
        Self::End(gone.into())
    }
}

impl From<Goodbye> for Ended {
    fn from(goodbye: Goodbye) -> Self {
        Self::Goodbye(goodbye)
    }
}

async fn run(arrival: Arrival, socket: &mut Socket) -> Result<Infallible, Ended> {
    let Arrival {
        gateway,
        caller,
        held,
        place,
    } = arrival;
    let (caller, place) = introduced(&gateway, socket, (caller, place)).await?;
    socket.tell(Down::ConnectionAck.text()).await?;
    // One answer waits for its client; whoever tells more waits until it is taken.
    let (told, telling) = mpsc::channel(1);
    let mut connection = Connection {
        gateway,
        caller,
        held,
        running: HashMap::new(),
        told,
        _place: place,
    };
    connection.follow(socket, telling).await
}

/// Waits for `connection_init`, which has the token.
async fn introduced(
    gateway: &Gateway,
    socket: &mut Socket,
    (known, place): (Option<Arc<Caller>>, SocketPlace),
) -> Result<(Arc<Caller>, SocketPlace), Ended> {
    let wait = Duration::from_millis(gateway.config.ws.token_timeout_ms);
    let by = clock::monotonic_now() + wait;
    let payload = loop {
        let Ok(heard) = tokio::time::timeout_at(by, socket.hear()).await else {
            return Err(Goodbye::new(4408, "connection initialisation timeout").into());
        };
        match up(socket, heard).await? {
            Some(Up::ConnectionInit { payload }) => break payload,
            Some(Up::Subscribe { .. }) => return Err(Goodbye::new(4401, "unauthorized").into()),
            _ => {}
        }
    };
    if let Some(caller) = known {
        return Ok((caller, place));
    }
    let authorization = payload.as_ref().and_then(message::authorization);
    let caller = gateway
        .caller(authorization)
        .await
        .map_err(|problem| forbidden(&problem))?;
    let known = gateway
        .socket(Some(&caller))
        .map_err(|problem| forbidden(&problem))?;
    Ok((caller, known))
}

fn forbidden(problem: &Problem) -> Goodbye {
    Goodbye::new(4403, &problem.detail)
}

/// What a client says; pings are answered here.
async fn up(socket: &mut Socket, heard: Heard) -> Result<Option<Up>, Ended> {
    let text = match heard {
        Heard::Alive => return Ok(None),
        Heard::Closed => return Err(End::Gone.into()),
        Heard::Broken(problem) => return Err(Goodbye::new(4400, &problem.detail).into()),
        Heard::Binary(_) => return Err(Goodbye::new(4400, "a message must be text").into()),
        Heard::Text(text) => text,
    };
    match serde_json::from_str(&text) {
        Ok(Up::Ping) => {
            socket.tell(Down::Pong.text()).await?;
            Ok(None)
        }
        Ok(up) => Ok(Some(up)),
        Err(error) => Err(Goodbye::new(4400, &format!("invalid message: {error}")).into()),
    }
}

/// One operation that is answered; it ends with this.
struct Running {
    task: JoinHandle<Option<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Something of an operation: an answer, why there is none, or `None` at its end.
type Told = (String, Option<Result<Box<Answer>, Problem>>);

struct Connection {
    gateway: Arc<Gateway>,
    caller: Arc<Caller>,
    held: Upgraded,
    running: HashMap<String, Running>,
    told: mpsc::Sender<Told>,
    _place: SocketPlace,
}

impl Connection {
    async fn follow(
        &mut self,
        socket: &mut Socket,
        mut telling: mpsc::Receiver<Told>,
    ) -> Result<Infallible, Ended> {
        let mut heartbeat = tokio::time::interval(self.gateway.config.ws.heartbeat());
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        heartbeat.reset();
        let mut registry = self.gateway.registry().position();
        let mut held = self.held.clone();
        let mut stopping = pin!(held.stopping());
        let caller = Arc::clone(&self.caller);
        let mut expired = pin!(expired(&caller));
        loop {
            tokio::select! {
                heard = socket.hear() => {
                    if let Some(up) = up(socket, heard).await? {
                        self.hear(socket, up).await?;
                    }
                }
                Some((id, told)) = telling.recv() => self.tell(socket, id, told).await?,
                _ = heartbeat.tick() => socket.ask().await?,
                () = &mut expired => return Err(Goodbye::new(4403, "the token expired").into()),
                Ok(()) = registry.changed() => self
                    .gateway
                    .recheck(&caller.principal)
                    .map_err(|problem| forbidden(&problem))?,
                () = &mut stopping => return Err(End::Stopping.into()),
            }
        }
    }

    async fn hear(&mut self, socket: &mut Socket, up: Up) -> Result<(), Ended> {
        match up {
            Up::ConnectionInit { .. } => {
                Err(Goodbye::new(4429, "too many initialisation requests").into())
            }
            Up::Subscribe { id, payload } => self.begin(socket, id, payload).await,
            Up::Complete { id } => {
                self.running.remove(&id);
                Ok(())
            }
            Up::Ping | Up::Pong => Ok(()),
        }
    }

    async fn begin(&mut self, socket: &mut Socket, id: String, asked: Asked) -> Result<(), Ended> {
        if self.running.contains_key(&id) {
            return Err(Goodbye::new(4409, &format!("subscriber for {id} already exists")).into());
        }
        let place = self.room();
        let place = match place {
            Ok(place) => place,
            Err(problem) => return self.refuse(socket, id, &problem).await,
        };
        let (gateway, caller) = (Arc::clone(&self.gateway), Arc::clone(&self.caller));
        let (told, of) = (self.told.clone(), id.clone());
        let task = async move {
            let _place: Place = place;
            match graphql::operate(&gateway, caller, asked.into()) {
                Ok(answers) => {
                    let mut answers = pin!(answers);
                    while let Some(answer) = answers.next().await {
                        let told_one = (of.clone(), Some(Ok(Box::new(answer))));
                        if told.send(told_one).await.is_err() {
                            return;
                        }
                    }
                    let _ = told.send((of, None)).await;
                }
                Err(problem) => {
                    let _ = told.send((of, Some(Err(problem)))).await;
                }
            }
        };
        let task = origin::within(origin::current(), task);
        let task = spawn(TaskKind::Request, "graphql operation", task);
        self.running.insert(id, Running { task });
        Ok(())
    }

    fn room(&self) -> Result<Place, Problem> {
        let most = self.gateway.config.graphql.operations_max;
        if self.running.len() >= most {
            return Err(graphql::too_many_operations(most));
        }
        let operations = &self.gateway.graphql.operations;
        operations.take(&self.caller.principal.subject)
    }

    async fn tell(
        &mut self,
        socket: &mut Socket,
        id: String,
        told: Option<Result<Box<Answer>, Problem>>,
    ) -> Result<(), Ended> {
        // What was taken back meanwhile is not told any more.
        if !self.running.contains_key(&id) {
            return Ok(());
        }
        match told {
            Some(Ok(answer)) => {
                let frame = Down::Next {
                    id: &id,
                    payload: &answer,
                };
                socket.tell(frame.text()).await?;
            }
            Some(Err(problem)) => {
                self.running.remove(&id);
                self.refuse(socket, id, &problem).await?;
            }
            None => {
                self.running.remove(&id);
                socket.tell(Down::Complete { id: &id }.text()).await?;
            }
        }
        Ok(())
    }

    async fn refuse(
        &self,
        socket: &mut Socket,
        id: String,
        problem: &Problem,
    ) -> Result<(), Ended> {
        let payload = [graphql::told(problem)];
        let frame = Down::Error {
            id: &id,
            payload: &payload,
        };
        Ok(socket.tell(frame.text()).await?)
    }
}
