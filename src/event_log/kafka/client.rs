//! Settings of librdkafka, and what every part of the adapter needs of its clients.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use aerostream_domain::{Offset, ShardCount};
use aerostream_log::{Bounds, LogError, Partition, Topic};
use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message, Timestamp};

use aerostream_domain::UtcMicros;
use aerostream_log::Record;
use bytes::Bytes;

use super::error::log_error;
use super::{Config, StartError, outage};
use crate::event_log::metrics;

/// Longest pause between two attempts to connect, in milliseconds.
const RECONNECT_MS_MAX: u32 = 500;
/// Pause before a question is asked again whose answer is about to come.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// Settings that every client has.
pub(super) fn common_config(config: &Config) -> ClientConfig {
    let mut client = ClientConfig::new();
    client
        .set("bootstrap.servers", &config.bootstrap_servers)
        .set("client.id", &config.client_id)
        .set("security.protocol", &config.security_protocol)
        .set("reconnect.backoff.ms", "50")
        .set("reconnect.backoff.max.ms", RECONNECT_MS_MAX.to_string())
        .set("socket.keepalive.enable", "true")
        .set("allow.auto.create.topics", "false")
        .set_log_level(RDKafkaLogLevel::Warning);
    if !config.sasl_mechanism.is_empty() {
        client
            .set("sasl.mechanism", &config.sasl_mechanism)
            .set("sasl.username", &config.username)
            .set("sasl.password", &config.password.0);
    }
    if let Some(path) = &config.ca_path {
        client.set("ssl.ca.location", path.to_string_lossy());
    }
    client
}

/// Settings of a producer: nothing is acknowledged, lost or reordered that Kafka can keep.
pub(super) fn producer_config(config: &Config, timeout_ms: u32, linger_ms: u32) -> ClientConfig {
    let mut client = common_config(config);
    client
        .set("acks", "all")
        .set("enable.idempotence", "true")
        .set("compression.type", "lz4")
        .set("linger.ms", linger_ms.to_string())
        .set("message.timeout.ms", timeout_ms.to_string())
        .set(
            "queue.buffering.max.messages",
            config.queue_records_max.to_string(),
        )
        .set(
            "queue.buffering.max.kbytes",
            config.queue_bytes_max.div_ceil(1024).to_string(),
        )
        .set("message.max.bytes", topic_message_bytes(config).to_string());
    client
}

/// Most bytes of a record as Kafka counts it: with the head that it puts around key and payload.
pub(super) const fn topic_message_bytes(config: &Config) -> usize {
    config.record_bytes_max + 512
}

/// Settings of a consumer: offsets come from us, and none is ever chosen for us.
pub(super) fn consumer_config(config: &Config, group: &str) -> ClientConfig {
    let mut client = common_config(config);
    client
        .set("group.id", group)
        .set("auto.offset.reset", "error")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("enable.partition.eof", "false")
        .set("check.crcs", "true")
        .set("fetch.error.backoff.ms", "100")
        .set("fetch.queue.backoff.ms", "10")
        .set(
            "queued.max.messages.kbytes",
            config.reader_bytes_max.div_ceil(1024).to_string(),
        );
    client
}

/// Counts and logs what a client says by itself.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, _level: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(
            kafka.facility = facility,
            kafka.message = message,
            "kafka client"
        );
    }

    fn error(&self, error: KafkaError, reason: &str) {
        metrics::client_error();
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
            outage::report(reason);
        } else {
            tracing::debug!(%error, kafka.message = reason, "kafka client failed");
        }
    }
}

impl ConsumerContext for Quiet {}

/// What readers and questions share.
pub(super) struct Clients {
    pub(super) config: Config,
    shards: ShardCount,
    names: HashMap<Topic, String>,
    /// Asks for bounds; made when first needed.
    asking: OnceLock<Arc<BaseConsumer<Quiet>>>,
}

impl Clients {
    pub(super) fn new(config: Config, shards: ShardCount) -> Self {
        let names = Topic::ALL.map(|topic| (topic, config.topic_name(topic)));
        Self {
            config,
            shards,
            names: HashMap::from(names),
            asking: OnceLock::new(),
        }
    }

    pub(super) fn name(&self, topic: Topic) -> &str {
        self.names.get(&topic).map_or("", String::as_str)
    }

    pub(super) fn topic(&self, name: &str) -> Option<Topic> {
        let suffix = name.strip_prefix(&self.config.topic_prefix)?;
        Topic::ALL.into_iter().find(|t| t.suffix() == suffix)
    }

    pub(super) fn check_partition(&self, topic: Topic, partition: Partition) -> Result<(), String> {
        let partitions = topic.partitions(self.shards);
        if partition.0 < partitions {
            return Ok(());
        }
        Err(format!("{topic} has {partitions} partitions"))
    }

    fn asking(&self) -> Result<Arc<BaseConsumer<Quiet>>, LogError> {
        if let Some(asking) = self.asking.get() {
            return Ok(Arc::clone(asking));
        }
        let made = common_config(&self.config)
            .create_with_context(Quiet)
            .map_err(|error| log_error("making a client", &error))?;
        Ok(Arc::clone(self.asking.get_or_init(|| Arc::new(made))))
    }

    /// Bounds of partitions, in their order.
    pub(super) async fn bounds(
        &self,
        partitions: Vec<(Topic, Partition)>,
    ) -> Result<Vec<Bounds>, LogError> {
        let asking = self.asking()?;
        let timeout = self.config.request_timeout();
        let mut asked = Vec::with_capacity(partitions.len());
        for (topic, partition) in partitions {
            let doing = format!("asking for the bounds of {topic}/{partition}");
            if let Err(reason) = self.check_partition(topic, partition) {
                return Err(LogError::Failed { doing, reason });
            }
            asked.push((self.name(topic).to_owned(), partition, doing));
        }
        let ask = move || {
            let one = |(name, partition, doing): (String, Partition, String)| {
                let (start, end) = watermarks(&asking, &name, partition, timeout)
                    .map_err(|error| log_error(doing, &error))?;
                Ok(Bounds {
                    start: Offset(start.max(0).unsigned_abs()),
                    end: Offset(end.max(0).unsigned_abs()),
                })
            };
            asked.into_iter().map(one).collect()
        };
        blocking("asking for bounds", ask).await?
    }

    /// The record of a message, unless the message is of no topic of ours.
    pub(super) fn record(&self, message: &BorrowedMessage<'_>) -> Option<Record> {
        outage::answered();
        Some(Record {
            topic: self.topic(message.topic())?,
            partition: Partition(u16::try_from(message.partition()).ok()?),
            offset: Offset(u64::try_from(message.offset()).ok()?),
            at: append_time(message.timestamp()),
            key: message
                .key()
                .map_or_else(Bytes::new, Bytes::copy_from_slice),
            payload: message
                .payload()
                .map_or_else(Bytes::new, Bytes::copy_from_slice),
        })
    }
}

/// Asks again while a partition's leader moves, which takes moments.
fn watermarks(
    asking: &BaseConsumer<Quiet>,
    topic: &str,
    partition: Partition,
    timeout: Duration,
) -> Result<(i64, i64), KafkaError> {
    let begun = Instant::now();
    loop {
        let left = timeout.saturating_sub(begun.elapsed());
        match asking.fetch_watermarks(topic, i32::from(partition.0), left) {
            Err(error) if is_leader_moving(&error) && begun.elapsed() < timeout => {
                std::thread::sleep(ASK_AGAIN_AFTER);
            }
            answer => {
                if answer.is_ok() {
                    outage::answered();
                }
                return answer;
            }
        }
    }
}

fn is_leader_moving(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(RDKafkaErrorCode::NotLeaderForPartition | RDKafkaErrorCode::LeaderNotAvailable)
    )
}

/// The log's own time, which Kafka keeps in milliseconds.
pub(super) fn append_time(timestamp: Timestamp) -> UtcMicros {
    UtcMicros(timestamp.to_millis().unwrap_or(0).saturating_mul(1_000))
}

/// Runs something that blocks where it may.
pub(super) async fn blocking<T: Send + 'static>(
    doing: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, LogError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| LogError::Failed {
        doing: doing.to_owned(),
        reason: error.to_string(),
    })
}

/// Drops a client without blocking the caller: closing one may take a while.
pub(super) fn drop_aside<T: Send + 'static>(client: T) {
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => {
            runtime.spawn_blocking(move || drop(client));
        }
        Err(_) => drop(client),
    }
}

pub(super) fn start_error(source: KafkaError) -> StartError {
    StartError::Client { source }
}
