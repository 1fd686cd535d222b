//! What a drone's actor tells its feed: in the order of the log, and never with a silent hole.

use std::sync::Arc;

use aerostream_domain::{Offset, TelemetryRecord};
use aerostream_log::{AppendError, Appended, PendingAppend};

use super::Cursor;
use crate::effects::ShardContext;
use crate::message::MarkToken;

/// Records kept back while the log is asked for an earlier one; beyond it the feed is interrupted.
pub(crate) const HELD_MAX: usize = 256;

/// How far an actor has told its drone's feed.
#[derive(Debug)]
pub(crate) struct Teller {
    /// Every record of the drone below it was told, or is in what subscribers began with.
    next: Offset,
    /// Every record below it was in the state that this actor began with.
    began_below: Offset,
    /// Appends of unknown fate that are being read back. Nothing is told behind them.
    reading_back: Vec<MarkToken>,
    held: Vec<(Offset, Arc<TelemetryRecord>)>,
    /// Highest offset that was held back and not kept.
    lost: Option<Offset>,
}

impl Teller {
    /// For an actor whose state has every record below `began_below`, in a shard whose log is
    /// known to reach to `end`.
    pub fn new(began_below: Offset, end: Offset) -> Self {
        Self {
            next: began_below.max(end),
            began_below,
            reading_back: Vec::new(),
            held: Vec::new(),
            lost: None,
        }
    }

    /// Where a subscriber goes on who has the state of this moment; `quiet` if no append is under
    /// way.
    pub fn position(&mut self, context: &ShardContext, quiet: bool) -> Cursor {
        if quiet && self.reading_back.is_empty() {
            // Whatever comes later gets a later offset than all that is known of.
            self.next = self.next.max(context.marks.end_known());
        }
        cursor(context, self.next)
    }

    /// A record of this actor's own is durable.
    pub fn recorded(
        &mut self,
        context: &ShardContext,
        offset: Offset,
        record: &Arc<TelemetryRecord>,
    ) {
        if self.reading_back.is_empty() {
            self.tell(context, offset, record);
        } else {
            self.hold(offset, Arc::clone(record));
        }
    }

    /// True while the log is asked whether it has an append: nobody else tells what is found.
    pub const fn is_reading_back(&self) -> bool {
        !self.reading_back.is_empty()
    }

    /// The log is asked whether it has an append.
    pub fn read_back(&mut self, token: MarkToken) {
        self.reading_back.push(token);
    }

    /// The log was asked, or an append of an actor before this one became durable.
    pub fn found(
        &mut self,
        context: &ShardContext,
        records: &[(Offset, TelemetryRecord)],
        token: MarkToken,
    ) {
        let asked = self.reading_back.iter().position(|known| *known == token);
        if let Some(place) = asked {
            self.reading_back.swap_remove(place);
        }
        for (offset, record) in records {
            let known = *offset < self.began_below || (asked.is_some() && *offset < self.next);
            if known {
                continue;
            }
            if *offset < self.next {
                context.feeds.late(&record.drone);
            } else {
                self.hold(*offset, Arc::new(record.clone()));
            }
        }
        if self.reading_back.is_empty() {
            self.tell_held(context);
        }
    }

    fn hold(&mut self, offset: Offset, record: Arc<TelemetryRecord>) {
        if self.held.len() < HELD_MAX {
            self.held.push((offset, record));
        } else {
            self.lost = self.lost.max(Some(offset));
        }
    }

    fn tell_held(&mut self, context: &ShardContext) {
        let mut held = std::mem::take(&mut self.held);
        held.sort_by_key(|(offset, _)| *offset);
        held.dedup_by_key(|(offset, _)| *offset);
        if let Some(lost) = self.lost.take() {
            self.next = self.next.max(Offset(lost.0 + 1));
            if let Some((_, record)) = held.first() {
                context.feeds.interrupt(&record.drone);
            }
            return;
        }
        for (offset, record) in held {
            if offset >= self.next {
                self.tell(context, offset, &record);
            }
        }
    }

    fn tell(&mut self, context: &ShardContext, offset: Offset, record: &Arc<TelemetryRecord>) {
        let next = Offset(offset.0 + 1);
        self.next = self.next.max(next);
        if !context.feeds.watches(&record.drone) {
            return;
        }
        if context.holds() {
            context.feeds.tell(record, cursor(context, next));
        } else {
            context.feeds.fenced(&record.drone);
        }
    }
}

/// A feed tells nothing of the journal: a boot reaches a client with the first samples of it. So
/// the journal's part need not move with what is appended there. It says where the reign began:
/// whoever tells of the journal from there tells again and leaves nothing out. No client is refused
/// for it: only epoch and telemetry are compared.
pub(crate) fn cursor(context: &ShardContext, next: Offset) -> Cursor {
    Cursor {
        epoch: context.claim.epoch,
        telemetry: next,
        journal: Offset(context.claim.journal_claim.0 + 1),
    }
}

/// Waits for an append. Those who watch the drone are shown its record if the log takes long or
/// fails, and `late` is called then.
pub(crate) async fn appended_or_shown(
    context: &ShardContext,
    record: &Arc<TelemetryRecord>,
    mut pending: PendingAppend,
    late: impl FnOnce(),
) -> Result<Appended, AppendError> {
    let wait = context.config.feed_unrecorded_after();
    let in_time = tokio::time::timeout(wait, &mut pending).await;
    if let Ok(Ok(appended)) = in_time {
        return Ok(appended);
    }
    late();
    if context.feeds.watches(&record.drone) {
        context.feeds.show(record);
    }
    match in_time {
        Ok(result) => result,
        Err(_) => pending.await,
    }
}
