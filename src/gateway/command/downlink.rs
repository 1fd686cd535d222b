//! The way down to drones: one per connection, which looks once more right before it writes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aerostream_actors::{Dispatch, Heard, SessionLink};
use aerostream_domain::command::{CommandId, NotSentReason};
use aerostream_domain::{BootId, BootMicros, DroneId, UtcMicros};
use aerostream_proto::{answer_from_wire, command_id, v1};
use tokio::sync::mpsc;

use crate::clock;
use crate::error::{ErrorCode, Problem};
use crate::gateway::auth::{Action, Principal};
use crate::gateway::ingest::unavailable;
use crate::gateway::state::Gateway;

/// A connection of drones as far as commands go.
pub struct Downlink {
    gateway: Arc<Gateway>,
    link: SessionLink,
    waiting: mpsc::Receiver<Dispatch>,
    /// Drones that speak here, and in which state of the registry each was judged.
    held: HashMap<DroneId, u64>,
    judged: u64,
}

impl std::fmt::Debug for Downlink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Downlink")
            .field("held", &self.held.len())
            .finish_non_exhaustive()
    }
}

impl Drop for Downlink {
    /// What still waits tells its owners by being dropped that it was not sent.
    fn drop(&mut self) {
        let sessions = self.gateway.behind.drones.sessions();
        sessions.end(&self.link, self.held.keys());
    }
}

impl Downlink {
    /// A connection that holds no drone yet.
    #[must_use]
    pub fn open(gateway: Arc<Gateway>) -> Self {
        let (sender, waiting) = mpsc::channel(gateway.config.commands.downlink_max.max(1));
        Self {
            link: SessionLink::new(sender),
            waiting,
            held: HashMap::new(),
            judged: 0,
            gateway,
        }
    }

    /// Notes that the drone of a batch speaks here, if the caller may speak for it.
    pub fn heard_batch(&mut self, principal: &Principal, batch: &v1::Batch) {
        let (Some(boot), Ok(drone)) = (batch.boot, DroneId::parse(&batch.drone_id)) else {
            return;
        };
        let newest = batch.samples.iter().filter_map(|it| it.since_boot_us).max();
        let heard = Heard {
            boot: BootId(boot),
            sent_at_boot: batch.sent_at_boot_us.map(BootMicros),
            newest_sample: newest.map(BootMicros),
            at: clock::utc_now(),
        };
        self.heard(principal, drone, heard);
    }

    /// Notes that a drone speaks here, if the caller may speak for it.
    pub fn heard(&mut self, principal: &Principal, drone: DroneId, heard: Heard) {
        let sessions = self.gateway.behind.drones.sessions();
        if self.held.get(&drone) != Some(&self.judged) {
            let sends = Action::SendTelemetry;
            if self.gateway.allow_drone(principal, sends, &drone).is_err() {
                self.held.remove(&drone);
                return sessions.end(&self.link, [&drone]);
            }
            self.held.insert(drone.clone(), self.judged);
        }
        sessions.heard(&drone, &self.link, heard);
    }

    /// Each drone is judged again when it speaks next.
    pub fn judge_again(&mut self) {
        self.judged += 1;
    }

    /// The next command to be written at once. May be dropped and called again.
    pub async fn next(&mut self) -> v1::DownCommand {
        loop {
            let Some(dispatch) = self.waiting.recv().await else {
                // The sender lives in `self`.
                std::future::pending::<()>().await;
                continue;
            };
            match self.look(&dispatch, clock::utc_now()) {
                Ok(down) => {
                    dispatch.written();
                    return down;
                }
                Err(reason) => dispatch.not_written(reason),
            }
        }
    }

    /// The last look before the write.
    fn look(&self, dispatch: &Dispatch, now: UtcMicros) -> Result<v1::DownCommand, NotSentReason> {
        let drones = &self.gateway.behind.drones;
        if dispatch.expires <= now {
            return Err(NotSentReason::Expired);
        }
        if drones.epoch_of(&dispatch.drone) != Some(dispatch.order.epoch) {
            return Err(NotSentReason::StaleEpoch);
        }
        let session = drones.sessions().get(&dispatch.drone);
        let session = session.filter(|session| session.is_on(&self.link));
        let uplink = session.ok_or(NotSentReason::SessionEnded)?.uplink;
        let age_max = Duration::from_millis(self.gateway.config.commands.uplink_age_max_ms);
        if uplink.heard + age_max < now {
            return Err(NotSentReason::Silent);
        }
        if uplink.boot != dispatch.boot {
            return Err(NotSentReason::OtherBoot);
        }
        let valid_until = uplink.in_boot_clock(dispatch.expires);
        let valid_until = valid_until.ok_or(NotSentReason::NoBootClock)?;
        Ok(v1::DownCommand {
            drone_id: dispatch.drone.as_str().to_owned(),
            command_id: dispatch.id.to_string(),
            order: Some(dispatch.order.into()),
            boot: dispatch.boot.0,
            valid_until_boot_us: valid_until.0,
            exclusive: dispatch.command.kind().is_exclusive(),
            command: Some(dispatch.command.clone().into()),
        })
    }

    /// True if this connection holds the drone.
    #[must_use]
    pub fn holds(&self, drone: &DroneId) -> bool {
        self.held.contains_key(drone)
    }
}

/// What a drone says, judged as far as it can be without its owner.
#[derive(Debug)]
pub struct Judged {
    pub drone: DroneId,
    pub id: CommandId,
    pub answer: aerostream_domain::command::Answer,
}

/// Reads a drone's answer.
///
/// # Errors
/// It is not one.
pub fn read_answer(wire: v1::CommandAnswer) -> Result<Judged, Problem> {
    let wrong = |refusal: aerostream_domain::Refusal| {
        Problem::new(ErrorCode::Invalid, refusal.detail).at(format!("answer.{}", refusal.field))
    };
    let drone = DroneId::parse(&wire.drone_id).map_err(|error| {
        Problem::new(ErrorCode::Invalid, error.to_string()).at("answer.drone_id")
    })?;
    let id = command_id("command_id", &wire.command_id).map_err(wrong)?;
    let answer = answer_from_wire(wire.outcome, wire.progress_percent, wire.detail);
    Ok(Judged {
        drone,
        id,
        answer: answer.map_err(wrong)?,
    })
}

impl Gateway {
    /// Takes what a drone says of a command; answered when it is durable.
    ///
    /// # Errors
    /// It is not durable; the drone may say it again.
    pub async fn drone_answered(&self, judged: Judged) -> Result<(), Problem> {
        let Judged { drone, id, answer } = judged;
        let answered = self.commands.answered(&drone, id, answer).await;
        answered.map_err(|error| unavailable(&error))
    }
}
