//! Metrics of the actors.

use aerostream_domain::alert::{Transition, Turn};
use aerostream_domain::command::{NotSentReason, Stage};
use metrics::{counter, gauge};

/// What became of a sample.
#[derive(Debug, Clone, Copy)]
pub(crate) enum SampleOutcome {
    Appended,
    Repeat,
    Refused,
}

impl SampleOutcome {
    const fn label(self) -> &'static str {
        match self {
            Self::Appended => "appended",
            Self::Repeat => "repeat",
            Self::Refused => "refused",
        }
    }
}

pub(crate) fn samples(outcome: SampleOutcome, count: usize) {
    if count > 0 {
        counter!("aerostream_actors_samples_total", "outcome" => outcome.label())
            .increment(count as u64);
    }
}

pub(crate) fn admission_refused() {
    counter!("aerostream_actors_admission_refused_total").increment(1);
}

pub(crate) fn append_failed(unknown: bool) {
    let outcome = if unknown { "unknown" } else { "refused" };
    counter!("aerostream_actors_append_failures_total", "outcome" => outcome).increment(1);
}

pub(crate) fn panics_caught() {
    counter!("aerostream_actors_panics_caught_total").increment(1);
}

pub(crate) fn actor_restarted() {
    counter!("aerostream_actors_restarts_total").increment(1);
}

pub(crate) fn drones(hot: usize, passive: usize) {
    gauge!("aerostream_actors_drones", "state" => "hot").set(hot as f64);
    gauge!("aerostream_actors_drones", "state" => "passive").set(passive as f64);
}

pub(crate) fn feeds(subscribers: usize, drones: usize) {
    gauge!("aerostream_actors_feed_subscribers").set(subscribers as f64);
    gauge!("aerostream_actors_feed_drones").set(drones as f64);
}

pub(crate) fn snapshots_written(count: usize) {
    counter!("aerostream_actors_snapshots_total").increment(count as u64);
}

pub(crate) fn command_stage(stage: Stage) {
    counter!("aerostream_actors_command_changes_total", "state" => stage.as_str()).increment(1);
}

pub(crate) fn command_not_sent(reason: NotSentReason) {
    counter!("aerostream_actors_commands_not_sent_total", "reason" => reason.as_str()).increment(1);
}

pub(crate) fn alert_transitions(transitions: &[Transition]) {
    for transition in transitions {
        let (turn, severity) = match &transition.turn {
            Turn::Raised { severity, .. } => ("raised", severity.as_str()),
            Turn::Escalated { severity } => ("escalated", severity.as_str()),
            Turn::Cleared { .. } => ("cleared", ""),
        };
        counter!("aerostream_alert_transitions_total", "turn" => turn, "severity" => severity)
            .increment(1);
    }
}
