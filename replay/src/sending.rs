//! Samples on their way: kept until the gateway has them, however long it is out of reach.

mod door;
mod lane;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use aerostream_domain::DroneId;
use aerostream_proto::v1::BatchResult;
use aerostream_simulator::lane::Receipt;
use indicatif::ProgressBar;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

pub use door::{Answer, Door};
use lane::{Batch, Lane};

use crate::config::Config;
use crate::error::Error;
use crate::report::Kind;
use crate::run::reading::Prepared;

/// Samples that are kept here; the rest waits in the file.
const STORED_MAX: usize = 4096;
/// How long what is on its way is waited for after the replay was asked to end.
const PARTING: Duration = Duration::from_secs(5);

/// What became of everything that was sent.
#[derive(Debug, Default)]
pub struct Sent {
    pub kinds: BTreeMap<Arc<str>, Kind>,
    pub repeated: u64,
    pub retried: u64,
    pub broke_off: Option<String>,
}

/// A replay on its way.
#[derive(Debug)]
pub struct Sending {
    door: Door,
    receipts: Option<mpsc::Sender<Receipt>>,
    bar: ProgressBar,
    batch: usize,
    keep_time: bool,
    give_up_after: Duration,
    begun: Instant,
    last_answer: Instant,
    lanes: BTreeMap<DroneId, Lane>,
    stored: usize,
    /// Read, and not due yet.
    ahead: std::vec::IntoIter<Prepared>,
    next: Option<Prepared>,
    read_all: bool,
    calls: JoinSet<(Batch, Answer)>,
    sent: Sent,
}

impl Sending {
    pub fn new(
        config: &Config,
        door: Door,
        receipts: Option<mpsc::Sender<Receipt>>,
        bar: ProgressBar,
    ) -> Self {
        let now = Instant::now();
        Self {
            door,
            receipts,
            bar,
            batch: config.batch,
            keep_time: config.keep_time,
            give_up_after: Duration::from_secs(config.give_up_after),
            begun: now,
            last_answer: now,
            lanes: BTreeMap::new(),
            stored: 0,
            ahead: Vec::new().into_iter(),
            next: None,
            read_all: false,
            calls: JoinSet::new(),
            sent: Sent::default(),
        }
    }

    /// Sends all that comes.
    pub async fn run(
        mut self,
        mut chunks: mpsc::Receiver<Vec<Prepared>>,
        shutdown: impl Future<Output = ()>,
    ) -> Result<Sent, Error> {
        let mut shutdown = std::pin::pin!(shutdown);
        let mut asked_to_end = None;
        loop {
            let now = Instant::now();
            if asked_to_end.is_none() {
                self.take_due(now);
                self.start_calls(now);
            }
            let finished = self.read_all && self.next.is_none();
            let waits = !self.lanes.values().all(Lane::is_empty);
            let parted = asked_to_end.is_some_and(|end| self.calls.is_empty() || now >= end);
            if parted || (finished && !waits) {
                return Ok(self.sent);
            }
            if !waits {
                self.last_answer = now;
            }
            if now >= self.last_answer + self.give_up_after {
                let seconds = self.give_up_after.as_secs();
                self.sent.broke_off = Some(format!("no answer for {seconds} s"));
                return Ok(self.sent);
            }
            let wants_more = self.next.is_none() && !self.read_all && self.stored < STORED_MAX;
            let wake = asked_to_end.unwrap_or_else(|| self.wake(now));
            tokio::select! {
                Some(ended) = self.calls.join_next() => {
                    let (batch, answer) = ended.map_err(Error::Task)?;
                    self.settle(batch, answer).await?;
                }
                chunk = chunks.recv(), if wants_more && asked_to_end.is_none() => match chunk {
                    Some(chunk) => {
                        self.ahead = chunk.into_iter();
                        self.next = self.ahead.next();
                    }
                    None => self.read_all = true,
                },
                () = sleep_until(wake) => {}
                () = &mut shutdown, if asked_to_end.is_none() => {
                    asked_to_end = Some(now + PARTING);
                    self.sent.broke_off = Some("it was asked to end".to_owned());
                }
            }
        }
    }

    /// Moves samples whose time has come to their lanes.
    fn take_due(&mut self, now: Instant) {
        while self.stored < STORED_MAX {
            let due = match &self.next {
                Some(next) => self.leaves(next) <= now,
                None => return,
            };
            if !due {
                return;
            }
            let Some(next) = std::mem::replace(&mut self.next, self.ahead.next()) else {
                return;
            };
            let kind = self.sent.kinds.entry(Arc::clone(&next.kind));
            kind.or_default().sent += 1;
            self.stored += 1;
            self.lanes
                .entry(next.drone.clone())
                .or_default()
                .push(now, next);
        }
    }

    fn leaves(&self, next: &Prepared) -> Instant {
        next.leaves_after
            .map_or(self.begun, |after| self.begun + after)
    }

    /// Whether a batch shall not wait to be full: nothing more comes for now.
    fn hurries(&self) -> bool {
        self.read_all && self.next.is_none()
    }

    fn start_calls(&mut self, now: Instant) {
        // A lane whose batch never fills must not block the store.
        let hurry = self.hurries() || self.stored >= STORED_MAX;
        for lane in self.lanes.values_mut() {
            if lane.due(self.batch, hurry).is_some_and(|at| at <= now)
                && let Some(batch) = lane.take(self.batch)
            {
                let call = self.door.clone().send(batch.wire.clone());
                self.calls.spawn(async move { (batch, call.await) });
            }
        }
    }

    /// When something is to be done at the latest.
    fn wake(&self, now: Instant) -> Instant {
        let hurry = self.hurries() || self.stored >= STORED_MAX;
        let lanes = self
            .lanes
            .values()
            .filter_map(|lane| lane.due(self.batch, hurry));
        let next = self.next.as_ref().map(|next| self.leaves(next));
        let next = next.filter(|_| self.stored < STORED_MAX);
        let giving_up = self.last_answer + self.give_up_after;
        lanes.chain(next).fold(giving_up, Instant::min).max(now)
    }

    async fn settle(&mut self, batch: Batch, answer: Answer) -> Result<(), Error> {
        let now = Instant::now();
        match answer {
            Answer::Result(result) => self.take_result(now, batch, &result).await,
            Answer::Later { code, after } => {
                tracing::debug!(code, "batch was not taken");
                self.bar.set_message(format!("waiting: {code}"));
                self.put_back(now, batch, after);
                Ok(())
            }
            Answer::Never { code, detail } => Err(Error::Refused { code, detail }),
        }
    }

    fn put_back(&mut self, now: Instant, batch: Batch, after: Duration) {
        self.sent.retried += 1;
        let lane = self.lanes.entry(batch.drone.clone()).or_default();
        lane.put_back(now, batch, after);
    }

    async fn take_result(
        &mut self,
        now: Instant,
        batch: Batch,
        result: &BatchResult,
    ) -> Result<(), Error> {
        let count = batch.kinds.len();
        let told = result.acknowledged as usize + result.refused.len();
        let sound = result
            .refused
            .iter()
            .all(|one| (one.index as usize) < count);
        if told != count || !sound {
            tracing::warn!(told, count, "answer does not fit its batch");
            self.put_back(now, batch, Duration::ZERO);
            return Ok(());
        }
        if let Some(first) = result.refused.first()
            && self.keep_time
            && result.acknowledged == 0
            && result.refused.iter().all(|one| one.code == "too_old")
        {
            return Err(Error::TooOld {
                detail: first.detail.clone(),
            });
        }
        let mut refused = vec![false; count];
        for refusal in &result.refused {
            let at = refusal.index as usize;
            refused[at] = true;
            let kind = self.sent.kinds.entry(Arc::clone(&batch.kinds[at]));
            let refused = kind.or_default().refused.entry(refusal.code.clone());
            let refused = refused.or_default();
            if refused.count == 0 {
                refused.detail = format!("{}: {}", refusal.field, refusal.detail);
            }
            refused.count += 1;
        }
        let mut receipt = Receipt {
            drone: batch.drone.clone(),
            boot: batch.boot,
            samples: Vec::new(),
        };
        for (at, sample) in batch
            .wire
            .samples
            .iter()
            .enumerate()
            .filter(|(at, _)| !refused[*at])
        {
            let kind = self.sent.kinds.entry(Arc::clone(&batch.kinds[at]));
            kind.or_default().acknowledged += 1;
            let seq = sample.seq.unwrap_or_default();
            receipt.samples.push((seq, batch.hashes[at]));
        }
        if let Some(receipts) = &self.receipts
            && receipts.send(receipt).await.is_err()
        {
            // The writer's error comes to light when it is finished.
            self.receipts = None;
        }
        self.stored -= count;
        self.last_answer = now;
        self.sent.repeated += u64::from(result.repeated_samples);
        self.bar.inc(u64::from(result.acknowledged));
        self.bar.set_message(String::new());
        self.lanes.entry(batch.drone).or_default().answered();
        Ok(())
    }
}
