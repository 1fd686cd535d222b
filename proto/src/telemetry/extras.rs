//! What has no column. The wire has extras in any order, the domain by name.

use aerostream_domain::Refusal;
use aerostream_domain::sample::Extra;

use crate::refuse::missing;
use crate::v1;

impl From<v1::extra::Value> for Extra {
    fn from(wire: v1::extra::Value) -> Self {
        match wire {
            v1::extra::Value::Number(number) => Self::Number(number),
            v1::extra::Value::Integer(integer) => Self::Integer(integer),
            v1::extra::Value::Flag(flag) => Self::Flag(flag),
            v1::extra::Value::Text(text) => Self::Text(text),
        }
    }
}

impl From<Extra> for v1::extra::Value {
    fn from(extra: Extra) -> Self {
        match extra {
            Extra::Number(number) => Self::Number(number),
            Extra::Integer(integer) => Self::Integer(integer),
            Extra::Flag(flag) => Self::Flag(flag),
            Extra::Text(text) => Self::Text(text),
        }
    }
}

/// Refuses an extra without a value.
pub(super) fn check(extras: &[v1::Extra]) -> Result<(), Refusal> {
    match extras.iter().position(|extra| extra.value.is_none()) {
        Some(index) => Err(missing(&format!("extras[{index}].value"))),
        None => Ok(()),
    }
}

/// Extras in the domain's order. Those without a value were refused by [`check`].
pub(super) fn from_wire(extras: Vec<v1::Extra>) -> Vec<(String, Extra)> {
    let with_value = |extra: v1::Extra| Some((extra.name, extra.value?.into()));
    let mut extras: Vec<_> = extras.into_iter().filter_map(with_value).collect();
    extras.sort_by(|(a, _), (b, _)| a.cmp(b));
    extras
}

pub(super) fn to_wire(extras: &[(String, Extra)]) -> Vec<v1::Extra> {
    let to_wire = |(name, value): &(String, Extra)| v1::Extra {
        name: name.clone(),
        value: Some(value.clone().into()),
    };
    extras.iter().map(to_wire).collect()
}

/// Where each extra, once sorted, was on the wire; `None` if they were in order.
pub(super) fn places(extras: &[v1::Extra]) -> Option<Vec<usize>> {
    if extras.is_sorted_by(|a, b| a.name <= b.name) {
        return None;
    }
    let mut places: Vec<usize> = (0..extras.len()).collect();
    places.sort_by_key(|place| &extras[*place].name);
    Some(places)
}

/// Gives a refused sample the order that its sender knows, in its extras and in the refusal.
pub(super) fn put_back(
    places: Option<Vec<usize>>,
    extras: &mut Vec<v1::Extra>,
    refusal: Refusal,
) -> Refusal {
    let Some(places) = places else {
        return refusal;
    };
    let field = placed(&places, &refusal.field).unwrap_or(refusal.field);
    let sorted = std::mem::take(extras);
    let mut sent: Vec<_> = places.into_iter().zip(sorted).collect();
    sent.sort_by_key(|(place, _)| *place);
    extras.extend(sent.into_iter().map(|(_, extra)| extra));
    Refusal { field, ..refusal }
}

/// A path such as `extras[2].text` with the place on the wire.
fn placed(places: &[usize], field: &str) -> Option<String> {
    let (index, rest) = field.strip_prefix("extras[")?.split_once(']')?;
    let place = places.get(index.parse::<usize>().ok()?)?;
    Some(format!("extras[{place}]{rest}"))
}
