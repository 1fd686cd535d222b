//! Which commands need a second look, judged by what the drone is doing now.

use std::time::Duration;

use super::catalogue::Command;
use crate::drone::live::LiveState;
use crate::sample::LandedState;
use crate::units::UtcMicros;

/// Telemetry older than this says nothing: the drone counts as in the air.
pub const STALE_AFTER: Duration = Duration::from_secs(5);

/// True if the command needs a confirmation before it goes out now.
#[must_use]
pub fn is_dangerous(command: &Command, live: &LiveState, now: UtcMicros) -> bool {
    match command {
        Command::Terminate {} => true,
        Command::Arm { force } => *force,
        Command::Fence { enabled } => !*enabled,
        Command::Disarm { .. } | Command::Reboot {} => may_be_in_the_air(live, now),
        _ => false,
    }
}

/// False only if fresh telemetry says that it stands on the ground.
fn may_be_in_the_air(live: &LiveState, now: UtcMicros) -> bool {
    let is_fresh = live
        .received
        .is_some_and(|received| received + STALE_AFTER >= now);
    let landed = live.groups.state.and_then(|state| state.landed_state);
    !is_fresh || landed != Some(LandedState::OnGround)
}
