//! An order that takes its time: how far it is, and how it ends.

use super::{Facts, Kind, Mission, Phase};
use crate::physics::vector::Vec3;

/// Share of an errand that is told at most before it is over, percent.
const PERCENT_MAX: u8 = 99;
/// An aircraft so close to its orbit, over ground and in height, flies it, m.
const ORBIT_REACHED_M: (f64, f64) = (5.0, 1.0);
/// A wing has an orbit of its own, around the ordered centre, m.
const WING_ORBIT_M: f64 = 150.0;

/// What is to be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aim {
    /// The height of a take-off.
    Height,
    /// A place.
    Place,
    /// A circle.
    Circle,
    /// The ground.
    Ground,
    /// The ground at home.
    Home,
    /// The first leg of a mission.
    Leg,
}

/// How far an errand is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Percent of the way; never less than before.
    Going(u8),
    Done,
    /// It was given up, for a reason.
    Failed(&'static str),
}

/// An order that is under way, or how it ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Errand {
    aim: Aim,
    /// The whole way, m; `None` until it is known.
    whole_m: Option<f64>,
    progress: Progress,
}

impl Mission {
    /// The newest order's number, and how far it is if it takes time.
    #[must_use]
    pub fn errand(&self) -> (u64, Option<Progress>) {
        (self.orders, self.errand.map(|errand| errand.progress))
    }

    /// An order that is followed takes the place of the one before.
    pub(super) fn follow(&mut self, phase: Phase, until_s: f64, aim: Option<Aim>) {
        self.enter(phase, until_s);
        self.orders += 1;
        self.errand = aim.map(|aim| Errand {
            aim,
            whole_m: None,
            progress: Progress::Going(0),
        });
    }

    /// The aircraft does something else of its own accord.
    pub(super) fn give_up(&mut self, why: &'static str) {
        if let Some(errand) = &mut self.errand
            && matches!(errand.progress, Progress::Going(_))
        {
            errand.progress = Progress::Failed(why);
        }
    }

    /// True while it comes home because it was told to.
    pub(super) fn is_ordered_home(&self) -> bool {
        self.errand.is_some_and(|errand| errand.aim == Aim::Home)
    }

    /// Looks how far the errand is now.
    pub(in crate::physics::flight) fn measure(&mut self, facts: Facts) {
        let Some(mut errand) = self.errand else {
            return;
        };
        let Progress::Going(told) = errand.progress else {
            return;
        };
        errand.progress = match self.left_m(errand.aim, facts) {
            None => Progress::Done,
            Some(left_m) if left_m.is_finite() => {
                let whole_m = *errand.whole_m.get_or_insert(left_m.max(1e-3));
                let percent = (100.0 * (1.0 - left_m / whole_m)).clamp(0.0, 100.0) as u8;
                Progress::Going(percent.min(PERCENT_MAX).max(told))
            }
            Some(_) => Progress::Going(told),
        };
        self.errand = Some(errand);
    }

    /// Metres that are left, without end while the way is not planned; `None` when it is there.
    fn left_m(&self, aim: Aim, facts: Facts) -> Option<f64> {
        let offset = self.target - facts.position;
        match (aim, self.phase) {
            (Aim::Leg, Phase::Idle | Phase::Armed) => Some(f64::INFINITY),
            (Aim::Height | Aim::Leg, Phase::Takeoff) => Some(offset.up.max(0.0)),
            (Aim::Place, Phase::Goto) => Some(offset.norm()),
            (Aim::Circle, Phase::Orbit) => self.left_to_circle_m(offset, facts.kind),
            (Aim::Home, Phase::Return) => Some(offset.horizontal() + self.target.up),
            (Aim::Ground | Aim::Home, Phase::Descend | Phase::Land) => Some(facts.position.up),
            _ => None,
        }
    }

    fn left_to_circle_m(&self, to_centre: Vec3, kind: Kind) -> Option<f64> {
        let (near_m, across_m) = match kind {
            Kind::Multirotor => (
                ORBIT_REACHED_M.0,
                (to_centre.horizontal() - self.radius_m().abs()).abs(),
            ),
            Kind::FixedWing => (WING_ORBIT_M, to_centre.horizontal()),
        };
        let is_there = across_m < near_m && to_centre.up.abs() < ORBIT_REACHED_M.1;
        (!is_there).then_some(across_m.hypot(to_centre.up))
    }
}
