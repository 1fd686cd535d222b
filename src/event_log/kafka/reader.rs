//! Reading partitions from given offsets, outside any group.

use std::collections::BTreeMap;
use std::sync::Arc;

use aerostream_domain::Offset;
use aerostream_log::local::{Position, check_inside};
use aerostream_log::{LogError, Partition, ReadLimits, Reader, Record, Topic};
use async_trait::async_trait;
use futures::{FutureExt, StreamExt};
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};

use super::client::{Clients, Quiet, consumer_config, drop_aside};
use super::error::{is_outside, is_passing, log_error};

/// Follows some partitions of a topic.
pub(super) struct TopicReader {
    clients: Arc<Clients>,
    consumer: Option<StreamConsumer<Quiet>>,
    topic: Topic,
    next: BTreeMap<Partition, Offset>,
    /// Came, but had no room in the last answer.
    kept: Option<Record>,
    /// An error that is still to be told: librdkafka says some only once.
    failed: Option<KafkaError>,
}

/// Records that fit the limits, and the first that does not.
pub(super) struct Batch {
    limits: ReadLimits,
    bytes: usize,
    pub(super) records: Vec<Record>,
}

impl Batch {
    pub(super) const fn new(limits: ReadLimits) -> Self {
        Self {
            limits,
            bytes: 0,
            records: Vec::new(),
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.records.len() >= self.limits.records_max.max(1)
    }

    /// Gives a record back that has no room.
    pub(super) fn push(&mut self, record: Record) -> Result<(), Record> {
        let size = record.key.len() + record.payload.len();
        let room = !self.is_full() && self.bytes + size <= self.limits.bytes_max;
        if !room && !self.records.is_empty() {
            return Err(record);
        }
        self.bytes += size;
        self.records.push(record);
        Ok(())
    }
}

pub(super) fn partition_list<'a>(
    clients: &Clients,
    places: impl Iterator<Item = (Topic, Partition, &'a Offset)>,
) -> Result<TopicPartitionList, KafkaError> {
    let mut list = TopicPartitionList::new();
    for (topic, partition, offset) in places {
        let at = KafkaOffset::Offset(i64::try_from(offset.0).unwrap_or(i64::MAX));
        list.add_partition_offset(clients.name(topic), i32::from(partition.0), at)?;
    }
    Ok(list)
}

impl TopicReader {
    pub(super) async fn begin(
        clients: &Arc<Clients>,
        topic: Topic,
        from: &[(Partition, Offset)],
    ) -> Result<Self, LogError> {
        let mut reader = Self {
            clients: Arc::clone(clients),
            consumer: None,
            topic,
            next: from.iter().copied().collect(),
            kept: None,
            failed: None,
        };
        reader.check_places().await?;
        let doing = || format!("beginning to read {topic}");
        let group = format!("{}reader", clients.config.topic_prefix);
        let consumer: StreamConsumer<Quiet> = consumer_config(&clients.config, &group)
            .create_with_context(Quiet)
            .map_err(|error| log_error(doing(), &error))?;
        let places = reader.next.iter().map(|(&p, offset)| (topic, p, offset));
        partition_list(clients, places)
            .and_then(|list| consumer.assign(&list))
            .map_err(|error| log_error(doing(), &error))?;
        reader.consumer = Some(consumer);
        Ok(reader)
    }

    /// Fails if any of its places is outside its partition.
    async fn check_places(&self) -> Result<(), LogError> {
        let partitions = self.next.keys().map(|&p| (self.topic, p)).collect();
        let bounds = self.clients.bounds(partitions).await?;
        for ((&partition, &next), bounds) in self.next.iter().zip(bounds) {
            let position = Position {
                topic: self.topic,
                partition,
                next,
            };
            check_inside(position, bounds)?;
        }
        Ok(())
    }

    /// What an error of a fetch means; `Ok` with its text if it passes by itself.
    async fn judge(&self, error: &KafkaError) -> Result<String, LogError> {
        let code = error.rdkafka_error_code();
        if code.is_some_and(is_outside) {
            self.check_places().await?;
            let doing = format!("reading {}", self.topic);
            let reason = format!("a broker says that an offset is outside: {error}");
            return Err(LogError::Failed { doing, reason });
        }
        judge_passing(self.topic, error)
    }
}

/// `Ok` with its text if an error passes by itself.
pub(super) fn judge_passing(topic: Topic, error: &KafkaError) -> Result<String, LogError> {
    let fatal = matches!(error, KafkaError::MessageConsumptionFatal(_));
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::PartitionEOF) => Ok(String::new()),
        Some(code) if is_passing(code) && !fatal => Ok(error.to_string()),
        _ => Err(LogError::Failed {
            doing: format!("reading {topic}"),
            reason: error.to_string(),
        }),
    }
}

#[async_trait]
impl Reader for TopicReader {
    async fn next(&mut self, limits: ReadLimits) -> Result<Vec<Record>, LogError> {
        let mut batch = Batch::new(limits);
        let mut trouble = None;
        let mut patience = std::pin::pin!(tokio::time::sleep(limits.wait_max));
        let Some(consumer) = &self.consumer else {
            return Ok(Vec::new());
        };
        let mut stream = consumer.stream();
        while !batch.is_full() {
            if let Some(error) = &self.failed {
                if !batch.records.is_empty() {
                    break;
                }
                trouble = Some(self.judge(error).await?);
                self.failed = None;
            }
            if let Some(record) = self.kept.take() {
                if let Err(record) = batch.push(record) {
                    self.kept = Some(record);
                    break;
                }
                continue;
            }
            let message = if batch.records.is_empty() {
                tokio::select! {
                    biased;
                    message = stream.next() => message,
                    () = &mut patience => break,
                }
            } else {
                match stream.next().now_or_never() {
                    Some(message) => message,
                    None => break,
                }
            };
            match message {
                Some(Ok(message)) => self.kept = self.clients.record(&message),
                Some(Err(error)) => self.failed = Some(error),
                None => break,
            }
        }
        for record in &batch.records {
            let next = Offset(record.offset.0 + 1);
            self.next.insert(record.partition, next);
        }
        match trouble {
            Some(reason) if batch.records.is_empty() && !reason.is_empty() => {
                Err(LogError::Unavailable {
                    doing: format!("reading {}", self.topic),
                    reason,
                })
            }
            _ => Ok(batch.records),
        }
    }
}

impl Drop for TopicReader {
    fn drop(&mut self) {
        if let Some(consumer) = self.consumer.take() {
            drop_aside(consumer);
        }
    }
}
