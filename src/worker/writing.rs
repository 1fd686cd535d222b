//! The writing half of a topic: takes partitions over and stores runs in the order in which they
//! come, for as long as it takes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aerostream_log::EventLog;
use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep};

use super::intake::Kind;
use super::{Config, StatusHandle, dead_letter, metrics};
use crate::store::error_chain;
use crate::store::offsets::Spans;
use crate::store::telemetry::Counts;
use crate::store::{StoreError, Stored, Writer};

/// What the reading half asks for.
pub enum Command<R> {
    /// Make these partitions ours; the answer tells how far they are stored, after all runs that
    /// were sent before.
    TakeOver {
        partitions: Vec<u16>,
        stored: oneshot::Sender<BTreeMap<u16, Stored>>,
    },
    /// Store a run.
    Store(R),
}

/// What the writing half tells.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Runs that were void. The runs behind them are void as well, until the next take-over.
    pub void: u64,
    /// First offset that is not stored.
    pub next: BTreeMap<u16, u64>,
}

/// Why a run is not stored.
#[derive(Debug)]
pub enum WriteError {
    Store(StoreError),
    DeadLetters(String),
}

impl From<StoreError> for WriteError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// How runs of one topic are stored.
#[async_trait]
pub trait Store<R>: Send {
    /// Stores a run in one transaction, its dead letters before. Tells how many letters.
    async fn store(
        &mut self,
        writer: &mut Writer,
        log: &dyn EventLog,
        run: &mut R,
    ) -> Result<(Counts, u64), WriteError>;
}

pub struct Writing<K: Kind> {
    pub kind: K,
    pub writer: Writer,
    pub config: Arc<Config>,
    pub log: Arc<dyn EventLog>,
    pub status: StatusHandle,
    pub commands: mpsc::Receiver<Command<K::Run>>,
    pub outcomes: watch::Sender<Outcome>,
    pub partitions: Vec<u16>,
}

/// What a failed run turned out to be.
enum After {
    /// Its commit went through.
    Stored,
    /// Nothing of it is there.
    NotStored,
    /// Someone else was there.
    Void,
}

impl<K: Kind> Writing<K> {
    /// Works until the reading half goes away.
    pub async fn run(mut self) {
        while let Some(command) = self.commands.recv().await {
            match command {
                Command::TakeOver { partitions, stored } => {
                    self.partitions = partitions;
                    let taken = self.take_over().await;
                    // Whoever asked may have gone; then this one ends with the next turn.
                    let _gone = stored.send(taken);
                }
                Command::Store(run) => self.store(run).await,
            }
        }
    }

    async fn take_over(&mut self) -> BTreeMap<u16, Stored> {
        let mut wait = self.config.retry_min();
        loop {
            match self.writer.take_over(&self.partitions).await {
                Ok(stored) => {
                    self.status.ready(self.part());
                    return stored;
                }
                Err(error) => self.failed(&WriteError::Store(error), &mut wait).await,
            }
        }
    }

    async fn store(&mut self, mut run: K::Run) {
        let spans = K::spans(&run).clone();
        let begun = Instant::now();
        let mut wait = self.config.retry_min();
        loop {
            let log = Arc::clone(&self.log);
            let stored = self.kind.store(&mut self.writer, log.as_ref(), &mut run);
            let error = match stored.await {
                Ok((counts, letters)) => {
                    return self.stored(&spans, counts, letters, begun.elapsed());
                }
                Err(WriteError::Store(StoreError::OffsetsMoved { .. })) => return self.void(),
                Err(error) => error,
            };
            self.failed(&error, &mut wait).await;
            match self.look(&spans).await {
                After::Stored => {
                    return self.stored(&spans, Counts::default(), 0, begun.elapsed());
                }
                After::NotStored => {}
                After::Void => return self.void(),
            }
        }
    }

    /// Finds out what a failed attempt left behind.
    async fn look(&mut self, spans: &Spans) -> After {
        let stored = self.take_over().await;
        let all = |at: fn(&crate::store::offsets::Span) -> Stored| {
            spans
                .iter()
                .all(|(p, span)| stored.get(p) == Some(&at(span)))
        };
        if all(|span| span.to) {
            After::Stored
        } else if all(|span| span.from) {
            After::NotStored
        } else {
            After::Void
        }
    }

    fn stored(&self, spans: &Spans, counts: Counts, letters: u64, took: Duration) {
        let next: Vec<(u16, u64)> = spans
            .iter()
            .filter_map(|(&partition, span)| Some((partition, span.to.next?.0)))
            .collect();
        metrics::run_stored(self.writer.topic(), counts, took);
        self.status.ready(self.part());
        self.status
            .stored(self.writer.topic(), counts, letters, next.iter().copied());
        self.outcomes
            .send_modify(|outcome| outcome.next.extend(next));
    }

    fn void(&self) {
        metrics::run_void(self.writer.topic());
        self.outcomes.send_modify(|outcome| outcome.void += 1);
    }

    /// Tells why, and waits longer each time.
    async fn failed(&self, error: &WriteError, wait: &mut Duration) {
        let reason = match error {
            WriteError::Store(error) => error_chain(error),
            WriteError::DeadLetters(reason) => format!("dead letters: {reason}"),
        };
        metrics::run_failed(self.writer.topic());
        tracing::warn!(topic = %self.writer.topic(), %reason, "storing failed, trying again");
        self.status.not_ready(self.part(), reason);
        sleep(*wait).await;
        *wait = self.config.retry_after(*wait);
    }

    fn part(&self) -> &'static str {
        self.writer.topic().as_str()
    }
}

/// Makes letters durable.
pub async fn write_letters(
    log: &dyn EventLog,
    letters: &[aerostream_log::Append],
) -> Result<(), WriteError> {
    if letters.is_empty() {
        return Ok(());
    }
    dead_letter::write(log, letters)
        .await
        .map_err(WriteError::DeadLetters)?;
    metrics::dead_letters(letters.len() as u64);
    Ok(())
}
