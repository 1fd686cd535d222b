//! The actor of one drone: a thin shell around the pure [`Drone`].

mod alerts;
mod commands;
mod orphan;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use aerostream_domain::alert::RuleSet;
use aerostream_domain::{
    AppendId, BootId, BootRecord, Drone, Offset, Receipt, Refusal, Seq, TelemetryRecord,
};
use aerostream_log::{AppendError, Appended};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::time::Instant;

use self::alerts::Foreseen;
use self::commands::Desk;
use self::orphan::Orphan;
use crate::briefs::Place;
use crate::effects::ShardContext;
use crate::feed::{FeedSnapshot, Teller, appended_or_shown};
use crate::guard::{admit_guarded, apply_guarded, guarded, poison};
use crate::handle::{IngestOutcome, LiveView, SampleVerdict, Unavailable};
use crate::message::{DroneMsg, Ingest, MarkToken, ShardMsg};
use crate::metrics;
use crate::recovery;
use crate::replies::{Replies, Reply};
use crate::task::{TaskKind, spawn};

pub(crate) use self::commands::{room, views};

/// The actor; all it has is in its state.
pub(crate) struct DroneActor;

/// What the actor starts with.
pub(crate) struct DroneArgs {
    pub drone: Drone,
    /// Every telemetry record of the drone below it is in its state.
    pub began_below: Offset,
    pub context: Arc<ShardContext>,
    /// Where its brief is.
    pub place: Place,
    /// Where records go whose actor was gone when they became durable.
    pub shard: ActorRef<ShardMsg>,
}

/// One append under way.
struct Flight {
    append: AppendId,
    record: Arc<TelemetryRecord>,
    token: MarkToken,
    result: Option<Result<Appended, AppendError>>,
}

/// State of the actor.
pub(crate) struct Shell {
    drone: Drone,
    context: Arc<ShardContext>,
    place: Place,
    shard: ActorRef<ShardMsg>,
    next_append: u64,
    /// In the order of the appends, so that records are applied in offset order.
    flights: VecDeque<Flight>,
    replies: Replies,
    teller: Teller,
    /// Batches whose boot record is on its way through the journal.
    awaiting_boot: Vec<Ingest>,
    journalling: Vec<BootId>,
    desk: Desk,
    rules: Arc<RuleSet>,
    rules_version: u64,
    /// True while decisions about alerts are on their way through the journal.
    alerts_writing: bool,
    foreseen: Foreseen,
    dirty: bool,
    used: Instant,
}

impl Actor for DroneActor {
    type Msg = DroneMsg;
    type State = Shell;
    type Arguments = DroneArgs;

    async fn pre_start(
        &self,
        _myself: ActorRef<DroneMsg>,
        args: DroneArgs,
    ) -> Result<Shell, ActorProcessingErr> {
        let rules_version = args.context.rules.version();
        Ok(Shell {
            rules: args.context.rules.rules_of(args.drone.id()),
            rules_version,
            alerts_writing: false,
            foreseen: Foreseen::default(),
            teller: Teller::new(args.began_below, args.context.marks.end_known()),
            drone: args.drone,
            context: args.context,
            place: args.place,
            shard: args.shard,
            next_append: 0,
            flights: VecDeque::new(),
            replies: Replies::default(),
            awaiting_boot: Vec::new(),
            journalling: Vec::new(),
            desk: Desk::default(),
            dirty: false,
            used: Instant::now(),
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<DroneMsg>,
        message: DroneMsg,
        shell: &mut Shell,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            DroneMsg::Ingest(ingest) => {
                (shell.context.hooks.on_batch)(&ingest.batch);
                shell.used = Instant::now();
                shell.heard();
                shell.ingest(&myself, *ingest);
                shell.decide(&myself);
            }
            DroneMsg::Command(message) => shell.command(&myself, *message),
            DroneMsg::Alert(message) => shell.alert(&myself, *message),
            DroneMsg::Live(reply) => drop(reply.send(shell.live_view())),
            DroneMsg::Join(reply) => {
                let snapshot = shell.feed_snapshot();
                let _ = reply.send(Box::new(snapshot));
            }
            DroneMsg::Boot(record) => {
                shell.boot_learnt(&myself, record);
                shell.decide(&myself);
            }
            DroneMsg::BootFailed { boot, reason } => shell.boot_failed(boot, &reason),
            DroneMsg::Appended { append, result } => {
                shell.appended(&myself, append, result);
                shell.write_alerts(&myself);
                shell.decide(&myself);
            }
            DroneMsg::Reconciled { records, token } => {
                shell.reconciled(&records, token);
                shell.write_alerts(&myself);
            }
            DroneMsg::Late(record) => shell.foresee(&record),
            DroneMsg::Snapshot(reply) => {
                shell.dirty = false;
                // The round made room for exactly one snapshot of each drone that it asked.
                let _ = reply.try_send(shell.drone.snapshot());
            }
            DroneMsg::Passivate { idle, reply } => {
                let snapshot = shell.passive_snapshot(idle);
                let leaves = snapshot.is_some();
                let _ = reply.send(snapshot);
                if leaves {
                    myself.stop(None);
                }
            }
        }
        Ok(())
    }
}

impl Shell {
    fn ingest(&mut self, myself: &ActorRef<DroneMsg>, ingest: Ingest) {
        self.awaiting_boot
            .retain(|waiting| !waiting.reply.is_closed());
        let limit = self.context.config.batches_per_drone_max;
        if self.replies.len() + self.awaiting_boot.len() >= limit {
            let retry_after = self.context.config.retry_after();
            let what = "unanswered batches of the drone";
            answer(
                ingest,
                IngestOutcome::Retry(Unavailable::Overloaded {
                    what,
                    limit,
                    retry_after,
                }),
            );
            return;
        }
        if !self.context.holds() {
            answer(ingest, IngestOutcome::Retry(fenced()));
            return;
        }
        match guarded(|| self.drone.boot_needed(&ingest.batch, ingest.received)) {
            Ok(Ok(None)) => self.admit(myself, ingest),
            Ok(Ok(Some(record))) => {
                self.journal_boot(myself, record);
                self.awaiting_boot.push(ingest);
            }
            Ok(Err(refusal)) => refuse(ingest, &refusal),
            Err(()) => refuse(ingest, &poison()),
        }
    }

    fn journal_boot(&mut self, myself: &ActorRef<DroneMsg>, record: BootRecord) {
        if self.journalling.contains(&record.boot) {
            return;
        }
        self.journalling.push(record.boot);
        let pending = self.context.append_boot(self.drone.id(), &record);
        let myself = myself.clone();
        spawn(TaskKind::Request, "boot append", async move {
            if let Err(error) = pending.await {
                let failed = DroneMsg::BootFailed {
                    boot: record.boot,
                    reason: error.to_string(),
                };
                let _ = myself.cast(failed);
            }
        });
    }

    fn boot_learnt(&mut self, myself: &ActorRef<DroneMsg>, record: BootRecord) {
        self.drone.learn_boot(record);
        self.note_change();
        self.journalling.retain(|boot| *boot != record.boot);
        let ready: Vec<_> = self
            .awaiting_boot
            .extract_if(.., |it| it.batch.boot == record.boot)
            .collect();
        for ingest in ready {
            self.ingest(myself, ingest);
        }
    }

    fn boot_failed(&mut self, boot: BootId, reason: &str) {
        self.journalling.retain(|journalling| *journalling != boot);
        for ingest in self
            .awaiting_boot
            .extract_if(.., |it| it.batch.boot == boot)
        {
            answer(ingest, IngestOutcome::Retry(log_down(reason)));
        }
    }

    fn admit(&mut self, myself: &ActorRef<DroneMsg>, ingest: Ingest) {
        let append = AppendId(self.next_append);
        self.next_append += 1;
        let receipt = Receipt {
            at: ingest.received,
            epoch: self.context.claim.epoch,
            append,
        };
        let Ingest {
            mut batch,
            reply: sender,
            permit,
            ..
        } = ingest;
        let admission = admit_guarded(&mut self.drone, self.context.hooks, &mut batch, receipt);
        let own = admission.record.is_some().then_some(append);
        self.replies.add(Reply {
            verdicts: admission.verdicts,
            own,
            sender,
            permit,
        });
        let Some(record) = admission.record else {
            return;
        };
        let token = self.context.marks.begin();
        let pending = self.context.append_telemetry(&record);
        let record = Arc::new(record);
        let orphan = Orphan {
            shard: self.shard.clone(),
            record: Arc::clone(&record),
            token,
        };
        let (context, shown) = (Arc::clone(&self.context), Arc::clone(&record));
        self.flights.push_back(Flight {
            append,
            record,
            token,
            result: None,
        });
        let myself = myself.clone();
        spawn(TaskKind::Request, "telemetry append", async move {
            let late = || {
                let _ = myself.cast(DroneMsg::Late(Arc::clone(&shown)));
            };
            let result = appended_or_shown(&context, &shown, pending, late).await;
            let appended = DroneMsg::Appended {
                append,
                result: result.clone(),
            };
            if myself.cast(appended).is_err() {
                orphan.leave(result);
            }
        });
    }

    fn appended(
        &mut self,
        myself: &ActorRef<DroneMsg>,
        append: AppendId,
        result: Result<Appended, AppendError>,
    ) {
        if let Ok(appended) = &result {
            self.context.marks.durable(appended.offset);
        }
        if let Some(flight) = self
            .flights
            .iter_mut()
            .find(|flight| flight.append == append)
        {
            flight.result = Some(result);
        }
        while self
            .flights
            .front()
            .is_some_and(|flight| flight.result.is_some())
        {
            let Some(flight) = self.flights.pop_front() else {
                break;
            };
            match flight.result {
                Some(Ok(appended)) => {
                    self.apply(appended.offset, &flight.record);
                    self.context.marks.end(flight.token);
                    self.acknowledge(flight.append);
                    self.teller
                        .recorded(&self.context, appended.offset, &flight.record);
                }
                Some(Err(ref error)) => self.append_failed(myself, &flight, error),
                None => {}
            }
        }
    }

    /// The record is durable; the answer still needs the shard to be ours.
    fn acknowledge(&mut self, append: AppendId) {
        if self.context.holds() {
            let acknowledged = self.replies.durable(append);
            self.context
                .acknowledged
                .fetch_add(acknowledged, Ordering::Relaxed);
        } else {
            self.replies.failed(append, &fenced());
        }
    }

    fn append_failed(&mut self, myself: &ActorRef<DroneMsg>, flight: &Flight, error: &AppendError) {
        let Flight {
            append,
            record,
            token,
            ..
        } = flight;
        let (append, token) = (*append, *token);
        let seqs: Vec<Seq> = record.samples.iter().map(|sample| sample.seq).collect();
        self.drone.forget(append, record.boot, &seqs);
        let unknown = matches!(error, AppendError::Unknown { .. });
        metrics::append_failed(unknown);
        self.context.ears.deaf();
        if unknown {
            self.teller.read_back(token);
            self.reconcile(myself, token);
        } else {
            self.context.marks.end(token);
        }
        self.replies.failed(append, &log_down(&error.to_string()));
    }

    /// Live state is a function of the log: what may have been written is read back.
    fn reconcile(&self, myself: &ActorRef<DroneMsg>, token: MarkToken) {
        let context = Arc::clone(&self.context);
        let (myself, drone) = (myself.clone(), self.drone.id().clone());
        spawn(TaskKind::Request, "reconcile", async move {
            let records = recovery::records_of(&context, &drone, token.bound).await;
            // An actor that is gone is restored from the log, which has the same records.
            if myself
                .cast(DroneMsg::Reconciled { records, token })
                .is_err()
            {
                context.marks.end(token);
            }
        });
    }

    fn reconciled(&mut self, records: &[(Offset, TelemetryRecord)], token: MarkToken) {
        for (offset, record) in records {
            self.apply(*offset, record);
        }
        self.context.marks.end(token);
        self.teller.found(&self.context, records, token);
    }

    fn feed_snapshot(&mut self) -> FeedSnapshot {
        let cursor = self.teller.position(&self.context, self.flights.is_empty());
        FeedSnapshot {
            view: live_view(&self.drone, true),
            cursor,
        }
    }

    fn apply(&mut self, offset: Offset, record: &TelemetryRecord) {
        // What is read back again after an append of unknown fate counts once.
        let is_new = self.drone.applied_offset() < Some(offset);
        self.refresh_rules();
        apply_guarded(&mut self.drone, offset, record, &self.rules);
        let samples = if is_new { record.samples.len() } else { 0 };
        let counted = (record.received, samples);
        let briefs = &self.context.briefs;
        briefs.applied(self.place, self.drone.live(), counted);
        self.note_change();
    }

    /// The drone says something, whatever becomes of it.
    fn heard(&self) {
        if self.context.ears.heard(self.place) {
            let (drone, after) = (self.drone.id().clone(), Some(Duration::ZERO));
            let _ = self.shard.cast(ShardMsg::Watch { drone, after });
        }
    }

    fn note_change(&mut self) {
        if !self.dirty {
            self.dirty = true;
            self.context.marks.mark_dirty(self.drone.id().clone());
        }
    }

    fn live_view(&self) -> Option<Box<LiveView>> {
        live_view(&self.drone, true).map(Box::new)
    }

    fn passive_snapshot(
        &mut self,
        idle: Duration,
    ) -> Option<Box<aerostream_domain::DroneSnapshot>> {
        let busy = !self.flights.is_empty()
            || self.replies.len() > 0
            || !self.awaiting_boot.is_empty()
            || self.dirty
            || !self.desk.is_idle()
            || self.drone.commands().has_open()
            || !self.drone.alerts().pending().is_empty()
            || self.teller.is_reading_back()
            || self.used.elapsed() < idle;
        (!busy).then(|| Box::new(self.drone.snapshot_compact()))
    }
}

/// What the outside sees of a drone; `None` before its first record.
pub(crate) fn live_view(drone: &Drone, hot: bool) -> Option<LiveView> {
    let live = drone.live();
    live.boot?;
    Some(LiveView {
        drone: drone.id().clone(),
        live: live.clone(),
        offset: drone.applied_offset(),
        hot,
    })
}

fn answer(ingest: Ingest, outcome: IngestOutcome) {
    drop(ingest.permit);
    // A sender that gave up has closed its end.
    let _ = ingest.reply.send(outcome);
}

fn refuse(ingest: Ingest, refusal: &Refusal) {
    let verdicts = vec![SampleVerdict::Refused(refusal.clone()); ingest.batch.samples.len()];
    metrics::samples(metrics::SampleOutcome::Refused, verdicts.len());
    answer(ingest, IngestOutcome::Settled(verdicts));
}

fn fenced() -> Unavailable {
    Unavailable::NotOwner {
        reason: "another process has taken over the shard".to_owned(),
    }
}

fn log_down(reason: &str) -> Unavailable {
    Unavailable::LogDown {
        reason: reason.to_owned(),
    }
}
