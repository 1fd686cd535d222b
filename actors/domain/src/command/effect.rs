//! What telemetry shows of a command's effect.

use std::time::Duration;

use super::catalogue::{Command, CommandKind};
use crate::drone::live::{LiveState, Stamp};
use crate::ids::Seq;
use crate::sample::{FlightMode, LandedState, MissionState, Position, State, SystemStatus};

/// What telemetry says of an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// It is there.
    Shown,
    /// It is not there yet.
    NotYet,
    /// Telemetry never shows it.
    Invisible,
}

/// How close to a place counts as there, metres over ground.
const THERE_M: f64 = 15.0;
/// How close to a height counts as there, metres.
const HEIGHT_M: f64 = 3.0;
/// How close to home a return lands, metres over ground: a wing needs room.
const HOME_M: f64 = 150.0;
/// Getting closer at this speed counts as going there, metres per second.
const CLOSING_M_S: f64 = 0.5;
const SPEED_M_S: f64 = 1.5;
const STANDING_M_S: f64 = 0.5;
const HEADING_DEG: f64 = 6.0;
const METRES_PER_DEGREE: f64 = 111_195.0;

/// How long telemetry is watched for the effect, once the drone took the command.
pub(super) const fn watched_for(kind: CommandKind) -> Duration {
    let seconds = match kind {
        CommandKind::Land => 300,
        CommandKind::Takeoff | CommandKind::Reboot => 60,
        CommandKind::ChangeSpeed | CommandKind::Yaw => 30,
        _ => 15,
    };
    Duration::from_secs(seconds)
}

/// Judges by what was told behind `above`, the newest sample when the command went out.
pub(super) fn shown(command: &Command, live: &LiveState, above: Option<Seq>) -> Evidence {
    let later = Later { live, above };
    let is_shown = match command {
        Command::Arm { .. } => later.state().map(|state| state.armed == Some(true)),
        Command::Disarm { .. } => later.state().map(|state| state.armed == Some(false)),
        Command::Takeoff { .. } => later.landed(LandedState::InAir),
        Command::Land {} => later.landed(LandedState::OnGround),
        Command::Return {} => later.returns(),
        Command::Hold {} => later.holds(),
        Command::Continue {} => later.mode(FlightMode::Mission),
        Command::Goto {
            latitude_deg,
            longitude_deg,
            altitude_m,
            ..
        } => later.goes_to((*latitude_deg, *longitude_deg), *altitude_m),
        Command::ChangeAltitude { altitude_m } => later.climbs_to(*altitude_m),
        Command::ChangeSpeed { speed_m_s } => later.velocity().and_then(|velocity| {
            let speed = f64::from(velocity.ground_speed_m_s?);
            Some((speed - speed_m_s).abs() <= SPEED_M_S)
        }),
        Command::Yaw { heading_deg, .. } => later.velocity().and_then(|velocity| {
            let off = (f64::from(velocity.heading_deg?) - heading_deg).rem_euclid(360.0);
            Some(off.min(360.0 - off) <= HEADING_DEG)
        }),
        Command::Orbit { .. } => later.mode(FlightMode::Orbit),
        Command::SetMode { mode } => later.mode(*mode),
        Command::StartMission { .. } => later.mission(),
        Command::SetHome {
            current,
            latitude_deg,
            longitude_deg,
            ..
        } => later.home(if *current { &None } else { latitude_deg }, longitude_deg),
        Command::RequestMessage { message, .. } => {
            let newest = live.newest.map(|newest| newest.seq);
            Some(newest > above && live.groups.kind == *message)
        }
        Command::Terminate {} => later.state().map(|state| {
            state.system_status == Some(SystemStatus::FlightTermination)
                || state.armed == Some(false)
        }),
        // The next power-up shows it, which is not of this boot's telemetry.
        Command::Reboot {} => None,
        Command::Fence { .. } | Command::Custom { .. } => return Evidence::Invisible,
    };
    match is_shown {
        Some(true) => Evidence::Shown,
        _ => Evidence::NotYet,
    }
}

/// Metres north and east from a place to another one, both in degrees.
fn metres(from_deg: (f64, f64), to_deg: (f64, f64)) -> (f64, f64) {
    let turn_deg = (to_deg.1 - from_deg.1 + 540.0).rem_euclid(360.0) - 180.0;
    let east_m = turn_deg * METRES_PER_DEGREE * from_deg.0.to_radians().cos();
    ((to_deg.0 - from_deg.0) * METRES_PER_DEGREE, east_m)
}

/// Live state, of which only what came later counts.
struct Later<'a> {
    live: &'a LiveState,
    above: Option<Seq>,
}

impl Later<'_> {
    fn of<G: Copy>(&self, group: Option<G>, stamp: Option<Stamp>) -> Option<G> {
        let came_later = stamp.is_some_and(|stamp| Some(stamp.seq) > self.above);
        group.filter(|_| came_later)
    }

    fn state(&self) -> Option<State> {
        self.of(self.live.groups.state, self.live.stamps.state)
    }

    fn position(&self) -> Option<Position> {
        self.of(self.live.groups.position, self.live.stamps.position)
    }

    fn velocity(&self) -> Option<crate::sample::Velocity> {
        self.of(self.live.groups.velocity, self.live.stamps.velocity)
    }

    fn landed(&self, landed: LandedState) -> Option<bool> {
        Some(self.state()?.landed_state == Some(landed))
    }

    fn mode(&self, mode: FlightMode) -> Option<bool> {
        Some(self.state()?.flight_mode == Some(mode))
    }

    /// On its way home, or on the ground there: what takes its time may be over when it is told.
    fn returns(&self) -> Option<bool> {
        Some(self.mode(FlightMode::ReturnToLaunch)? || self.is_down_at_home() == Some(true))
    }

    fn is_down_at_home(&self) -> Option<bool> {
        let (position, home) = (self.position()?, self.live.groups.home?);
        let here = position.latitude_deg.zip(position.longitude_deg)?;
        let (north_m, east_m) = metres(here, home.latitude_deg.zip(home.longitude_deg)?);
        let is_near = north_m.hypot(east_m) <= HOME_M;
        Some(is_near && self.landed(LandedState::OnGround)?)
    }

    fn holds(&self) -> Option<bool> {
        let stands = self.velocity().and_then(|velocity| {
            let speed = f64::from(velocity.ground_speed_m_s?);
            let down = f64::from(velocity.down_m_s?).abs();
            Some(speed <= STANDING_M_S && down <= STANDING_M_S)
        });
        Some(self.mode(FlightMode::Hold) == Some(true) || stands == Some(true))
    }

    fn goes_to(&self, (latitude_deg, longitude_deg): (f64, f64), altitude_m: f64) -> Option<bool> {
        let position = self.position()?;
        let velocity = self.velocity();
        let here_deg = position.latitude_deg?;
        let here = (here_deg, position.longitude_deg?);
        let (north_m, east_m) = metres(here, (latitude_deg, longitude_deg));
        let distance_m = north_m.hypot(east_m);
        if distance_m <= THERE_M {
            let off = position.relative_altitude_m.map(|here| here - altitude_m);
            return Some(off.is_none_or(|off| off.abs() <= HEIGHT_M) || self.climbs(altitude_m)?);
        }
        let (north, east) = velocity.and_then(|v| v.north_m_s.zip(v.east_m_s))?;
        let along = f64::from(north) * north_m + f64::from(east) * east_m;
        Some(along / distance_m >= CLOSING_M_S || self.climbs(altitude_m) == Some(true))
    }

    fn climbs_to(&self, altitude_m: f64) -> Option<bool> {
        let here = self.position()?.relative_altitude_m?;
        Some((here - altitude_m).abs() <= HEIGHT_M || self.climbs(altitude_m)?)
    }

    /// On the way to a height that is not reached.
    fn climbs(&self, altitude_m: f64) -> Option<bool> {
        let missing = altitude_m - self.position()?.relative_altitude_m?;
        let up = -f64::from(self.velocity()?.down_m_s?);
        Some(missing.abs() > HEIGHT_M && up * missing.signum() >= CLOSING_M_S)
    }

    fn mission(&self) -> Option<bool> {
        let mission = self.of(self.live.groups.mission, self.live.stamps.mission);
        let active = mission.is_some_and(|it| it.state == Some(MissionState::Active));
        Some(active || self.mode(FlightMode::Mission) == Some(true))
    }

    fn home(&self, latitude_deg: &Option<f64>, longitude_deg: &Option<f64>) -> Option<bool> {
        let home = self.of(self.live.groups.home, self.live.stamps.home)?;
        let (Some(latitude), Some(longitude)) = (latitude_deg, longitude_deg) else {
            // Home here: a home that is told again is where it was taken.
            return Some(true);
        };
        const CLOSE_DEG: f64 = 1e-4;
        let close = |told: Option<f64>, asked: f64| {
            told.is_some_and(|told| (told - asked).abs() <= CLOSE_DEG)
        };
        Some(close(home.latitude_deg, *latitude) && close(home.longitude_deg, *longitude))
    }
}
