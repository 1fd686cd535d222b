//! `Stream`: batches up, one result per batch down. At most so many batches are without result; the
//! stream is not read further meanwhile, so that HTTP/2 holds the sender back.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use aerostream_proto::v1;
use aerostream_proto::v1::{stream_reply, stream_request};
use futures::future::BoxFuture;
use futures::stream::{self, FuturesUnordered};
use futures::{Stream, StreamExt};
use prost::Message;
use tokio::sync::watch;
use tonic::{Status, Streaming};

use super::status::to_status;
use crate::clock;
use crate::error::{ErrorCode, Problem};
use crate::gateway::auth::Caller;
use crate::gateway::command::downlink::{Downlink, read_answer};
use crate::gateway::ingest::{BatchOutcome, Fate, Incoming};
use crate::gateway::limit::Place;
use crate::gateway::metrics::{self, Door};
use crate::gateway::state::Gateway;
use crate::registry::Position;

/// Results on their way down.
pub(super) type Replies = Pin<Box<dyn Stream<Item = Result<v1::StreamReply, Status>> + Send>>;

/// Answers a stream until its sender ends it, or its token does.
pub(super) fn replies(
    gateway: Arc<Gateway>,
    (caller, place): (Arc<Caller>, Place),
    requests: Streaming<v1::StreamRequest>,
) -> Replies {
    metrics::stream_opened();
    let session = Session {
        registry: gateway.registry().position(),
        under_way: FuturesUnordered::new(),
        answers: FuturesUnordered::new(),
        downlink: Downlink::open(Arc::clone(&gateway)),
        requests,
        gateway,
        caller,
        _place: place,
        sending: true,
    };
    let next = async |session: Option<Session>| {
        let mut session = session?;
        match session.next().await {
            Ok(Some(kind)) => {
                let reply = v1::StreamReply { kind: Some(kind) };
                Some((Ok(reply), Some(session)))
            }
            Ok(None) => None,
            // The status is the last thing that the stream says.
            Err(status) => Some((Err(status), None)),
        }
    };
    Box::pin(stream::unfold(Some(session), move |session| {
        let next: BoxFuture<'static, _> = Box::pin(next(session));
        next
    }))
}

struct Session {
    gateway: Arc<Gateway>,
    caller: Arc<Caller>,
    _place: Place,
    requests: Streaming<v1::StreamRequest>,
    under_way: FuturesUnordered<BoxFuture<'static, BatchOutcome>>,
    /// What drones said of commands, on its way into the journal.
    answers: FuturesUnordered<BoxFuture<'static, Result<(), Problem>>>,
    downlink: Downlink,
    registry: watch::Receiver<Position>,
    /// False once the sender has said all.
    sending: bool,
}

impl Drop for Session {
    fn drop(&mut self) {
        metrics::stream_closed();
    }
}

impl Session {
    /// The next thing to say; `None` when the sender has said all and everything is answered.
    async fn next(&mut self) -> Result<Option<stream_reply::Kind>, Status> {
        loop {
            if !self.sending && self.under_way.is_empty() && self.answers.is_empty() {
                return Ok(None);
            }
            let under_way = self.under_way.len() + self.answers.len();
            let has_room = under_way < self.gateway.config.grpc.stream_batches_max;
            tokio::select! {
                Some(outcome) = self.under_way.next() => {
                    return Ok(Some(stream_reply::Kind::Result(outcome.into())));
                }
                down = self.downlink.next(), if self.sending => {
                    return Ok(Some(stream_reply::Kind::Command(down)));
                }
                // What is not durable comes again when the owner sends the command again.
                Some(_) = self.answers.next() => {}
                request = self.requests.message(), if self.sending && has_room => {
                    match request? {
                        Some(request) => self.take(request)?,
                        None => self.sending = false,
                    }
                }
                () = until_expiry(&self.caller) => self.recheck()?,
                Ok(()) = self.registry.changed() => self.recheck()?,
            }
        }
    }

    fn recheck(&mut self) -> Result<(), Status> {
        self.downlink.judge_again();
        let judged = self.gateway.recheck(&self.caller.principal);
        judged.map_err(to_status)
    }

    fn take(&mut self, request: v1::StreamRequest) -> Result<(), Status> {
        match request.kind {
            Some(stream_request::Kind::Batch(batch)) => self.take_batch(batch),
            Some(stream_request::Kind::Answer(answer)) => {
                self.take_answer(answer).map_err(to_status)
            }
            None => {
                let detail = "must be given; the message is empty or of a newer version";
                let problem = Problem::new(ErrorCode::Malformed, detail);
                Err(to_status(problem.at("batch")))
            }
        }
    }

    fn take_answer(&mut self, answer: v1::CommandAnswer) -> Result<(), Problem> {
        let judged = read_answer(answer)?;
        if !self.downlink.holds(&judged.drone) {
            let detail = "the drone has not sent a batch on this stream";
            return Err(Problem::new(ErrorCode::Forbidden, detail).at("answer.drone_id"));
        }
        let gateway = Arc::clone(&self.gateway);
        let answered = async move { gateway.drone_answered(judged).await };
        self.answers.push(Box::pin(answered));
        Ok(())
    }

    fn take_batch(&mut self, batch: v1::Batch) -> Result<(), Status> {
        self.downlink.heard_batch(&self.caller.principal, &batch);
        let mut permit = self.gateway.permit(&self.caller);
        let entered = permit
            .grow(batch.encoded_len())
            .and_then(|()| permit.enter());
        if let Err(problem) = entered {
            // Refused for now and told so; the stream goes on.
            let outcome = BatchOutcome {
                batch_id: batch.batch_id,
                samples: batch.samples.len() as u32,
                drone_id: batch.drone_id,
                fate: Fate::Retry(problem),
            };
            self.under_way.push(Box::pin(std::future::ready(outcome)));
            return Ok(());
        }
        let gateway = Arc::clone(&self.gateway);
        let caller = Arc::clone(&self.caller);
        self.under_way.push(Box::pin(async move {
            let _permit = permit;
            let arrival = gateway.ingest.arrival(&caller, Door::GrpcStream);
            gateway
                .ingest
                .batch(arrival, Incoming::of_wire(batch))
                .await
        }));
        Ok(())
    }
}

/// Waits until the caller's token is over.
pub(super) async fn until_expiry(caller: &Caller) {
    let left = caller
        .principal
        .expires
        .0
        .saturating_sub(clock::utc_now().0);
    tokio::time::sleep(Duration::from_micros(u64::try_from(left).unwrap_or(0))).await;
}
