//! Members of consumer groups.
//!
//! Partitions move by the cooperative protocol: a rebalance stops only those that move, so the
//! others' records go on flowing while a worker comes or goes. Offsets that the group has committed
//! are never read back: a member says where each partition starts, and until then the partition is
//! assigned at its end and paused, and whatever comes of it is thrown away.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use aerostream_domain::Offset;
use aerostream_log::local::{Position, check_inside};
use aerostream_log::{GroupEvent, GroupReader, LogError, Partition, ReadLimits, Record, Topic};
use async_trait::async_trait;
use futures::Stream;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{
    BaseConsumer, CommitMode, Consumer, ConsumerContext, RebalanceProtocol, StreamConsumer,
};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};

use super::client::{Clients, Quiet, consumer_config, drop_aside};
use super::error::{is_outside, log_error};
use super::reader::{Batch, judge_passing, partition_list};

/// How long a member may be silent before the group goes on without it, in milliseconds: longer
/// than any outage of the database that a worker waits out in one call.
const POLL_INTERVAL_MS_MAX: &str = "600000";

type Held = (Topic, Partition);

/// What the group has said and the member was not told yet.
enum Change {
    Assigned(Vec<Held>),
    Revoked(Vec<Held>),
}

/// Where librdkafka tells of rebalances: within polls of the consumer.
struct Rebalances {
    clients: Arc<Clients>,
    /// At most two a rebalance, and no rebalance ends before the member polls on.
    changes: Mutex<VecDeque<Change>>,
}

impl Rebalances {
    fn changes(&self) -> MutexGuard<'_, VecDeque<Change>> {
        // A panic elsewhere leaves a list that is still whole.
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn held(&self, list: &TopicPartitionList) -> Vec<Held> {
        let held = list.elements().into_iter().filter_map(|element| {
            let topic = self.clients.topic(element.topic())?;
            let partition = u16::try_from(element.partition()).ok()?;
            Some((topic, Partition(partition)))
        });
        held.collect()
    }
}

impl ClientContext for Rebalances {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        Quiet.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        Quiet.error(error, reason);
    }
}

impl ConsumerContext for Rebalances {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        event: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        let held = self.held(list);
        let assigned = event == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        let cooperative = matches!(
            consumer.rebalance_protocol(),
            RebalanceProtocol::Cooperative
        );
        let done = if assigned {
            list.set_all_offsets(KafkaOffset::End)
                .and_then(|()| match cooperative {
                    true => consumer.incremental_assign(list),
                    false => consumer.assign(list),
                })
                .and_then(|()| consumer.pause(list))
        } else if cooperative {
            consumer.incremental_unassign(list)
        } else {
            consumer.unassign()
        };
        if let Err(error) = done {
            tracing::error!(%error, "kafka rebalance failed");
        }
        if held.is_empty() {
            return;
        }
        let change = match assigned {
            true => Change::Assigned(held),
            false => Change::Revoked(held),
        };
        self.changes().push_back(change);
    }

    fn commit_callback(&self, result: KafkaResult<()>, _offsets: &TopicPartitionList) {
        // Nothing depends on committed offsets; the next report comes soon.
        if let Err(error) = result {
            tracing::debug!(%error, "kafka offsets not committed");
        }
    }
}

/// What a poll brought.
enum Came {
    Change(Change),
    Record(Option<Record>),
    Trouble(KafkaError),
}

/// A member of a group.
pub(super) struct Member {
    clients: Arc<Clients>,
    consumer: Option<StreamConsumer<Rebalances>>,
    topics: Vec<Topic>,
    /// Offset of the next record of every partition that was started.
    started: BTreeMap<Held, Offset>,
    kept: Option<Came>,
}

fn failed(doing: &str) -> impl FnOnce(KafkaError) -> LogError {
    let doing = doing.to_owned();
    move |error| log_error(doing, &error)
}

impl Member {
    pub(super) fn join(
        clients: &Arc<Clients>,
        topics: &[Topic],
        group: &str,
    ) -> Result<Self, LogError> {
        let context = Rebalances {
            clients: Arc::clone(clients),
            changes: Mutex::default(),
        };
        let config = &clients.config;
        let session_ms = config.session_timeout_ms;
        let group = format!("{}{group}", config.topic_prefix);
        let consumer: StreamConsumer<Rebalances> = consumer_config(config, &group)
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", session_ms.to_string())
            .set("heartbeat.interval.ms", (session_ms / 4).to_string())
            .set("max.poll.interval.ms", POLL_INTERVAL_MS_MAX)
            .create_with_context(context)
            .map_err(failed("joining a group"))?;
        let names: Vec<&str> = topics.iter().map(|&topic| clients.name(topic)).collect();
        consumer
            .subscribe(&names)
            .map_err(failed("joining a group"))?;
        Ok(Self {
            clients: Arc::clone(clients),
            consumer: Some(consumer),
            topics: topics.to_vec(),
            started: BTreeMap::new(),
            kept: None,
        })
    }

    fn consumer(&self) -> Result<&StreamConsumer<Rebalances>, LogError> {
        self.consumer.as_ref().ok_or_else(|| LogError::Failed {
            doing: "following a group".to_owned(),
            reason: "its consumer was closed".to_owned(),
        })
    }

    /// What comes next. Rebalances happen within the poll, so they are looked for around it.
    async fn come(&self) -> Result<Came, LogError> {
        let consumer = self.consumer()?;
        let context = Arc::clone(consumer.context());
        let mut stream = std::pin::pin!(consumer.stream());
        let came = std::future::poll_fn(|task| {
            let change = context.changes().pop_front();
            if let Some(change) = change {
                return Poll::Ready(Came::Change(change));
            }
            match stream.as_mut().poll_next(task) {
                Poll::Ready(Some(Ok(message))) => {
                    Poll::Ready(Came::Record(self.clients.record(&message)))
                }
                Poll::Ready(Some(Err(error))) => Poll::Ready(Came::Trouble(error)),
                Poll::Ready(None) => Poll::Ready(Came::Record(None)),
                Poll::Pending => match context.changes().pop_front() {
                    Some(change) => Poll::Ready(Came::Change(change)),
                    None => Poll::Pending,
                },
            }
        });
        Ok(came.await)
    }

    /// Takes over what the group says; the event for the member.
    fn told(&mut self, change: Change) -> GroupEvent {
        match change {
            Change::Assigned(held) => GroupEvent::Assigned(held),
            Change::Revoked(held) => {
                for place in &held {
                    self.started.remove(place);
                }
                GroupEvent::Revoked(held)
            }
        }
    }

    /// Fails if any place is outside its partition.
    async fn check_places(&self, places: Vec<(Held, Offset)>) -> Result<(), LogError> {
        let partitions = places.iter().map(|(held, _)| *held).collect();
        let bounds = self.clients.bounds(partitions).await?;
        for (((topic, partition), next), bounds) in places.into_iter().zip(bounds) {
            let position = Position {
                topic,
                partition,
                next,
            };
            check_inside(position, bounds)?;
        }
        Ok(())
    }

    async fn judge(&self, error: &KafkaError) -> Result<String, LogError> {
        let code = error.rdkafka_error_code();
        if code.is_some_and(is_outside) {
            let places = self.started.iter().map(|(&held, &next)| (held, next));
            self.check_places(places.collect()).await?;
            // It was of a partition that is not started, which has no offset of ours.
            return Ok(String::new());
        }
        let topic = self.topics.first().copied().unwrap_or(Topic::Telemetry);
        judge_passing(topic, error)
    }

    /// True if the record is the member's business.
    fn wants(&self, record: &Record) -> bool {
        let place = (record.topic, record.partition);
        let next = self.started.get(&place);
        next.is_some_and(|&next| record.offset >= next)
    }
}

#[async_trait]
impl GroupReader for Member {
    async fn next(&mut self, limits: ReadLimits) -> Result<GroupEvent, LogError> {
        let mut batch = Batch::new(limits);
        let mut trouble = None;
        let mut patience = std::pin::pin!(tokio::time::sleep(limits.wait_max));
        while !batch.is_full() {
            let came = match self.kept.take() {
                Some(came) => came,
                None if batch.records.is_empty() => tokio::select! {
                    biased;
                    came = self.come() => came?,
                    () = &mut patience => break,
                },
                None => match futures::FutureExt::now_or_never(self.come()) {
                    Some(came) => came?,
                    None => break,
                },
            };
            match came {
                Came::Record(Some(record)) if self.wants(&record) => {
                    if let Err(record) = batch.push(record) {
                        self.kept = Some(Came::Record(Some(record)));
                        break;
                    }
                }
                Came::Record(_) => {}
                // What came before is answered first.
                came if !batch.records.is_empty() => {
                    self.kept = Some(came);
                    break;
                }
                Came::Change(change) => return Ok(self.told(change)),
                Came::Trouble(error) => {
                    // If it does not pass, it stays true until the member starts elsewhere.
                    self.kept = Some(Came::Trouble(error.clone()));
                    trouble = Some(self.judge(&error).await?);
                    self.kept = None;
                }
            }
        }
        for record in &batch.records {
            let next = Offset(record.offset.0 + 1);
            self.started.insert((record.topic, record.partition), next);
        }
        match trouble {
            Some(reason) if batch.records.is_empty() && !reason.is_empty() => {
                Err(LogError::Unavailable {
                    doing: "following a group".to_owned(),
                    reason,
                })
            }
            _ => Ok(GroupEvent::Records(batch.records)),
        }
    }

    async fn start(
        &mut self,
        topic: Topic,
        partition: Partition,
        offset: Offset,
    ) -> Result<(), LogError> {
        let held = (topic, partition);
        self.check_places(vec![(held, offset)]).await?;
        let doing = format!("starting {topic}/{partition} at {offset}");
        let consumer = self.consumer()?;
        let places = std::iter::once((topic, partition, &offset));
        let list = partition_list(&self.clients, places).map_err(failed(&doing))?;
        let assigned = consumer.assignment().map_err(failed(&doing))?;
        let number = i32::from(partition.0);
        if assigned
            .find_partition(self.clients.name(topic), number)
            .is_none()
        {
            // It was revoked, and the member is about to be told.
            return Ok(());
        }
        // Taking it out and in again throws away what was fetched from the place before.
        consumer
            .incremental_unassign(&list)
            .and_then(|()| consumer.incremental_assign(&list))
            .and_then(|()| consumer.resume(&list))
            .map_err(failed(&doing))?;
        if matches!(&self.kept, Some(Came::Record(_) | Came::Trouble(_))) {
            self.kept = None;
        }
        self.started.insert(held, offset);
        Ok(())
    }

    fn report(&mut self, topic: Topic, partition: Partition, next: Offset) {
        let Some(consumer) = &self.consumer else {
            return;
        };
        let places = std::iter::once((topic, partition, &next));
        let committed = partition_list(&self.clients, places)
            .and_then(|list| consumer.commit(&list, CommitMode::Async));
        if let Err(error) = committed {
            tracing::debug!(%error, "kafka offsets not committed");
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Some(consumer) = self.consumer.take() {
            drop_aside(consumer);
        }
    }
}
