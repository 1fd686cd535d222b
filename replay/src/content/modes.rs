//! Flight modes by the numbers that autopilots give them.

use aerostream_domain::sample::{Dialect, FlightMode};

/// `MAV_AUTOPILOT`.
const ARDUPILOT: i64 = 3;
const PX4: i64 = 12;

/// Whose numbers the modes of an autopilot use.
pub fn dialect(autopilot: i64) -> Dialect {
    match autopilot {
        ARDUPILOT => Dialect::ArduPilot,
        PX4 => Dialect::Px4,
        _ => Dialect::Other,
    }
}

/// The mode of a `HEARTBEAT`, by autopilot, kind of vehicle (`MAV_TYPE`) and `custom_mode`.
pub fn of_heartbeat(dialect: Dialect, vehicle: i64, mode: i64) -> FlightMode {
    match (dialect, vehicle) {
        (Dialect::Px4, _) => px4((mode >> 16) & 0xff, (mode >> 24) & 0xff),
        // Multirotors and helicopters.
        (Dialect::ArduPilot, 2..=4 | 13..=15 | 29 | 35) => copter(mode),
        // Fixed wing and those that take off vertically.
        (Dialect::ArduPilot, 1 | 19..=25) => plane(mode),
        (Dialect::ArduPilot, 12) => sub(mode),
        _ => FlightMode::Other,
    }
}

fn px4(main: i64, sub: i64) -> FlightMode {
    match (main, sub) {
        (1, _) => FlightMode::Manual,
        (2, _) => FlightMode::Altctl,
        (3, _) => FlightMode::Posctl,
        (4, 1) => FlightMode::Ready,
        (4, 2) => FlightMode::Takeoff,
        (4, 3) => FlightMode::Hold,
        (4, 4) => FlightMode::Mission,
        (4, 5) => FlightMode::ReturnToLaunch,
        (4, 6) => FlightMode::Land,
        (4, 8) => FlightMode::FollowMe,
        (5, _) => FlightMode::Acro,
        (6, _) => FlightMode::Offboard,
        (7, _) => FlightMode::Stabilized,
        _ => FlightMode::Other,
    }
}

fn copter(mode: i64) -> FlightMode {
    match mode {
        0 => FlightMode::Stabilized,
        1 => FlightMode::Acro,
        2 => FlightMode::Altctl,
        3 => FlightMode::Mission,
        4 | 20 => FlightMode::Offboard,
        5 | 17 => FlightMode::Hold,
        6 | 21 | 27 => FlightMode::ReturnToLaunch,
        7 => FlightMode::Orbit,
        9 => FlightMode::Land,
        16 => FlightMode::Posctl,
        23 => FlightMode::FollowMe,
        _ => FlightMode::Other,
    }
}

fn plane(mode: i64) -> FlightMode {
    match mode {
        0 => FlightMode::Manual,
        2 | 17 => FlightMode::Stabilized,
        4 | 23 => FlightMode::Acro,
        10 => FlightMode::Mission,
        11 | 21 => FlightMode::ReturnToLaunch,
        12 | 19 => FlightMode::Hold,
        13 => FlightMode::Takeoff,
        15 => FlightMode::Offboard,
        18 => FlightMode::Altctl,
        20 | 26 => FlightMode::Land,
        _ => FlightMode::Other,
    }
}

fn sub(mode: i64) -> FlightMode {
    match mode {
        0 => FlightMode::Stabilized,
        1 => FlightMode::Acro,
        2 => FlightMode::Altctl,
        3 => FlightMode::Mission,
        4 => FlightMode::Offboard,
        7 => FlightMode::Orbit,
        16 => FlightMode::Posctl,
        19 => FlightMode::Manual,
        _ => FlightMode::Other,
    }
}

/// PX4's own number of what it does, as its logs have it.
pub fn of_nav_state(state: i64) -> FlightMode {
    match state {
        0 => FlightMode::Manual,
        1 => FlightMode::Altctl,
        2 => FlightMode::Posctl,
        3 => FlightMode::Mission,
        4 => FlightMode::Hold,
        5 => FlightMode::ReturnToLaunch,
        10 => FlightMode::Acro,
        14 => FlightMode::Offboard,
        15 => FlightMode::Stabilized,
        17 => FlightMode::Takeoff,
        18 | 20 => FlightMode::Land,
        19 => FlightMode::FollowMe,
        21 => FlightMode::Orbit,
        _ => FlightMode::Other,
    }
}
