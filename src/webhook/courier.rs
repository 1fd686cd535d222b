//! Posts messages to one target until each was taken, or is a dead letter.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aerostream_log::topic::DEAD_LETTER_PARTITIONS;
use aerostream_log::{Append, Partition, Topic, encode};
use aerostream_proto::v1;
use bytes::Bytes;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use tokio::sync::{Notify, Semaphore};
use tokio::time::{sleep, timeout};

use super::message::Message;
use super::target::Target;
use super::{Around, Config, metrics};
use crate::clock;

/// Answers that judge the message itself: the same would be judged alike.
const FINAL: [StatusCode; 5] = [
    StatusCode::BAD_REQUEST,
    StatusCode::GONE,
    StatusCode::PAYLOAD_TOO_LARGE,
    StatusCode::UNSUPPORTED_MEDIA_TYPE,
    StatusCode::UNPROCESSABLE_ENTITY,
];

/// What became of one try.
enum Tried {
    Taken,
    /// Trying again does not help.
    Refused(String),
    Failed {
        why: String,
        /// What the target asked for.
        wait: Option<Duration>,
    },
}

/// Posts messages to one target.
pub(super) struct Courier {
    pub target: Target,
    config: Arc<Config>,
    around: Around,
    requests: Semaphore,
    /// The last try failed; so that an outage is two lines in the log.
    is_failing: AtomicBool,
    /// Told each time that a message is done.
    pub done: Notify,
}

impl Courier {
    pub fn new(target: Target, config: Arc<Config>, around: Around) -> Self {
        Self {
            target,
            requests: Semaphore::new(config.requests_max.max(1)),
            config,
            around,
            is_failing: AtomicBool::new(false),
            done: Notify::new(),
        }
    }

    /// True if the target is told, as far as that is known yet.
    pub fn wants(&self, message: &Message) -> bool {
        self.target.is_for(message.fleet.as_ref())
            && message
                .alert
                .as_ref()
                .is_none_or(|alert| self.target.takes(alert))
    }

    /// Returns when the target has taken the message, or its dead letter is durable.
    pub async fn deliver(&self, mut message: Message) {
        if message.alert.is_none() {
            message.alert = self.look_up(&message).await;
        }
        if self.wants(&message) {
            match message.body() {
                Ok(body) => self.insist(&message, body).await,
                Err(error) => {
                    let why = format!("it cannot be written as JSON: {error}");
                    self.give_up(&message, ("unwritable", why), Bytes::new())
                        .await;
                }
            }
        }
        self.done.notify_one();
    }

    /// An alert that was raised before this process began. A database that does not know it holds
    /// nothing up: the target can ask for it by its id.
    async fn look_up(&self, message: &Message) -> Option<aerostream_domain::alert::Alert> {
        let most = Duration::from_millis(self.config.look_up_timeout_ms);
        let asked = self.around.history.alert(&message.drone, message.alert_id);
        timeout(most, asked).await.ok()?.ok()?
    }

    async fn insist(&self, message: &Message, body: Bytes) {
        let name = self.target.name.as_str();
        let id = message.id();
        let mut wait = self.config.retry_min();
        loop {
            let tried = self.post(&id, body.clone()).await;
            let age = age(message);
            match tried {
                Tried::Taken => {
                    metrics::delivered(name, age);
                    if self.is_failing.swap(false, Ordering::Relaxed) {
                        tracing::info!(target.name = name, "webhook takes messages again");
                    }
                    return;
                }
                Tried::Refused(why) => return self.give_up(message, ("refused", why), body).await,
                Tried::Failed { why, .. } if age >= self.give_up_after() => {
                    return self.give_up(message, ("undelivered", why), body).await;
                }
                Tried::Failed { why, wait: asked } => {
                    metrics::failed(name);
                    if !self.is_failing.swap(true, Ordering::Relaxed) {
                        tracing::warn!(target.name = name, reason = why, "webhook failed");
                    }
                    let most = Duration::from_millis(self.config.retry_max_ms);
                    sleep(asked.map_or(wait, |asked| asked.clamp(wait, most.max(wait)))).await;
                    wait = self.config.retry_after(wait);
                }
            }
        }
    }

    fn give_up_after(&self) -> Duration {
        Duration::from_secs(self.config.give_up_after_s)
    }

    async fn post(&self, id: &str, body: Bytes) -> Tried {
        // The semaphore is never closed.
        let _permit = self.requests.acquire().await;
        let at_s = clock::utc_now().0.div_euclid(1_000_000);
        let signature = self.target.keys.sign(id, at_s, &body);
        let request = self
            .target
            .client
            .post(self.target.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", at_s)
            .header("webhook-signature", signature)
            .body(body);
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) => {
                let why = crate::store::error_chain(&error.without_url());
                return Tried::Failed { why, wait: None };
            }
        };
        let status = answer.status();
        if status.is_success() {
            return Tried::Taken;
        }
        let why = format!("it answered {status}");
        if FINAL.contains(&status) {
            return Tried::Refused(why);
        }
        let asked = answer.headers().get(RETRY_AFTER);
        let asked = asked.and_then(|value| value.to_str().ok()?.parse().ok());
        Tried::Failed {
            why,
            wait: asked.map(Duration::from_secs),
        }
    }

    /// Returns when the dead letter is durable, however long the log takes.
    async fn give_up(&self, message: &Message, (code, why): (&str, String), body: Bytes) {
        let name = self.target.name.as_str();
        let detail = format!(
            "webhook {name} did not take message {}: {why}",
            message.id()
        );
        tracing::warn!(
            target.name = name,
            reason = why,
            "webhook message is a dead letter"
        );
        let letter = v1::DeadLetter {
            at_us: clock::utc_now().0,
            principal: format!("webhook:{name}"),
            drone_id: message.drone.to_string(),
            boot: None,
            seq: None,
            code: format!("webhook_{code}"),
            field: String::new(),
            detail,
            raw: body,
            encoding: "json".to_owned(),
            content: v1::DeadLetterContent::WebhookMessage.into(),
        };
        let append = Append {
            topic: Topic::DeadLetters,
            partition: Partition(message.shard % DEAD_LETTER_PARTITIONS),
            key: Bytes::copy_from_slice(message.drone.as_str().as_bytes()),
            payload: encode(&letter),
        };
        let mut wait = self.config.retry_min();
        while let Err(error) = self.around.log.append(append.clone()).await {
            tracing::warn!(target.name = name, reason = %error, "dead letter not written");
            sleep(wait).await;
            wait = self.config.retry_after(wait);
        }
        metrics::given_up(name);
    }
}

/// How long ago it was written, by this machine's clock.
fn age(message: &Message) -> Duration {
    let age_us = clock::utc_now().0.saturating_sub(message.at.0);
    Duration::from_micros(u64::try_from(age_us).unwrap_or(0))
}
