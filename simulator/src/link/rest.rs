//! `POST /api/v1/telemetry`: one request per batch, several at a time.

use std::time::Duration;

use aerostream_proto::v1::{BatchResult, IngestReply, IngestRequest, Retry, SampleRefusal};
use aerostream_tls::Trust;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use prost::Message;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Client, StatusCode};
use serde::Deserialize;
use tokio::sync::mpsc;

use super::{LinkEvent, json};
use crate::config::{Config, Encoding};
use crate::error::Error;
use crate::lane::Outgoing;
use crate::tokens::Tokens;

const PATH: &str = "/api/v1/telemetry";
const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";
/// A refused token will not become good soon.
const DENIED_AFTER_MS: u64 = 5000;

/// Where requests go.
#[derive(Debug, Clone)]
pub struct Door {
    client: Client,
    url: String,
    bearer: Option<HeaderValue>,
    tokens: Option<Tokens>,
    encoding: Encoding,
    in_flight: usize,
}

impl Door {
    pub fn new(config: &Config, tokens: Option<&Tokens>) -> Result<Self, Error> {
        let wrong = |detail: String| Error::Endpoint {
            endpoint: config.door().to_owned(),
            detail,
        };
        let trust = Trust::new(config.ca.as_deref());
        let tls = trust.client().map_err(|error| wrong(error.to_string()))?;
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .no_proxy()
            .tcp_nodelay(true)
            .timeout(Duration::from_millis(config.ack_timeout_ms))
            .build()
            .map_err(|error| wrong(error.to_string()))?;
        let url = format!("{}{PATH}", config.door().trim_end_matches('/'));
        reqwest::Url::parse(&url).map_err(|error| wrong(error.to_string()))?;
        let bearer = config
            .token
            .as_deref()
            .map(|token| HeaderValue::from_str(&format!("Bearer {token}")))
            .transpose()
            .map_err(|_| wrong("the token has characters that no header may have".to_owned()))?;
        Ok(Self {
            client,
            url,
            bearer,
            tokens: tokens.cloned(),
            encoding: config.encoding,
            in_flight: config.in_flight,
        })
    }

    /// The token of the frame's drone, or the one of all.
    fn bearer_of(&self, next: &Outgoing) -> Option<HeaderValue> {
        let Some(tokens) = &self.tokens else {
            return self.bearer.clone();
        };
        let request = IngestRequest::decode(next.frame.clone()).ok()?;
        tokens.get(&request.batches.first()?.drone_id).cloned()
    }

    async fn post(&self, next: Outgoing) -> LinkEvent {
        let batch_id = next.batch_id;
        let failed = |code: &str, after_ms| LinkEvent::Failed {
            batch_id,
            code: code.to_owned(),
            after_ms,
        };
        let mut request = self.client.post(&self.url);
        if let Some(bearer) = self.bearer_of(&next) {
            request = request.header(AUTHORIZATION, bearer);
        }
        let request = match self.encoding {
            Encoding::Protobuf => request
                .header(CONTENT_TYPE, PROTOBUF)
                .header(ACCEPT, PROTOBUF)
                .body(next.frame),
            Encoding::Json => {
                let Some(body) = json_body(&next) else {
                    return failed("unreadable_frame", 0);
                };
                request
                    .header(CONTENT_TYPE, JSON)
                    .header(ACCEPT, JSON)
                    .body(body)
            }
        };
        match request.send().await {
            Ok(response) => read(response, batch_id).await,
            Err(error) if error.is_timeout() => failed("timeout", 0),
            Err(_) => failed("unreachable", 0),
        }
    }
}

fn json_body(next: &Outgoing) -> Option<Vec<u8>> {
    let request = IngestRequest::decode(next.frame.clone()).ok()?;
    serde_json::to_vec(&json::batch(request.batches.first()?)).ok()
}

/// Sends requests until nobody sends any more.
pub async fn run(
    door: Door,
    mut outgoing: mpsc::Receiver<Outgoing>,
    events: mpsc::Sender<LinkEvent>,
) {
    if events.send(LinkEvent::Up).await.is_err() {
        return;
    }
    let mut posts = FuturesUnordered::new();
    loop {
        tokio::select! {
            next = outgoing.recv(), if posts.len() < door.in_flight => match next {
                Some(next) => posts.push(door.post(next)),
                None => return,
            },
            Some(event) = posts.next() => {
                if events.send(event).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// What of a JSON answer matters: a batch's result, or a problem.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct JsonReply {
    acknowledged: u32,
    repeated: u32,
    refused: Vec<JsonRefused>,
    retry: Option<JsonReason>,
    rejected: Option<JsonReason>,
    code: Option<String>,
    retry_after_ms: Option<u64>,
    results: Option<Vec<JsonReply>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct JsonRefused {
    index: u32,
    code: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct JsonReason {
    code: String,
    after_ms: Option<u64>,
}

async fn read(response: reqwest::Response, batch_id: u64) -> LinkEvent {
    let status = response.status();
    let header = |name| response.headers().get(name).and_then(|v| v.to_str().ok());
    let is_protobuf = header(CONTENT_TYPE).is_some_and(|kind| kind.contains("protobuf"));
    let wait_s = header(RETRY_AFTER).and_then(|s| s.parse::<u64>().ok());
    let Ok(body) = response.bytes().await else {
        return LinkEvent::Failed {
            batch_id,
            code: "broken_answer".to_owned(),
            after_ms: 0,
        };
    };
    if is_protobuf
        && let Ok(reply) = IngestReply::decode(body.clone())
        && let Some(result) = reply.results.into_iter().next()
    {
        // One batch per request, so the answer is to it whatever name it carries.
        return LinkEvent::Answer(BatchResult { batch_id, ..result });
    }
    let mut told: JsonReply = serde_json::from_slice(&body).unwrap_or_default();
    if let Some(first) = told.results.take().and_then(|r| r.into_iter().next()) {
        told = first;
    }
    judge(status, told, wait_s, batch_id)
}

fn judge(status: StatusCode, told: JsonReply, wait_s: Option<u64>, batch_id: u64) -> LinkEvent {
    if let Some(reason) = told.rejected {
        let code = reason.code;
        return LinkEvent::Rejected { batch_id, code };
    }
    let answers = status.is_success() || told.acknowledged > 0 || !told.refused.is_empty();
    if answers || told.retry.is_some() {
        return LinkEvent::Answer(result(told, batch_id));
    }
    let code = told
        .code
        .unwrap_or_else(|| format!("http_{}", status.as_u16()));
    let after_ms = told
        .retry_after_ms
        .or(wait_s.map(|s| s * 1000))
        .unwrap_or(0);
    match status {
        StatusCode::BAD_REQUEST
        | StatusCode::PAYLOAD_TOO_LARGE
        | StatusCode::UNSUPPORTED_MEDIA_TYPE
        | StatusCode::UNPROCESSABLE_ENTITY => LinkEvent::Rejected { batch_id, code },
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => {
            LinkEvent::Failed {
                batch_id,
                code,
                after_ms: after_ms.max(DENIED_AFTER_MS),
            }
        }
        _ => LinkEvent::Failed {
            batch_id,
            code,
            after_ms,
        },
    }
}

fn result(told: JsonReply, batch_id: u64) -> BatchResult {
    let refused = told.refused.into_iter().map(|one| SampleRefusal {
        index: one.index,
        code: one.code,
        ..SampleRefusal::default()
    });
    BatchResult {
        batch_id,
        acknowledged: told.acknowledged,
        repeated_samples: told.repeated,
        refused: refused.collect(),
        retry: told.retry.map(|reason| Retry {
            code: reason.code,
            detail: String::new(),
            after_ms: u32::try_from(reason.after_ms.unwrap_or(0)).unwrap_or(u32::MAX),
        }),
        ..BatchResult::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(status: u16, body: &str) -> LinkEvent {
        let status = StatusCode::from_u16(status).unwrap();
        judge(status, serde_json::from_str(body).unwrap(), Some(2), 9)
    }

    #[test]
    fn answers_mean_what_they_say() {
        let LinkEvent::Answer(result) = judged(
            200,
            r#"{"acknowledged": 2, "repeated": 1,
                "refused": [{"index": 1, "code": "out_of_range", "detail": "x"}]}"#,
        ) else {
            panic!("a success is an answer");
        };
        assert_eq!((result.batch_id, result.acknowledged), (9, 2));
        assert_eq!((result.repeated_samples, result.refused[0].index), (1, 1));
        let code = "overloaded".to_owned();
        assert_eq!(
            judged(429, r#"{"code": "overloaded"}"#),
            LinkEvent::Failed {
                batch_id: 9,
                code,
                after_ms: 2000
            }
        );
        let code = "too_large".to_owned();
        assert_eq!(
            judged(413, r#"{"code": "too_large"}"#),
            LinkEvent::Rejected { batch_id: 9, code }
        );
        assert!(matches!(
            judged(401, "{}"),
            LinkEvent::Failed { after_ms: 5000, .. }
        ));
        assert!(matches!(
            judged(503, "{}"),
            LinkEvent::Failed { after_ms: 2000, .. }
        ));
    }
}
