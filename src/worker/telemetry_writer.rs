//! Telemetry records on their way into rows.

use std::collections::BTreeSet;

use aerostream_domain::{RefusalCode, TelemetryEntry, TelemetryRecord};
use aerostream_log::{Append, DecodeError, EventLog, Record, decode};
use aerostream_proto::v1;
use async_trait::async_trait;
use sqlx::PgPool;

use super::dead_letter::{self, Reason, Subject};
use super::intake::{Kind, Newer};
use super::writing::{Store, WriteError, write_letters};
use crate::clock::utc_now;
use crate::store::offsets::Spans;
use crate::store::partition::{self, Day};
use crate::store::telemetry::{Counts, write_run};
use crate::store::{Place, Run, Source, StoreError, Stored, Writer};

/// Days remembered as having a partition.
const DAYS_MAX: usize = 10_000;

/// How telemetry is stored.
#[derive(Debug, Clone)]
pub struct Telemetry {
    pool: PgPool,
    retention_days: u32,
    /// Days that had a partition when last looked at.
    ready: BTreeSet<Day>,
}

/// Samples and what is needed to tell of those that are not stored.
#[derive(Debug, Default)]
pub struct TelemetryRun {
    rows: Run,
    records: Vec<Record>,
    record_bytes: usize,
    letters: Vec<Append>,
}

impl Telemetry {
    pub(super) fn new(pool: PgPool, retention_days: u32) -> Self {
        Self {
            pool,
            retention_days,
            ready: BTreeSet::new(),
        }
    }

    async fn ensure_partitions(&mut self, days: BTreeSet<Day>) -> Result<(), StoreError> {
        if days.is_subset(&self.ready) {
            return Ok(());
        }
        // A day that is about to be dropped anyway gets no partition; its rows are counted.
        let oldest = partition::kept_from_at(utc_now(), self.retention_days);
        partition::ensure(&self.pool, &days, oldest).await?;
        if self.ready.len() > DAYS_MAX {
            self.ready.clear();
        }
        self.ready.extend(days);
        Ok(())
    }
}

impl Kind for Telemetry {
    type Run = TelemetryRun;

    const TOPIC: Source = Source::Telemetry;

    fn add(run: &mut TelemetryRun, record: Record, from: Stored) -> Result<Stored, Newer> {
        let mut to = Stored {
            next: Some(aerostream_domain::Offset(record.offset.0 + 1)),
            claim: from.claim,
        };
        match decode::<v1::TelemetryEvent>(&record.payload) {
            Err(DecodeError::Newer { version }) => return Err(Newer { version }),
            Err(DecodeError::Undecodable { reason }) => {
                run.letters.push(undecodable(&record, reason));
            }
            Ok(event) => match TelemetryEntry::try_from(event) {
                Ok(TelemetryEntry::Claim { epoch, .. }) => to.claim = to.claim.max(Some(epoch)),
                // A batch of another reign still counts: its samples are what they are.
                Ok(TelemetryEntry::Batch(batch)) => run.add_batch(&record, &batch),
                Err(refusal) => {
                    let reason = Reason {
                        code: refusal.code.as_str(),
                        field: refusal.field,
                        detail: refusal.detail,
                    };
                    run.letters.push(dead_letter::of_record(&record, reason));
                }
            },
        }
        run.rows.cover(record.partition.0, from, to);
        run.record_bytes += record.payload.len();
        run.records.push(record);
        Ok(to)
    }

    fn spans(run: &TelemetryRun) -> &Spans {
        run.rows.spans()
    }

    fn size(run: &TelemetryRun) -> (usize, usize) {
        // Claims have no rows, but a run of them alone must end as well.
        let rows = run.rows.len() + run.letters.len();
        (
            rows,
            run.rows.bytes() + run.record_bytes + 64 * run.records.len(),
        )
    }
}

/// What the record of undecodable bytes says to whoever reads it.
pub(super) fn undecodable(record: &Record, detail: String) -> Append {
    let reason = Reason {
        code: RefusalCode::Malformed.as_str(),
        field: String::new(),
        detail,
    };
    dead_letter::of_record(record, reason)
}

impl TelemetryRun {
    fn add_batch(&mut self, record: &Record, batch: &TelemetryRecord) {
        let place = self.records.len() as u32;
        for (sample, index) in batch.samples.iter().zip(0..) {
            let place = Place {
                record: place,
                sample: index,
            };
            if let Err(unstorable) = self.rows.push(&batch.drone, batch.boot, sample, place) {
                let reason = Reason {
                    code: RefusalCode::OutOfRange.as_str(),
                    field: format!("samples[{index}]"),
                    detail: unstorable.to_string(),
                };
                self.letters.push(dead_letter::of_record(record, reason));
            }
        }
    }

    /// Letters of samples that contradict what is stored.
    fn contradictions(&self, places: &[Place]) -> Vec<Append> {
        let letters = places.iter().map(|place| {
            let record = self.records.get(place.record as usize)?;
            // It could be decoded when it came.
            let event: v1::TelemetryEvent = decode(&record.payload).ok()?;
            let v1::telemetry_event::Kind::Batch(batch) = event.kind? else {
                return None;
            };
            let sample = batch.samples.get(place.sample as usize)?;
            let subject = Subject {
                drone: aerostream_domain::DroneId::parse(&batch.drone_id).ok(),
                boot: Some(batch.boot),
                seq: sample.sample.as_ref().and_then(|sample| sample.seq),
            };
            let reason = Reason {
                code: RefusalCode::Conflict.as_str(),
                field: format!("samples[{}]", place.sample),
                detail: "the same drone, boot and seq is stored with other content".to_owned(),
            };
            Some(dead_letter::of_sample(record, subject, sample, reason))
        });
        letters.flatten().collect()
    }
}

#[async_trait]
impl Store<TelemetryRun> for Telemetry {
    async fn store(
        &mut self,
        writer: &mut Writer,
        log: &dyn EventLog,
        run: &mut TelemetryRun,
    ) -> Result<(Counts, u64), WriteError> {
        write_letters(log, &run.letters).await?;
        self.ensure_partitions(run.rows.days()).await?;
        let written = match write_run(writer, &mut run.rows).await {
            Ok(written) => written,
            Err(error) => {
                // Perhaps a partition that was there is not any more.
                self.ready.clear();
                return Err(error.into());
            }
        };
        let contradictions = run.contradictions(&written.conflicts);
        write_letters(log, &contradictions).await?;
        let counts = written.commit().await?;
        Ok((counts, (run.letters.len() + contradictions.len()) as u64))
    }
}
