//! Samples in: each message is a request, each answer tells what became of it.
//!
//! A text message is what `POST /api/v1/telemetry` takes: a sample, a batch, or batches. Its answer
//! is `{"type":"result","results":[...]}`, one result per batch, as the REST door words them. A
//! binary message is a protobuf `StreamRequest`; its answer is a binary `StreamReply`. Answers come
//! as they are known, not in the order of the messages: `batch_id` tells which is which.
//!
//! A command for a drone that sent a batch here comes as a binary `StreamReply` if the drone's
//! newest message was binary, else as `{"type":"command","command":{...}}`. What the drone says of
//! it is a binary `StreamRequest`, or `{"command_answer":{"drone_id":...,"command_id":...,
//! "outcome":"accepted"}}`; nothing is answered to that.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;

use aerostream_proto::v1;
use aerostream_proto::v1::{stream_reply, stream_request};
use axum::extract::State;
use axum::extract::ws::Message;
use axum::response::Response;
use bytes::Bytes;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use serde::{Deserialize, Serialize};
use tokio::time::MissedTickBehavior;

use super::frame::json;
use super::opening::{Opening, Session};
use super::socket::{End, Heard, Socket};
use crate::error::{ErrorCode, Problem};
use crate::gateway::command::downlink::{Downlink, read_answer};
use crate::gateway::dead_letter::{Content, Encoding, Letter};
use crate::gateway::http::Shared;
use crate::gateway::http::problem::Refusal;
use crate::gateway::ingest::{BatchOutcome, Fate, Incoming, may_send};
use crate::gateway::json::command::{DownReply, SaidAnswer};
use crate::gateway::json::reply::BatchReply;
use crate::gateway::json::request::{Shape, read};
use crate::gateway::limit::Permit;
use crate::gateway::metrics::Door;

/// `GET /ws/v1/ingest`.
pub(super) async fn open(State(gateway): Shared, opening: Opening) -> Result<Response, Refusal> {
    if let Some(caller) = &opening.caller {
        may_send(&caller.principal)?;
    }
    let message_bytes_max = gateway.config.ws.message_bytes_max;
    Ok(opening.upgrade(
        ("ingest", message_bytes_max),
        async move |session: Session, mut socket| {
            let uplink = Uplink {
                under_way: FuturesUnordered::new(),
                answers: FuturesUnordered::new(),
                downlink: Downlink::open(Arc::clone(&session.gateway)),
                speaks_binary: false,
                last: None,
                session,
            };
            let Err(end) = uplink.run(&mut socket).await;
            socket.end(end).await;
        },
    ))
}

struct Uplink {
    session: Session,
    under_way: FuturesUnordered<BoxFuture<'static, Message>>,
    /// What drones said of commands, on its way into the journal.
    answers: FuturesUnordered<BoxFuture<'static, Result<(), Problem>>>,
    downlink: Downlink,
    /// Whether the newest message was binary.
    speaks_binary: bool,
    /// Why nothing more is read; told when everything is answered.
    last: Option<End>,
}

#[derive(Serialize)]
struct Told {
    r#type: &'static str,
    command: DownReply,
}

/// What a drone says of a command, in JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    command_answer: SaidAnswer,
}

#[derive(Serialize)]
struct Results {
    r#type: &'static str,
    results: Vec<BatchReply>,
}

fn text(shape: Shape, outcomes: Vec<BatchOutcome>) -> Message {
    let outcomes = outcomes.into_iter().enumerate();
    let results = outcomes.map(|(place, outcome)| BatchReply::new(shape, place, outcome));
    let results = Results {
        r#type: "result",
        results: results.collect(),
    };
    Message::Text(json(&results).into())
}

fn binary(outcome: BatchOutcome) -> Message {
    let reply = v1::StreamReply {
        kind: Some(stream_reply::Kind::Result(outcome.into())),
    };
    Message::Binary(prost::Message::encode_to_vec(&reply).into())
}

fn retry(incoming: Incoming, problem: &Problem) -> BatchOutcome {
    BatchOutcome {
        samples: u32::try_from(incoming.samples()).unwrap_or(u32::MAX),
        batch_id: incoming.batch.batch_id,
        drone_id: incoming.batch.drone_id,
        fate: Fate::Retry(problem.clone()),
    }
}

impl Uplink {
    async fn run(mut self, socket: &mut Socket) -> Result<Infallible, End> {
        may_send(&self.session.caller.principal)?;
        let gateway = Arc::clone(&self.session.gateway);
        let mut asking = tokio::time::interval(gateway.config.ws.heartbeat());
        asking.set_missed_tick_behavior(MissedTickBehavior::Delay);
        asking.reset();
        let mut registry = gateway.registry().position();
        let mut held = self.session.held.clone();
        let mut stopping = pin!(held.stopping());
        let caller = Arc::clone(&self.session.caller);
        let mut expired = pin!(super::opening::expired(&caller));
        loop {
            if self.under_way.is_empty()
                && let Some(end) = self.last.take()
            {
                return Err(end);
            }
            let reads = self.last.is_none();
            let under_way = self.under_way.len() + self.answers.len();
            let has_room = under_way < gateway.config.ws.messages_in_flight_max;
            tokio::select! {
                Some(answer) = self.under_way.next() => socket.send(answer).await?,
                down = self.downlink.next(), if reads => {
                    if let Some(message) = self.command(down) {
                        socket.send(message).await?;
                    }
                }
                // What is not durable comes again when the owner sends the command again.
                Some(_) = self.answers.next() => {}
                heard = socket.hear(), if reads && has_room => self.take(heard).await?,
                _ = asking.tick(), if reads && has_room => socket.ask().await?,
                () = &mut expired, if reads => {
                    let expired = Problem::new(ErrorCode::Unauthenticated, "the token expired");
                    self.last = Some(expired.into());
                }
                Ok(()) = registry.changed() => {
                    self.downlink.judge_again();
                    gateway.recheck(&caller.principal)?;
                }
                () = &mut stopping, if reads => self.last = Some(End::Stopping),
            }
        }
    }

    async fn take(&mut self, heard: Heard) -> Result<(), End> {
        match heard {
            Heard::Text(text) => {
                self.speaks_binary = false;
                self.take_text(Bytes::from(text)).await;
            }
            Heard::Binary(bytes) => {
                self.speaks_binary = true;
                self.take_binary(bytes).await;
            }
            Heard::Alive => {}
            Heard::Closed => return Err(End::Gone),
            Heard::Broken(problem) => self.last = Some(problem.into()),
        }
        Ok(())
    }

    fn enter(&self, bytes: usize) -> Result<Permit, Problem> {
        let mut permit = self.session.gateway.permit(&self.session.caller);
        permit.grow(bytes)?;
        permit.enter()?;
        Ok(permit)
    }

    /// A command in the words that the drone speaks.
    fn command(&self, down: v1::DownCommand) -> Option<Message> {
        if self.speaks_binary {
            let kind = Some(stream_reply::Kind::Command(down));
            let bytes = prost::Message::encode_to_vec(&v1::StreamReply { kind });
            return Some(Message::Binary(bytes.into()));
        }
        let told = Told {
            r#type: "command",
            command: DownReply::of(down)?,
        };
        Some(Message::Text(json(&told).into()))
    }

    fn take_answer(&mut self, answer: v1::CommandAnswer) {
        let judged = read_answer(answer).and_then(|judged| {
            if self.downlink.holds(&judged.drone) {
                return Ok(judged);
            }
            let detail = "the drone has not sent a batch on this WebSocket";
            Err(Problem::new(ErrorCode::Forbidden, detail).at("answer.drone_id"))
        });
        match judged {
            Ok(judged) => {
                let gateway = Arc::clone(&self.session.gateway);
                let answered = async move { gateway.drone_answered(judged).await };
                self.answers.push(Box::pin(answered));
            }
            Err(problem) => self.last = Some(problem.into()),
        }
    }

    async fn take_text(&mut self, body: Bytes) {
        if let Ok(said) = serde_json::from_slice::<Said>(&body) {
            return self.take_answer(said.command_answer.into());
        }
        let entered = self.enter(body.len());
        let request = match read(&body) {
            Ok(request) => request,
            Err(problem) => return self.refuse(problem, body, Encoding::Json).await,
        };
        let (shape, batches) = (request.shape, request.batches);
        let principal = &self.session.caller.principal;
        for incoming in &batches {
            self.downlink.heard_batch(principal, &incoming.batch);
        }
        let permit = match entered {
            Ok(permit) => permit,
            Err(problem) => {
                // Refused for now and told so; the stream goes on.
                let outcomes = batches.into_iter().map(|one| retry(one, &problem));
                let answer = text(shape, outcomes.collect());
                return self.under_way.push(Box::pin(std::future::ready(answer)));
            }
        };
        let gateway = Arc::clone(&self.session.gateway);
        let caller = Arc::clone(&self.session.caller);
        self.under_way.push(Box::pin(async move {
            let _permit = permit;
            let arrival = gateway.ingest.arrival(&caller, Door::WebSocket);
            text(shape, gateway.ingest.batches(arrival, batches).await)
        }));
    }

    async fn take_binary(&mut self, bytes: Bytes) {
        let entered = self.enter(bytes.len());
        let request = <v1::StreamRequest as prost::Message>::decode(bytes.clone());
        let batch = match request.map(|request| request.kind) {
            Ok(Some(stream_request::Kind::Batch(batch))) => batch,
            Ok(Some(stream_request::Kind::Answer(answer))) => return self.take_answer(answer),
            other => {
                let detail = match other {
                    Err(error) => error.to_string(),
                    Ok(_) => "it is empty or of a newer version".to_owned(),
                };
                let detail =
                    format!("a binary message must be an aerostream.v1.StreamRequest: {detail}");
                let problem = Problem::new(ErrorCode::Malformed, detail).at("batch");
                return self.refuse(problem, bytes, Encoding::Protobuf).await;
            }
        };
        let principal = &self.session.caller.principal;
        self.downlink.heard_batch(principal, &batch);
        let incoming = Incoming::of_wire(batch);
        let permit = match entered {
            Ok(permit) => permit,
            Err(problem) => {
                let answer = binary(retry(incoming, &problem));
                return self.under_way.push(Box::pin(std::future::ready(answer)));
            }
        };
        let gateway = Arc::clone(&self.session.gateway);
        let caller = Arc::clone(&self.session.caller);
        self.under_way.push(Box::pin(async move {
            let _permit = permit;
            let arrival = gateway.ingest.arrival(&caller, Door::WebSocket);
            binary(gateway.ingest.batch(arrival, incoming).await)
        }));
    }

    /// A message that cannot be read is refused once it is durable among the dead letters; what
    /// came before it is still answered.
    async fn refuse(&mut self, problem: Problem, raw: Bytes, encoding: Encoding) {
        let caller = &self.session.caller;
        let letter = Letter {
            drone: caller.principal.drone.clone(),
            boot: None,
            seq: None,
            code: problem.code.as_str().to_owned(),
            field: problem.field.clone().unwrap_or_default(),
            detail: problem.detail.to_string(),
            raw,
            encoding,
            content: Content::Request,
        };
        let ingest = &self.session.gateway.ingest;
        let arrival = ingest.arrival(caller, Door::WebSocket);
        let kept = ingest.keep(arrival, vec![letter]).await;
        self.last = Some(kept.err().unwrap_or(problem).into());
    }
}
