//! The commands that there are: each with its name, its parameters, their units and ranges.
//! What is said here is what doors take, what they tell about, and what a wrong request is told.

use std::collections::BTreeMap;

use xxhash_rust::xxh3::xxh3_64;

use super::parameter::{Given, Parameter, ParameterForm, Range, Value};
use crate::sample::FlightMode;
use crate::validate::{Refusal, RefusalCode};

/// What is told about a parameter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ParameterSpec {
    /// Its name, which ends in its unit.
    pub name: &'static str,
    /// What it means.
    pub about: &'static str,
    /// Smallest and largest number, or number of letters.
    pub range: Option<(f64, f64)>,
    pub required: bool,
    pub form: ParameterForm,
}

/// `Variant = "name" { field: Type = (min, max) }`, with a sentence for each.
macro_rules! catalogue {
    ($(
        #[doc = $about:literal]
        $variant:ident = $name:literal {
            $( #[doc = $meaning:literal] $field:ident: $type:ty $(= ($min:expr, $max:expr))?, )*
        }
    )*) => {
        /// What a drone is told to do.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Command {
            $( #[doc = $about] $variant { $( #[doc = $meaning] $field: $type, )* }, )*
        }

        /// A command without its parameters.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum CommandKind {
            $( #[doc = $about] $variant, )*
        }

        impl CommandKind {
            /// Every kind, in the order of the catalogue.
            pub const ALL: &'static [Self] = &[$( Self::$variant, )*];

            /// Stable name, the same in every protocol.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $name, )* }
            }

            /// One sentence for people.
            #[must_use]
            pub const fn about(self) -> &'static str {
                match self { $( Self::$variant => $about, )* }
            }

            /// Its parameters.
            #[must_use]
            pub const fn parameters(self) -> &'static [ParameterSpec] {
                match self { $( Self::$variant => &[$( ParameterSpec {
                    name: stringify!($field),
                    about: $meaning,
                    range: range!($($min, $max)?),
                    required: <$type as Parameter>::REQUIRED,
                    form: <$type as Parameter>::FORM,
                }, )*], )* }
            }

            fn read(self, given: &mut Given) -> Result<Command, Refusal> {
                Ok(match self { $( Self::$variant => Command::$variant { $(
                    $field: given.take(stringify!($field), range!($($min, $max)?))?,
                )* }, )* })
            }
        }

        impl Command {
            /// Which command it is.
            #[must_use]
            pub const fn kind(&self) -> CommandKind {
                match self { $( Self::$variant { .. } => CommandKind::$variant, )* }
            }

            /// Its parameters by name; those that are not given are not there.
            #[must_use]
            pub fn parameters(&self) -> Vec<(&'static str, Value)> {
                match self { $( Self::$variant { $( $field, )* } => {
                    let all: Vec<(&'static str, Option<Value>)> =
                        vec![$( (stringify!($field), $field.told()), )*];
                    all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
                } )* }
            }
        }
    };
}

macro_rules! range {
    () => {
        None as Range
    };
    ($min:expr, $max:expr) => {
        Some(($min, $max))
    };
}

catalogue! {
    /// Lets the motors turn.
    Arm = "arm" {
        /// Passes over the checks before arming; needs a confirmation.
        force: bool,
    }
    /// Stops the motors; in the air this needs a confirmation.
    Disarm = "disarm" {
        /// Stops them in the air, too.
        force: bool,
    }
    /// Takes off and climbs.
    Takeoff = "takeoff" {
        /// Metres above home to climb to.
        altitude_m: f64 = (1.0, 500.0),
        /// Where the nose shall point, degrees from true north.
        heading_deg: Option<f64> = (0.0, 360.0),
    }
    /// Lands where it is.
    Land = "land" {}
    /// Flies home and lands.
    Return = "return" {}
    /// Stops and stays where it is.
    Hold = "hold" {}
    /// Goes on with what was held.
    Continue = "continue" {}
    /// Flies to a place and stays there.
    Goto = "goto" {
        /// Degrees north, WGS 84.
        latitude_deg: f64 = (-90.0, 90.0),
        /// Degrees east, WGS 84.
        longitude_deg: f64 = (-180.0, 180.0),
        /// Metres above home.
        altitude_m: f64 = (-100.0, 1000.0),
        /// Speed over ground on the way, metres per second.
        speed_m_s: Option<f64> = (0.5, 60.0),
        /// Where the nose shall point, degrees from true north.
        heading_deg: Option<f64> = (0.0, 360.0),
    }
    /// Climbs or descends where it is.
    ChangeAltitude = "change_altitude" {
        /// Metres above home.
        altitude_m: f64 = (-100.0, 1000.0),
    }
    /// Flies faster or slower from now on.
    ChangeSpeed = "change_speed" {
        /// Over ground, metres per second.
        speed_m_s: f64 = (0.0, 60.0),
    }
    /// Turns on the spot.
    Yaw = "yaw" {
        /// Where the nose shall point, degrees from true north.
        heading_deg: f64 = (0.0, 360.0),
        /// How fast it turns, degrees per second.
        rate_deg_s: Option<f64> = (1.0, 180.0),
    }
    /// Circles around a place.
    Orbit = "orbit" {
        /// Degrees north of the centre, WGS 84.
        latitude_deg: f64 = (-90.0, 90.0),
        /// Degrees east of the centre, WGS 84.
        longitude_deg: f64 = (-180.0, 180.0),
        /// Metres above home.
        altitude_m: f64 = (-100.0, 1000.0),
        /// Metres from the centre.
        radius_m: f64 = (5.0, 2000.0),
        /// Over ground, metres per second.
        speed_m_s: Option<f64> = (0.5, 60.0),
        /// Counter-clockwise as seen from above.
        counter_clockwise: bool,
    }
    /// Changes the flight mode.
    SetMode = "set_mode" {
        /// Name of the mode, such as `hold`.
        mode: FlightMode,
    }
    /// Begins the mission that the drone has.
    StartMission = "start_mission" {
        /// Zero-based item to begin with.
        first_item: Option<u32> = (0.0, 65535.0),
        /// Zero-based item to end with.
        last_item: Option<u32> = (0.0, 65535.0),
    }
    /// Turns the drone's own fence on, or off, which needs a confirmation.
    Fence = "fence" {
        /// Whether it is on.
        enabled: bool,
    }
    /// Says where home is: here, or at a place.
    SetHome = "set_home" {
        /// Here; then no place is given.
        current: bool,
        /// Degrees north, WGS 84.
        latitude_deg: Option<f64> = (-90.0, 90.0),
        /// Degrees east, WGS 84.
        longitude_deg: Option<f64> = (-180.0, 180.0),
        /// Metres above mean sea level.
        absolute_altitude_m: Option<f64> = (-1000.0, 10000.0),
    }
    /// Asks for a message of the drone's own vocabulary, once or again and again.
    RequestMessage = "request_message" {
        /// Name of the message.
        message: String = (1.0, 64.0),
        /// Milliseconds between two of them; absent: once.
        interval_ms: Option<f64> = (1.0, 3600000.0),
    }
    /// Starts the autopilot again; in the air this needs a confirmation.
    Reboot = "reboot" {}
    /// Ends the flight at once and for good; needs a confirmation.
    Terminate = "terminate" {}
    /// A command of the drone's own vocabulary.
    Custom = "custom" {
        /// Its number, as MAV_CMD counts them.
        code: u32 = (0.0, 65535.0),
        /// First parameter; units and range are the command's own.
        param1: Option<f64>,
        /// Second parameter.
        param2: Option<f64>,
        /// Third parameter.
        param3: Option<f64>,
        /// Fourth parameter.
        param4: Option<f64>,
        /// Fifth parameter.
        param5: Option<f64>,
        /// Sixth parameter.
        param6: Option<f64>,
        /// Seventh parameter.
        param7: Option<f64>,
    }
}

impl CommandKind {
    /// The kind of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == name)
    }

    /// True for motion, mode and arm commands, of which the newest wins; of any other kind one may
    /// be under way at a time.
    #[must_use]
    pub const fn is_exclusive(self) -> bool {
        !matches!(
            self,
            Self::Fence | Self::SetHome | Self::RequestMessage | Self::Custom
        )
    }

    /// True for what may go to the drone while the event log is down.
    #[must_use]
    pub const fn may_be_emergency(self) -> bool {
        matches!(
            self,
            Self::Hold | Self::Return | Self::Land | Self::Terminate
        )
    }
}

impl Command {
    /// The command of a name with these parameters, each within its range.
    ///
    /// # Errors
    /// The name is unknown, or a parameter is missing, unknown or out of its range; the refusal
    /// names it and what would be right.
    pub fn build(
        name: &str,
        parameters: impl IntoIterator<Item = (String, Value)>,
    ) -> Result<Self, Refusal> {
        let Some(kind) = CommandKind::named(name) else {
            let names: Vec<_> = CommandKind::ALL.iter().map(|kind| kind.as_str()).collect();
            let detail = format!("must be one of {}", names.join(", "));
            return Err(Refusal::new(RefusalCode::Malformed, "command", detail));
        };
        let mut given = Given(BTreeMap::new());
        for (name, value) in parameters {
            if given.0.insert(name.clone(), value).is_some() {
                let detail = "is given twice";
                return Err(Refusal::new(RefusalCode::Unexpected, name, detail));
            }
        }
        let command = kind.read(&mut given)?;
        if let Some(unknown) = given.0.into_keys().next() {
            let known = kind.parameters().iter().map(|known| known.name);
            let known = known.collect::<Vec<_>>().join(", ");
            let detail = match known.as_str() {
                "" => format!("{name} has no parameters"),
                known => format!("{name} has no such parameter; it has {known}"),
            };
            return Err(Refusal::new(RefusalCode::Unexpected, unknown, detail));
        }
        command.check()?;
        Ok(command)
    }

    /// What no range of one parameter says.
    fn check(&self) -> Result<(), Refusal> {
        let wrong = |field, detail| Err(Refusal::new(RefusalCode::Unexpected, field, detail));
        match self {
            Self::SetHome {
                current,
                latitude_deg,
                longitude_deg,
                absolute_altitude_m,
            } => {
                let placed = latitude_deg.is_some() && longitude_deg.is_some();
                let any = latitude_deg.is_some()
                    || longitude_deg.is_some()
                    || absolute_altitude_m.is_some();
                if *current && any {
                    return wrong("current", "home is either here or at a place, not both");
                }
                if !*current && !placed {
                    let detail = "must be true, or latitude_deg and longitude_deg be given";
                    return wrong("current", detail);
                }
                Ok(())
            }
            Self::StartMission {
                first_item: Some(first),
                last_item: Some(last),
            } if first > last => wrong("last_item", "must not be before first_item"),
            _ => Ok(()),
        }
    }

    /// Tells one command with its parameters from any other, on every machine.
    #[must_use]
    pub fn digest(&self) -> u64 {
        let mut bytes = Vec::from(self.kind().as_str());
        for (name, value) in self.parameters() {
            bytes.push(0);
            bytes.extend(name.as_bytes());
            bytes.push(0);
            match value {
                // The two zeros are one number.
                Value::Number(number) => bytes.extend((number + 0.0).to_bits().to_le_bytes()),
                Value::Flag(flag) => bytes.push(u8::from(flag)),
                Value::Text(text) => bytes.extend(text.as_bytes()),
            }
        }
        xxh3_64(&bytes)
    }
}
