//! WebSockets over real connections.

mod alerts;
mod commands;
mod feed;
mod fleet;
mod graphql;
mod holes;
mod ingest;
mod resume;
mod rules;

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::server::Served;
use super::support::{PATIENCE, now_us};
use crate::gateway::auth::Role;

/// How the token is told.
pub enum Token<'a> {
    Header(&'a str),
    Subprotocol(&'a str),
    Later,
}

pub struct Client {
    pub stream: WebSocketStream<TcpStream>,
}

/// What the server said last.
#[derive(Debug, PartialEq)]
pub enum Said {
    Json(Value),
    Binary(Vec<u8>),
    Closed {
        code: u16,
        reason: String,
    },
    /// The connection ended without a goodbye.
    Ended,
}

impl Client {
    /// Opens a WebSocket, or tells status and problem of the answer.
    pub async fn try_open(
        served: &Served,
        path: &str,
        token: Token<'_>,
    ) -> Result<Self, (u16, Value)> {
        let socket = TcpSocket::new_v4().unwrap();
        // A small window makes a client that does not read slow at once.
        socket.set_recv_buffer_size(4 * 1024).unwrap();
        let stream = socket.connect(served.address).await.unwrap();
        let url = format!("ws://{}{path}", served.address);
        let mut request = url.into_client_request().unwrap();
        let headers = request.headers_mut();
        match token {
            Token::Header(token) => {
                let value = format!("Bearer {token}").parse().unwrap();
                headers.insert("authorization", value);
            }
            Token::Subprotocol(token) => {
                let value = format!("aerostream.v1, bearer.{token}").parse().unwrap();
                headers.insert("sec-websocket-protocol", value);
            }
            Token::Later => {}
        }
        match client_async(request, stream).await {
            Ok((stream, _)) => Ok(Self { stream }),
            Err(Error::Http(response)) => {
                let body = response.body().clone().unwrap_or_default();
                let problem = serde_json::from_slice(&body).unwrap_or_default();
                Err((response.status().as_u16(), problem))
            }
            Err(error) => panic!("{error}"),
        }
    }

    pub async fn open(served: &Served, path: &str, token: &str) -> Self {
        let opened = Self::try_open(served, path, Token::Header(token)).await;
        opened.unwrap_or_else(|refused| panic!("{refused:?}"))
    }

    pub async fn say(&mut self, message: impl Into<Message>) {
        self.stream.send(message.into()).await.unwrap();
    }

    pub async fn hear(&mut self) -> Said {
        loop {
            let next = tokio::time::timeout(PATIENCE, self.stream.next()).await;
            return match next.expect("the server says something") {
                Some(Ok(Message::Text(text))) => Said::Json(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Binary(bytes))) => Said::Binary(bytes.to_vec()),
                Some(Ok(Message::Close(Some(frame)))) => Said::Closed {
                    code: frame.code.into(),
                    reason: frame.reason.to_string(),
                },
                Some(Ok(_)) => continue,
                None | Some(Err(_)) => Said::Ended,
            };
        }
    }

    /// The next frame that is no heartbeat.
    pub async fn frame(&mut self) -> Value {
        loop {
            match self.hear().await {
                Said::Json(frame) if frame["type"] == "heartbeat" => {}
                Said::Json(frame) => return frame,
                other => panic!("{other:?}"),
            }
        }
    }

    /// The next frame, which must be of this type.
    pub async fn expect(&mut self, kind: &str) -> Value {
        let frame = self.frame().await;
        assert_eq!(frame["type"], kind, "{frame}");
        frame
    }

    /// The `error` frame and the close frame that end a WebSocket: code of the error, of the close.
    pub async fn ending(&mut self) -> (String, u16) {
        let error = self.expect("error").await;
        let code = error["code"].as_str().unwrap().to_owned();
        assert!(!error["detail"].as_str().unwrap().is_empty());
        match self.hear().await {
            Said::Closed { code: close, .. } => (code, close),
            other => panic!("{other:?}"),
        }
    }
}

/// Samples of the drone alpha with these numbers, as one batch.
pub fn batch(seqs: impl IntoIterator<Item = u64>) -> Value {
    batch_of("alpha", seqs)
}

pub fn batch_of(drone: &str, seqs: impl IntoIterator<Item = u64>) -> Value {
    let base = now_us();
    let samples = seqs.into_iter().map(|seq| {
        json!({ "seq": seq, "utc_us": base + seq as i64,
                "position": { "latitude_deg": 47.5, "longitude_deg": 8.25,
                              "relative_altitude_m": seq } })
    });
    let samples: Vec<Value> = samples.collect();
    json!({ "drone_id": drone, "boot": 7, "batch_id": 1, "samples": samples })
}

impl Served {
    pub fn viewer(&self) -> String {
        self.fixture.token(Role::Viewer, &["*"])
    }

    /// Sends samples and waits until they are acknowledged.
    pub async fn record(&self, batch: Value) {
        let token = self.fixture.token(Role::Relay, &["*"]);
        let method = axum::http::Method::POST;
        let text = batch.to_string();
        let answer = self
            .fixture
            .send(method, "/api/v1/telemetry", &token, &text)
            .await;
        assert_eq!(answer.status, 200, "{}", answer.json());
    }
}

/// Sequence numbers of an update.
pub fn seqs(update: &Value) -> Vec<u64> {
    let samples = update["samples"].as_array().unwrap();
    samples
        .iter()
        .map(|it| it["seq"].as_u64().unwrap())
        .collect()
}
