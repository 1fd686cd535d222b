//! What became of a batch, before a door puts it into its own words.

use aerostream_domain::validate::BATCH_SAMPLES_MAX;
use aerostream_proto::v1;

use super::Refused;
use crate::error::{ErrorCode, Problem};
use crate::gateway::metrics::SampleCounts;

/// What became of a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchOutcome {
    /// The client's name of the batch.
    pub batch_id: u64,
    /// As the client wrote it.
    pub drone_id: String,
    /// How many samples the client sent.
    pub samples: u32,
    pub fate: Fate,
}

/// The three ends of a batch.
#[derive(Debug, Clone, PartialEq)]
pub enum Fate {
    /// Every sample has its own final fate.
    Settled {
        /// Durable now, repeats included.
        acknowledged: u32,
        /// How many of these were repeats.
        repeated: u32,
        /// Never to be taken; durable among the dead letters; by index.
        refused: Vec<v1::SampleRefusal>,
        /// True if the gateway chose boot and seq, so that a resend is a new sample.
        received_identity: bool,
    },
    /// Nothing is acknowledged; sending it again is right.
    Retry(Problem),
    /// No sample will ever be taken.
    Rejected(Problem),
}

impl Fate {
    pub(super) fn settled(
        (acknowledged, repeated): (u32, u32),
        refused: Vec<Refused>,
        received_identity: bool,
    ) -> Self {
        let to_wire = |one: Refused| v1::SampleRefusal::new(one.index, one.seq, one.refusal);
        Self::Settled {
            acknowledged,
            repeated,
            refused: refused.into_iter().map(to_wire).collect(),
            received_identity,
        }
    }
}

impl BatchOutcome {
    pub(super) fn counts(&self) -> SampleCounts {
        let mut counts = SampleCounts::default();
        let all = u64::from(self.samples);
        match &self.fate {
            Fate::Settled {
                acknowledged,
                repeated,
                refused,
                ..
            } => {
                counts.acknowledged = u64::from(acknowledged - repeated);
                counts.repeated = u64::from(*repeated);
                counts.refused = refused.len() as u64;
            }
            Fate::Retry(_) => counts.retry = all,
            Fate::Rejected(problem) if problem.code == ErrorCode::Invalid => counts.refused = all,
            Fate::Rejected(_) => counts.denied = all,
        }
        counts
    }
}

/// A rejected batch is told as one refusal per sample, at most [`BATCH_SAMPLES_MAX`] of them.
impl From<BatchOutcome> for v1::BatchResult {
    fn from(outcome: BatchOutcome) -> Self {
        let mut result = Self {
            batch_id: outcome.batch_id,
            drone_id: outcome.drone_id,
            ..Self::default()
        };
        match outcome.fate {
            Fate::Settled {
                acknowledged,
                repeated,
                refused,
                ..
            } => {
                result.acknowledged = acknowledged;
                result.repeated_samples = repeated;
                result.refused = refused;
            }
            Fate::Retry(problem) => result.retry = Some(retry(&problem)),
            Fate::Rejected(problem) => {
                let told = outcome.samples.clamp(1, BATCH_SAMPLES_MAX as u32);
                let refusal = |index| v1::SampleRefusal {
                    index,
                    seq: None,
                    code: problem.code.as_str().to_owned(),
                    field: problem.field.clone().unwrap_or_default(),
                    detail: problem.detail.to_string(),
                };
                result.refused = (0..told).map(refusal).collect();
            }
        }
        result
    }
}

fn retry(problem: &Problem) -> v1::Retry {
    let wait = problem.retry_after.unwrap_or_default().as_millis();
    v1::Retry {
        code: problem.code.as_str().to_owned(),
        detail: problem.detail.to_string(),
        after_ms: u32::try_from(wait).unwrap_or(u32::MAX),
    }
}
