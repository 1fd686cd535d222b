//! What the aircraft does next.

mod errand;
mod ordered;

pub use self::errand::Progress;

use self::errand::Errand;
use self::ordered::Ordered;
use super::{HOME_REACHED_M, Kind};
use crate::physics::noise::Noise;
use crate::physics::vector::{Vec3, wrapped};

/// Part of a working day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// On the ground, disarmed.
    Idle,
    /// On the ground, motors turning.
    Armed,
    /// Climbing straight up or out.
    Takeoff,
    /// Turning on the spot towards the next waypoint.
    Turn,
    /// Flying to a waypoint.
    Cruise,
    /// Flying home.
    Return,
    /// Going down above home, or where the battery ended.
    Descend,
    /// The last metres.
    Land,
    /// On the ground, motors still turning.
    Landed,
    /// On the ground; the pack is being changed.
    Swap,
    /// Staying where it was told to.
    Hold,
    /// Flying where it was told to.
    Goto,
    /// Circling where it was told to.
    Orbit,
    /// The propulsion was stopped for good.
    Terminated,
}

impl Phase {
    /// True while the propulsion works.
    #[must_use]
    pub fn is_flying(self) -> bool {
        matches!(
            self,
            Self::Takeoff
                | Self::Turn
                | Self::Cruise
                | Self::Return
                | Self::Descend
                | Self::Land
                | Self::Hold
                | Self::Goto
                | Self::Orbit
        )
    }

    /// True while the motors may turn.
    #[must_use]
    pub fn is_armed(self) -> bool {
        self.is_flying() || matches!(self, Self::Armed | Self::Landed)
    }
}

/// Something that people are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    Armed,
    Takeoff,
    WaypointReached,
    MissionComplete,
    LowBattery,
    CriticalBattery,
    FenceBreached,
    Landed,
    BatteryChanged,
}

/// What a decision looks at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts {
    pub kind: Kind,
    pub time_s: f64,
    pub position: Vec3,
    /// Where it returns to.
    pub home: Vec3,
    pub soc: f64,
    pub return_soc: f64,
    pub facing: f64,
}

/// Waypoints of a mission at most.
const WAYPOINTS_MAX: usize = 8;
const WAYPOINTS_MIN: usize = 4;
/// Waypoints are this far from home at least and at most, m.
const REACH_M: (f64, f64) = (150.0, 1500.0);
/// Waypoints are this high above home's ground, m; below the 120 m of the open category.
const HEIGHT_M: (f64, f64) = (40.0, 110.0);
const RETURN_HEIGHT_M: f64 = 60.0;
const ARMED_S: f64 = 3.0;
const LANDED_S: f64 = 2.0;
const SWAP_S: (f64, f64) = (30.0, 90.0);
const IDLE_S: (f64, f64) = (5.0, 30.0);
/// A pack below this share is changed after landing.
const SWAP_SOC: f64 = 0.6;
/// It lands where it is when the battery is this low.
const CRITICAL_SOC: f64 = 0.03;
const FACING_RAD: f64 = 0.06;

/// Where the aircraft is in its day.
#[derive(Debug, Clone, PartialEq)]
pub struct Mission {
    pub phase: Phase,
    waypoints: [Vec3; WAYPOINTS_MAX],
    total: usize,
    current: usize,
    target: Vec3,
    heading: f64,
    until_s: f64,
    low_told: bool,
    swap_due: bool,
    complete: bool,
    /// It comes down at the end of a return, which is of the return still.
    is_returned: bool,
    event: Option<Event>,
    ordered: Ordered,
    /// Orders that were followed.
    orders: u64,
    errand: Option<Errand>,
}

impl Mission {
    /// A day that begins with waiting.
    #[must_use]
    pub fn new(wait_s: f64) -> Self {
        Self {
            phase: Phase::Idle,
            waypoints: [Vec3::default(); WAYPOINTS_MAX],
            total: 0,
            current: 0,
            target: Vec3::default(),
            heading: 0.0,
            until_s: wait_s,
            low_told: false,
            swap_due: false,
            complete: false,
            is_returned: false,
            event: None,
            ordered: Ordered::default(),
            orders: 0,
            errand: None,
        }
    }

    /// Where it flies to, metres from the start.
    #[must_use]
    pub fn target(&self) -> Vec3 {
        self.target
    }

    /// Where the nose points when there is nothing to aim at, radians from north.
    #[must_use]
    pub fn heading_rad(&self) -> f64 {
        self.heading
    }

    /// Zero-based waypoint that is flown now, and how many there are; `None` before the first plan.
    #[must_use]
    pub fn progress(&self) -> Option<(u32, u32)> {
        let current = self.current.min(self.total.saturating_sub(1));
        (self.total > 0).then_some((current as u32, self.total as u32))
    }

    /// True after the last waypoint, until the next plan.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// True on the way home and while it comes down there.
    #[must_use]
    pub fn is_returning(&self) -> bool {
        self.phase == Phase::Return || self.is_returned
    }

    /// The latest thing that people are told, once.
    pub fn take_event(&mut self) -> Option<Event> {
        self.event.take()
    }

    pub(super) fn take_swap(&mut self) -> bool {
        std::mem::take(&mut self.swap_due)
    }

    fn enter(&mut self, phase: Phase, until_s: f64) {
        self.is_returned &= matches!(phase, Phase::Land | Phase::Landed);
        self.phase = phase;
        self.until_s = until_s;
    }

    pub(super) fn decide(&mut self, facts: Facts, noise: &mut Noise) {
        self.watch_battery(facts);
        let due = facts.time_s >= self.until_s;
        match self.phase {
            Phase::Idle if due => {
                self.plan(facts, noise);
                self.event = Some(Event::Armed);
                self.enter(Phase::Armed, facts.time_s + ARMED_S);
            }
            Phase::Armed if due && self.ordered.holds => self.rest(facts.time_s),
            Phase::Armed if due => {
                self.event = Some(Event::Takeoff);
                self.enter(Phase::Takeoff, 0.0);
            }
            Phase::Takeoff if self.target.up - facts.position.up < 1.0 => {
                if self.ordered.holds {
                    self.enter(Phase::Hold, 0.0);
                } else {
                    self.aim(facts);
                }
            }
            Phase::Goto => self.end_order(facts),
            Phase::Turn => self.end_turn(facts),
            Phase::Cruise => self.end_leg(facts),
            Phase::Return => self.end_return(facts),
            Phase::Descend if facts.position.up < 10.0 => {
                self.heading = facts.facing;
                self.enter(Phase::Land, 0.0);
            }
            Phase::Land if facts.position.up <= 0.0 => {
                self.event = Some(Event::Landed);
                self.enter(Phase::Landed, facts.time_s + LANDED_S);
            }
            Phase::Landed if due && self.ordered.holds => self.rest(facts.time_s),
            Phase::Landed if due => self.end_flight(facts, noise),
            Phase::Swap if due => {
                self.swap_due = true;
                self.low_told = false;
                self.event = Some(Event::BatteryChanged);
                self.enter(
                    Phase::Idle,
                    facts.time_s + noise.between(IDLE_S.0, IDLE_S.1),
                );
            }
            _ => {}
        }
    }

    fn watch_battery(&mut self, facts: Facts) {
        if !self.phase.is_flying() || matches!(self.phase, Phase::Descend | Phase::Land) {
            return;
        }
        if facts.soc < CRITICAL_SOC {
            self.give_up("its battery is empty");
            self.event = Some(Event::CriticalBattery);
            self.target = Vec3::new(facts.position.north, facts.position.east, 0.0);
            self.heading = facts.facing;
            self.enter(Phase::Descend, 0.0);
        } else if facts.soc < facts.return_soc && !self.low_told {
            self.low_told = true;
            if !self.is_ordered_home() {
                self.give_up("its battery is low");
            }
            self.event = Some(Event::LowBattery);
            self.go_home(facts);
        }
    }

    /// Stays where it is rather than leave its fence, which is what PX4 does by default.
    pub(super) fn stop_at_fence(&mut self, facts: Facts) {
        self.give_up("its fence stopped it");
        self.event = Some(Event::FenceBreached);
        self.target = facts.position;
        self.heading = facts.facing;
        self.ordered.holds = true;
        self.enter(Phase::Hold, 0.0);
    }

    fn plan(&mut self, facts: Facts, noise: &mut Noise) {
        let span = (WAYPOINTS_MAX - WAYPOINTS_MIN + 1) as u64;
        self.total = WAYPOINTS_MIN + (noise.number() % span) as usize;
        self.current = 0;
        self.complete = false;
        for waypoint in &mut self.waypoints[..self.total] {
            let bearing = noise.between(-std::f64::consts::PI, std::f64::consts::PI);
            // The root spreads the points evenly over the area.
            let (near, far) = REACH_M;
            let distance = noise.between(near * near, far * far).sqrt();
            *waypoint = Vec3::new(
                facts.home.north + distance * bearing.cos(),
                facts.home.east + distance * bearing.sin(),
                noise.between(HEIGHT_M.0, HEIGHT_M.1),
            );
        }
        let first = self.waypoints[0].up;
        self.target = Vec3::new(facts.position.north, facts.position.east, first);
        self.heading = facts.facing;
    }

    /// Turns to the current waypoint, or home after the last one.
    fn aim(&mut self, facts: Facts) {
        if self.current >= self.total {
            self.complete = true;
            self.event = Some(Event::MissionComplete);
            self.go_home(facts);
            return;
        }
        let waypoint = self.waypoints[self.current];
        let offset = waypoint - facts.position;
        self.heading = offset.bearing();
        if facts.kind == Kind::FixedWing {
            self.target = waypoint;
            self.enter(Phase::Cruise, 0.0);
        } else {
            self.target = facts.position;
            self.enter(Phase::Turn, 0.0);
        }
    }

    fn go_home(&mut self, facts: Facts) {
        self.target = above(facts.home, facts.position);
        self.heading = (self.target - facts.position).bearing();
        self.enter(Phase::Return, 0.0);
    }

    fn end_turn(&mut self, facts: Facts) {
        if wrapped(self.heading - facts.facing).abs() < FACING_RAD {
            self.target = self.waypoints[self.current];
            self.enter(Phase::Cruise, 0.0);
        }
    }

    fn end_leg(&mut self, facts: Facts) {
        let offset = self.target - facts.position;
        let (across, height) = match facts.kind {
            Kind::Multirotor => (HOME_REACHED_M, 1.0),
            // A wing passes by; its turn would never hit a point.
            Kind::FixedWing => (60.0, f64::INFINITY),
        };
        if offset.horizontal() < across && offset.up.abs() < height {
            self.event = Some(Event::WaypointReached);
            self.current += 1;
            self.aim(facts);
        }
    }

    fn end_order(&mut self, facts: Facts) {
        let offset = self.target - facts.position;
        let reach = match facts.kind {
            Kind::Multirotor => HOME_REACHED_M,
            Kind::FixedWing => 100.0,
        };
        if offset.horizontal() < reach && offset.up.abs() < 1.0 {
            self.enter(Phase::Hold, 0.0);
        }
    }

    fn end_return(&mut self, facts: Facts) {
        let reach = match facts.kind {
            Kind::Multirotor => HOME_REACHED_M,
            Kind::FixedWing => 100.0,
        };
        if (facts.home - facts.position).horizontal() < reach {
            self.target = Vec3::new(facts.home.north, facts.home.east, 0.0);
            self.heading = facts.facing;
            self.enter(Phase::Descend, 0.0);
            self.is_returned = true;
        }
    }

    fn end_flight(&mut self, facts: Facts, noise: &mut Noise) {
        if facts.soc < SWAP_SOC {
            self.enter(
                Phase::Swap,
                facts.time_s + noise.between(SWAP_S.0, SWAP_S.1),
            );
        } else {
            self.enter(
                Phase::Idle,
                facts.time_s + noise.between(IDLE_S.0, IDLE_S.1),
            );
        }
    }
}

/// Where a return flies to: above home, and no lower than it must.
fn above(home: Vec3, position: Vec3) -> Vec3 {
    let up_m = (home.up + RETURN_HEIGHT_M).max(position.up.min(HEIGHT_M.1));
    Vec3::new(home.north, home.east, up_m)
}
