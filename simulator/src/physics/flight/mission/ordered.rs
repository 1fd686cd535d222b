//! The part of a day that an operator decides.

use aerostream_domain::command::Outcome;

use super::errand::Aim;
use super::{Event, Kind, Mission, Phase, above};
use crate::physics::flight::orders::{Now, Refused};
use crate::physics::vector::{Vec3, wrapped};

/// It disarms by itself when nobody takes off.
const ARMED_FOR_S: f64 = 10.0;
/// How long it stays on the ground behind an order, so that its operator decides what is next.
const RESTS_FOR_S: f64 = 3_600.0;
/// Speed over ground of an orbit and of a flight to a place unless it is told.
const SPEED_M_S: f64 = 10.0;
/// Fastest that it flies.
const SPEED_M_S_MAX: f64 = 18.0;
/// It is not sent lower than this.
const HEIGHT_M_MIN: f64 = 2.0;
/// It does not take off for less than this.
const TAKEOFF_M_MIN: f64 = 1.0;

/// What an operator ordered that no phase says by itself.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Ordered {
    /// It holds when it is there, and rests when it is down, rather than flying its mission.
    pub holds: bool,
    /// Speed over ground, m/s.
    pub speed_m_s: Option<f64>,
    /// Radius of an orbit, m; negative is counter-clockwise.
    pub radius_m: f64,
}

const ON_GROUND: Refused = (Outcome::Denied, "it is on the ground");
const IN_THE_AIR: Refused = (Outcome::Denied, "it is in the air");
const OVER: Refused = (Outcome::Denied, "its flight was terminated");
const TOO_LOW: Refused = (Outcome::Denied, "it does not fly so low");
const FENCED: Refused = (Outcome::Denied, "its fence does not let it go there");
const SWAPPING: Refused = (Outcome::TemporarilyRejected, "its battery is being changed");

impl Now {
    fn allow(self, target: Vec3) -> Result<(), Refused> {
        let is_allowed = self.fence.allows(target - self.home);
        is_allowed.then_some(()).ok_or(FENCED)
    }
}

impl Mission {
    fn must_fly(&self) -> Result<(), Refused> {
        match self.phase {
            Phase::Terminated => Err(OVER),
            phase if phase.is_flying() => Ok(()),
            _ => Err(ON_GROUND),
        }
    }

    pub(in crate::physics::flight) fn arm(&mut self, now: Now) -> Result<(), Refused> {
        match self.phase {
            Phase::Terminated => Err(OVER),
            Phase::Swap => Err(SWAPPING),
            Phase::Idle | Phase::Landed => {
                self.ordered.holds = true;
                self.event = Some(Event::Armed);
                self.follow(Phase::Armed, now.time_s + ARMED_FOR_S, None);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    pub(in crate::physics::flight) fn disarm(
        &mut self,
        now: Now,
        force: bool,
    ) -> Result<(), Refused> {
        if !self.phase.is_flying() {
            self.rest(now.time_s);
            self.follow(self.phase, self.until_s, None);
            return Ok(());
        }
        if force {
            self.terminate()
        } else {
            Err(IN_THE_AIR)
        }
    }

    /// On the ground until its operator says more.
    pub(super) fn rest(&mut self, time_s: f64) {
        if !matches!(self.phase, Phase::Swap | Phase::Terminated) {
            self.enter(Phase::Idle, time_s + RESTS_FOR_S);
        }
    }

    pub(in crate::physics::flight) fn take_off(
        &mut self,
        now: Now,
        up_m: f64,
    ) -> Result<(), Refused> {
        let target = Vec3::new(now.position.north, now.position.east, up_m);
        if up_m < TAKEOFF_M_MIN {
            return Err(TOO_LOW);
        }
        now.allow(target)?;
        self.arm(now)?;
        if self.phase != Phase::Armed {
            return Err(IN_THE_AIR);
        }
        self.target = target;
        self.heading = now.facing;
        self.ordered.holds = true;
        self.event = Some(Event::Takeoff);
        self.follow(Phase::Takeoff, 0.0, Some(Aim::Height));
        Ok(())
    }

    pub(in crate::physics::flight) fn land(&mut self, now: Now) -> Result<(), Refused> {
        self.must_fly()?;
        self.ordered.holds = true;
        self.target = Vec3::new(now.position.north, now.position.east, 0.0);
        self.heading = now.facing;
        self.follow(Phase::Descend, 0.0, Some(Aim::Ground));
        Ok(())
    }

    pub(in crate::physics::flight) fn come_home(&mut self, now: Now) -> Result<(), Refused> {
        self.must_fly()?;
        self.ordered.holds = true;
        self.target = above(now.home, now.position);
        self.heading = (self.target - now.position).bearing();
        self.follow(Phase::Return, 0.0, Some(Aim::Home));
        Ok(())
    }

    pub(in crate::physics::flight) fn hold(&mut self, now: Now) -> Result<(), Refused> {
        self.must_fly()?;
        self.target = now.position;
        self.heading = now.facing;
        self.follow(Phase::Hold, 0.0, None);
        Ok(())
    }

    pub(in crate::physics::flight) fn go_on(&mut self, now: Now) -> Result<(), Refused> {
        self.must_fly()?;
        if self.current >= self.total {
            return Err((Outcome::Denied, "it has no mission to go on with"));
        }
        now.allow(self.waypoints[self.current])?;
        self.ordered = Ordered::default();
        self.target = self.waypoints[self.current];
        self.heading = (self.target - now.position).bearing();
        self.follow(Phase::Cruise, 0.0, None);
        Ok(())
    }

    pub(in crate::physics::flight) fn begin(&mut self, now: Now) -> Result<(), Refused> {
        if self.phase.is_flying() {
            let before = std::mem::take(&mut self.current);
            return self.go_on(now).inspect_err(|_| self.current = before);
        }
        self.arm(now)?;
        self.ordered = Ordered::default();
        // From here the day goes on by itself: it plans, arms and flies.
        self.follow(Phase::Idle, now.time_s, Some(Aim::Leg));
        Ok(())
    }

    pub(in crate::physics::flight) fn go_to(
        &mut self,
        now: Now,
        target: Vec3,
        speed_m_s: Option<f64>,
    ) -> Result<(), Refused> {
        self.must_fly()?;
        if target.up < HEIGHT_M_MIN {
            return Err(TOO_LOW);
        }
        now.allow(target)?;
        self.ordered = Ordered {
            holds: true,
            speed_m_s: speed_m_s.map(|speed| speed.min(SPEED_M_S_MAX)),
            radius_m: 0.0,
        };
        self.heading = now.facing;
        self.target = target;
        self.follow(Phase::Goto, 0.0, Some(Aim::Place));
        Ok(())
    }

    pub(in crate::physics::flight) fn change_speed(
        &mut self,
        speed_m_s: f64,
    ) -> Result<(), Refused> {
        self.must_fly()?;
        if speed_m_s > SPEED_M_S_MAX {
            return Err((Outcome::Denied, "it does not fly so fast"));
        }
        self.ordered.speed_m_s = Some(speed_m_s);
        Ok(())
    }

    pub(in crate::physics::flight) fn turn_to(
        &mut self,
        now: Now,
        heading_rad: f64,
    ) -> Result<(), Refused> {
        if now.kind == Kind::FixedWing {
            return Err((Outcome::Unsupported, "a wing does not turn on the spot"));
        }
        self.hold(now)?;
        self.heading = wrapped(heading_rad);
        Ok(())
    }

    pub(in crate::physics::flight) fn orbit(
        &mut self,
        now: Now,
        (centre, radius_m): (Vec3, f64),
        speed_m_s: Option<f64>,
    ) -> Result<(), Refused> {
        self.go_to(now, centre, speed_m_s)?;
        self.ordered.radius_m = radius_m;
        self.follow(Phase::Orbit, 0.0, Some(Aim::Circle));
        Ok(())
    }

    /// The propulsion stops for good.
    pub(in crate::physics::flight) fn terminate(&mut self) -> Result<(), Refused> {
        self.follow(Phase::Terminated, 0.0, None);
        Ok(())
    }

    /// Speed over ground on the way to a place.
    #[must_use]
    pub fn speed_m_s(&self) -> f64 {
        self.ordered.speed_m_s.unwrap_or(SPEED_M_S)
    }

    /// Radius of the orbit that is ordered, m; negative is counter-clockwise.
    #[must_use]
    pub fn radius_m(&self) -> f64 {
        self.ordered.radius_m
    }
}
