//! The shard's part about alerts: brings them to the drones, and looks after silence.

use std::time::Duration;

use aerostream_domain::DroneId;
use aerostream_domain::alert::{RuleSet, Trigger};
use ractor::{ActorProcessingErr, ActorRef};

use super::Shard;
use crate::alert::{AlertMsg, AlertTold};
use crate::message::{DroneMsg, ShardMsg};
use crate::recovery::decode_passive;
use crate::slots::Slot;

impl Shard {
    /// Brings a journal record about alerts to its drone.
    pub(super) async fn alert_told(
        &mut self,
        myself: &ActorRef<ShardMsg>,
        drone: DroneId,
        told: AlertTold,
    ) -> Result<(), ActorProcessingErr> {
        // The mark may pass this record before the drone has folded it, as with commands.
        self.owed.push(drone.clone());
        let message = DroneMsg::Alert(Box::new(AlertMsg::Told(told)));
        self.deliver(myself, drone, message).await
    }

    /// Looks after the silence of a drone from now on; `None`: until it is heard, nothing more
    /// can be said.
    pub(super) fn watch(&mut self, drone: DroneId, after: Option<Duration>) {
        let Some(place) = self.slots.place(&drone) else {
            return;
        };
        match after {
            Some(after) => {
                self.context.ears.watch(place);
                self.quiet.look_after(drone, after);
            }
            None => self.context.ears.unwatched(place),
        }
    }

    /// Looks after the silence of every drone that nobody looks after.
    pub(super) fn watch_all(&mut self) {
        for (drone, place) in self.slots.places(None, usize::MAX) {
            if self.context.ears.watch(place) {
                let first = first_after(&self.context.rules.rules_of(&drone));
                match first {
                    Some(first) => self.quiet.look_after(drone, first),
                    None => self.context.ears.unwatched(place),
                }
            }
        }
    }

    /// Brings changed rules to the drones that have alerts, and looks at silences that are due.
    pub(super) async fn alert_tick(
        &mut self,
        myself: &ActorRef<ShardMsg>,
    ) -> Result<(), ActorProcessingErr> {
        let version = self.context.rules.version();
        if std::mem::replace(&mut self.rules_version, version) != version {
            for drone in self.context.alerts.alarmed(self.context.claim.shard) {
                let message = DroneMsg::Alert(Box::new(AlertMsg::Rules));
                self.deliver(myself, drone, message).await?;
            }
            self.watch_all();
        }
        for drone in self.quiet.due() {
            self.look_at(myself, drone).await?;
        }
        Ok(())
    }

    async fn look_at(
        &mut self,
        myself: &ActorRef<ShardMsg>,
        drone: DroneId,
    ) -> Result<(), ActorProcessingErr> {
        let Some(place) = self.slots.place(&drone) else {
            return Ok(());
        };
        let rules = self.context.rules.rules_of(&drone);
        let Some(first) = first_after(&rules) else {
            self.context.ears.unwatched(place);
            return Ok(());
        };
        let silence = self.context.ears.silence(place);
        if silence < first {
            self.quiet.look_after(drone, first - silence);
            return Ok(());
        }
        match self.slots.get(&drone) {
            // What is at rest is woken only if there is something to say.
            Some(Slot::Passive { state }) => {
                let limits = self.context.config.limits();
                let mut at_rest = decode_passive(limits, state);
                let silent = at_rest.judge_silence(silence, &rules);
                if at_rest.alerts().pending().is_empty() {
                    let next = silent.next.map(|next| next.saturating_sub(silence));
                    self.watch(drone, next);
                    return Ok(());
                }
            }
            Some(Slot::Failed { .. }) => {
                self.quiet.look_after(drone, first);
                return Ok(());
            }
            _ => {}
        }
        let message = DroneMsg::Alert(Box::new(AlertMsg::Silent));
        self.deliver(myself, drone, message).await
    }
}

/// The shortest silence that a rule says something about.
fn first_after(rules: &RuleSet) -> Option<Duration> {
    let silences = rules
        .rules()
        .iter()
        .filter_map(|judged| match &judged.rule.trigger {
            Trigger::Silence { levels, .. } => levels.first().map(|(_, after)| *after),
            Trigger::Levels { .. } => None,
        });
    silences.min()
}
