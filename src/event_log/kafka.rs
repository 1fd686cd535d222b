//! The event log on Kafka.
//!
//! Topics are made if they are missing and checked at the start: settings that would break a
//! promise are refused. The journal and everything else that somebody waits for goes through a
//! producer without linger, telemetry through one with a small linger.

mod client;
mod door;
mod error;
mod group;
mod outage;
mod producer;
mod reader;
#[cfg(test)]
mod tests;
mod topics;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aerostream_domain::{Offset, ShardCount};
use aerostream_log::{
    Append, AppendError, Bounds, EventLog, GroupReader, LogError, Partition, PendingAppend, Reader,
    Topic,
};
use async_trait::async_trait;
use serde::{Deserialize, Serialize, Serializer};

pub use error::StartError;

use self::client::Clients;
use self::producer::Producer;
use super::Retention;
use super::metrics::{self, AppendResult};

const MIB: usize = 1024 * 1024;

/// Settings of the Kafka adapter.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Brokers to begin with, `host:port` separated by commas; `127.0.0.1:9092` unless set.
    pub bootstrap_servers: String,
    /// What the topics' names begin with; `aerostream.` unless set.
    pub topic_prefix: String,
    /// Name of this client in the brokers' logs; `aerostream` unless set.
    pub client_id: String,
    /// True to go on with one broker, which may lose what it acknowledged; false unless set.
    pub single_broker: bool,
    /// How to reach the brokers: `plaintext`, `ssl`, `sasl_plaintext` or `sasl_ssl`; `plaintext`
    /// unless set.
    pub security_protocol: String,
    /// How to log in: `SCRAM-SHA-256`, `SCRAM-SHA-512` or `PLAIN`; empty, for no login, unless set.
    pub sasl_mechanism: String,
    /// User to log in as; empty unless set.
    pub username: String,
    /// Password to log in with; empty unless set.
    pub password: Password,
    /// File of the authorities that sign the brokers' certificates; the system's unless set.
    pub ca_path: Option<PathBuf>,
    /// How long a telemetry record is tried, in milliseconds; 30,000 unless set.
    pub telemetry_timeout_ms: u32,
    /// How long any other record is tried, in milliseconds; 5,000 unless set. Must be shorter than
    /// the time-to-live of commands.
    pub journal_timeout_ms: u32,
    /// How long telemetry waits for company before it is sent, in milliseconds; 2 unless set.
    pub telemetry_linger_ms: u32,
    /// Most records that wait or are under way, per producer; 100,000 unless set. More are refused.
    pub queue_records_max: u32,
    /// Most bytes that wait or are under way, per producer; 128 MiB unless set. More are refused.
    pub queue_bytes_max: usize,
    /// Most bytes of one record's key and payload; 1,000,000 unless set. Larger ones are refused.
    pub record_bytes_max: usize,
    /// Most bytes that a reader fetches ahead; 16 MiB unless set.
    pub reader_bytes_max: usize,
    /// How long a question to a broker may take, in milliseconds; 5,000 unless set.
    pub request_timeout_ms: u32,
    /// How long the start waits for brokers, in milliseconds; 30,000 unless set.
    pub start_timeout_ms: u32,
    /// A member of a group that is silent for so long has left, in milliseconds; 10,000 unless set.
    pub session_timeout_ms: u32,
    /// How often a member of a group looks for partitions that bring nothing although there is
    /// something, in milliseconds; 10,000 unless set. After two such looks it joins again.
    pub stall_ms: u32,
    /// How long records are kept; used when a topic is made.
    pub retention: Retention,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            bootstrap_servers: "127.0.0.1:9092".to_owned(),
            topic_prefix: "aerostream.".to_owned(),
            client_id: "aerostream".to_owned(),
            single_broker: false,
            security_protocol: "plaintext".to_owned(),
            sasl_mechanism: String::new(),
            username: String::new(),
            password: Password::default(),
            ca_path: None,
            telemetry_timeout_ms: 30_000,
            journal_timeout_ms: 5_000,
            telemetry_linger_ms: 2,
            queue_records_max: 100_000,
            queue_bytes_max: 128 * MIB,
            record_bytes_max: 1_000_000,
            reader_bytes_max: 16 * MIB,
            request_timeout_ms: 5_000,
            start_timeout_ms: 30_000,
            session_timeout_ms: 10_000,
            stall_ms: 10_000,
            retention: Retention::default(),
        }
    }
}

/// A password, which is never printed.
#[derive(Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct Password(pub String);

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.shown())
    }
}

impl Serialize for Password {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.shown())
    }
}

impl Password {
    const fn shown(&self) -> &'static str {
        if self.0.is_empty() { "" } else { "(hidden)" }
    }
}

impl Config {
    fn topic_name(&self, topic: Topic) -> String {
        format!("{}{}", self.topic_prefix, topic.suffix())
    }

    const fn request_timeout(&self) -> Duration {
        Duration::from_millis(self.request_timeout_ms as u64)
    }

    const fn start_timeout(&self) -> Duration {
        Duration::from_millis(self.start_timeout_ms as u64)
    }
}

/// The event log on Kafka.
pub struct KafkaLog {
    config: Config,
    clients: Arc<Clients>,
    telemetry: Producer,
    others: Producer,
}

impl KafkaLog {
    /// Connects, makes missing topics and checks them all.
    pub async fn start(config: Config, shards: ShardCount) -> Result<Self, StartError> {
        topics::prepare(&config, shards).await?;
        let clients = Clients::new(config.clone(), shards);
        let telemetry = client::producer_config(
            &config,
            config.telemetry_timeout_ms,
            config.telemetry_linger_ms,
        );
        let others = client::producer_config(&config, config.journal_timeout_ms, 0);
        Ok(Self {
            telemetry: Producer::new(telemetry)?,
            others: Producer::new(others)?,
            clients: Arc::new(clients),
            config,
        })
    }

    fn check(&self, append: &Append) -> Result<(), String> {
        self.clients
            .check_partition(append.topic, append.partition)?;
        let size = append.key.len() + append.payload.len();
        let most = self.config.record_bytes_max;
        if size > most {
            return Err(format!(
                "the record has {size} bytes, at most {most} may be"
            ));
        }
        Ok(())
    }
}

#[async_trait]
impl EventLog for KafkaLog {
    fn append(&self, append: Append) -> PendingAppend {
        let (topic, partition) = (append.topic, append.partition);
        let producer = match topic {
            Topic::Telemetry => &self.telemetry,
            _ => &self.others,
        };
        let name = self.clients.name(topic);
        let sent = self
            .check(&append)
            .and_then(|()| producer.send(name, &append));
        match sent {
            Ok(outcome) => Box::pin(async move {
                outcome.await.unwrap_or_else(|_| {
                    Err(AppendError::Unknown {
                        topic,
                        partition,
                        reason: "its producer ended".to_owned(),
                    })
                })
            }),
            Err(reason) => {
                metrics::appends(topic, AppendResult::Refused, 1);
                Box::pin(std::future::ready(Err(AppendError::Refused {
                    topic,
                    partition,
                    reason,
                })))
            }
        }
    }

    async fn bounds(&self, topic: Topic, partition: Partition) -> Result<Bounds, LogError> {
        let mut bounds = self.clients.bounds(vec![(topic, partition)]).await?;
        bounds.pop().ok_or_else(|| LogError::Failed {
            doing: format!("asking for the bounds of {topic}/{partition}"),
            reason: "there was no answer".to_owned(),
        })
    }

    async fn read(
        &self,
        topic: Topic,
        from: Vec<(Partition, Offset)>,
    ) -> Result<Box<dyn Reader>, LogError> {
        let reader = reader::TopicReader::begin(&self.clients, topic, &from).await?;
        Ok(Box::new(reader))
    }

    async fn join(
        &self,
        topics: Vec<Topic>,
        group: &str,
    ) -> Result<Box<dyn GroupReader>, LogError> {
        let member = group::Member::join(&self.clients, &topics, group)?;
        Ok(Box::new(member))
    }
}
