//! Refusals with the path of the field that they are about.

use std::fmt::Display;

use aerostream_domain::ids::IdError;
use aerostream_domain::{DroneId, NodeId, Refusal, RefusalCode, RuleId};

/// A field that must be there is not.
pub(crate) fn missing(field: &str) -> Refusal {
    Refusal::new(RefusalCode::Missing, field, "found nothing; must be given")
}

/// Puts a refusal's field under its parent: `fix_type` under `gnss[1]` is `gnss[1].fix_type`.
pub(crate) fn under(parent: impl Display) -> impl FnOnce(Refusal) -> Refusal {
    move |refusal| Refusal {
        field: format!("{parent}.{}", refusal.field),
        ..refusal
    }
}

/// Every entry of a list; a refusal names the entry's place.
pub(crate) fn each<Wire, Value>(
    list: &str,
    entries: impl IntoIterator<Item = Wire>,
    convert: impl Fn(Wire) -> Result<Value, Refusal>,
) -> Result<Vec<Value>, Refusal> {
    let convert = |(index, entry)| {
        convert(entry).map_err(|refusal| under(format_args!("{list}[{index}]"))(refusal))
    };
    entries.into_iter().enumerate().map(convert).collect()
}

/// A required message.
pub(crate) fn required<T>(field: &str, value: Option<T>) -> Result<T, Refusal> {
    value.ok_or_else(|| missing(field))
}

/// A number that must fit a narrower type, where `range` says which numbers are legal.
pub(crate) fn narrow<T: TryFrom<u32>>(field: &str, number: u32, range: &str) -> Result<T, Refusal> {
    T::try_from(number).map_err(|_| {
        let detail = format!("found {number}; must be {range}");
        Refusal::new(RefusalCode::OutOfRange, field, detail)
    })
}

/// The value behind an enum's number. 0 is "unspecified" and gives `None`; a number that this
/// version does not have is refused.
pub(crate) fn known<Wire, Value>(field: &str, number: i32) -> Result<Option<Value>, Refusal>
where
    Wire: TryFrom<i32>,
    Option<Value>: From<Wire>,
{
    match Wire::try_from(number) {
        Ok(wire) => Ok(wire.into()),
        Err(_) => Err(Refusal::new(
            RefusalCode::Malformed,
            field,
            format!("found {number}; must be a number that the enum has"),
        )),
    }
}

/// The value behind an enum's number where "unspecified" is not allowed.
pub(crate) fn specified<Wire, Value>(field: &str, number: i32) -> Result<Value, Refusal>
where
    Wire: TryFrom<i32>,
    Option<Value>: From<Wire>,
{
    required(field, known::<Wire, Value>(field, number)?)
}

/// A drone's id.
pub(crate) fn drone_id(field: &str, text: &str) -> Result<DroneId, Refusal> {
    DroneId::parse(text).map_err(|error| bad_id(field, &error))
}

/// A node's id.
pub(crate) fn node_id(field: &str, text: &str) -> Result<NodeId, Refusal> {
    NodeId::parse(text).map_err(|error| bad_id(field, &error))
}

/// A rule's id.
pub(crate) fn rule_id(field: &str, text: &str) -> Result<RuleId, Refusal> {
    RuleId::parse(text).map_err(|error| bad_id(field, &error))
}

fn bad_id(field: &str, error: &IdError) -> Refusal {
    let code = match error {
        IdError::Empty => RefusalCode::Missing,
        IdError::TooLong { .. } => RefusalCode::TooLong,
        IdError::Character { .. } => RefusalCode::Malformed,
    };
    Refusal::new(code, field, error.to_string())
}
