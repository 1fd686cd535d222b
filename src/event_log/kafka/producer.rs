//! Producing: what becomes of a record is told by librdkafka's delivery report.

use std::sync::{PoisonError, RwLock};

use aerostream_domain::Offset;
use aerostream_log::{Append, AppendError, Appended, Partition, Topic};
use rdkafka::bindings::{rd_kafka_message_status, rd_kafka_msg_status_t};
use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, DeliveryResult, Message};
use rdkafka::producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer};
use tokio::sync::oneshot;

use super::client::{Quiet, append_time, drop_aside, start_error};
use super::{StartError, outage};
use crate::event_log::metrics::{self, AppendResult};

type Outcome = Result<Appended, AppendError>;

/// What is known of a record while it is under way.
struct UnderWay {
    topic: Topic,
    partition: Partition,
    bytes: u64,
    reply: oneshot::Sender<Outcome>,
}

struct Reports;

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        Quiet.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        Quiet.error(error, reason);
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = Box<UnderWay>;

    fn delivery(&self, result: &DeliveryResult<'_>, under_way: Box<UnderWay>) {
        let UnderWay {
            topic,
            partition,
            bytes,
            reply,
        } = *under_way;
        let outcome = match result {
            Ok(message) => Ok(Appended {
                offset: Offset(message.offset().max(0).unsigned_abs()),
                at: append_time(message.timestamp()),
            }),
            Err((error, message)) => {
                let reason = error.to_string();
                Err(if never_written(message) {
                    AppendError::Refused {
                        topic,
                        partition,
                        reason,
                    }
                } else {
                    AppendError::Unknown {
                        topic,
                        partition,
                        reason,
                    }
                })
            }
        };
        let counted = match &outcome {
            Ok(_) => {
                outage::answered();
                metrics::appended_bytes(topic, bytes);
                AppendResult::Durable
            }
            Err(AppendError::Refused { .. }) => AppendResult::Refused,
            Err(AppendError::Unknown { .. }) => AppendResult::Unknown,
        };
        metrics::appends(topic, counted, 1);
        // A caller that went away has no use for the outcome.
        let _gone = reply.send(outcome);
    }
}

/// True if librdkafka knows that no broker has the message. Its error code alone does not tell: a
/// timeout may hit a message that was sent.
fn never_written(message: &BorrowedMessage<'_>) -> bool {
    #[expect(unsafe_code, reason = "the binding has no safe form of this question")]
    // SAFETY: the pointer is that of a live message, which the call only reads.
    let status = unsafe { rd_kafka_message_status(message.ptr()) };
    matches!(
        status,
        rd_kafka_msg_status_t::RD_KAFKA_MSG_STATUS_NOT_PERSISTED
    )
}

/// A producer that is made anew after an error that ends it.
pub(super) struct Producer {
    config: ClientConfig,
    current: RwLock<ThreadedProducer<Reports>>,
}

impl Producer {
    pub(super) fn new(config: ClientConfig) -> Result<Self, StartError> {
        let producer = config.create_with_context(Reports).map_err(start_error)?;
        Ok(Self {
            config,
            current: RwLock::new(producer),
        })
    }

    /// Queues a record, or says why not.
    pub(super) fn send(
        &self,
        topic: &str,
        append: &Append,
    ) -> Result<oneshot::Receiver<Outcome>, String> {
        let (reply, outcome) = oneshot::channel();
        let under_way = Box::new(UnderWay {
            topic: append.topic,
            partition: append.partition,
            bytes: (append.key.len() + append.payload.len()) as u64,
            reply,
        });
        let record = BaseRecord::with_opaque_to(topic, under_way)
            .partition(i32::from(append.partition.0))
            .key(append.key.as_ref());
        // No payload at all is what deletes a key of a compacted topic.
        let record = if append.payload.is_empty() && append.topic.is_compacted() {
            record
        } else {
            record.payload(append.payload.as_ref())
        };
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        let Err((error, _)) = current.send(record) else {
            return Ok(outcome);
        };
        let ended = current.client().fatal_error();
        drop(current);
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::QueueFull) => Err("its queue is full".to_owned()),
            _ => {
                if let Some((code, reason)) = ended {
                    tracing::error!(%code, kafka.message = reason, "kafka producer ended");
                    self.replace();
                }
                Err(error.to_string())
            }
        }
    }

    /// Goes on with a new producer. What the old one has under way ends as it can.
    fn replace(&self) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if current.client().fatal_error().is_none() {
            return;
        }
        match self.config.create_with_context(Reports) {
            Ok(new) => drop_aside(std::mem::replace(&mut *current, new)),
            Err(error) => tracing::error!(%error, "kafka producer cannot be made anew"),
        }
    }
}
