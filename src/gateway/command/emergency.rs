//! Hold, return, land and terminate while the event log is down: once, straight to the drone, and
//! into the journal when it is back.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aerostream_actors::task::{TaskKind, spawn};
use aerostream_actors::{CommandView, EmergencySent};
use aerostream_domain::command::{
    Answer, CommandId, CommandRecord, End, Intent, Stage, Unrecorded,
};
use aerostream_domain::{DroneId, FleetId, Offset, ShardId};
use aerostream_log::EventLog;
use tokio::sync::Notify;

use super::{fresh, journal_append};
use crate::error::{ErrorCode, Problem};
use crate::gateway::ingest::unavailable;
use crate::gateway::limit::RETRY_AFTER;
use crate::gateway::ports::Drones;
use crate::origin;

/// First and longest wait between two attempts to write one into the journal.
const WRITE_AGAIN: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));

/// Emergencies that are not in the journal yet.
#[derive(Debug)]
pub(super) struct Emergencies {
    max: usize,
    unwritten: Mutex<HashMap<CommandId, Unwritten>>,
    answered: Notify,
}

#[derive(Debug, Clone)]
struct Unwritten {
    drone: DroneId,
    record: Unrecorded,
}

impl Emergencies {
    pub fn new(max: usize) -> Arc<Self> {
        Arc::new(Self {
            max,
            unwritten: Mutex::default(),
            answered: Notify::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<CommandId, Unwritten>> {
        self.unwritten
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what a drone says of an emergency; false if it is of another command.
    pub fn answered(&self, id: CommandId, answer: &Answer) -> bool {
        let mut unwritten = self.lock();
        let Some(known) = unwritten.get_mut(&id) else {
            return false;
        };
        known.record.answer = Some(answer.clone());
        drop(unwritten);
        self.answered.notify_waiters();
        true
    }

    /// An emergency as it is known here.
    pub fn view(&self, id: CommandId) -> Option<CommandView> {
        self.lock().get(&id).map(view)
    }

    /// Hands it to the drone's connection and waits a moment for the drone's answer.
    pub async fn send(
        self: &Arc<Self>,
        drones: &dyn Drones,
        (log, shard): (&Arc<dyn EventLog>, ShardId),
        (fleet, drone, intent): (FleetId, DroneId, Intent),
        wait: Duration,
    ) -> Result<CommandView, Problem> {
        let id = intent.id;
        if let Some(known) = self.view(id) {
            return Ok(known);
        }
        self.enter(&drone, &intent)?;
        let sent = drones.emergency(&drone, intent).await;
        let failed = match sent {
            Ok(Ok(EmergencySent { at, .. })) => {
                if let Some(known) = self.lock().get_mut(&id) {
                    known.record.sent = at;
                }
                None
            }
            Ok(Err(reason)) => {
                let detail = format!(
                    "the event log is down and the drone cannot be reached: {}",
                    reason.as_str()
                );
                Some(Problem::new(ErrorCode::Unavailable, detail).retry_after(RETRY_AFTER))
            }
            Err(error) => Some(unavailable(&error)),
        };
        if let Some(problem) = failed {
            self.lock().remove(&id);
            return Err(problem);
        }
        let _ = tokio::time::timeout(wait, self.until_answered(id)).await;
        let view = self.view(id);
        self.write_later(Arc::clone(log), (fleet, shard), id);
        view.ok_or_else(super::no_command)
    }

    fn enter(&self, drone: &DroneId, intent: &Intent) -> Result<(), Problem> {
        let mut unwritten = self.lock();
        if unwritten.len() >= self.max {
            let detail = format!("emergencies are at their limit of {}", self.max);
            return Err(Problem::new(ErrorCode::Overloaded, detail).retry_after(RETRY_AFTER));
        }
        let record = Unrecorded {
            sent: intent.received,
            intent: intent.clone(),
            answer: None,
        };
        let drone = drone.clone();
        unwritten.insert(intent.id, Unwritten { drone, record });
        Ok(())
    }

    async fn until_answered(&self, id: CommandId) {
        loop {
            let notified = self.answered.notified();
            let is_answered = |it: &Unwritten| it.record.answer.is_some();
            if self.lock().get(&id).is_none_or(is_answered) {
                return;
            }
            notified.await;
        }
    }

    /// A gateway's record needs no reign, so that it can be written whoever owns the drone then.
    fn write_later(
        self: &Arc<Self>,
        log: Arc<dyn EventLog>,
        (fleet, shard): (FleetId, ShardId),
        id: CommandId,
    ) {
        let emergencies = Arc::clone(self);
        let write = async move {
            let mut wait = WRITE_AGAIN.0;
            loop {
                let Some(known) = emergencies.lock().get(&id).cloned() else {
                    return;
                };
                let record = CommandRecord::Unrecorded(known.record);
                let append = journal_append((&fleet, &known.drone), shard, record);
                match log.append(append).await {
                    Ok(_) => break,
                    Err(error) => {
                        let error = &error as &dyn std::error::Error;
                        tracing::warn!(error, "an emergency is not in the journal yet");
                    }
                }
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(WRITE_AGAIN.1);
            }
            emergencies.lock().remove(&id);
        };
        let write = origin::within(origin::current(), write);
        spawn(TaskKind::Request, "emergency record", write);
    }
}

fn view(known: &Unwritten) -> CommandView {
    let mut entry = fresh(known.record.intent.clone(), Offset(0));
    entry.stage = Stage::Ended(End::Unrecorded);
    "the event log was down".clone_into(&mut entry.reason);
    entry.answer.clone_from(&known.record.answer);
    entry.changed = known.record.sent;
    entry.sends = 1;
    entry.spent = 1;
    CommandView {
        drone: known.drone.clone(),
        entry,
        needs_confirmation: false,
    }
}
