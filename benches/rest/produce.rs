//! The reference: a record appended to the log and waited for.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aerostream::event_log::embedded::{self, EmbeddedLog};
use aerostream::event_log::kafka::{self, KafkaLog};
use aerostream_log::{Append, EventLog, Partition, Topic};
use bytes::Bytes;
use hdrhistogram::Histogram;
use tokio::task::JoinSet;

use super::load::PRECISION;
use super::{AT_ONCE, Answers};
use crate::harness::support::directory;
use crate::settings::shards;
use crate::stack::Broker;

/// Bytes of a record, as many as a record of one sample has.
const RECORD: usize = 160;

/// As many records under way as there are connections, for this time.
pub async fn run(log: &str, time: Duration) -> anyhow::Result<Answers> {
    let log = open(log).await?;
    let began = Instant::now();
    let mut producers = JoinSet::new();
    for number in 0..AT_ONCE {
        producers.spawn(produce(Arc::clone(&log), number, began + time));
    }
    let mut latency_us = Histogram::new(PRECISION)?;
    while let Some(ended) = producers.join_next().await {
        latency_us.add(ended??)?;
    }
    Ok(Answers {
        took: began.elapsed(),
        latency_us,
    })
}

/// Opens a log of its own.
pub async fn open(log: &str) -> anyhow::Result<Arc<dyn EventLog>> {
    let shards = shards()?;
    if log == "embedded" {
        let config = embedded::Config {
            directory: directory("bare").join("log"),
            ..Default::default()
        };
        let opened = tokio::task::spawn_blocking(move || EmbeddedLog::open(config, shards));
        return Ok(Arc::new(opened.await??));
    }
    let Broker { bootstrap, prefix } = Broker::fresh().await;
    let config = kafka::Config {
        bootstrap_servers: bootstrap,
        topic_prefix: prefix,
        single_broker: true,
        ..Default::default()
    };
    Ok(Arc::new(KafkaLog::start(config, shards).await?))
}

async fn produce(
    log: Arc<dyn EventLog>,
    number: u32,
    end: Instant,
) -> anyhow::Result<Histogram<u64>> {
    let mut latency_us = Histogram::new(PRECISION)?;
    let record = Append {
        topic: Topic::Telemetry,
        partition: Partition(number as u16 % shards()?.get()),
        key: Bytes::from(format!("bare-{number}")),
        payload: Bytes::from(vec![0; RECORD]),
    };
    while Instant::now() < end {
        let began = Instant::now();
        log.append(record.clone()).await?;
        latency_us.record(began.elapsed().as_micros() as u64)?;
    }
    Ok(latency_us)
}
