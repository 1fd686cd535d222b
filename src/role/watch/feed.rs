//! A feed as a client has it: it begins anew wherever it breaks, with its cursor.

use std::io::Write;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use futures::StreamExt;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::http::Response;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::super::client::Door;

/// How long nothing may come, not even a heartbeat, before the connection counts as dead.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// Attempts that may fail one after the other before the watch gives up: a gateway may restart.
const FAILURES_MAX: u32 = 60;
/// Pause before the feed is opened again, unless the gateway names one.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Longest pause that a gateway may name.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);
/// Codes of an `error` frame that trying again mends.
const PASSING: [&str; 5] = [
    "overloaded",
    "quota_exceeded",
    "unavailable",
    "deadline_passed",
    "internal",
];

type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// The feed of a drone or of alerts.
pub struct Feed<'a> {
    door: &'a Door,
    path: String,
    /// Where the client is that has shown every frame so far.
    cursor: Option<String>,
    stream: Option<Stream>,
    /// Attempts that failed since the last frame.
    failures: u32,
}

/// Why the feed does not go on for now.
struct Broken {
    why: anyhow::Error,
    /// `None`: trying again is of no use.
    retry_after: Option<Duration>,
}

impl<'a> Feed<'a> {
    pub fn new(door: &'a Door, drone: &str) -> Self {
        Self::of(door, path("/ws/v1/drones/", drone))
    }

    /// What is fed under this path, which may have a question mark.
    pub fn of(door: &'a Door, path: String) -> Self {
        Self {
            door,
            path,
            cursor: None,
            stream: None,
            failures: 0,
        }
    }

    /// The next frame that tells something; must not be dropped before it is there.
    ///
    /// # Errors
    /// The gateway says no, or was out of reach too often.
    pub async fn next(&mut self) -> anyhow::Result<Value> {
        loop {
            let Broken { why, retry_after } = match self.try_next().await {
                Ok(frame) => {
                    self.failures = 0;
                    if let Some(cursor) = frame["cursor"].as_str() {
                        self.cursor = Some(cursor.to_owned());
                    }
                    if frame["type"] == "heartbeat" {
                        continue;
                    }
                    return Ok(frame);
                }
                Err(broken) => broken,
            };
            self.stream = None;
            self.failures += 1;
            let Some(pause) = retry_after else {
                return Err(why);
            };
            // What is wrong from the start does not get right by waiting.
            if self.cursor.is_none() || self.failures == FAILURES_MAX {
                return Err(why);
            }
            let _ = writeln!(std::io::stderr().lock(), "{why:#}; trying again\r");
            tokio::time::sleep(pause.min(RETRY_AFTER_MAX)).await;
        }
    }

    async fn try_next(&mut self) -> Result<Value, Broken> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            None => {
                let opened = open(self.door, &self.path, self.cursor.as_deref()).await?;
                self.stream.insert(opened)
            }
        };
        loop {
            let next = tokio::time::timeout(SILENCE_MAX, stream.next()).await;
            let ended = match next {
                Ok(Some(Ok(Message::Text(text)))) => return read(&text),
                Ok(Some(Ok(Message::Close(None)) | Err(Error::ConnectionClosed)) | None) => {
                    anyhow!("the connection ended")
                }
                Ok(Some(Ok(Message::Close(Some(frame))))) => anyhow!("{}", frame.reason),
                Ok(Some(Ok(_))) => continue,
                Ok(Some(Err(error))) => anyhow!(error).context("the connection broke"),
                Err(_) => anyhow!("the gateway was silent for {} s", SILENCE_MAX.as_secs()),
            };
            return Err(passing(ended));
        }
    }
}

/// Where a drone is asked for. What no id has in it is left for the gateway to refuse, but a slash
/// or a question mark would ask for something else.
pub fn path(under: &str, drone: &str) -> String {
    let mut path = under.to_owned();
    for byte in drone.bytes() {
        if byte.is_ascii_alphanumeric() || b"._:-".contains(&byte) {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
    }
    path
}

const fn passing(why: anyhow::Error) -> Broken {
    Broken {
        why,
        retry_after: Some(RETRY_AFTER),
    }
}

async fn open(door: &Door, path: &str, cursor: Option<&str>) -> Result<Stream, Broken> {
    let mark = if path.contains('?') { '&' } else { '?' };
    let from = cursor.map(|cursor| format!("{mark}from={cursor}"));
    let path = format!("{path}{}", from.unwrap_or_default());
    let request = door.socket(&path).map_err(|why| Broken {
        why,
        retry_after: None,
    })?;
    let url = request.uri().to_string();
    let opening = tokio::time::timeout(SILENCE_MAX, connect_async(request)).await;
    let opened = match opening {
        Ok(opened) => opened,
        Err(_) => return Err(passing(anyhow!("{url} did not answer"))),
    };
    match opened {
        Ok((stream, _)) => Ok(stream),
        Err(Error::Http(answer)) => Err(refused(&url, &answer)),
        Err(error) => Err(passing(
            anyhow!(error).context(format!("could not open {url}")),
        )),
    }
}

fn refused(url: &str, answer: &Response<Option<Vec<u8>>>) -> Broken {
    let status = answer.status();
    let body = answer.body().as_deref().unwrap_or_default();
    let problem: Value = serde_json::from_slice(body).unwrap_or_default();
    let detail = problem["detail"].as_str().unwrap_or("no reason was given");
    Broken {
        why: anyhow!("{url} answered {status}: {detail}"),
        retry_after: (status.is_server_error() || status == 429).then_some(RETRY_AFTER),
    }
}

/// A frame, or the end that it tells.
fn read(text: &str) -> Result<Value, Broken> {
    let frame = || -> anyhow::Result<Value> {
        let frame: Value = serde_json::from_str(text).context("a frame is no JSON")?;
        if frame["type"].as_str().is_none() {
            bail!("a frame has no type");
        }
        Ok(frame)
    };
    let frame = frame().map_err(passing)?;
    if frame["type"] != "error" {
        return Ok(frame);
    }
    let code = frame["code"].as_str().unwrap_or_default();
    let pause = frame["retry_after_ms"].as_u64();
    let pause = pause.map_or(RETRY_AFTER, Duration::from_millis);
    Err(Broken {
        why: anyhow!("{}", frame["detail"].as_str().unwrap_or(code)),
        retry_after: PASSING.contains(&code).then_some(pause),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_cannot_lead_elsewhere() {
        let path = path("/api/v1/drones/", "../fleets?x=1");
        assert_eq!(path, "/api/v1/drones/..%2Ffleets%3Fx%3D1");
    }

    #[test]
    fn an_end_says_whether_trying_again_is_of_use() {
        let end = |text: &str| read(text).map_err(|end| (end.why.to_string(), end.retry_after));
        let moved = r#"{"type":"error","code":"unavailable","detail":"moved","retry_after_ms":5}"#;
        let pause = Some(Duration::from_millis(5));
        assert_eq!(end(moved), Err(("moved".to_owned(), pause)));
        let expired = r#"{"type":"error","code":"unauthenticated","detail":"the token expired"}"#;
        assert_eq!(end(expired), Err(("the token expired".to_owned(), None)));
        assert_eq!(end(r#"{"type":"gap"}"#).unwrap()["type"], "gap");
        for broken in ["", "7", "{}"] {
            assert!(end(broken).unwrap_err().1.is_some(), "{broken}");
        }
    }
}
