//! The actor's part about alerts: writes what was decided, folds what comes back.

use std::sync::Arc;
use std::time::Duration;

use aerostream_domain::alert::{AlertFolded, AlertId, AlertRecord, Transition, Turn};
use aerostream_domain::{Cause, TelemetryRecord};
use aerostream_log::AppendError;
use ractor::ActorRef;

use super::Shell;
use crate::alert::{AlertMsg, AlertTold};
use crate::clock::utc_now;
use crate::guard::guarded;
use crate::message::{DroneMsg, ShardMsg};
use crate::metrics;
use crate::task::{TaskKind, spawn};

/// How long the owner waits before it writes again what it could not write.
const WRITE_AGAIN: Duration = Duration::from_millis(250);
/// Field of the evidence of silence.
const SILENCE: &str = "silence_s";

/// Decisions of records that are not durable, already shown to those who watch: each once.
#[derive(Debug, Default)]
pub(super) struct Foreseen(Vec<(AlertId, Turn)>);

/// Shown decisions that are remembered; the oldest make room.
const FORESEEN_MAX: usize = 16;

impl Foreseen {
    /// Takes what was not shown yet.
    fn fresh(&mut self, transitions: Vec<Transition>) -> Vec<Transition> {
        let fresh = transitions.into_iter().filter(|transition| {
            let shown = (transition.id, transition.turn.clone());
            let is_new = !self.0.contains(&shown);
            if is_new {
                self.0.truncate(FORESEEN_MAX - 1);
                self.0.insert(0, shown);
            }
            is_new
        });
        fresh.collect()
    }
}

impl Shell {
    /// While the log is down, shows the alerts that there would be, under the ids that they will
    /// have.
    pub(super) fn foresee(&mut self, record: &TelemetryRecord) {
        self.refresh_rules();
        let Ok(transitions) = guarded(|| self.drone.foresee(record, &self.rules)) else {
            return;
        };
        let fresh = self.foreseen.fresh(transitions);
        if !fresh.is_empty() {
            let shard = self.context.claim.shard;
            self.context.alerts.foreseen(shard, self.drone.id(), fresh);
        }
    }

    pub(super) fn alert(&mut self, myself: &ActorRef<DroneMsg>, message: AlertMsg) {
        match message {
            AlertMsg::Told(told) => self.alert_told(&told),
            AlertMsg::Unwritten(surely) => self.alerts_unwritten(surely),
            AlertMsg::Silent => self.silent(),
            AlertMsg::Rules => {
                self.refresh_rules();
                self.drone.judge_rules(&self.rules);
            }
        }
        self.write_alerts(myself);
    }

    /// The rules as the registry has them now.
    pub(super) fn refresh_rules(&mut self) {
        let version = self.context.rules.version();
        if version != self.rules_version {
            self.rules = self.context.rules.rules_of(self.drone.id());
            self.rules_version = version;
        }
    }

    fn alert_told(&mut self, told: &AlertTold) {
        if told.epoch == Some(self.context.claim.epoch) {
            self.alerts_writing = false;
        }
        if self.drone.fold_alert(told.standing, &told.record) == AlertFolded::Changed {
            self.note_change();
        }
    }

    fn alerts_unwritten(&mut self, surely: bool) {
        self.alerts_writing = false;
        if surely {
            // Without a log nobody could be heard, so that silence meant nothing.
            let pending = self.drone.alerts().pending().iter();
            let silences = pending
                .map(|(_, transition)| transition)
                .filter(|it| is_silence(it));
            let silences: Vec<_> = silences.cloned().collect();
            self.drone.take_back_alerts(&silences);
        }
    }

    /// Puts what was decided into the journal, one record at a time, so that none overtakes
    /// another. It counts when it comes back from there.
    pub(super) fn write_alerts(&mut self, myself: &ActorRef<DroneMsg>) {
        let pending = self.drone.alerts().pending();
        if pending.is_empty() || self.alerts_writing || !self.context.holds() {
            return;
        }
        let transitions: Vec<_> = pending.iter().map(|(_, it)| it.clone()).collect();
        let cause = Cause {
            telemetry: self.drone.applied_offset(),
            journal: self.drone.alerts().ledger().folded(),
            registry: self.rules.registry,
        };
        metrics::alert_transitions(&transitions);
        let record = AlertRecord::Transitions(transitions);
        let append = self
            .context
            .append_alert(self.drone.id(), (utc_now(), cause), record);
        self.alerts_writing = true;
        self.note_change();
        let myself = myself.clone();
        spawn(TaskKind::Request, "alert append", async move {
            if let Err(error) = append.await {
                let is_unknown = matches!(error, AppendError::Unknown { .. });
                metrics::append_failed(is_unknown);
                // What may be in the journal all the same is written again and folds to nothing.
                tokio::time::sleep(WRITE_AGAIN).await;
                let unwritten = AlertMsg::Unwritten(!is_unknown);
                let _ = myself.cast(DroneMsg::Alert(Box::new(unwritten)));
            }
        });
    }

    /// A timer ran out: judges the silence, and asks for the next timer.
    fn silent(&mut self) {
        let ears = &self.context.ears;
        let silence = ears.silence(self.place);
        // What is under way was heard.
        let is_busy = !self.flights.is_empty() || !self.awaiting_boot.is_empty();
        let next = if is_busy || !self.context.holds() {
            ears.deaf();
            Some(Duration::from_secs(1))
        } else {
            self.refresh_rules();
            let silent = self.drone.judge_silence(silence, &Arc::clone(&self.rules));
            silent.next.map(|next| next.saturating_sub(silence))
        };
        let drone = self.drone.id().clone();
        let _ = self.shard.cast(ShardMsg::Watch { drone, after: next });
    }
}

fn is_silence(transition: &Transition) -> bool {
    transition.evidence.field == SILENCE && !matches!(transition.turn, Turn::Cleared { .. })
}
