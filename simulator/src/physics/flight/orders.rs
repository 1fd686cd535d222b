//! What an operator tells the aircraft, done or refused by its flight controller.

use aerostream_domain::command::{Command, Outcome};
use aerostream_domain::sample::FlightMode;

use super::{Flight, Kind};
use crate::physics::vector::Vec3;

/// Why an order is not followed.
pub type Refused = (Outcome, &'static str);

/// Where an order comes from: what the mission needs to know of the aircraft.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    pub time_s: f64,
    pub position: Vec3,
    pub facing: f64,
    pub kind: Kind,
}

impl Flight {
    fn now(&self) -> Now {
        Now {
            time_s: self.time_s,
            position: self.position(),
            facing: self.facing_rad(),
            kind: self.start.kind,
        }
    }

    /// Follows an order from now on.
    ///
    /// # Errors
    /// It cannot, or will not in its state.
    pub fn obey(&mut self, command: &Command) -> Result<(), Refused> {
        const UNSUPPORTED: Refused = (Outcome::Unsupported, "this aircraft cannot do that");
        let now = self.now();
        let home = self.start.home;
        let at = |latitude_deg: f64, longitude_deg: f64, altitude_m: f64| {
            let (north, east) = home.metres(latitude_deg, longitude_deg);
            Vec3::new(north, east, altitude_m)
        };
        let mission = &mut self.mission;
        match command {
            Command::Arm { .. } => mission.arm(now),
            Command::Disarm { force } => mission.disarm(now, *force),
            Command::Takeoff { altitude_m, .. } => mission.take_off(now, *altitude_m),
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
                let target = Vec3::new(now.position.north, now.position.east, *altitude_m);
                mission.go_to(now, target, None)
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
            Command::Reboot {} if mission.phase.is_flying() => {
                Err((Outcome::Denied, "it does not start again in the air"))
            }
            Command::Reboot {} => Ok(()),
            Command::Fence { .. }
            | Command::SetHome { .. }
            | Command::RequestMessage { .. }
            | Command::Custom { .. } => Err(UNSUPPORTED),
        }
    }
}
