//! `TelemetryService.Stream`: one stream, all drones of a lane, one result per batch.

use std::time::Duration;

use aerostream_proto::v1::{StreamReply, stream_reply};
use bytes::{BufMut, Bytes};
use futures::stream;
use prost::Message;
use tokio::sync::mpsc;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status, Streaming};

use super::LinkEvent;
use crate::config::Config;
use crate::error::Error;
use crate::lane::Outgoing;
use crate::tls;

const METHOD: &str = "/aerostream.v1.TelemetryService/Stream";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// First and longest wait between two attempts to connect.
const RECONNECT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(3));
/// Frames on their way into the connection.
const PIPE_FRAMES: usize = 32;

/// Where the stream goes.
#[derive(Debug)]
pub struct Door {
    endpoint: Endpoint,
    bearer: Option<MetadataValue<Ascii>>,
}

impl Door {
    pub fn new(config: &Config) -> Result<Self, Error> {
        let endpoint = config.door();
        let token = config.token.as_deref();
        let wrong = |detail: String| Error::Endpoint {
            endpoint: endpoint.to_owned(),
            detail,
        };
        let bearer = token
            .map(|token| format!("Bearer {token}").parse())
            .transpose()
            .map_err(|_| wrong("the token has characters that no header may have".to_owned()))?;
        let endpoint = tls::endpoint(endpoint, config.ca.as_deref())
            .map_err(wrong)?
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true);
        Ok(Self { endpoint, bearer })
    }

    async fn open(&self, frames: mpsc::Receiver<Bytes>) -> Result<Streaming<StreamReply>, String> {
        let channel: Channel = self
            .endpoint
            .connect()
            .await
            .map_err(|error| chain(&error))?;
        let mut client = Grpc::new(channel);
        client.ready().await.map_err(|error| chain(&error))?;
        let body = stream::unfold(frames, |mut frames| async {
            frames.recv().await.map(|frame| (frame, frames))
        });
        let mut request = Request::new(body);
        if let Some(bearer) = &self.bearer {
            request
                .metadata_mut()
                .insert("authorization", bearer.clone());
        }
        let path = PathAndQuery::from_static(METHOD);
        let response = client.streaming(request, path, Frames).await;
        response
            .map(tonic::Response::into_inner)
            .map_err(|status| chain(&status))
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// Keeps a stream open until nobody sends any more.
pub async fn run(
    door: Door,
    mut outgoing: mpsc::Receiver<Outgoing>,
    events: mpsc::Sender<LinkEvent>,
) {
    let mut wait = RECONNECT.0;
    while !outgoing.is_closed() {
        let (pipe, frames) = mpsc::channel(PIPE_FRAMES);
        let detail = match door.open(frames).await {
            Ok(replies) => {
                wait = RECONNECT.0;
                if events.send(LinkEvent::Up).await.is_err() {
                    return;
                }
                let detail = tokio::select! {
                    () = send_all(&mut outgoing, pipe) => return,
                    detail = receive_all(replies, &events) => detail,
                };
                // Frames that nobody will send: their drones put them back when they hear of it.
                while outgoing.try_recv().is_ok() {}
                if events.send(LinkEvent::Down).await.is_err() {
                    return;
                }
                detail
            }
            Err(detail) => detail,
        };
        tracing::warn!(error = detail, "telemetry stream is down");
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = events.closed() => return,
        }
        wait = (wait * 2).min(RECONNECT.1);
    }
}

/// Ends when the lane is gone, or waits for ever when the stream is.
async fn send_all(outgoing: &mut mpsc::Receiver<Outgoing>, pipe: mpsc::Sender<Bytes>) {
    while let Some(next) = outgoing.recv().await {
        if pipe.send(next.frame).await.is_err() {
            // The other half tells why.
            return std::future::pending().await;
        }
    }
}

/// Ends with the reason when the stream is over.
async fn receive_all(
    mut replies: Streaming<StreamReply>,
    events: &mpsc::Sender<LinkEvent>,
) -> String {
    loop {
        match replies.message().await {
            Ok(Some(reply)) => {
                let event = match reply.kind {
                    Some(stream_reply::Kind::Result(result)) => LinkEvent::Answer(result),
                    Some(stream_reply::Kind::Command(down)) => LinkEvent::Command(Box::new(down)),
                    None => continue,
                };
                if events.send(event).await.is_err() {
                    return "nobody listens".to_owned();
                }
            }
            Ok(None) => return "the server ended the stream".to_owned(),
            Err(status) => return chain(&status),
        }
    }
}

/// Sends frames as they are, since they are encoded already.
#[derive(Debug, Clone, Copy)]
struct Frames;

impl Codec for Frames {
    type Encode = Bytes;
    type Decode = StreamReply;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Frames {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, frame: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put(frame);
        Ok(())
    }
}

impl Decoder for Frames {
    type Item = StreamReply;
    type Error = Status;

    fn decode(&mut self, bytes: &mut DecodeBuf<'_>) -> Result<Option<StreamReply>, Status> {
        StreamReply::decode(bytes)
            .map(Some)
            .map_err(|error| Status::internal(format!("reply cannot be decoded: {error}")))
    }
}
