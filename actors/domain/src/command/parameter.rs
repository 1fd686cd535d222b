//! Values of parameters: read with their ranges, so that an error names what would be right.

use std::collections::BTreeMap;

use crate::sample::FlightMode;
use crate::validate::{Refusal, RefusalCode};

/// A parameter as doors and tables have it.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Number(f64),
    Flag(bool),
    Text(String),
}

/// What a parameter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ParameterForm {
    Number,
    WholeNumber,
    /// True or false; absent is false.
    Flag,
    /// Printable ASCII characters.
    Text,
    /// Name of a flight mode.
    Mode,
}

/// Smallest and largest legal number of a parameter, or of letters of a text.
pub(super) type Range = Option<(f64, f64)>;

/// What stands in a request, by name.
pub(super) struct Given(pub BTreeMap<String, Value>);

impl Given {
    pub(super) fn take<P: Parameter>(
        &mut self,
        name: &'static str,
        range: Range,
    ) -> Result<P, Refusal> {
        P::read(name, self.0.remove(name), range)
    }
}

/// A type that a parameter can have.
pub(super) trait Parameter: Sized {
    const REQUIRED: bool;
    const FORM: ParameterForm;

    fn read(name: &'static str, found: Option<Value>, range: Range) -> Result<Self, Refusal>;

    fn told(&self) -> Option<Value>;
}

fn missing(name: &str) -> Refusal {
    Refusal::new(RefusalCode::Missing, name, "found nothing; must be given")
}

fn not_a(name: &str, what: &str) -> Refusal {
    Refusal::new(RefusalCode::Malformed, name, format!("must be {what}"))
}

impl Parameter for f64 {
    const REQUIRED: bool = true;
    const FORM: ParameterForm = ParameterForm::Number;

    fn read(name: &'static str, found: Option<Value>, range: Range) -> Result<Self, Refusal> {
        let number = match found {
            None => return Err(missing(name)),
            Some(Value::Number(number)) => number,
            Some(_) => return Err(not_a(name, "a number")),
        };
        let (min, max) = range.unwrap_or((f64::MIN, f64::MAX));
        if (min..=max).contains(&number) {
            return Ok(number);
        }
        let detail = if range.is_some() {
            format!("found {number}; must be {min} to {max}")
        } else {
            format!("found {number}; must be a finite number")
        };
        Err(Refusal::new(RefusalCode::OutOfRange, name, detail))
    }

    fn told(&self) -> Option<Value> {
        Some(Value::Number(*self))
    }
}

impl Parameter for u32 {
    const REQUIRED: bool = true;
    const FORM: ParameterForm = ParameterForm::WholeNumber;

    fn read(name: &'static str, found: Option<Value>, range: Range) -> Result<Self, Refusal> {
        let range = range.or(Some((0.0, f64::from(u32::MAX))));
        let number = f64::read(name, found, range)?;
        if number.fract() == 0.0 {
            return Ok(number as Self);
        }
        let detail = format!("found {number}; must be a whole number");
        Err(Refusal::new(RefusalCode::OutOfRange, name, detail))
    }

    fn told(&self) -> Option<Value> {
        Some(Value::Number(f64::from(*self)))
    }
}

impl Parameter for bool {
    /// An absent switch is off.
    const REQUIRED: bool = false;
    const FORM: ParameterForm = ParameterForm::Flag;

    fn read(name: &'static str, found: Option<Value>, _: Range) -> Result<Self, Refusal> {
        match found {
            None => Ok(false),
            Some(Value::Flag(flag)) => Ok(flag),
            Some(_) => Err(not_a(name, "true or false")),
        }
    }

    fn told(&self) -> Option<Value> {
        Some(Value::Flag(*self))
    }
}

impl Parameter for String {
    const REQUIRED: bool = true;
    const FORM: ParameterForm = ParameterForm::Text;

    fn read(name: &'static str, found: Option<Value>, range: Range) -> Result<Self, Refusal> {
        let text = match found {
            None => return Err(missing(name)),
            Some(Value::Text(text)) => text,
            Some(_) => return Err(not_a(name, "a text")),
        };
        let (min, max) = range.unwrap_or((1.0, 64.0));
        let printable = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        if printable && (min..=max).contains(&(text.len() as f64)) {
            return Ok(text);
        }
        let detail = format!("must be {min} to {max} printable ASCII characters");
        Err(Refusal::new(RefusalCode::OutOfRange, name, detail))
    }

    fn told(&self) -> Option<Value> {
        Some(Value::Text(self.clone()))
    }
}

/// Modes that can be ordered by their names.
const MODES: [(FlightMode, &str); 14] = [
    (FlightMode::Ready, "ready"),
    (FlightMode::Takeoff, "takeoff"),
    (FlightMode::Hold, "hold"),
    (FlightMode::Mission, "mission"),
    (FlightMode::ReturnToLaunch, "return_to_launch"),
    (FlightMode::Land, "land"),
    (FlightMode::Offboard, "offboard"),
    (FlightMode::FollowMe, "follow_me"),
    (FlightMode::Manual, "manual"),
    (FlightMode::Altctl, "altctl"),
    (FlightMode::Posctl, "posctl"),
    (FlightMode::Acro, "acro"),
    (FlightMode::Stabilized, "stabilized"),
    (FlightMode::Orbit, "orbit"),
];

impl Parameter for FlightMode {
    const REQUIRED: bool = true;
    const FORM: ParameterForm = ParameterForm::Mode;

    fn read(name: &'static str, found: Option<Value>, _: Range) -> Result<Self, Refusal> {
        let text = match found {
            None => return Err(missing(name)),
            Some(Value::Text(text)) => text,
            Some(_) => return Err(not_a(name, "the name of a mode")),
        };
        let known = MODES.iter().find(|(_, known)| *known == text);
        known.map(|(mode, _)| *mode).ok_or_else(|| {
            let names = MODES.map(|(_, name)| name).join(", ");
            not_a(name, &format!("one of {names}"))
        })
    }

    fn told(&self) -> Option<Value> {
        let known = MODES.iter().find(|(mode, _)| mode == self);
        known.map(|(_, name)| Value::Text((*name).to_owned()))
    }
}

impl<P: Parameter> Parameter for Option<P> {
    const REQUIRED: bool = false;
    const FORM: ParameterForm = P::FORM;

    fn read(name: &'static str, found: Option<Value>, range: Range) -> Result<Self, Refusal> {
        match found {
            None => Ok(None),
            found => P::read(name, found, range).map(Some),
        }
    }

    fn told(&self) -> Option<Value> {
        self.as_ref().and_then(P::told)
    }
}
