//! Enums as places in lists of names.

use crate::sample::{FixType, FlightMode, LandedState, MissionState, SystemStatus};

pub(super) const FIX_TYPES: &[&str] = &[
    "no_gps",
    "no_fix",
    "fix_2d",
    "fix_3d",
    "fix_dgps",
    "rtk_float",
    "rtk_fixed",
];
pub(super) const FLIGHT_MODES: &[&str] = &[
    "ready",
    "takeoff",
    "hold",
    "mission",
    "return_to_launch",
    "land",
    "offboard",
    "follow_me",
    "manual",
    "altctl",
    "posctl",
    "acro",
    "stabilized",
    "orbit",
    "other",
];
pub(super) const LANDED_STATES: &[&str] = &["on_ground", "in_air", "taking_off", "landing"];
/// Numbered as MAV_STATE is, so that `critical` and what is worse compares greater.
pub(super) const SYSTEM_STATUSES: &[&str] = &[
    "uninit",
    "boot",
    "calibrating",
    "standby",
    "active",
    "critical",
    "emergency",
    "power_off",
    "flight_termination",
];
pub(super) const MISSION_STATES: &[&str] =
    &["no_mission", "not_started", "active", "paused", "complete"];

pub(super) fn fix_type(fix: FixType) -> f64 {
    match fix {
        FixType::NoGps => 0.0,
        FixType::NoFix => 1.0,
        FixType::Fix2d => 2.0,
        FixType::Fix3d => 3.0,
        FixType::FixDgps => 4.0,
        FixType::RtkFloat => 5.0,
        FixType::RtkFixed => 6.0,
    }
}

pub(super) fn flight_mode(mode: FlightMode) -> f64 {
    match mode {
        FlightMode::Ready => 0.0,
        FlightMode::Takeoff => 1.0,
        FlightMode::Hold => 2.0,
        FlightMode::Mission => 3.0,
        FlightMode::ReturnToLaunch => 4.0,
        FlightMode::Land => 5.0,
        FlightMode::Offboard => 6.0,
        FlightMode::FollowMe => 7.0,
        FlightMode::Manual => 8.0,
        FlightMode::Altctl => 9.0,
        FlightMode::Posctl => 10.0,
        FlightMode::Acro => 11.0,
        FlightMode::Stabilized => 12.0,
        FlightMode::Orbit => 13.0,
        FlightMode::Other => 14.0,
    }
}

pub(super) fn landed_state(state: LandedState) -> f64 {
    match state {
        LandedState::OnGround => 0.0,
        LandedState::InAir => 1.0,
        LandedState::TakingOff => 2.0,
        LandedState::Landing => 3.0,
    }
}

pub(super) fn system_status(status: SystemStatus) -> f64 {
    match status {
        SystemStatus::Boot => 1.0,
        SystemStatus::Calibrating => 2.0,
        SystemStatus::Standby => 3.0,
        SystemStatus::Active => 4.0,
        SystemStatus::Critical => 5.0,
        SystemStatus::Emergency => 6.0,
        SystemStatus::PowerOff => 7.0,
        SystemStatus::FlightTermination => 8.0,
    }
}

pub(super) fn mission_state(state: MissionState) -> f64 {
    match state {
        MissionState::NoMission => 0.0,
        MissionState::NotStarted => 1.0,
        MissionState::Active => 2.0,
        MissionState::Paused => 3.0,
        MissionState::Complete => 4.0,
    }
}
