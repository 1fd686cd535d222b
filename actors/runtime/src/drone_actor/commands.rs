//! The actor's part about commands: folds, decides, writes, sends.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aerostream_domain::command::{
    Answer, CommandId, CommandRecord, End, Entry, Facts, Folded, Intent, Ledger, NotSentReason,
    Order, Plan, SessionFacts, Transition, is_dangerous,
};
use aerostream_domain::drone::live::LiveState;
use aerostream_domain::{Cause, Drone, UtcMicros};
use aerostream_log::AppendError;
use ractor::ActorRef;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::{Shell, fenced, log_down};
use crate::clock::utc_now;
use crate::command::{CommandMsg, CommandView, Dispatch, EmergencySent, Room, Ticket, Told};
use crate::handle::Unavailable;
use crate::message::DroneMsg;
use crate::metrics;
use crate::sessions::Session;
use crate::task::{TaskKind, spawn};

/// How long the owner waits before it decides again what it could not write.
const WRITE_AGAIN: Duration = Duration::from_millis(250);

/// What the actor has for commands beside the ledger; all of it may be lost.
#[derive(Debug, Default)]
pub(super) struct Desk {
    /// How many transitions of a command are on their way into the journal.
    writing: BTreeMap<CommandId, usize>,
    waiters: Vec<Waiter>,
    alarm: Option<(UtcMicros, JoinHandle<Option<()>>)>,
    /// The newest order that went past the journal, and when.
    beside_the_log: Option<(Order, UtcMicros)>,
}

#[derive(Debug)]
struct Waiter {
    id: CommandId,
    seen: UtcMicros,
    reply: oneshot::Sender<Option<Box<CommandView>>>,
}

impl Desk {
    pub fn is_idle(&self) -> bool {
        self.writing.is_empty() && self.waiters.is_empty()
    }

    fn written(&mut self, id: CommandId) {
        if let Some(count) = self.writing.get_mut(&id) {
            *count -= 1;
            if *count == 0 {
                self.writing.remove(&id);
            }
        }
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        if let Some((_, alarm)) = &self.alarm {
            alarm.abort();
        }
    }
}

impl Shell {
    pub(super) fn command(&mut self, myself: &ActorRef<DroneMsg>, message: CommandMsg) {
        match message {
            CommandMsg::Told(told) => self.told(myself, &told),
            CommandMsg::Tick => self.decide(myself),
            CommandMsg::Unwritten(id) => {
                self.desk.written(id);
                self.decide(myself);
            }
            CommandMsg::Answered { id, answer, reply } => {
                self.answered_by_drone(myself, (id, answer), reply);
            }
            CommandMsg::NotSent { id, n, reason } => {
                metrics::command_not_sent(reason);
                self.write(myself, id, Transition::NotSent { n, reason });
            }
            CommandMsg::View { id, seen, reply } => self.show(id, seen, reply),
            CommandMsg::List(reply) => drop(reply.send(views(&self.drone))),
            CommandMsg::Room { id, reply } => drop(reply.send(room(&self.drone, id))),
            CommandMsg::Emergency { intent, reply } => {
                let _ = reply.send(self.emergency(*intent));
            }
        }
    }

    fn told(&mut self, myself: &ActorRef<DroneMsg>, told: &Told) {
        let is_own = told.epoch == Some(self.context.claim.epoch);
        let id = told.record.id();
        if is_own && matches!(*told.record, CommandRecord::Transition { .. }) {
            self.desk.written(id);
        }
        let standing = (told.offset, told.at, told.epoch);
        let folded = self.drone.fold_command(standing, &told.record);
        match folded {
            Folded::Nothing => {}
            Folded::Changed(id) => self.changed(id),
            Folded::Sent(id) => {
                self.changed(id);
                if is_own {
                    self.dispatch(myself, id);
                }
            }
            Folded::NoRoom(id) => {
                let end = End::Rejected;
                let reason = "the drone has too many commands".to_owned();
                self.write(myself, id, Transition::Ended { end, reason });
            }
        }
        self.decide(myself);
    }

    fn changed(&mut self, id: CommandId) {
        self.note_change();
        if let Some(entry) = self.drone.commands().get(id) {
            metrics::command_stage(entry.stage);
        }
        let waiting = self.desk.waiters.extract_if(.., |it| it.id == id);
        for waiter in waiting.collect::<Vec<_>>() {
            self.show(id, Some(waiter.seen), waiter.reply);
        }
    }

    fn show(
        &mut self,
        id: CommandId,
        seen: Option<UtcMicros>,
        reply: oneshot::Sender<Option<Box<CommandView>>>,
    ) {
        let view = view(&self.drone, id);
        self.desk.waiters.retain(|it| !it.reply.is_closed());
        let has_room = self.desk.waiters.len() < self.context.config.commands.waiters_max;
        let is_news = |view: &CommandView| {
            view.entry.is_over() || seen.is_none_or(|seen| seen != view.entry.changed)
        };
        match (view, seen) {
            (Some(view), Some(seen)) if !is_news(&view) && has_room => {
                self.desk.waiters.push(Waiter { id, seen, reply });
            }
            (view, _) => drop(reply.send(view.map(Box::new))),
        }
    }

    /// Looks at the ledger again; cheap while nothing is open.
    pub(super) fn decide(&mut self, myself: &ActorRef<DroneMsg>) {
        if !self.drone.commands().has_open() || !self.context.holds() {
            return;
        }
        let now = utc_now();
        let plan = self.plan(now);
        for decision in plan.decisions {
            self.write(myself, decision.id, decision.what);
        }
        if let Some(at) = plan.wake_at {
            self.wake(myself, (now, at));
        }
    }

    fn plan(&self, now: UtcMicros) -> Plan {
        let session = self.context.sessions.get(self.drone.id());
        let writing: BTreeSet<_> = self.desk.writing.keys().copied().collect();
        let facts = Facts {
            now,
            live: self.drone.live(),
            boot: self.drone.newest_boot(),
            session: session.map(|session| session.facts()),
            may_send: true,
            writing: &writing,
            emergency: self.desk.beside_the_log.map(|(_, at)| at),
        };
        let profile = self.context.config.commands.profile();
        self.drone.commands().decide(&facts, &profile)
    }

    fn wake(&mut self, myself: &ActorRef<DroneMsg>, (now, at): (UtcMicros, UtcMicros)) {
        if let Some((known, alarm)) = &self.desk.alarm {
            if *known <= at && *known > now {
                return;
            }
            alarm.abort();
        }
        let myself = myself.clone();
        let wait = at.distance(now);
        let alarm = spawn(TaskKind::Request, "command alarm", async move {
            tokio::time::sleep(wait).await;
            let _ = myself.cast(DroneMsg::Command(Box::new(CommandMsg::Tick)));
        });
        self.desk.alarm = Some((at, alarm));
    }

    /// Puts a transition into the journal. It counts when it comes back from there.
    fn write(&mut self, myself: &ActorRef<DroneMsg>, id: CommandId, what: Transition) {
        let pending = self.append_transition(id, what);
        *self.desk.writing.entry(id).or_default() += 1;
        let myself = myself.clone();
        spawn(TaskKind::Request, "command append", async move {
            if let Err(error) = pending.await {
                metrics::append_failed(matches!(error, AppendError::Unknown { .. }));
                // What may be in the journal all the same is decided again and folds to nothing.
                tokio::time::sleep(WRITE_AGAIN).await;
                let unwritten = CommandMsg::Unwritten(id);
                let _ = myself.cast(DroneMsg::Command(Box::new(unwritten)));
            }
        });
    }

    fn append_transition(&self, id: CommandId, what: Transition) -> aerostream_log::PendingAppend {
        let cause = Cause {
            telemetry: self.drone.applied_offset(),
            journal: self.drone.commands().folded(),
            registry: None,
        };
        let record = CommandRecord::Transition { id, what };
        self.context
            .append_command(self.drone.id(), (utc_now(), cause), record)
    }

    fn answered_by_drone(
        &mut self,
        myself: &ActorRef<DroneMsg>,
        (id, answer): (CommandId, Answer),
        reply: oneshot::Sender<Result<(), Unavailable>>,
    ) {
        if !self.context.holds() {
            let _ = reply.send(Err(fenced()));
            return;
        }
        // What nobody wished here says nothing.
        if self.drone.commands().get(id).is_none() {
            let _ = reply.send(Ok(()));
            return;
        }
        let pending = self.append_transition(id, Transition::Answered(answer));
        *self.desk.writing.entry(id).or_default() += 1;
        let myself = myself.clone();
        spawn(TaskKind::Request, "command answer append", async move {
            let appended = pending.await;
            if let Err(error) = &appended {
                metrics::append_failed(matches!(error, AppendError::Unknown { .. }));
                let unwritten = CommandMsg::Unwritten(id);
                let _ = myself.cast(DroneMsg::Command(Box::new(unwritten)));
            }
            let answered = appended.map_err(|error| log_down(&error.to_string()));
            let _ = reply.send(answered.map(|_| ()));
        });
    }

    /// Its `Sent` was read back: it leaves.
    fn dispatch(&mut self, myself: &ActorRef<DroneMsg>, id: CommandId) {
        let Some(entry) = self.drone.commands().get(id) else {
            return;
        };
        let Some(sending) = entry.sending else {
            return;
        };
        let dispatch = Dispatch::new(
            (self.drone.id().clone(), id),
            (sending.order, sending.boot, entry.intent.expires()),
            entry.intent.command.clone(),
        );
        let ticket = Ticket {
            n: sending.n,
            shard: self.shard.clone(),
        };
        if let Err(reason) = self.hand_over(dispatch.with_ticket(ticket)) {
            let n = sending.n;
            metrics::command_not_sent(reason);
            self.write(myself, id, Transition::NotSent { n, reason });
        }
    }

    /// Gives a command to the drone's connection, which looks once more before it writes it.
    fn hand_over(&self, dispatch: Dispatch) -> Result<(), NotSentReason> {
        use tokio::sync::mpsc::error::TrySendError;

        let Some(session) = self.context.sessions.get(self.drone.id()) else {
            dispatch.written();
            return Err(NotSentReason::SessionEnded);
        };
        match session.link.downlink().try_send(dispatch) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(dispatch)) => {
                dispatch.written();
                Err(NotSentReason::Overloaded)
            }
            Err(TrySendError::Closed(dispatch)) => {
                dispatch.written();
                Err(NotSentReason::SessionEnded)
            }
        }
    }

    /// Once, without retries, in an order behind everything that the journal has.
    fn emergency(&mut self, intent: Intent) -> Result<EmergencySent, NotSentReason> {
        let now = utc_now();
        if self.context.ownership.is_fenced() {
            return Err(NotSentReason::StaleEpoch);
        }
        if now >= intent.expires() {
            return Err(NotSentReason::Expired);
        }
        let session = self.context.sessions.get(self.drone.id());
        let session = session.ok_or(NotSentReason::SessionEnded)?;
        let facts = session.facts();
        let profile = self.context.config.commands.profile();
        if facts.heard + profile.uplink_age_max < now {
            return Err(NotSentReason::Silent);
        }
        if !facts.has_clock {
            return Err(NotSentReason::NoBootClock);
        }
        let epoch = self.context.claim.epoch;
        let sendings = self.drone.commands().entries().iter();
        let newest = sendings.filter_map(|entry| Some(entry.sending?.order));
        let beside = self.desk.beside_the_log.map(|(order, _)| order);
        let newest = newest.chain(beside).max();
        let newest = newest.filter(|order| order.epoch == epoch);
        let newest = newest.unwrap_or(Order { epoch, counter: 0 });
        let order = newest.beside_the_log().ok_or(NotSentReason::Overloaded)?;
        let dispatch = Dispatch::new(
            (self.drone.id().clone(), intent.id),
            (order, session.uplink.boot, intent.expires()),
            intent.command,
        );
        self.hand_over(dispatch)?;
        self.desk.beside_the_log = Some((order, now));
        Ok(EmergencySent { order, at: now })
    }
}

impl Session {
    fn facts(&self) -> SessionFacts {
        SessionFacts {
            boot: self.uplink.boot,
            heard: self.uplink.heard,
            has_clock: self.uplink.clock.is_some(),
            has_request_ids: self.link.has_request_ids(),
        }
    }
}

fn told_of(drone: &Drone, entry: &Entry) -> CommandView {
    CommandView {
        drone: drone.id().clone(),
        needs_confirmation: waits_for_confirmation(entry, drone.live()),
        entry: entry.clone(),
    }
}

fn waits_for_confirmation(entry: &Entry, live: &LiveState) -> bool {
    !entry.is_over()
        && entry.spent == 0
        && entry.confirmed_by.is_none()
        && is_dangerous(&entry.intent.command, live, utc_now())
}

fn view(drone: &Drone, id: CommandId) -> Option<CommandView> {
    let entry = drone.commands().get(id)?;
    Some(told_of(drone, entry))
}

/// Every command of a drone.
pub(crate) fn views(drone: &Drone) -> Vec<CommandView> {
    let entries: &Ledger = drone.commands();
    let entries = entries.entries().iter();
    entries.map(|entry| told_of(drone, entry)).collect()
}

/// Whether there is room for one more.
pub(crate) fn room(drone: &Drone, id: CommandId) -> Room {
    if let Some(known) = view(drone, id) {
        return Room::Known(Box::new(known));
    }
    match drone.commands().full(utc_now()) {
        Some(what) => Room::Full(what),
        None => Room::Free,
    }
}
