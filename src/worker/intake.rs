//! The reading half of a topic: follows its partitions and collects runs, while the writing half
//! stores the one before.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use aerostream_domain::Offset;
use aerostream_log::{EventLog, GroupEvent, GroupReader, LogError, Partition, ReadLimits, Record};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep};

use super::status::log_topic;
use super::writing::{Command, Outcome, Store, Writing};
use super::{Config, StatusHandle, WorkerError};
use crate::store::offsets::Spans;
use crate::store::{Source, Stored, Writer, error_chain};

/// How long the partitions of a void run are left to the other worker that has them too, until the
/// group has settled.
const SETTLE: Duration = Duration::from_millis(200);

/// A record was written by a newer build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Newer {
    pub version: u8,
}

/// What one topic is to the worker.
pub trait Kind: Store<Self::Run> + Clone + Send + Sync + 'static {
    /// Records on their way into Postgres.
    type Run: Default + Send + Sync + 'static;

    const TOPIC: Source;

    /// Takes a record of a partition that is stored up to `from`; tells how far it is then.
    fn add(run: &mut Self::Run, record: Record, from: Stored) -> Result<Stored, Newer>;

    fn spans(run: &Self::Run) -> &Spans;

    /// Rows and bytes of a run.
    fn size(run: &Self::Run) -> (usize, usize);
}

pub struct Intake<K: Kind> {
    kind: K,
    config: Arc<Config>,
    log: Arc<dyn EventLog>,
    status: StatusHandle,
}

/// What the loop knows between two events.
struct Reading<K: Kind> {
    config: Arc<Config>,
    log: Arc<dyn EventLog>,
    status: StatusHandle,
    commands: mpsc::Sender<Command<K::Run>>,
    outcomes: watch::Receiver<Outcome>,
    assigned: BTreeSet<u16>,
    /// Where each started partition is; the others' records are not taken.
    places: BTreeMap<u16, Stored>,
    run: K::Run,
    run_begun: Instant,
    /// When to find out anew where everything is; `None` if nothing is in doubt.
    restart_at: Option<Instant>,
    void_seen: u64,
}

impl<K: Kind> Intake<K> {
    pub fn new(kind: K, config: Arc<Config>, log: Arc<dyn EventLog>, status: StatusHandle) -> Self {
        Self {
            kind,
            config,
            log,
            status,
        }
    }

    /// Works for ever, or until something is wrong that waiting does not mend.
    pub async fn run(self, writer: Writer) -> Result<(), WorkerError> {
        // One run waits while one is written and one is collected.
        let (commands, received) = mpsc::channel(1);
        let (told, outcomes) = watch::channel(Outcome::default());
        let writing = Writing {
            kind: self.kind.clone(),
            writer,
            config: Arc::clone(&self.config),
            log: Arc::clone(&self.log),
            status: self.status.clone(),
            commands: received,
            outcomes: told,
            partitions: Vec::new(),
        };
        let mut writing_task = tokio::task::JoinSet::new();
        writing_task.spawn(writing.run());
        let reading = Reading::<K> {
            config: self.config,
            log: self.log,
            status: self.status,
            commands,
            outcomes,
            assigned: BTreeSet::new(),
            places: BTreeMap::new(),
            run: K::Run::default(),
            run_begun: Instant::now(),
            restart_at: None,
            void_seen: 0,
        };
        tokio::select! {
            result = reading.run() => result,
            ended = writing_task.join_next() => {
                Err(WorkerError::Died(format!("writing {}: {ended:?}", K::TOPIC)))
            }
        }
    }
}

impl<K: Kind> Reading<K> {
    async fn run(mut self) -> Result<(), WorkerError> {
        let mut reader = self.join().await?;
        let mut wait = self.config.retry_min();
        loop {
            if self.restart_at.is_some_and(|at| at <= Instant::now()) {
                self.restart(reader.as_mut()).await?;
            }
            match reader.next(self.limits()).await {
                Ok(event) => {
                    self.status.ready(&self.log_part());
                    wait = self.config.retry_min();
                    self.take(event).await?;
                }
                Err(error @ LogError::Unavailable { .. }) => {
                    self.status.not_ready(self.log_part(), error_chain(&error));
                    sleep(wait).await;
                    wait = self.config.retry_after(wait);
                }
                Err(error) => return Err(error.into()),
            }
            if self.run_begun.elapsed() >= self.age_max() {
                self.hand_over().await?;
            }
            self.hear(reader.as_mut());
        }
    }

    async fn join(&self) -> Result<Box<dyn GroupReader>, WorkerError> {
        let group = format!("{}-{}", self.config.group, K::TOPIC);
        let mut wait = self.config.retry_min();
        loop {
            match self.log.join(vec![log_topic(K::TOPIC)], &group).await {
                Ok(reader) => return Ok(reader),
                Err(error @ LogError::Unavailable { .. }) => {
                    self.status.not_ready(self.log_part(), error_chain(&error));
                    sleep(wait).await;
                    wait = self.config.retry_after(wait);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn take(&mut self, event: GroupEvent) -> Result<(), WorkerError> {
        match event {
            GroupEvent::Assigned(held) => {
                self.assigned
                    .extend(held.iter().map(|(_, partition)| partition.0));
                self.restart_soon(Duration::ZERO);
            }
            GroupEvent::Revoked(held) => {
                for (_, partition) in &held {
                    self.assigned.remove(&partition.0);
                }
                self.restart_soon(Duration::ZERO);
            }
            GroupEvent::Records(records) => {
                for record in records {
                    self.add(record).await?;
                }
            }
        }
        Ok(())
    }

    async fn add(&mut self, record: Record) -> Result<(), WorkerError> {
        let partition = record.partition.0;
        let Some(&from) = self.places.get(&partition) else {
            return Ok(());
        };
        if from.next.is_some_and(|next| record.offset < next) {
            return Ok(());
        }
        if K::spans(&self.run).is_empty() {
            self.run_begun = Instant::now();
        }
        match K::add(&mut self.run, record, from) {
            Ok(to) => {
                self.places.insert(partition, to);
            }
            Err(Newer { version }) => {
                self.places.remove(&partition);
                let reason = format!(
                    "a record has version {version}, which is newer than this build: update it"
                );
                let topic = K::TOPIC;
                tracing::error!(%topic, shard.id = partition, reason, "partition stopped");
                self.status
                    .not_ready(format!("{}/{partition}", K::TOPIC), reason);
            }
        }
        let (rows, bytes) = K::size(&self.run);
        if rows >= self.config.run_rows_max || bytes >= self.config.run_bytes_max {
            self.hand_over().await?;
        }
        Ok(())
    }

    /// Gives the run to the writing half; waits while that one has two.
    async fn hand_over(&mut self) -> Result<(), WorkerError> {
        if K::spans(&self.run).is_empty() {
            return Ok(());
        }
        let run = std::mem::take(&mut self.run);
        let sent = self.commands.send(Command::Store(run)).await;
        sent.map_err(|_| self.writing_died())
    }

    /// Takes note of what the writing half did.
    fn hear(&mut self, reader: &mut dyn GroupReader) {
        if !self.outcomes.has_changed().unwrap_or(false) {
            return;
        }
        let outcome = self.outcomes.borrow_and_update().clone();
        for (&partition, &next) in &outcome.next {
            if self.assigned.contains(&partition) {
                reader.report(log_topic(K::TOPIC), Partition(partition), Offset(next));
            }
        }
        if outcome.void != self.void_seen {
            self.void_seen = outcome.void;
            self.restart_soon(SETTLE);
        }
    }

    /// Throws away what is collected; until the restart no records are taken.
    fn restart_soon(&mut self, after: Duration) {
        self.run = K::Run::default();
        self.places.clear();
        self.restart_at = Some(Instant::now() + after);
    }

    /// Begins all partitions where Postgres says that they are.
    async fn restart(&mut self, reader: &mut dyn GroupReader) -> Result<(), WorkerError> {
        self.restart_at = None;
        let (stored, answer) = oneshot::channel();
        let partitions = self.assigned.iter().copied().collect();
        let command = Command::TakeOver { partitions, stored };
        let sent = self.commands.send(command).await;
        sent.map_err(|_| self.writing_died())?;
        let stored = answer.await.map_err(|_| self.writing_died())?;
        // Runs that were void before the take-over are settled by it.
        self.void_seen = self.outcomes.borrow_and_update().void;

        let mut next = BTreeMap::new();
        for &partition in &self.assigned {
            let at = stored.get(&partition).copied().unwrap_or_default();
            let Some(offset) = self.begin(reader, partition, at).await? else {
                self.restart_soon(self.config.retry_min());
                return Ok(());
            };
            self.places.insert(partition, at);
            next.insert(partition, offset.0);
        }
        tracing::info!(topic = %K::TOPIC, partitions = next.len(), "partitions taken over");
        self.status.partitions(K::TOPIC, next.into_iter());
        self.status.ready(K::TOPIC.as_str());
        Ok(())
    }

    /// Begins one partition; `None` if the log is out of reach.
    async fn begin(
        &self,
        reader: &mut dyn GroupReader,
        partition: u16,
        at: Stored,
    ) -> Result<Option<Offset>, WorkerError> {
        let topic = log_topic(K::TOPIC);
        let bounds = match self.log.bounds(topic, Partition(partition)).await {
            Ok(bounds) => bounds,
            Err(LogError::Unavailable { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        // A database that has nothing of a partition begins where the log begins.
        let offset = at.next.unwrap_or(bounds.start);
        if offset < bounds.start || offset > bounds.end {
            return Err(WorkerError::OffsetOutside {
                topic: K::TOPIC,
                partition,
                next: offset.0,
                start: bounds.start.0,
                end: bounds.end.0,
            });
        }
        match reader.start(topic, Partition(partition), offset).await {
            Ok(()) => Ok(Some(offset)),
            Err(LogError::Unavailable { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn limits(&self) -> ReadLimits {
        let collecting = !K::spans(&self.run).is_empty();
        let patience = match self.restart_at {
            Some(at) => at.saturating_duration_since(Instant::now()),
            None if collecting => self.age_max().saturating_sub(self.run_begun.elapsed()),
            None => self.age_max(),
        };
        ReadLimits {
            records_max: self.config.read_records_max,
            bytes_max: self.config.read_bytes_max,
            wait_max: patience,
        }
    }

    fn age_max(&self) -> Duration {
        Duration::from_millis(self.config.run_age_max_ms)
    }

    fn log_part(&self) -> String {
        format!("log of {}", K::TOPIC)
    }

    fn writing_died(&self) -> WorkerError {
        WorkerError::Died(format!("writing {}", K::TOPIC))
    }
}
