//! Commands and what drones say of them. A command of the wire is judged by the catalogue, name by
//! name, so that every door gives the same reasons.

mod entry;
pub(crate) mod record;

use aerostream_domain::command::{
    Answer, Command, CommandId, End, NotSentReason, Order, Outcome, Value,
};
use aerostream_domain::sample::FlightMode;
use aerostream_domain::{Epoch, Offset, Refusal, RefusalCode};

use crate::refuse::{required, specified, under};
use crate::v1;
use crate::v1::command::Kind;

/// A field of the wire as the catalogue reads it.
trait Given {
    fn given(self) -> Option<Value>;
}

/// A field of the domain as the wire has it.
trait Told {
    type Wire;

    fn told(self) -> Self::Wire;
}

macro_rules! plain {
    ($($type:ty => |$value:ident| $given:expr),* $(,)?) => {$(
        impl Given for $type {
            fn given(self) -> Option<Value> {
                let $value = self;
                Some($given)
            }
        }

        impl Given for Option<$type> {
            fn given(self) -> Option<Value> {
                self.and_then(Given::given)
            }
        }

        impl Told for $type {
            type Wire = Self;

            fn told(self) -> Self {
                self
            }
        }

        impl Told for Option<$type> {
            type Wire = Self;

            fn told(self) -> Self {
                self
            }
        }
    )*};
}

plain! {
    f64 => |number| Value::Number(number),
    u32 => |number| Value::Number(f64::from(number)),
    bool => |flag| Value::Flag(flag),
    String => |text| Value::Text(text),
}

impl Told for FlightMode {
    type Wire = String;

    fn told(self) -> String {
        let told = Command::SetMode { mode: self }.parameters();
        match told.into_iter().next() {
            Some((_, Value::Text(name))) => name,
            _ => String::new(),
        }
    }
}

macro_rules! commands {
    ($($variant:ident = $name:literal { $($field:ident),* })*) => {
        impl TryFrom<v1::Command> for Command {
            type Error = Refusal;

            fn try_from(wire: v1::Command) -> Result<Self, Refusal> {
                match required("command", wire.kind)? {
                    $( Kind::$variant(v1::command::$variant { $($field),* }) => {
                        let given: Vec<(&str, Option<Value>)> =
                            vec![$( (stringify!($field), $field.given()), )*];
                        let given = given
                            .into_iter()
                            .filter_map(|(name, value)| Some((name.to_owned(), value?)));
                        Self::build($name, given).map_err(under($name))
                    } )*
                }
            }
        }

        impl From<Command> for v1::Command {
            fn from(command: Command) -> Self {
                let kind = match command {
                    $( Command::$variant { $($field),* } => {
                        Kind::$variant(v1::command::$variant { $($field: $field.told()),* })
                    } )*
                };
                Self { kind: Some(kind) }
            }
        }
    };
}

commands! {
    Arm = "arm" { force }
    Disarm = "disarm" { force }
    Takeoff = "takeoff" { altitude_m, heading_deg }
    Land = "land" {}
    Return = "return" {}
    Hold = "hold" {}
    Continue = "continue" {}
    Goto = "goto" { latitude_deg, longitude_deg, altitude_m, speed_m_s, heading_deg }
    ChangeAltitude = "change_altitude" { altitude_m }
    ChangeSpeed = "change_speed" { speed_m_s }
    Yaw = "yaw" { heading_deg, rate_deg_s }
    Orbit = "orbit" {
        latitude_deg, longitude_deg, altitude_m, radius_m, speed_m_s, counter_clockwise
    }
    SetMode = "set_mode" { mode }
    StartMission = "start_mission" { first_item, last_item }
    Fence = "fence" { enabled }
    SetHome = "set_home" { current, latitude_deg, longitude_deg, absolute_altitude_m }
    RequestMessage = "request_message" { message, interval_ms }
    Reboot = "reboot" {}
    Terminate = "terminate" {}
    Custom = "custom" { code, param1, param2, param3, param4, param5, param6, param7 }
}

macro_rules! codes {
    ($($domain:ident as $wire:ident { $($variant:ident)+ })+) => {$(
        impl From<$domain> for v1::$wire {
            fn from(code: $domain) -> Self {
                match code {
                    $( $domain::$variant => Self::$variant, )+
                }
            }
        }

        impl From<v1::$wire> for Option<$domain> {
            fn from(code: v1::$wire) -> Self {
                match code {
                    v1::$wire::Unspecified => None,
                    $( v1::$wire::$variant => Some($domain::$variant), )+
                }
            }
        }
    )+};
}

codes! {
    Outcome as CommandOutcome {
        Accepted InProgress TemporarilyRejected Denied Unsupported Failed Cancelled Stale
    }
    NotSentReason as CommandNotSentReason {
        Expired StaleEpoch Silent OtherBoot NoBootClock SessionEnded Overloaded
    }
    End as CommandEnd {
        Confirmed Unconfirmed Failed TimedOut Unknown Expired Cancelled Superseded Rejected
        Unrecorded
    }
}

impl From<Order> for v1::CommandOrder {
    fn from(order: Order) -> Self {
        Self {
            generation: order.epoch.generation,
            epoch: order.epoch.offset.0,
            counter: order.counter,
        }
    }
}

impl From<v1::CommandOrder> for Order {
    fn from(wire: v1::CommandOrder) -> Self {
        Self {
            epoch: Epoch {
                generation: wire.generation,
                offset: Offset(wire.epoch),
            },
            counter: wire.counter,
        }
    }
}

/// The id of a command in its text form.
///
/// # Errors
/// It is not one.
pub fn command_id(field: &str, text: &str) -> Result<CommandId, Refusal> {
    CommandId::parse(text)
        .map_err(|error| Refusal::new(RefusalCode::Malformed, field, error.to_string()))
}

/// What a drone says, as the wire has it: whom it is about is beside it.
///
/// # Errors
/// No version of the format has this, or a number is out of its range.
pub fn answer_from_wire(
    outcome: i32,
    progress_percent: Option<u32>,
    detail: String,
) -> Result<Answer, Refusal> {
    let progress = |percent: u32| {
        u8::try_from(percent)
            .ok()
            .filter(|percent| *percent <= 100)
            .ok_or_else(|| {
                let detail = format!("found {percent}; must be 0 to 100");
                Refusal::new(RefusalCode::OutOfRange, "progress_percent", detail)
            })
    };
    if detail.len() > Answer::DETAIL_BYTES_MAX {
        let told = format!("must be at most {} bytes", Answer::DETAIL_BYTES_MAX);
        return Err(Refusal::new(RefusalCode::TooLong, "detail", told));
    }
    Ok(Answer {
        outcome: specified::<v1::CommandOutcome, _>("outcome", outcome)?,
        progress_percent: progress_percent.map(progress).transpose()?,
        detail,
    })
}
