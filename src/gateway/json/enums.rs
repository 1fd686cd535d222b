//! Codes, numbers and objects as JSON has them: lower-case names, and the numbers that JSON lacks.

use std::fmt;
use std::marker::PhantomData;

use aerostream_proto::v1;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

/// An enum of the wire whose names JSON has in lower case without their prefix.
pub trait Code: Copy + TryFrom<i32> + Into<i32> {
    /// What every name begins with on the wire.
    const PREFIX: &'static str;
    /// The name of the enum itself.
    const NAME: &'static str;
    /// The name on the wire.
    fn wire_name(self) -> &'static str;
    /// The value behind a name of the wire.
    fn from_wire_name(name: &str) -> Option<Self>;
}

macro_rules! codes {
    ($($name:ident = $prefix:literal),* $(,)?) => {$(
        impl Code for v1::$name {
            const PREFIX: &'static str = $prefix;
            const NAME: &'static str = stringify!($name);
            fn wire_name(self) -> &'static str {
                self.as_str_name()
            }
            fn from_wire_name(name: &str) -> Option<Self> {
                Self::from_str_name(name)
            }
        }
    )*};
}

codes! {
    DeadLetterContent = "DEAD_LETTER_CONTENT_",
    FixType = "FIX_TYPE_",
    MissionState = "MISSION_STATE_",
    FlightMode = "FLIGHT_MODE_",
    Dialect = "DIALECT_",
    LandedState = "LANDED_STATE_",
    SystemStatus = "SYSTEM_STATUS_",
    TimeBasis = "TIME_BASIS_",
}

/// A code by its lower-case name; the unspecified one has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lower<T>(pub T);

impl<T: Code> Lower<T> {
    /// The code behind a number of the wire; `None` for the unspecified one.
    #[must_use]
    pub fn of(number: i32) -> Option<Self> {
        T::try_from(number).ok().filter(|_| number != 0).map(Self)
    }

    /// Every code that has a name.
    pub fn all() -> impl Iterator<Item = Self> {
        (1..).map_while(Self::of)
    }

    /// The number on the wire, 0 for none.
    #[must_use]
    pub fn number(code: Option<Self>) -> i32 {
        code.map_or(0, |code| code.0.into())
    }

    /// The lower-case name.
    #[must_use]
    pub fn name(self) -> String {
        let name = self.0.wire_name();
        name.strip_prefix(T::PREFIX)
            .unwrap_or(name)
            .to_ascii_lowercase()
    }
}

impl<T: Code> Serialize for Lower<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.name())
    }
}

struct CodeVisitor<T>(PhantomData<T>);

impl<T: Code> Visitor<'_> for CodeVisitor<T> {
    type Value = Lower<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one of ")?;
        for (place, code) in Lower::<T>::all().enumerate() {
            let separator = if place > 0 { ", " } else { "" };
            write!(f, "{separator}`{}`", code.name())?;
        }
        Ok(())
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        let is_lower = !name.bytes().any(|byte| byte.is_ascii_uppercase());
        T::from_wire_name(&format!("{}{}", T::PREFIX, name.to_ascii_uppercase()))
            .filter(|code| is_lower && (*code).into() != 0)
            .map(Lower)
            .ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(name), &self))
    }
}

impl<'de, T: Code> Deserialize<'de> for Lower<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(CodeVisitor(PhantomData))
    }
}

macro_rules! reals {
    ($($(#[$doc:meta])* $name:ident($float:ty)),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq)]
        pub struct $name(pub $float);

        impl From<$name> for $float {
            fn from(real: $name) -> Self {
                real.0
            }
        }

        impl From<$float> for $name {
            fn from(real: $float) -> Self {
                Self(real)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.0.serialize(serializer)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(RealVisitor).map(|real| Self(real as $float))
            }
        }
    )*};
}

reals! {
    /// A number; the strings `NaN`, `Infinity` and `-Infinity` are read as what they say, so that
    /// they are refused by the range of their field and not by the format.
    Real64(f64),
    /// The same in single precision.
    Real32(f32),
}

struct RealVisitor;

impl Visitor<'_> for RealVisitor {
    type Value = f64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<f64, E> {
        Ok(number)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<f64, E> {
        Ok(number as f64)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<f64, E> {
        Ok(number as f64)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<f64, E> {
        match text {
            "NaN" => Ok(f64::NAN),
            "Infinity" => Ok(f64::INFINITY),
            "-Infinity" => Ok(f64::NEG_INFINITY),
            _ => Err(E::invalid_type(serde::de::Unexpected::Str(text), &self)),
        }
    }
}

/// A whole number of 32 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Natural(pub u32);

impl From<Natural> for u32 {
    fn from(natural: Natural) -> Self {
        natural.0
    }
}

impl From<u32> for Natural {
    fn from(natural: u32) -> Self {
        Self(natural)
    }
}

/// A whole number of 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Long(pub i64);

impl From<u64> for Long {
    /// Sequence numbers, offsets and counts end below 2^63.
    fn from(number: u64) -> Self {
        Self(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

/// A 64-bit number as JSON number or as decimal string, for readers whose numbers are floats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whole(pub u64);

impl Serialize for Whole {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

struct WholeVisitor;

impl Visitor<'_> for WholeVisitor {
    type Value = Whole;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an integer from 0 to 2^64 - 1, as a number or a decimal string")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Whole, E> {
        Ok(Whole(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Whole, E> {
        let number = text.parse().map(Whole);
        number.map_err(|_| E::invalid_value(serde::de::Unexpected::Str(text), &self))
    }
}

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WholeVisitor)
    }
}

/// A JSON object and nothing else. A list in its place is refused: nobody can tell whether
/// `[8.5, 47.0]` begins with the latitude.
#[derive(Debug, Clone, PartialEq)]
pub struct Object<T>(pub T);

impl<T> From<T> for Object<T> {
    fn from(fields: T) -> Self {
        Self(fields)
    }
}

impl<T: Serialize> Serialize for Object<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(fields)).map(Object)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}
