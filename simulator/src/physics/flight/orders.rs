//! What an operator tells the aircraft, done or refused by its flight controller.

use aerostream_domain::command::{Command, Outcome};
use aerostream_domain::sample::FlightMode;

use super::{Fence, Flight, Kind};
use crate::physics::vector::Vec3;

/// Why an order is not followed.
pub type Refused = (Outcome, &'static str);

const UNSUPPORTED: Refused = (Outcome::Unsupported, "this aircraft cannot do that");
/// Over ground from the start to home at most, m: farther away metres are not true.
const HOME_M_MAX: f64 = 20_000.0;
/// Lowest and highest home above the ground, m: what can be flown to.
const HOME_UP_M: (f64, f64) = (-100.0, 1_000.0);
/// `MAV_CMD_RUN_PREARM_CHECKS`.
const RUN_PREARM_CHECKS: u32 = 401;

/// What the catalogue has, as MAV_CMD counts it; given as custom its danger would not be judged.
const IN_CATALOGUE: [u32; 18] = [
    20, 21, 22, 34, 115, 176, 178, 179, 185, 186, 192, 193, 207, 246, 262, 300, 400, 512,
];

/// Where an order comes from: what the mission needs to know of the aircraft.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    pub time_s: f64,
    pub position: Vec3,
    pub facing: f64,
    pub kind: Kind,
    pub home: Vec3,
    pub fence: Fence,
}

impl Flight {
    fn now(&self) -> Now {
        Now {
            time_s: self.time_s,
            position: self.position(),
            facing: self.facing_rad(),
            kind: self.start.kind,
            home: self.home,
            fence: self.fence,
        }
    }

    /// Follows an order from now on; [`super::Mission::errand`] tells how far.
    ///
    /// # Errors
    /// It cannot, or will not in its state.
    pub fn obey(&mut self, command: &Command) -> Result<(), Refused> {
        let now = self.now();
        match command {
            Command::Fence { enabled } => {
                self.fence.turn(*enabled);
                Ok(())
            }
            Command::SetHome {
                latitude_deg,
                longitude_deg,
                absolute_altitude_m,
                ..
            } => {
                let place = latitude_deg.zip(*longitude_deg);
                self.set_home(place, *absolute_altitude_m)
            }
            Command::Custom { code, .. } => self.run_custom(*code),
            Command::Reboot {} if self.mission.phase.is_flying() => {
                Err((Outcome::Denied, "it does not start again in the air"))
            }
            Command::Reboot {} => Ok(()),
            command => self.fly_as_told(now, command),
        }
    }

    fn fly_as_told(&mut self, now: Now, command: &Command) -> Result<(), Refused> {
        let (origin, home) = (self.start.home, self.home);
        let at = |latitude_deg: f64, longitude_deg: f64, altitude_m: f64| {
            let (north, east) = origin.metres(latitude_deg, longitude_deg);
            Vec3::new(north, east, altitude_m + home.up)
        };
        let mission = &mut self.mission;
        match command {
            Command::Arm { .. } => mission.arm(now),
            Command::Disarm { force } => mission.disarm(now, *force),
            Command::Takeoff { altitude_m, .. } => mission.take_off(now, *altitude_m + home.up),
            Command::Land {} => mission.land(now),
            Command::Return {} => mission.come_home(now),
            Command::Hold {} => mission.hold(now),
            Command::Continue {} => mission.go_on(now),
            Command::Goto {
                latitude_deg,
                longitude_deg,
                altitude_m,
                speed_m_s,
                ..
            } => {
                let target = at(*latitude_deg, *longitude_deg, *altitude_m);
                mission.go_to(now, target, *speed_m_s)
            }
            Command::ChangeAltitude { altitude_m } => {
                let (north, east) = (now.position.north, now.position.east);
                mission.go_to(now, Vec3::new(north, east, altitude_m + home.up), None)
            }
            Command::ChangeSpeed { speed_m_s } => mission.change_speed(*speed_m_s),
            Command::Yaw { heading_deg, .. } => mission.turn_to(now, heading_deg.to_radians()),
            Command::Orbit {
                latitude_deg,
                longitude_deg,
                altitude_m,
                radius_m,
                speed_m_s,
                counter_clockwise,
            } => {
                let centre = at(*latitude_deg, *longitude_deg, *altitude_m);
                let turn = if *counter_clockwise { -1.0 } else { 1.0 };
                mission.orbit(now, (centre, turn * radius_m), *speed_m_s)
            }
            Command::SetMode { mode } => match mode {
                FlightMode::Hold => mission.hold(now),
                FlightMode::Land => mission.land(now),
                FlightMode::ReturnToLaunch => mission.come_home(now),
                FlightMode::Mission => mission.go_on(now),
                _ => Err(UNSUPPORTED),
            },
            Command::StartMission { .. } => mission.begin(now),
            Command::Terminate {} => mission.terminate(),
            _ => Err(UNSUPPORTED),
        }
    }

    /// Home is at a place, on the ground unless its height is told, or where the aircraft is.
    fn set_home(
        &mut self,
        place: Option<(f64, f64)>,
        absolute_altitude_m: Option<f64>,
    ) -> Result<(), Refused> {
        let home = match place {
            None => self.position(),
            Some((latitude_deg, longitude_deg)) => {
                let (north, east) = self.start.home.metres(latitude_deg, longitude_deg);
                let up_m = absolute_altitude_m.map_or(0.0, |it| it - self.start.ground_m);
                Vec3::new(north, east, up_m)
            }
        };
        if home.horizontal() > HOME_M_MAX {
            return Err((Outcome::Denied, "it cannot return from so far away"));
        }
        if !(HOME_UP_M.0..=HOME_UP_M.1).contains(&home.up) {
            return Err((Outcome::Denied, "its home cannot be so far from the ground"));
        }
        self.home = home;
        Ok(())
    }

    fn run_custom(&self, code: u32) -> Result<(), Refused> {
        match code {
            RUN_PREARM_CHECKS if self.mission.phase.is_armed() => {
                Err((Outcome::TemporarilyRejected, "it is armed"))
            }
            RUN_PREARM_CHECKS => Ok(()),
            code if IN_CATALOGUE.contains(&code) => {
                let detail = "the catalogue has it: give it as that command";
                Err((Outcome::Unsupported, detail))
            }
            _ => Err((Outcome::Unsupported, "this aircraft has no such command")),
        }
    }
}
