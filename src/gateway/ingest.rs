//! The one way in: whatever door a batch came through, it is authorised, judged, sent to its drone
//! and answered here.

mod authorise;
mod fate;

use std::sync::Arc;
use std::time::Duration;

use aerostream_actors::{IngestOutcome, SampleVerdict, Submission, Unavailable};
use aerostream_domain::{Batch, DroneId, Refusal, Sample, UtcMicros};
use aerostream_proto::v1;
use aerostream_proto::{DecodedBatch, RefusedBatch, batch_from_wire};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::auth::Caller;
use super::dead_letter::{Content, DeadLetters, Encoding, Letter};
use super::identity::ReceivedIdentity;
use super::limit::RETRY_AFTER;
use super::metrics::{self, Door};
use super::ports::Drones;
use crate::clock;
use crate::error::{ErrorCode, Problem};
use crate::registry::Registry;

pub(in crate::gateway) use authorise::may_send;
pub use fate::{BatchOutcome, Fate};

/// How batches are taken in.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IngestConfig {
    /// Longest time from a whole request to its answer, in milliseconds. Default: 10,000.
    pub deadline_ms: u64,
    /// Fleet that unknown drones are enrolled into when they first send, if that fleet enrols by
    /// itself. Default: none, so that unknown drones are refused.
    pub enrolment_fleet: Option<String>,
}

impl Default for IngestConfig {
    fn default() -> Self {
        Self {
            deadline_ms: 10_000,
            enrolment_fleet: None,
        }
    }
}

/// A batch as a door read it.
#[derive(Debug)]
pub struct Incoming {
    /// The samples that could be read, and everything around them.
    pub batch: v1::Batch,
    /// Samples that could not even be read.
    pub unread: Vec<Unread>,
    /// Why nothing around the samples could be read; there are none then.
    pub misread: Option<Refusal>,
    /// What came, for the dead letters.
    pub raw: Raw,
}

impl Incoming {
    /// How many samples the client sent.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.batch.samples.len() + self.unread.len()
    }
}

/// A sample that is not one in form.
#[derive(Debug)]
pub struct Unread {
    /// Zero-based place in the client's batch.
    pub index: u32,
    /// Its seq, if at least that could be read.
    pub seq: Option<u64>,
    pub refusal: Refusal,
}

/// What came.
#[derive(Debug)]
pub enum Raw {
    /// The text of each sample of the client's batch, read or not.
    Json(Vec<Bytes>),
    /// The batch, encoded.
    Protobuf(Bytes),
}

/// Everything that is the same for the batches of one request.
#[derive(Debug, Clone, Copy)]
pub struct Arrival<'a> {
    pub caller: &'a Caller,
    pub door: Door,
    /// The gateway's clock when it had the request.
    pub received: UtcMicros,
    /// When the caller is answered whatever happened.
    pub deadline: Instant,
}

/// Takes batches in.
#[derive(Clone)]
pub struct Ingest {
    drones: Arc<dyn Drones>,
    registry: Registry,
    letters: DeadLetters,
    identity: Arc<ReceivedIdentity>,
    config: IngestConfig,
}

impl std::fmt::Debug for Ingest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ingest")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// A sample that is refused, before its letter is written.
struct Refused {
    index: u32,
    seq: Option<u64>,
    refusal: Refusal,
}

impl Ingest {
    /// Takes batches in for these drones.
    #[must_use]
    pub fn new(
        drones: Arc<dyn Drones>,
        registry: Registry,
        letters: DeadLetters,
        config: IngestConfig,
    ) -> Self {
        Self {
            drones,
            registry,
            letters,
            identity: Arc::new(ReceivedIdentity::new(rand::random())),
            config,
        }
    }

    /// What a request that arrives now is measured by.
    #[must_use]
    pub fn arrival<'a>(&self, caller: &'a Caller, door: Door) -> Arrival<'a> {
        let wait = Duration::from_millis(self.config.deadline_ms);
        Arrival {
            caller,
            door,
            received: clock::utc_now(),
            deadline: clock::monotonic_now() + wait,
        }
    }

    /// Settles several batches of one request, in their order.
    pub async fn batches(
        &self,
        arrival: Arrival<'_>,
        incoming: Vec<Incoming>,
    ) -> Vec<BatchOutcome> {
        let batches = incoming.into_iter().map(|one| self.batch(arrival, one));
        futures::future::join_all(batches).await
    }

    /// Settles one batch; answers when the fate of every sample is final, or says to try again.
    pub async fn batch(&self, arrival: Arrival<'_>, incoming: Incoming) -> BatchOutcome {
        let started = clock::monotonic_now();
        let batch_id = incoming.batch.batch_id;
        let drone_id = incoming.batch.drone_id.clone();
        let samples = incoming.samples();
        let settled = tokio::time::timeout_at(arrival.deadline, self.settle(arrival, incoming));
        let fate = match settled.await {
            Ok(Ok(fate)) => fate,
            Ok(Err(problem)) if problem.retry_after.is_some() => Fate::Retry(problem),
            Ok(Err(problem)) => Fate::Rejected(problem),
            Err(_) => Fate::Retry(unavailable(&Unavailable::DeadlinePassed)),
        };
        let outcome = BatchOutcome {
            batch_id,
            drone_id,
            samples: u32::try_from(samples).unwrap_or(u32::MAX),
            fate,
        };
        metrics::batch(arrival.door, outcome.counts(), started.elapsed());
        outcome
    }

    async fn settle(&self, arrival: Arrival<'_>, incoming: Incoming) -> Result<Fate, Problem> {
        let Incoming {
            batch,
            unread,
            misread,
            raw,
        } = incoming;
        if let Ok(drone) = DroneId::parse(&batch.drone_id) {
            self.authorise(&arrival.caller.principal, &drone).await?;
            let count = batch.samples.len() + unread.len();
            let usage = &arrival.caller.usage;
            usage.take_samples(count, clock::monotonic_now())?;
            if batch.samples.is_empty() && !unread.is_empty() {
                return self
                    .only_unread(arrival, (drone, batch.boot), unread, &raw)
                    .await;
            }
        }
        let decoded = match (misread, batch) {
            (Some(refusal), wire) => Err(Box::new(RefusedBatch { refusal, wire })),
            (None, batch) => batch_from_wire(batch),
        };
        let decoded = match decoded {
            Ok(decoded) => decoded,
            Err(refused) => return Err(self.reject(arrival, *refused, &raw).await),
        };
        self.decoded(arrival, decoded, unread, &raw).await
    }

    /// Keeps a batch of which no sample can be taken and tells why.
    async fn reject(&self, arrival: Arrival<'_>, refused: RefusedBatch, raw: &Raw) -> Problem {
        let RefusedBatch { refusal, wire } = refused;
        let letter = Letter {
            drone: DroneId::parse(&wire.drone_id).ok(),
            boot: wire.boot,
            seq: None,
            code: refusal.code.as_str().to_owned(),
            field: refusal.field.clone(),
            detail: refusal.detail.clone(),
            raw: raw.whole(),
            encoding: raw.encoding(),
            content: match raw {
                Raw::Json(samples) if samples.len() == 1 => Content::Sample,
                _ => Content::Batch,
            },
        };
        match self.keep(arrival, vec![letter]).await {
            Ok(()) => Problem::new(ErrorCode::Invalid, refusal.detail).at(refusal.field),
            Err(problem) => problem,
        }
    }

    /// Keeps refused things of a request durably.
    ///
    /// # Errors
    /// They could not be kept; the sender is to try again.
    pub async fn keep(&self, arrival: Arrival<'_>, letters: Vec<Letter>) -> Result<(), Problem> {
        if arrival.door == Door::Replay {
            // The letter that is replayed stays where it is.
            return Ok(());
        }
        self.letters
            .keep(arrival.caller, arrival.received, letters)
            .await
    }

    async fn only_unread(
        &self,
        arrival: Arrival<'_>,
        (drone, boot): (DroneId, Option<u64>),
        unread: Vec<Unread>,
        raw: &Raw,
    ) -> Result<Fate, Problem> {
        let refused: Vec<Refused> = unread.into_iter().map(Refused::from).collect();
        self.keep_refused(arrival, (&drone, boot), &refused, raw)
            .await?;
        Ok(Fate::settled((0, 0), refused, false))
    }

    async fn decoded(
        &self,
        arrival: Arrival<'_>,
        decoded: DecodedBatch,
        unread: Vec<Unread>,
        raw: &Raw,
    ) -> Result<Fate, Problem> {
        let drone = decoded.drone.clone();
        let boot = decoded.boot.map(|boot| boot.0);
        let received_identity = decoded.boot.is_none();
        let places = Places::around(&unread);
        let mut refused: Vec<Refused> = unread.into_iter().map(Refused::from).collect();
        let mut indices = Vec::with_capacity(decoded.samples.len());
        let mut samples = Vec::with_capacity(decoded.samples.len());
        for (place, sample) in decoded.samples.into_iter().enumerate() {
            let index = places.index(place);
            match sample {
                Ok(sample) => {
                    indices.push((index, (!received_identity).then_some(sample.seq)));
                    samples.push(sample);
                }
                Err(error) => refused.push(Refused {
                    index,
                    seq: error.seq,
                    refusal: error.refusal,
                }),
            }
        }
        let mut counts = (0, 0);
        if !samples.is_empty() {
            let batch = self.domain_batch(decoded.drone, decoded.boot, samples, arrival.received);
            let batch = Batch {
                sent_at_boot: decoded.sent_at_boot,
                ..batch
            };
            let verdicts = self.submit(arrival, batch).await?;
            for ((index, seq), verdict) in indices.into_iter().zip(verdicts) {
                match verdict {
                    SampleVerdict::Acknowledged { repeat } => {
                        counts.0 += 1;
                        counts.1 += u32::from(repeat);
                    }
                    SampleVerdict::Refused(refusal) => refused.push(Refused {
                        index,
                        seq,
                        refusal,
                    }),
                }
            }
        }
        refused.sort_by_key(|refused| refused.index);
        self.keep_refused(arrival, (&drone, boot), &refused, raw)
            .await?;
        Ok(Fate::settled(counts, refused, received_identity))
    }

    fn domain_batch(
        &self,
        drone: DroneId,
        boot: Option<aerostream_domain::BootId>,
        mut samples: Vec<Sample>,
        received: UtcMicros,
    ) -> Batch {
        if boot.is_none() {
            self.identity.stamp(&mut samples, received);
        }
        Batch {
            boot: boot.unwrap_or_else(|| ReceivedIdentity::boot(&drone)),
            received_identity: boot.is_none(),
            sent_at_boot: None,
            drone,
            samples,
        }
    }

    async fn submit(
        &self,
        arrival: Arrival<'_>,
        batch: Batch,
    ) -> Result<Vec<SampleVerdict>, Problem> {
        let submission = Submission {
            batch,
            received: arrival.received,
            deadline: arrival.deadline,
        };
        match self.drones.ingest(submission).await {
            IngestOutcome::Settled(verdicts) => Ok(verdicts),
            IngestOutcome::Retry(reason) => Err(unavailable(&reason)),
        }
    }

    async fn keep_refused(
        &self,
        arrival: Arrival<'_>,
        (drone, boot): (&DroneId, Option<u64>),
        refused: &[Refused],
        raw: &Raw,
    ) -> Result<(), Problem> {
        if refused.is_empty() {
            return Ok(());
        }
        let mut raws = raw.samples();
        let letters = refused.iter().map(|refused| Letter {
            drone: Some(drone.clone()),
            boot,
            seq: refused.seq,
            code: refused.refusal.code.as_str().to_owned(),
            field: refused.refusal.field.clone(),
            detail: refused.refusal.detail.clone(),
            raw: raws
                .get_mut(refused.index as usize)
                .map(std::mem::take)
                .unwrap_or_default(),
            encoding: raw.encoding(),
            content: Content::Sample,
        });
        self.keep(arrival, letters.collect()).await
    }
}

/// What a caller is told when the owner cannot serve now.
#[must_use]
pub fn unavailable(reason: &Unavailable) -> Problem {
    let (code, wait) = match reason {
        Unavailable::Overloaded { retry_after, .. } => (ErrorCode::Overloaded, *retry_after),
        Unavailable::NotOwner { .. } | Unavailable::LogDown { .. } => {
            (ErrorCode::Unavailable, RETRY_AFTER)
        }
        Unavailable::DeadlinePassed => (ErrorCode::DeadlinePassed, RETRY_AFTER),
    };
    Problem::new(code, reason.to_string()).retry_after(wait)
}

/// Maps a place among the samples that were read to the place in the client's batch.
struct Places {
    unread: Vec<u32>,
}

impl Places {
    fn around(unread: &[Unread]) -> Self {
        let mut unread: Vec<u32> = unread.iter().map(|unread| unread.index).collect();
        unread.sort_unstable();
        Self { unread }
    }

    fn index(&self, place: usize) -> u32 {
        let mut index = u32::try_from(place).unwrap_or(u32::MAX);
        for unread in &self.unread {
            if *unread <= index {
                index += 1;
            }
        }
        index
    }
}

impl From<Unread> for Refused {
    fn from(unread: Unread) -> Self {
        Self {
            index: unread.index,
            seq: unread.seq,
            refusal: unread.refusal,
        }
    }
}

impl Raw {
    const fn encoding(&self) -> Encoding {
        match self {
            Self::Json(_) => Encoding::Json,
            Self::Protobuf(_) => Encoding::Protobuf,
        }
    }

    fn whole(&self) -> Bytes {
        match self {
            Self::Json(samples) if samples.len() == 1 => samples[0].clone(),
            Self::Json(samples) => {
                let texts: Vec<&[u8]> = samples.iter().map(|sample| &sample[..]).collect();
                [b"[".as_slice(), &texts.join(b",".as_slice()), b"]"]
                    .concat()
                    .into()
            }
            Self::Protobuf(batch) => batch.clone(),
        }
    }

    /// Each sample as it came.
    fn samples(&self) -> Vec<Bytes> {
        match self {
            Self::Json(samples) => samples.clone(),
            Self::Protobuf(batch) => <v1::Batch as prost::Message>::decode(batch.clone())
                .map(|batch| {
                    let encode = |sample: &v1::Sample| prost::Message::encode_to_vec(sample);
                    let samples = batch.samples.iter();
                    samples.map(|sample| encode(sample).into()).collect()
                })
                .unwrap_or_default(),
        }
    }
}
