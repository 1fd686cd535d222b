//! The transitions.

use aerostream_domain::{Epoch, Offset};

use super::{
    CatchUp, Claimed, Effect, Input, Refused, Restored, Seal, ShardState, Stage, Ticket,
    UNRESOLVED_MAX, Work,
};
use crate::lease::{Lease, NodeMicros};

impl ShardState {
    /// Takes what happened and says what to do.
    ///
    /// A lease that lapsed is minded before what happened, and one that is back after it: nothing
    /// is done for a reign that the same news ends.
    pub fn step(&mut self, now: NodeMicros, lease: &Lease, input: Input) -> Vec<Effect> {
        let is_valid = lease.is_valid(now);
        let mut effects = Vec::new();
        if !is_valid {
            self.degrade(&mut effects);
        }
        self.take(is_valid, input, &mut effects);
        if is_valid {
            self.resume(&mut effects);
            self.issue(&mut effects);
        }
        effects
    }

    fn degrade(&mut self, effects: &mut Vec<Effect>) {
        if let Stage::Active { epoch } = self.stage {
            let is_moving = false;
            self.enter(Stage::Degraded { epoch, is_moving });
            effects.push(Effect::Degrade(epoch));
        }
    }

    fn resume(&mut self, effects: &mut Vec<Effect>) {
        if let Stage::Degraded { epoch, is_moving } = self.stage {
            self.enter(Stage::Active { epoch });
            effects.push(Effect::Serve(epoch));
            if is_moving {
                self.seal(epoch, effects);
            }
        }
    }

    fn take(&mut self, is_valid: bool, input: Input, effects: &mut Vec<Effect>) {
        match input {
            Input::Tick => {}
            Input::Failed => self.is_issued = false,
            Input::Registry(below) => {
                self.registry = self.registry.max(below);
                self.check_registry();
            }
            Input::Ended => self.fence(effects),
            Input::Joined => {
                if self.stage == Stage::Fenced {
                    self.enter(Stage::Absent);
                }
            }
            Input::Listed | Input::Unlisted | Input::CaughtUp => self.take_standby(&input, effects),
            Input::Assigned(epoch) => self.assigned(epoch, effects),
            Input::AssignedToOther(epoch) => self.seen(epoch, effects),
            Input::Claim {
                partition,
                epoch,
                offset,
            } => {
                self.seen(epoch, effects);
                self.claimed(partition, (epoch, offset), effects);
            }
            Input::Replayed {
                epoch,
                restored,
                registry,
            } => self.replayed(epoch, restored, registry),
            Input::Marked(epoch) => {
                if let Stage::CatchingUp { epoch: own, step } = self.stage
                    && own == epoch
                    && matches!(step, CatchUp::Marking { .. })
                {
                    let step = CatchUp::Announcing;
                    self.enter(Stage::CatchingUp { epoch, step });
                }
            }
            Input::Activated(epoch) => self.activated(is_valid, epoch, effects),
            Input::Moving(epoch) => self.moving(epoch, effects),
            Input::Snapshotted(epoch) => {
                let step = Seal::Snapshotting;
                if self.stage == (Stage::Sealing { epoch, step }) {
                    let step = Seal::Announcing;
                    self.enter(Stage::Sealing { epoch, step });
                }
            }
            Input::Sealed(epoch) => self.sealed(epoch, effects),
            Input::Asked {
                ticket,
                epoch,
                work,
            } => effects.push(self.asked(ticket, epoch, work)),
            Input::Resolved { ticket, is_durable } => {
                effects.push(self.resolved(is_valid && is_durable, ticket));
            }
        }
    }

    /// Gives what the stage has to write to the driver, once. Only with a lease.
    fn issue(&mut self, effects: &mut Vec<Effect>) {
        if self.is_issued {
            return;
        }
        let effect = match self.stage {
            Stage::Claiming { epoch, .. } => Effect::AppendClaims(epoch),
            Stage::CatchingUp { epoch, step } => match step {
                CatchUp::Replaying | CatchUp::Registry { .. } => return,
                CatchUp::Marking { restored } => Effect::WriteMark { epoch, restored },
                CatchUp::Announcing => Effect::AppendActive(epoch),
            },
            Stage::Sealing { epoch, step } => match step {
                Seal::Resolving => return,
                Seal::Snapshotting => Effect::Snapshot(epoch),
                Seal::Announcing => Effect::AppendSealed(epoch),
            },
            _ => return,
        };
        self.is_issued = true;
        effects.push(effect);
    }

    fn enter(&mut self, stage: Stage) {
        self.stage = stage;
        self.is_issued = false;
    }

    fn fence(&mut self, effects: &mut Vec<Effect>) {
        match self.stage {
            Stage::Fenced => return,
            Stage::Absent => {}
            _ => effects.push(Effect::Stop),
        }
        effects.push(Effect::Rejoin);
        self.enter(Stage::Fenced);
    }

    /// An epoch above an owner's own ends its reign.
    fn seen(&mut self, epoch: Epoch, effects: &mut Vec<Effect>) {
        self.highest = self.highest.max(Some(epoch));
        if self.epoch().is_some_and(|own| own < epoch) {
            self.fence(effects);
        }
    }

    fn take_standby(&mut self, input: &Input, effects: &mut Vec<Effect>) {
        match (input, &self.stage) {
            (Input::Listed, Stage::Absent) => {
                self.enter(Stage::Standby { caught_up: false });
                effects.push(Effect::Follow);
            }
            (Input::Unlisted, Stage::Standby { .. }) => {
                self.enter(Stage::Absent);
                effects.push(Effect::Drop);
            }
            (Input::CaughtUp, Stage::Standby { caught_up: false }) => {
                self.enter(Stage::Standby { caught_up: true });
                effects.push(Effect::ReportCaughtUp);
            }
            _ => {}
        }
    }

    fn assigned(&mut self, epoch: Epoch, effects: &mut Vec<Effect>) {
        let is_new = self.highest.is_none_or(|highest| highest < epoch);
        match self.stage {
            // The log hands out an epoch that the shard is past: it is not the log that it was.
            Stage::Absent | Stage::Standby { .. } if !is_new => self.fence(effects),
            Stage::Absent | Stage::Standby { .. } => {
                if self.stage == Stage::Absent {
                    effects.push(Effect::Follow);
                }
                self.highest = Some(epoch);
                self.enter(Stage::Claiming {
                    epoch,
                    telemetry: None,
                    journal: None,
                });
            }
            _ => self.seen(epoch, effects),
        }
    }

    fn claimed(
        &mut self,
        partition: Claimed,
        (of, offset): (Epoch, Offset),
        effects: &mut Vec<Effect>,
    ) {
        let Stage::Claiming {
            epoch,
            telemetry,
            journal,
        } = &mut self.stage
        else {
            return;
        };
        if of != *epoch {
            return;
        }
        let place = match partition {
            Claimed::Telemetry => &mut *telemetry,
            Claimed::Journal => &mut *journal,
        };
        // A second claim of the reign, after a failure, says nothing new.
        place.get_or_insert(offset);
        if let (Some(telemetry), Some(journal)) = (*telemetry, *journal) {
            let epoch = *epoch;
            let step = CatchUp::Replaying;
            self.enter(Stage::CatchingUp { epoch, step });
            effects.push(Effect::Replay {
                epoch,
                telemetry,
                journal,
            });
        }
    }

    fn replayed(&mut self, epoch: Epoch, restored: Restored, needed: Offset) {
        let step = CatchUp::Replaying;
        if self.stage == (Stage::CatchingUp { epoch, step }) {
            let step = CatchUp::Registry { restored, needed };
            self.enter(Stage::CatchingUp { epoch, step });
            self.check_registry();
        }
    }

    fn check_registry(&mut self) {
        if let Stage::CatchingUp { epoch, step } = self.stage
            && let CatchUp::Registry { restored, needed } = step
            && self.registry >= needed
        {
            let step = CatchUp::Marking { restored };
            self.enter(Stage::CatchingUp { epoch, step });
        }
    }

    fn activated(&mut self, is_valid: bool, epoch: Epoch, effects: &mut Vec<Effect>) {
        let step = CatchUp::Announcing;
        if self.stage != (Stage::CatchingUp { epoch, step }) {
            return;
        }
        self.enter(Stage::Active { epoch });
        if is_valid {
            effects.push(Effect::Serve(epoch));
        } else {
            self.degrade(effects);
        }
    }

    fn moving(&mut self, epoch: Epoch, effects: &mut Vec<Effect>) {
        match &mut self.stage {
            Stage::Active { epoch: own } if *own == epoch => self.seal(epoch, effects),
            Stage::Degraded {
                epoch: own,
                is_moving,
            } if *own == epoch => *is_moving = true,
            _ => {}
        }
    }

    fn seal(&mut self, epoch: Epoch, effects: &mut Vec<Effect>) {
        let step = Seal::Resolving;
        self.enter(Stage::Sealing { epoch, step });
        effects.push(Effect::CloseIntake(epoch));
        self.check_resolved();
    }

    fn check_resolved(&mut self) {
        if let Stage::Sealing { epoch, step } = self.stage
            && step == Seal::Resolving
            && !self.unresolved.values().any(|of| *of == epoch)
        {
            let step = Seal::Snapshotting;
            self.enter(Stage::Sealing { epoch, step });
        }
    }

    fn sealed(&mut self, epoch: Epoch, effects: &mut Vec<Effect>) {
        if self.epoch() != Some(epoch) {
            return;
        }
        let step = Seal::Announcing;
        if self.stage == (Stage::Sealing { epoch, step }) {
            self.enter(Stage::Standby { caught_up: true });
            effects.push(Effect::Retire(epoch));
        } else {
            // Nobody but this node may say so, and it did not: somebody else acts in its name.
            self.fence(effects);
        }
    }

    fn asked(&mut self, ticket: Ticket, epoch: Epoch, work: Work) -> Effect {
        let not_owner = Refused::NotOwner {
            highest: self.highest,
        };
        if self.epoch() != Some(epoch) {
            return Effect::Refuse(ticket, not_owner);
        }
        match (&self.stage, work) {
            (Stage::Active { .. }, Work::Durable) if self.unresolved.len() >= UNRESOLVED_MAX => {
                Effect::Refuse(ticket, Refused::Overloaded)
            }
            (Stage::Active { .. }, Work::Durable) => {
                self.unresolved.insert(ticket, epoch);
                Effect::Append(ticket)
            }
            (Stage::Active { .. } | Stage::Degraded { .. }, Work::Unrecorded | Work::Emergency) => {
                Effect::Pass(ticket)
            }
            (Stage::Degraded { .. }, Work::Durable) => Effect::Refuse(ticket, Refused::Degraded),
            (Stage::Sealing { .. }, _) => Effect::Refuse(ticket, Refused::Sealing),
            _ => Effect::Refuse(ticket, not_owner),
        }
    }

    fn resolved(&mut self, may_count: bool, ticket: Ticket) -> Effect {
        let made_for = self.unresolved.remove(&ticket);
        let serves = match self.stage {
            Stage::Active { epoch } | Stage::Sealing { epoch, .. } => made_for == Some(epoch),
            _ => false,
        };
        self.check_resolved();
        if may_count && serves {
            Effect::Release(ticket)
        } else {
            Effect::Withhold(ticket)
        }
    }
}
