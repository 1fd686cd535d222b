//! Whether a caller may send for a drone, and enrolment of drones that nobody knows yet.

use aerostream_domain::{DroneId, FleetId};

use super::Ingest;
use crate::clock;
use crate::error::{ErrorCode, Problem};
use crate::gateway::auth::{Action, Principal};
use crate::gateway::limit::RETRY_AFTER;
use crate::gateway::metrics;
use crate::registry::{Credential, Drone, Enrolment, Request, WriteError};

impl Ingest {
    /// Lets a caller send for a drone: itself, or one of its fleets.
    pub(super) async fn authorise(
        &self,
        caller: &Principal,
        drone: &DroneId,
    ) -> Result<(), Problem> {
        may_send(caller)?;
        if caller.drone.as_ref().is_some_and(|own| own != drone) {
            return Err(foreign("this token may send for its own drone only"));
        }
        match self.judge_known(caller, drone) {
            Some(judgement) => judgement,
            None => self.enrol(caller, drone).await,
        }
    }

    fn judge_known(&self, caller: &Principal, drone: &DroneId) -> Option<Result<(), Problem>> {
        let registry = self.registry.read();
        let known = &registry.drone(drone)?.entity;
        let judgement = if !caller.reaches(drone, Some(&known.fleet)) {
            Err(foreign(RELAY_SCOPE))
        } else if known.credential == Credential::Retired {
            let detail = "the drone is retired: its history is kept and it may not send";
            Err(Problem::new(ErrorCode::Retired, detail).at("drone_id"))
        } else {
            Ok(())
        };
        Some(judgement)
    }

    async fn enrol(&self, caller: &Principal, drone: &DroneId) -> Result<(), Problem> {
        let fleet = self.fleet_for_enrolment(caller)?;
        let newcomer = Drone {
            id: drone.clone(),
            fleet,
            name: String::new(),
            kind: String::new(),
            credential: Credential::Active,
        };
        let by = Request {
            principal: &caller.subject,
            at: clock::utc_now(),
        };
        match self.registry.enrol(newcomer, by).await {
            Ok(_) => {
                metrics::drone_enrolled();
                Ok(())
            }
            // Another batch of the same drone was faster; what counts is what is there now.
            Err(WriteError::Conflict { .. }) => self
                .judge_known(caller, drone)
                .unwrap_or_else(|| Err(not_enrolled("it could not be enrolled"))),
            Err(WriteError::FleetFull { fleet }) => Err(full(&fleet)),
            Err(error @ (WriteError::FleetUnknown { .. } | WriteError::DroneUnknown { .. })) => {
                Err(not_enrolled(&error.to_string()))
            }
            Err(error) => {
                let detail = format!("the drone cannot be enrolled now: {error}");
                Err(Problem::new(ErrorCode::Unavailable, detail).retry_after(RETRY_AFTER))
            }
        }
    }

    fn fleet_for_enrolment(&self, caller: &Principal) -> Result<FleetId, Problem> {
        const CLOSED: &str = "an operator has to enrol it first";
        let fleet = self.config.enrolment_fleet.as_deref();
        let fleet = fleet.and_then(|fleet| FleetId::parse(fleet).ok());
        let fleet = fleet.ok_or_else(|| not_enrolled(CLOSED))?;
        if caller.drone.is_none() && !caller.scope.contains(&fleet) {
            return Err(foreign(RELAY_SCOPE));
        }
        let registry = self.registry.read();
        let known = registry.fleet(&fleet).map(|known| &known.entity);
        let Some(known) = known.filter(|known| known.enrolment == Enrolment::Auto) else {
            return Err(not_enrolled(CLOSED));
        };
        if registry.active_drones(&fleet) >= known.drones_max {
            return Err(full(&fleet));
        }
        Ok(fleet)
    }
}

const RELAY_SCOPE: &str = "this token may send for drones of its fleets only";

/// Lets a caller send at all.
pub(in crate::gateway) fn may_send(caller: &Principal) -> Result<(), Problem> {
    if caller.may(Action::SendTelemetry) {
        return Ok(());
    }
    let role = caller.role;
    let detail = format!("a token of role {role} may not send telemetry; drone and relay may");
    Err(Problem::new(ErrorCode::Forbidden, detail))
}

fn foreign(detail: &'static str) -> Problem {
    Problem::new(ErrorCode::Forbidden, detail).at("drone_id")
}

fn not_enrolled(reason: &str) -> Problem {
    let detail = format!("the drone is not enrolled: {reason}");
    Problem::new(ErrorCode::NotEnrolled, detail).at("drone_id")
}

fn full(fleet: &FleetId) -> Problem {
    not_enrolled(&format!(
        "fleet {fleet} has all the drones that it may have"
    ))
}
