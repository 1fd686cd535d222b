//! What a rule may look at: a value of live state, with its name, its unit and its parts.

mod codes;
mod table;

use self::table::FIELDS;
use super::id::Instance;
use crate::drone::live::LiveState;
use crate::sample::{Battery, Extra, Gnss};

/// Of how many like parts a field speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Per {
    Drone,
    Battery,
    Gnss,
    Fence,
}

/// What kind of value a field has, and how it is written in a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// A number in this unit; empty: a plain number.
    Number(&'static str),
    /// True or false.
    Flag,
    /// One of these names; the value is the place in the list.
    Name(&'static [&'static str]),
}

/// A value that a rule may compare.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Field {
    /// One of the fields of the model.
    Known(&'static Known),
    /// A number or flag among the extras, by its name.
    Extra(String),
}

/// A field of the model. Two are equal if their names are.
#[derive(Debug)]
pub struct Known {
    pub name: &'static str,
    pub kind: FieldKind,
    pub per: Per,
    /// Groups whose change may change it: bits of [`group`].
    pub groups: u16,
    read: fn(&View<'_>) -> Option<f64>,
}

impl PartialEq for Known {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Known {}

impl std::hash::Hash for Known {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

/// Bits of the groups of a sample.
pub mod group {
    pub const POSITION: u16 = 1;
    pub const VELOCITY: u16 = 1 << 1;
    pub const ATTITUDE: u16 = 1 << 2;
    pub const GNSS: u16 = 1 << 3;
    pub const BATTERY: u16 = 1 << 4;
    pub const LINK: u16 = 1 << 5;
    pub const HOME: u16 = 1 << 6;
    pub const MISSION: u16 = 1 << 7;
    pub const HEALTH: u16 = 1 << 8;
    pub const WIND: u16 = 1 << 9;
    pub const STATE: u16 = 1 << 10;
    pub const TEXT: u16 = 1 << 11;
    pub const EXTRAS: u16 = 1 << 12;
    /// Every group: what depends on the time alone.
    pub const ALL: u16 = (1 << 13) - 1;
}

/// What a field is read from.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    pub live: &'a LiveState,
    pub battery: Option<&'a Battery>,
    pub gnss: Option<&'a Gnss>,
    /// How deep the drone is within what the fence allows, metres.
    pub fence_depth_m: Option<f64>,
}

impl<'a> View<'a> {
    /// The drone as seen by one instance; `None` if there is no such part any more.
    #[must_use]
    pub fn of(live: &'a LiveState, instance: &Instance) -> Option<Self> {
        let mut view = Self {
            live,
            battery: None,
            gnss: None,
            fence_depth_m: None,
        };
        let groups = &live.groups;
        match instance {
            Instance::Drone | Instance::Fence(_) => {}
            Instance::Battery(id) => {
                view.battery = Some(groups.battery.iter().find(|pack| pack.id == *id)?);
            }
            Instance::Gnss(id) => {
                view.gnss = Some(groups.gnss.iter().find(|receiver| receiver.id == *id)?);
            }
        }
        Some(view)
    }
}

impl Field {
    /// The field of this name: one of [`Field::all`], or `extras.` and a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        if let Some(extra) = name.strip_prefix("extras.") {
            return (!extra.is_empty()).then(|| Self::Extra(extra.to_owned()));
        }
        FIELDS
            .iter()
            .find(|field| field.name == name)
            .map(Self::Known)
    }

    /// Every field of the model.
    #[must_use]
    pub fn all() -> &'static [Known] {
        FIELDS
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Known(known) => known.name.to_owned(),
            Self::Extra(name) => format!("extras.{name}"),
        }
    }

    /// What kind of value it has.
    #[must_use]
    pub fn kind(&self) -> FieldKind {
        match self {
            Self::Known(known) => known.kind,
            Self::Extra(_) => FieldKind::Number(""),
        }
    }

    /// Of how many parts it speaks.
    #[must_use]
    pub fn per(&self) -> Per {
        match self {
            Self::Known(known) => known.per,
            Self::Extra(_) => Per::Drone,
        }
    }

    /// Groups whose change may change it.
    #[must_use]
    pub fn groups(&self) -> u16 {
        match self {
            Self::Known(known) => known.groups,
            Self::Extra(_) => group::EXTRAS,
        }
    }

    /// Its value; `None` if the drone did not tell it.
    #[must_use]
    pub fn read(&self, view: &View<'_>) -> Option<f64> {
        match self {
            Self::Known(known) => (known.read)(view),
            Self::Extra(name) => {
                let extras = &view.live.groups.extras;
                match &extras.iter().find(|(known, _)| known == name)?.1 {
                    Extra::Number(value) => Some(*value),
                    Extra::Integer(value) => Some(*value as f64),
                    Extra::Flag(value) => Some(f64::from(u8::from(*value))),
                    Extra::Text(_) => None,
                }
            }
        }
    }
}
