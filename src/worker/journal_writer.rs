//! Journal records on their way into tables, by the claim rule.

use aerostream_domain::alert::AlertStanding;
use aerostream_domain::{JournalEntry, JournalKind, Offset, ShardId};
use aerostream_log::{Append, DecodeError, EventLog, Record, decode};
use aerostream_proto::v1;
use async_trait::async_trait;

use super::alerts::{AlertRun, AlertTold};
use super::commands::{CommandRun, Told};
use super::dead_letter::{self, Reason};
use super::intake::{Kind, Newer};
use super::telemetry_writer::undecodable;
use super::writing::{Store, WriteError, write_letters};
use crate::store::journal::{Claim, JournalRun, write_run};
use crate::store::offsets::{Span, Spans};
use crate::store::telemetry::Counts;
use crate::store::{Source, Stored, Writer};

/// How the journal is stored.
#[derive(Debug, Clone, Copy)]
pub struct Journal;

/// What journal records say, and letters about those that say nothing.
#[derive(Debug, Default)]
pub struct Entries {
    rows: JournalRun,
    commands: CommandRun,
    alerts: AlertRun,
    letters: Vec<Append>,
    records: usize,
    bytes: usize,
}

impl Kind for Journal {
    type Run = Entries;

    const TOPIC: Source = Source::Journal;

    fn add(run: &mut Entries, record: Record, from: Stored) -> Result<Stored, Newer> {
        let mut to = Stored {
            next: Some(Offset(record.offset.0 + 1)),
            claim: from.claim,
        };
        match decode::<v1::JournalRecord>(&record.payload) {
            Err(DecodeError::Newer { version }) => return Err(Newer { version }),
            Err(DecodeError::Undecodable { reason }) => {
                run.letters.push(undecodable(&record, reason));
            }
            Ok(mut message) => match (message.origin.take(), JournalEntry::try_from(message)) {
                (origin, Ok(entry)) => run.add_entry((entry, origin), &record, &mut to),
                (_, Err(refusal)) => {
                    let reason = Reason {
                        code: refusal.code.as_str(),
                        field: refusal.field,
                        detail: refusal.detail,
                    };
                    run.letters.push(dead_letter::of_record(&record, reason));
                }
            },
        }
        let span = run.rows.spans.entry(record.partition.0);
        span.or_insert(Span { from, to }).to = to;
        run.records += 1;
        run.bytes += record.payload.len();
        Ok(to)
    }

    fn spans(run: &Entries) -> &Spans {
        &run.rows.spans
    }

    fn size(run: &Entries) -> (usize, usize) {
        (run.records, run.bytes)
    }
}

impl Entries {
    /// An owner's record of another reign than the highest claim before it counts for nothing.
    fn add_entry(
        &mut self,
        (entry, origin): (JournalEntry, Option<v1::Origin>),
        record: &Record,
        to: &mut Stored,
    ) {
        match entry.kind {
            JournalKind::Claim(claim) => {
                let Some(epoch) = entry.epoch.filter(|&epoch| Some(epoch) >= to.claim) else {
                    return;
                };
                to.claim = Some(epoch);
                self.rows.claims.push(Claim {
                    shard: claim.shard,
                    epoch,
                    node: claim.node.to_string(),
                    at: entry.at,
                });
            }
            JournalKind::Boot { drone, record } => {
                if entry.epoch.is_none() || entry.epoch == to.claim {
                    self.rows.boots.push((drone, record));
                }
            }
            JournalKind::Command {
                drone,
                record: what,
            } => {
                if entry.epoch.is_none() || entry.epoch == to.claim {
                    self.commands.0.push(Told {
                        drone,
                        shard: ShardId(record.partition.0),
                        offset: record.offset,
                        at: entry.at,
                        epoch: entry.epoch,
                        record: *what,
                        origin,
                    });
                }
            }
            JournalKind::Alert {
                drone,
                record: what,
            } => {
                if entry.epoch.is_none() || entry.epoch == to.claim {
                    self.alerts.0.push(AlertTold {
                        drone,
                        shard: ShardId(record.partition.0),
                        standing: AlertStanding {
                            offset: record.offset,
                            at: entry.at,
                            cause: entry.cause.telemetry,
                        },
                        record: *what,
                        origin,
                    });
                }
            }
        }
    }
}

#[async_trait]
impl Store<Entries> for Journal {
    async fn store(
        &mut self,
        writer: &mut Writer,
        log: &dyn EventLog,
        run: &mut Entries,
    ) -> Result<(Counts, u64), WriteError> {
        write_letters(log, &run.letters).await?;
        write_run(writer, &run.rows, &run.commands, &run.alerts).await?;
        Ok((Counts::default(), run.letters.len() as u64))
    }
}
