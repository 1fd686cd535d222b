//! Members of consumer groups.
//!
//! Partitions move by the cooperative protocol: a rebalance stops only those that move, so the
//! others' records go on flowing while a worker comes or goes. Offsets that the group has committed
//! are never read back: a member says where each partition starts, and until then the partition is
//! assigned at its end and paused, and whatever comes of it is thrown away.
//!
//! A member starts a partition by a seek. Taking it out of the assignment and in again would do as
//! well, but while the group waits for the member's answer to a rebalance librdkafka takes either
//! for that answer: the group then believes that the member has what was taken from it.

mod gaps;
mod rebalances;
mod stall;

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use aerostream_domain::Offset;
use aerostream_log::local::{Position, check_inside};
use aerostream_log::{GroupEvent, GroupReader, LogError, Partition, ReadLimits, Record, Topic};
use async_trait::async_trait;
use futures::Stream;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{CommitMode, Consumer, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tokio::time::{Instant, Sleep};

use self::gaps::{Gaps, Step};
use self::rebalances::{Change, Rebalances};
use self::stall::StallWatch;
use super::client::{Clients, consumer_config, drop_aside};
use super::error::{is_outside, log_error};
use super::reader::{Batch, judge_passing, partition_list};
use crate::event_log::metrics::{self, Rejoin};

/// How long a member may be silent before the group goes on without it, in milliseconds: longer
/// than any outage of the database that a worker waits out in one call.
const POLL_INTERVAL_MS_MAX: &str = "600000";
/// Sessions that the group may take for an assignment.
const ASSIGN_SESSIONS_MAX: u32 = 3;
/// How long a partition that was assigned may take until it can be started.
const SEEK_MAX: Duration = Duration::from_secs(5);
/// Between two attempts.
const SEEK_EVERY: Duration = Duration::from_millis(20);

type Held = (Topic, Partition);

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
    group: String,
    /// What the member was told that it has.
    assigned: BTreeSet<Held>,
    /// Offset of the next record of every partition that was started.
    started: BTreeMap<Held, Offset>,
    kept: Option<Came>,
    gaps: Gaps,
    watch: StallWatch,
    /// All that the client had fetched was taken, at some time since the last look for stalls.
    drained: bool,
    /// The client cannot go on as it is; the member joins again with another one.
    broken: bool,
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
        let every = Duration::from_millis(clients.config.stall_ms.into());
        let mut member = Self {
            clients: Arc::clone(clients),
            consumer: None,
            topics: topics.to_vec(),
            group: format!("{}{group}", clients.config.topic_prefix),
            assigned: BTreeSet::new(),
            started: BTreeMap::new(),
            kept: None,
            gaps: Gaps::default(),
            watch: StallWatch::new(every, Instant::now()),
            drained: false,
            broken: false,
        };
        member.subscribe()?;
        Ok(member)
    }

    /// Makes the client that takes part in the group.
    fn subscribe(&mut self) -> Result<(), LogError> {
        let clients = &self.clients;
        let context = Rebalances::new(clients);
        let config = &clients.config;
        let session_ms = config.session_timeout_ms;
        let consumer: StreamConsumer<Rebalances> = consumer_config(config, &self.group)
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", session_ms.to_string())
            .set("heartbeat.interval.ms", (session_ms / 4).to_string())
            .set("max.poll.interval.ms", POLL_INTERVAL_MS_MAX)
            .create_with_context(context)
            .map_err(failed("joining a group"))?;
        let names: Vec<&str> = self.topics.iter().map(|&t| clients.name(t)).collect();
        consumer
            .subscribe(&names)
            .map_err(failed("joining a group"))?;
        self.consumer = Some(consumer);
        Ok(())
    }

    /// Remembers that the client has to be replaced.
    fn break_off(&mut self, why: Rejoin, partitions: &[Held]) {
        let places: Vec<String> = partitions.iter().map(|(t, p)| format!("{t}/{p}")).collect();
        tracing::warn!(
            group = self.group,
            reason = why.label(),
            partitions = places.join(" "),
            "kafka group is joined again"
        );
        metrics::group_rejoined(why);
        self.broken = true;
    }

    /// Leaves the group and joins it anew; the member has nothing until it is assigned again.
    fn rejoin(&mut self) -> Result<GroupEvent, LogError> {
        if let Some(consumer) = self.consumer.take() {
            drop_aside(consumer);
        }
        self.started.clear();
        self.gaps = Gaps::default();
        self.kept = None;
        self.watch.forget(Instant::now());
        self.subscribe()?;
        self.broken = false;
        let lost = std::mem::take(&mut self.assigned);
        Ok(GroupEvent::Revoked(lost.into_iter().collect()))
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

    /// What was kept, or what comes next; `None` if nothing is there and nothing came in time.
    async fn pull(
        &mut self,
        waits: bool,
        patience: Pin<&mut Sleep>,
    ) -> Result<Option<Came>, LogError> {
        if let Some(kept) = self.kept.take() {
            return Ok(Some(kept));
        }
        if !waits {
            return futures::FutureExt::now_or_never(self.come()).transpose();
        }
        tokio::select! {
            biased;
            came = self.come() => came.map(Some),
            () = patience => Ok(None),
        }
    }

    /// Takes over what the group says; the event for the member.
    fn told(&mut self, change: Change) -> GroupEvent {
        match change {
            Change::Assigned(held) => {
                self.assigned.extend(held.iter().copied());
                GroupEvent::Assigned(held)
            }
            Change::Revoked(held) => {
                for place in &held {
                    self.assigned.remove(place);
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

    async fn judge(&mut self, error: &KafkaError) -> Result<String, LogError> {
        let code = error.rdkafka_error_code();
        if code.is_some_and(is_outside) {
            let places = self.started.iter().map(|(&held, &next)| (held, next));
            self.check_places(places.collect()).await?;
            // Every place is right by now, but librdkafka has given up a partition and does not
            // say which.
            self.break_off(Rejoin::Offset, &[]);
            return Ok(error.to_string());
        }
        let topic = self.topics.first().copied().unwrap_or(Topic::Telemetry);
        judge_passing(topic, error)
    }

    /// Looks for partitions that stand still, once in a while, and for an assignment that does not
    /// come although brokers can be reached.
    async fn look_for_stalls(&mut self) {
        let session = Duration::from_millis(self.clients.config.session_timeout_ms.into());
        let overdue = self
            .consumer()
            .is_ok_and(|consumer| consumer.context().is_overdue(session * ASSIGN_SESSIONS_MAX));
        if overdue {
            let any = self.topics.iter().map(|topic| (*topic, Partition(0)));
            if self.clients.bounds(any.collect()).await.is_ok() {
                self.break_off(Rejoin::Forgotten, &[]);
                return;
            }
        }
        let asked = self.watch.to_ask(&self.started, Instant::now());
        if asked.is_empty() {
            return;
        }
        // What waits in the client's queue stands still for want of a reader, not of the client.
        if !std::mem::take(&mut self.drained) {
            self.watch.forget(Instant::now());
            return;
        }
        let Ok(bounds) = self.clients.bounds(asked.clone()).await else {
            self.watch.forget(Instant::now());
            return;
        };
        let bounds = asked.into_iter().zip(bounds).collect();
        let stalled = self.watch.look(&self.started, &bounds, Instant::now());
        if !stalled.is_empty() {
            self.break_off(Rejoin::Stalled, &stalled);
        }
    }

    /// Moves an assigned partition to an offset. One that was assigned just now is not ready at
    /// once.
    async fn seek(&self, list: &TopicPartitionList, doing: &str) -> Result<bool, LogError> {
        let deadline = Instant::now() + SEEK_MAX;
        loop {
            let consumer = self.consumer()?;
            let sought = consumer
                .seek_partitions(list.clone(), self.clients.config.request_timeout())
                .map_err(failed(doing))?;
            let error = sought
                .elements()
                .iter()
                .find_map(|place| place.error().err());
            match error {
                None => return Ok(true),
                Some(error) if !is_early(&error) => return Err(failed(doing)(error)),
                Some(_) if Instant::now() >= deadline => return Ok(false),
                Some(_) => tokio::time::sleep(SEEK_EVERY).await,
            }
        }
    }

    /// Moves a started partition back to the record that is due.
    async fn go_back(&mut self, held: Held, due: Offset, came: Offset) -> Result<(), LogError> {
        let (topic, partition) = held;
        tracing::warn!(
            %topic, shard.id = partition.0, offset.due = due.0, offset.came = came.0,
            "kafka client left records out, reading them again"
        );
        metrics::group_went_back();
        let doing = format!("going back to {topic}/{partition} at {due}");
        let places = std::iter::once((topic, partition, &due));
        let list = partition_list(&self.clients, places).map_err(failed(&doing))?;
        let went = self.seek(&list, &doing).await;
        if !matches!(went, Ok(true)) {
            self.gaps.forget(held);
        }
        if !went? {
            self.break_off(Rejoin::Stuck, &[held]);
        }
        Ok(())
    }
}

/// True if a partition is not where it can be moved, but may soon be.
fn is_early(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(RDKafkaErrorCode::State | RDKafkaErrorCode::PreviousInProgress)
    )
}

/// What came; or why nothing did, unless that passes by itself.
fn answer(trouble: Option<String>, records: Vec<Record>) -> Result<GroupEvent, LogError> {
    match trouble {
        Some(reason) if records.is_empty() && !reason.is_empty() => Err(LogError::Unavailable {
            doing: "following a group".to_owned(),
            reason,
        }),
        _ => Ok(GroupEvent::Records(records)),
    }
}

#[async_trait]
impl GroupReader for Member {
    async fn next(&mut self, limits: ReadLimits) -> Result<GroupEvent, LogError> {
        if self.broken || self.consumer.is_none() {
            return self.rejoin();
        }
        let mut batch = Batch::new(limits);
        // Taken over at the end: what a caller that gives up never saw was not given.
        let mut due = self.started.clone();
        let mut trouble = None;
        let mut patience = std::pin::pin!(tokio::time::sleep(limits.wait_max));
        while !batch.is_full() {
            let waits = batch.records.is_empty();
            let Some(came) = self.pull(waits, patience.as_mut()).await? else {
                self.drained = true;
                break;
            };
            match came {
                Came::Record(Some(record)) => {
                    let held = (record.topic, record.partition);
                    let offset = record.offset;
                    match self.gaps.judge(held, due.get(&held).copied(), offset) {
                        Step::Skip => {}
                        Step::Take => match batch.push(record) {
                            Ok(()) => drop(due.insert(held, Offset(offset.0 + 1))),
                            Err(record) => {
                                self.kept = Some(Came::Record(Some(record)));
                                break;
                            }
                        },
                        Step::GoBack(to) => {
                            self.go_back(held, to, offset).await?;
                            if self.broken {
                                break;
                            }
                        }
                    }
                }
                Came::Record(None) => {}
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
                    if self.broken {
                        break;
                    }
                }
            }
        }
        self.started = due;
        if !self.broken {
            self.look_for_stalls().await;
        }
        answer(trouble, batch.records)
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
            let kept = match &self.kept {
                Some(Came::Change(change)) => change.revokes(held),
                _ => false,
            };
            if !kept && !consumer.context().revoke(held) {
                self.break_off(Rejoin::Lost, &[held]);
            }
            // It was revoked, and the member is about to be told.
            return Ok(());
        }
        // What was fetched from the place before is thrown away by it.
        if !self.seek(&list, &doing).await? {
            self.break_off(Rejoin::Stuck, &[held]);
            return Ok(());
        }
        self.consumer()?.resume(&list).map_err(failed(&doing))?;
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
