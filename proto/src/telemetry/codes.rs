//! The enums of a sample: each wire number beside its meaning. "Unspecified" is `None`.

use aerostream_domain::sample as domain;

use crate::v1;

macro_rules! codes {
    ($($name:ident { $($variant:ident)+ })+) => {$(
        impl From<domain::$name> for v1::$name {
            fn from(code: domain::$name) -> Self {
                match code {
                    $(domain::$name::$variant => Self::$variant,)+
                }
            }
        }

        impl From<v1::$name> for Option<domain::$name> {
            fn from(code: v1::$name) -> Self {
                match code {
                    v1::$name::Unspecified => None,
                    $(v1::$name::$variant => Some(domain::$name::$variant),)+
                }
            }
        }
    )+};
}

codes! {
    FixType { NoGps NoFix Fix2d Fix3d FixDgps RtkFloat RtkFixed }
    MissionState { NoMission NotStarted Active Paused Complete }
    FlightMode {
        Ready Takeoff Hold Mission ReturnToLaunch Land Offboard FollowMe Manual Altctl Posctl Acro
        Stabilized Orbit Other
    }
    Dialect { Px4 ArduPilot Dji Other }
    LandedState { OnGround InAir TakingOff Landing }
    SystemStatus {
        Boot Calibrating Standby Active Critical Emergency PowerOff FlightTermination
    }
    TimeBasis { Utc Paired Received }
    PowerUpBasis { Sending BothClocks FirstUtc Received }
}

/// The wire number of a code that may be unknown.
pub(super) fn number<Code, Wire: From<Code> + Into<i32>>(code: Option<Code>) -> i32 {
    code.map_or(0, |code| Wire::from(code).into())
}
