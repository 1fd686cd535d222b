//! Conditions: `{"all":[..]}`, `{"any":[..]}`, `{"not":..}`, `{"never":true}`, or
//! `{"field":..,"op":..,"value":..}`.

use aerostream_domain::alert::condition::DEPTH_MAX;
use aerostream_domain::alert::{Compare, Condition, Field, FieldKind};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType};

use super::{field, wrong};
use crate::error::Problem;

/// A condition: exactly one of `all`, `any`, `not`, `never`, or a comparison of a `field`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RuleCondition)]
pub struct ConditionShape {
    /// Every one holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(no_recursion)]
    pub all: Option<Vec<Self>>,
    /// Some one holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(no_recursion)]
    pub any: Option<Vec<Self>>,
    /// It does not hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(no_recursion)]
    pub not: Option<Box<Self>>,
    /// Holds never: the alert ends with the flight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub never: Option<bool>,
    /// A field of `GET /api/v1/rules/fields`, or `extras.` and a name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// One of `<`, `<=`, `>`, `>=`, `==`, `!=`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub op: Option<String>,
    /// A number in the field's unit, true or false, or one of the field's names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = value)]
    pub value: Option<Value>,
}

/// A number, a flag or a name.
fn value() -> Schema {
    let any = ObjectBuilder::new().schema_type(SchemaType::AnyValue);
    let about = "A number in the field's unit, true or false, or one of the field's names.";
    any.description(Some(about)).into()
}

impl ConditionShape {
    /// A condition as it is told.
    #[must_use]
    pub fn told(condition: &Condition) -> Self {
        let parts = |parts: &[Condition]| Some(parts.iter().map(Self::told).collect());
        let none = Self::default();
        match condition {
            Condition::All(all) => Self {
                all: parts(all),
                ..none
            },
            Condition::Any(any) => Self {
                any: parts(any),
                ..none
            },
            Condition::Not(not) => Self {
                not: Some(Box::new(Self::told(not))),
                ..none
            },
            Condition::Never => Self {
                never: Some(true),
                ..none
            },
            Condition::Compare {
                field,
                compare,
                limit,
            } => Self {
                field: Some(field.name()),
                op: Some(compare.as_str().to_owned()),
                value: Some(value_told(field, *limit)),
                ..none
            },
        }
    }

    /// The condition that it says.
    ///
    /// # Errors
    /// It is none; `at` is its path.
    pub fn into_condition(self, at: &str) -> Result<Condition, Problem> {
        self.part(at, DEPTH_MAX)
    }

    fn part(self, at: &str, depth: usize) -> Result<Condition, Problem> {
        let Some(depth) = depth.checked_sub(1) else {
            let what = format!("conditions may be within each other at most {DEPTH_MAX} deep");
            return Err(wrong(at, what));
        };
        let list = |name: &str, parts: Vec<Self>| {
            let parts = parts.into_iter().enumerate();
            let parts =
                parts.map(|(place, part)| part.part(&format!("{at}.{name}[{place}]"), depth));
            parts.collect::<Result<Vec<_>, _>>()
        };
        match self {
            Self {
                all: Some(all),
                any: None,
                not: None,
                never: None,
                field: None,
                op: None,
                value: None,
            } => Ok(Condition::All(list("all", all)?)),
            Self {
                all: None,
                any: Some(any),
                not: None,
                never: None,
                field: None,
                op: None,
                value: None,
            } => Ok(Condition::Any(list("any", any)?)),
            Self {
                all: None,
                any: None,
                not: Some(not),
                never: None,
                field: None,
                op: None,
                value: None,
            } => {
                let not = not.part(&format!("{at}.not"), depth)?;
                Ok(Condition::Not(Box::new(not)))
            }
            Self {
                all: None,
                any: None,
                not: None,
                never: Some(true),
                field: None,
                op: None,
                value: None,
            } => Ok(Condition::Never),
            Self {
                all: None,
                any: None,
                not: None,
                never: None,
                field: Some(field),
                op,
                value,
            } => comparison(at, &field, (op, value)),
            _ => Err(wrong(
                at,
                "must be exactly one of {\"all\":[..]}, {\"any\":[..]}, {\"not\":..}, \
                 {\"never\":true} and {\"field\":..,\"op\":..,\"value\":..}",
            )),
        }
    }
}

fn comparison(
    at: &str,
    name: &str,
    (op, value): (Option<String>, Option<Value>),
) -> Result<Condition, Problem> {
    let known = Field::parse(name).ok_or_else(|| {
        let near = field::nearest(name).join(", ");
        let what = format!(
            "there is no field {name:?}; near it are {near}; GET /api/v1/rules/fields tells all"
        );
        wrong(&format!("{at}.field"), what)
    })?;
    let op = op.unwrap_or_default();
    let compare = Compare::ALL.into_iter().find(|it| it.as_str() == op);
    let compare = compare.ok_or_else(|| {
        let what = format!("must be one of <, <=, >, >=, == and !=; it is {op:?}");
        wrong(&format!("{at}.op"), what)
    })?;
    let limit = value_of(&known, value.as_ref()).ok_or_else(|| {
        let what = match known.kind() {
            FieldKind::Number("") => "must be a number".to_owned(),
            FieldKind::Number(unit) => format!("must be a number, in {unit}"),
            FieldKind::Flag => "must be true or false".to_owned(),
            FieldKind::Name(names) => format!("must be one of {}", names.join(", ")),
        };
        wrong(
            &format!("{at}.value"),
            format!("{what}: {name} is compared"),
        )
    })?;
    Ok(Condition::Compare {
        field: known,
        compare,
        limit,
    })
}

fn value_of(field: &Field, value: Option<&Value>) -> Option<f64> {
    match (field.kind(), value?) {
        (FieldKind::Number(_), Value::Number(number)) => number.as_f64(),
        (FieldKind::Flag, Value::Bool(flag)) => Some(f64::from(u8::from(*flag))),
        // What an extra is nobody knows beforehand.
        (FieldKind::Number(_), Value::Bool(flag)) if matches!(field, Field::Extra(_)) => {
            Some(f64::from(u8::from(*flag)))
        }
        (FieldKind::Name(names), Value::String(name)) => {
            let place = names.iter().position(|known| known == name)?;
            Some(place as f64)
        }
        _ => None,
    }
}

fn value_told(field: &Field, limit: f64) -> Value {
    match field.kind() {
        FieldKind::Number(_) => limit.into(),
        FieldKind::Flag => (limit != 0.0).into(),
        FieldKind::Name(names) => match names.get(limit as usize) {
            Some(name) => (*name).into(),
            None => limit.into(),
        },
    }
}
