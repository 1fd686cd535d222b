//! A WebSocket with its limits: who takes nothing or says nothing for long is dropped.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use bytes::Bytes;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite;

use super::WsConfig;
use super::frame::{Down, Ending};
use crate::clock;
use crate::error::{ErrorCode, Problem};
use crate::gateway::metrics;

/// Longest reason of a close frame, in bytes.
const REASON_BYTES_MAX: usize = 123;
/// How long a client may take to answer a goodbye.
const LINGER_MAX: Duration = Duration::from_secs(1);

/// The client is gone.
#[derive(Debug)]
pub(super) struct Gone;

/// What a client says.
#[derive(Debug)]
pub(super) enum Heard {
    Text(Utf8Bytes),
    Binary(Bytes),
    /// A sign of life.
    Alive,
    /// It said goodbye or is gone.
    Closed,
    /// It broke the rules.
    Broken(Problem),
}

/// Why a WebSocket is ended from this side.
#[derive(Debug)]
pub(super) enum End {
    Gone,
    /// The port is closing.
    Stopping,
    Problem(Problem),
}

impl From<Gone> for End {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

impl From<Problem> for End {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

/// A WebSocket that is open.
pub(super) struct Socket {
    stream: WebSocket,
    kind: &'static str,
    bytes_max: usize,
    silence_max: Duration,
    heard: Instant,
}

impl Drop for Socket {
    fn drop(&mut self) {
        metrics::socket_closed(self.kind);
    }
}

impl Socket {
    /// With messages of at most so many bytes.
    pub fn new(
        stream: WebSocket,
        (kind, bytes_max): (&'static str, usize),
        config: &WsConfig,
    ) -> Self {
        metrics::socket_opened(kind);
        Self {
            stream,
            kind,
            bytes_max,
            silence_max: config.silence_max(),
            heard: clock::monotonic_now(),
        }
    }

    /// What the client says next; may be dropped and called again without losing anything.
    pub async fn hear(&mut self) -> Heard {
        let heard = self.stream.recv().await;
        self.heard = clock::monotonic_now();
        let bytes_max = self.bytes_max;
        let too_large = |bytes: usize| {
            let detail = format!("a message may have at most {bytes_max} bytes; it has {bytes}");
            Heard::Broken(Problem::new(ErrorCode::TooLarge, detail))
        };
        match heard {
            Some(Ok(Message::Text(text))) if text.len() > bytes_max => too_large(text.len()),
            Some(Ok(Message::Binary(bytes))) if bytes.len() > bytes_max => too_large(bytes.len()),
            Some(Ok(Message::Text(text))) => Heard::Text(text),
            Some(Ok(Message::Binary(bytes))) => Heard::Binary(bytes),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Heard::Alive,
            Some(Ok(Message::Close(_))) | None => Heard::Closed,
            Some(Err(error)) => broken(error),
        }
    }

    /// # Errors
    /// The client took nothing for too long, or is gone.
    pub async fn send(&mut self, message: Message) -> Result<(), Gone> {
        match tokio::time::timeout(self.silence_max, self.stream.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Gone),
        }
    }

    pub async fn tell(&mut self, text: Utf8Bytes) -> Result<(), Gone> {
        self.send(Message::Text(text)).await
    }

    /// Asks whether the client is there.
    ///
    /// # Errors
    /// It has not said anything for too long.
    pub async fn ask(&mut self) -> Result<(), Gone> {
        if self.heard.elapsed() > self.silence_max {
            return Err(Gone);
        }
        self.send(Message::Ping(Bytes::new())).await
    }

    /// Says why, and closes. What the client still sends is dropped for a moment: closing on it
    /// would take the reason away from the client.
    pub async fn end(mut self, end: End) {
        let (code, reason) = match &end {
            End::Gone => return self.linger().await,
            End::Stopping => (
                close_code::AWAY,
                "the gateway is stopping; connect again and go on with your cursor",
            ),
            End::Problem(problem) => {
                metrics::problem(problem.code);
                let told = self.tell(Down::Error(Ending::new(problem)).text()).await;
                if told.is_err() {
                    return;
                }
                (close_code(problem.code), problem.detail.as_ref())
            }
        };
        self.close(code, reason).await;
    }

    /// Says goodbye in the words of another protocol.
    pub async fn close(mut self, code: u16, reason: &str) {
        let reason = Utf8Bytes::from(&reason[..reason.floor_char_boundary(REASON_BYTES_MAX)]);
        let frame = CloseFrame { code, reason };
        if self.send(Message::Close(Some(frame))).await.is_ok() {
            self.linger().await;
        }
    }

    async fn linger(&mut self) {
        let ended = async { while let Some(Ok(_)) = self.stream.recv().await {} };
        // Who does not end it in time is closed upon.
        let _ = tokio::time::timeout(LINGER_MAX, ended).await;
    }
}

fn broken(error: axum::Error) -> Heard {
    use tungstenite::Error;
    let error = error.into_inner();
    let problem = match error.downcast_ref::<Error>() {
        Some(Error::Capacity(error)) => Problem::new(ErrorCode::TooLarge, error.to_string()),
        Some(error @ (Error::Utf8(_) | Error::Protocol(_) | Error::AttackAttempt)) => {
            let detail = format!("this is not what WebSocket demands: {error}");
            Problem::new(ErrorCode::Malformed, detail)
        }
        _ => return Heard::Closed,
    };
    Heard::Broken(problem)
}

const fn close_code(code: ErrorCode) -> u16 {
    match code {
        ErrorCode::TooLarge => close_code::SIZE,
        ErrorCode::Malformed | ErrorCode::Invalid => close_code::INVALID,
        ErrorCode::UnsupportedMedia => close_code::UNSUPPORTED,
        ErrorCode::Overloaded
        | ErrorCode::QuotaExceeded
        | ErrorCode::Unavailable
        | ErrorCode::DeadlinePassed => close_code::AGAIN,
        ErrorCode::Internal => close_code::ERROR,
        _ => close_code::POLICY,
    }
}
