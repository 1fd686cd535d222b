//! Numbers of the closed sets in `smallint` columns; migrations/0002 comments on each. They never
//! change their meaning.

use aerostream_domain::PowerUpBasis;
use aerostream_domain::sample::{
    Dialect, FixType, FlightMode, LandedState, MissionState, SystemStatus, TimeBasis,
};

/// A closed set that is stored as a number.
pub trait Code: Copy + Sized {
    fn code(self) -> i16;
    fn from_code(code: i16) -> Option<Self>;
}

macro_rules! codes {
    ($name:ident { $($variant:ident = $code:literal),+ $(,)? }) => {
        impl Code for $name {
            fn code(self) -> i16 {
                match self { $(Self::$variant => $code),+ }
            }

            fn from_code(code: i16) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

codes!(TimeBasis { Utc = 1, Paired = 2, Received = 3 });
codes!(PowerUpBasis { Sending = 1, BothClocks = 2, FirstUtc = 3, Received = 4 });
codes!(FixType {
    NoGps = 1, NoFix = 2, Fix2d = 3, Fix3d = 4, FixDgps = 5, RtkFloat = 6, RtkFixed = 7,
});
codes!(MissionState { NoMission = 1, NotStarted = 2, Active = 3, Paused = 4, Complete = 5 });
codes!(FlightMode {
    Ready = 1,
    Takeoff = 2,
    Hold = 3,
    Mission = 4,
    ReturnToLaunch = 5,
    Land = 6,
    Offboard = 7,
    FollowMe = 8,
    Manual = 9,
    Altctl = 10,
    Posctl = 11,
    Acro = 12,
    Stabilized = 13,
    Orbit = 14,
    Other = 15,
});
codes!(Dialect { Px4 = 1, ArduPilot = 2, Dji = 3, Other = 4 });
codes!(LandedState { OnGround = 1, InAir = 2, TakingOff = 3, Landing = 4 });
codes!(SystemStatus {
    Boot = 1,
    Calibrating = 2,
    Standby = 3,
    Active = 4,
    Critical = 5,
    Emergency = 6,
    PowerOff = 7,
    FlightTermination = 8,
});
