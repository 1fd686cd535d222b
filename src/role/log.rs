//! Opens the event log that the configuration names.

use std::path::Path;
use std::sync::Arc;

use aerostream_domain::ShardCount;
use aerostream_log::EventLog;
use anyhow::Context;
use clap::ValueEnum;

use crate::event_log::Config;
use crate::event_log::embedded::EmbeddedLog;
use crate::event_log::kafka::KafkaLog;

/// Which adapter stands behind the port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum LogKind {
    /// Kept by this process in its data directory.
    #[default]
    Embedded,
    /// Apache Kafka, by the settings of `[log.kafka]`.
    Kafka,
}

/// An open log.
#[derive(Clone)]
pub struct OpenLog {
    pub log: Arc<dyn EventLog>,
    /// The same one, if it is embedded: it must be told what may be dropped.
    pub embedded: Option<Arc<EmbeddedLog>>,
}

/// Opens the log; the embedded one in `directory`.
pub async fn open(
    kind: LogKind,
    config: &Config,
    directory: &Path,
    shards: ShardCount,
) -> anyhow::Result<OpenLog> {
    match kind {
        LogKind::Embedded => {
            let config = crate::event_log::embedded::Config {
                directory: directory.to_owned(),
                ..config.embedded.clone()
            };
            let opened = tokio::task::spawn_blocking(move || EmbeddedLog::open(config, shards));
            let log = opened
                .await?
                .context("could not open the embedded event log")?;
            let log = Arc::new(log);
            Ok(OpenLog {
                log: Arc::clone(&log) as Arc<dyn EventLog>,
                embedded: Some(log),
            })
        }
        LogKind::Kafka => {
            let log = KafkaLog::start(config.kafka.clone(), shards)
                .await
                .context("could not use Kafka as the event log")?;
            Ok(OpenLog {
                log: Arc::new(log),
                embedded: None,
            })
        }
    }
}
