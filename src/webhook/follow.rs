//! Follows the journal for one target.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use aerostream_domain::Offset;
use aerostream_log::{GroupEvent, GroupReader, LogError, Partition, ReadLimits, Record, Topic};
use tokio::time::{Instant, sleep, timeout};

use super::courier::Courier;
use super::shard::{Newer, Shard};
use super::{Around, Config, Needs, WebhookError, metrics};
use crate::shutdown::Shutdown;
use crate::store::webhook::Start;
use crate::store::{self, Stored, error_chain};

/// How long one read waits for records; so often positions and ends are looked at.
const READ_WAIT: Duration = Duration::from_millis(100);
/// Records and bytes of one read.
const READ_RECORDS_MAX: usize = 500;
const READ_BYTES_MAX: usize = 1 << 20;
/// A group goes on without a member that reads nothing for ten minutes: with no room for messages
/// one record is read so often.
const SILENT_MAX: Duration = Duration::from_secs(60);

/// Follows the journal for one target.
pub(super) struct Follow {
    courier: Arc<Courier>,
    config: Arc<Config>,
    around: Around,
    needs: Needs,
    assigned: BTreeSet<u16>,
    shards: BTreeMap<u16, Shard>,
    /// Shards that a newer build wrote on; they wait for that build.
    stopped: BTreeSet<u16>,
    /// What the database has.
    saved: BTreeMap<u16, Stored>,
    save_at: Instant,
    start_at: Instant,
    wait: Duration,
}

impl Follow {
    pub fn new(courier: Arc<Courier>, config: Arc<Config>, around: Around, needs: Needs) -> Self {
        let now = Instant::now();
        Self {
            courier,
            wait: config.retry_min(),
            config,
            around,
            needs,
            assigned: BTreeSet::new(),
            shards: BTreeMap::new(),
            stopped: BTreeSet::new(),
            saved: BTreeMap::new(),
            save_at: now,
            start_at: now,
        }
    }

    fn name(&self) -> &str {
        &self.courier.target.name
    }

    /// Works until `stop` begins, or something is wrong that waiting does not mend.
    pub async fn run(mut self, stop: Shutdown) -> Result<(), WebhookError> {
        let mut ending = pin!(stop.begun());
        let result = tokio::select! {
            () = &mut ending => Ok(()),
            result = self.follow() => result,
        };
        self.settle();
        self.save().await;
        result
    }

    async fn follow(&mut self) -> Result<(), WebhookError> {
        let mut reader = self.join().await?;
        loop {
            self.start_missing(reader.as_mut()).await?;
            let limits = ReadLimits {
                records_max: if self.room().await {
                    READ_RECORDS_MAX
                } else {
                    1
                },
                bytes_max: READ_BYTES_MAX,
                wait_max: READ_WAIT,
            };
            match reader.next(limits).await {
                Ok(event) => {
                    self.wait = self.config.retry_min();
                    self.take(event);
                }
                Err(error) => self.log_failed(error).await?,
            }
            self.settle();
            if self.save_at <= Instant::now() {
                self.save().await;
                self.report(reader.as_mut());
            }
        }
    }

    async fn join(&mut self) -> Result<Box<dyn GroupReader>, WebhookError> {
        let group = format!("{}-{}", self.config.group, self.name());
        loop {
            let log = Arc::clone(&self.around.log);
            match log.join(vec![Topic::Journal], &group).await {
                Ok(reader) => return Ok(reader),
                Err(error) => self.log_failed(error).await?,
            }
        }
    }

    /// Waits a while if the log is out of reach.
    async fn log_failed(&mut self, error: LogError) -> Result<(), WebhookError> {
        if !matches!(error, LogError::Unavailable { .. }) {
            let target = self.name().to_owned();
            return Err(WebhookError::Log {
                target,
                source: error,
            });
        }
        let reason = error_chain(&error);
        tracing::warn!(
            target.name = self.name(),
            reason,
            "webhook cannot read the journal"
        );
        sleep(self.wait).await;
        self.wait = self.config.retry_after(self.wait);
        Ok(())
    }

    fn take(&mut self, event: GroupEvent) {
        match event {
            GroupEvent::Assigned(held) => {
                let begun = held.iter().map(|(_, partition)| partition.0);
                self.assigned.extend(begun);
                self.start_at = Instant::now();
            }
            GroupEvent::Revoked(held) => {
                for (_, Partition(shard)) in held {
                    self.assigned.remove(&shard);
                    self.shards.remove(&shard);
                    self.stopped.remove(&shard);
                    self.saved.remove(&shard);
                    self.needs(|needs| {
                        needs.remove(&shard);
                    });
                }
            }
            GroupEvent::Records(records) => {
                for record in &records {
                    self.take_record(record);
                }
            }
        }
    }

    fn take_record(&mut self, record: &Record) {
        let number = record.partition.0;
        let Some(shard) = self.shards.get_mut(&number) else {
            return;
        };
        if self.stopped.contains(&number) {
            return;
        }
        let taken = shard.take(record, &self.courier, &self.around.registry);
        if let Err(Newer { version }) = taken {
            let reason = format!(
                "a record has version {version}, which is newer than this build: update it"
            );
            tracing::error!(
                target.name = self.name(),
                shard.id = number,
                reason,
                "webhook stopped"
            );
            self.stopped.insert(number);
        }
    }

    /// Waits for room for messages; false if there is none for long.
    async fn room(&mut self) -> bool {
        let by = Instant::now() + SILENT_MAX;
        loop {
            self.settle();
            let waiting: usize = self.shards.values().map(Shard::waiting).sum();
            metrics::waiting(self.name(), waiting);
            if waiting < self.config.messages_max.max(1) {
                return true;
            }
            if Instant::now() >= by {
                return false;
            }
            if self.save_at <= Instant::now() {
                self.save().await;
            }
            let done = self.courier.done.notified();
            // Nothing depends on why it woke up.
            let _either = timeout(READ_WAIT, done).await;
        }
    }

    fn settle(&mut self) {
        self.shards.values_mut().for_each(Shard::settle);
    }

    /// Begins the shards that are this process's and not begun, where the database says.
    async fn start_missing(&mut self, reader: &mut dyn GroupReader) -> Result<(), WebhookError> {
        let missing = self.assigned.iter().copied();
        let missing = missing.filter(|shard| !self.shards.contains_key(shard));
        let missing: Vec<u16> = missing.collect();
        if missing.is_empty() || self.start_at > Instant::now() {
            return Ok(());
        }
        let asked = store::webhook::starts(&self.around.pool, self.name(), &missing).await;
        let starts = match asked {
            Ok(starts) => starts,
            Err(error) => {
                let reason = error_chain(&error);
                let name = self.name();
                tracing::warn!(target.name = name, reason, "webhook cannot begin yet");
                self.start_at = Instant::now() + self.config.retry_after(self.config.retry_min());
                return Ok(());
            }
        };
        self.start_at = Instant::now() + self.config.retry_min();
        for (shard, start) in starts {
            self.start(reader, shard, start).await?;
        }
        Ok(())
    }

    /// Begins one shard; leaves it if the log is out of reach.
    async fn start(
        &mut self,
        reader: &mut dyn GroupReader,
        shard: u16,
        start: Start,
    ) -> Result<(), WebhookError> {
        let partition = Partition(shard);
        let bounds = match self.around.log.bounds(Topic::Journal, partition).await {
            Ok(bounds) => bounds,
            Err(error) => return self.log_failed(error).await,
        };
        let mut at = start.at;
        let mut next = at.next.unwrap_or(bounds.start);
        if next < bounds.start {
            // Who was not here for longer than the journal is kept begins like a new one.
            at = start.stored;
            let now = at.next.unwrap_or(bounds.start);
            let name = self.name();
            tracing::error!(
                target.name = name,
                shard.id = shard,
                from = next.0,
                to = now.0,
                "webhook missed records that the journal does not hold any more"
            );
            next = now;
        }
        if next < bounds.start || next > bounds.end {
            return Err(WebhookError::OffsetOutside {
                target: self.name().to_owned(),
                shard,
                next,
                start: bounds.start,
                end: bounds.end,
            });
        }
        match reader.start(Topic::Journal, partition, next).await {
            Ok(()) => {}
            Err(error) => return self.log_failed(error).await,
        }
        let begun = Shard::new(shard, next, at.claim, self.config.drones_max);
        self.shards.insert(shard, begun);
        self.saved.insert(shard, start.at);
        self.needs(|needs| {
            needs.insert(shard, next);
        });
        Ok(())
    }

    /// Writes down how far the shards are. A database that is down is asked again later: what is
    /// posted twice says so by its id.
    async fn save(&mut self) {
        self.save_at = Instant::now() + Duration::from_millis(self.config.position_interval_ms);
        let moved = self.shards.iter().filter_map(|(&number, shard)| {
            let done = shard.done();
            (self.saved.get(&number) != Some(&done)).then_some((number, done))
        });
        let moved: BTreeMap<u16, Stored> = moved.collect();
        if moved.is_empty() {
            return;
        }
        match store::webhook::advance(&self.around.pool, self.name(), &moved).await {
            Ok(()) => {
                self.needs(|needs| {
                    let next = |at: &Stored| at.next.unwrap_or(Offset(0));
                    needs.extend(moved.iter().map(|(&shard, at)| (shard, next(at))));
                });
                self.saved.extend(moved);
            }
            Err(error) => {
                let reason = error_chain(&error);
                let name = self.name();
                tracing::warn!(target.name = name, reason, "webhook position not stored");
            }
        }
    }

    /// For people who watch the group's lag.
    fn report(&self, reader: &mut dyn GroupReader) {
        for (&shard, at) in &self.saved {
            if let Some(next) = at.next {
                reader.report(Topic::Journal, Partition(shard), next);
            }
        }
    }

    fn needs(&self, change: impl FnOnce(&mut BTreeMap<u16, Offset>)) {
        let mut needs = self.needs.lock().unwrap_or_else(PoisonError::into_inner);
        change(needs.entry(self.name().to_owned()).or_default());
    }
}
