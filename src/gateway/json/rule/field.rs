//! The fields that a rule may compare.

use aerostream_domain::alert::{Field, FieldKind, Per};
use async_graphql::{Enum, SimpleObject};
use serde::Serialize;
use utoipa::ToSchema;

/// Names that are told beside one that is not there.
const NEAR: usize = 3;

/// What kind of value a field has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema, Enum)]
#[serde(rename_all = "snake_case")]
#[schema(as = RuleFieldKind)]
#[graphql(name = "RuleFieldKind")]
enum KindName {
    Number,
    Flag,
    Name,
}

/// Of which parts a field speaks: a rule raises one alert for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema, Enum)]
#[serde(rename_all = "snake_case")]
#[schema(as = RuleFieldPer)]
#[graphql(name = "RuleFieldPer")]
enum PerName {
    Drone,
    Battery,
    Gnss,
    Fence,
}

/// A value that a rule may compare.
#[derive(Debug, Clone, Serialize, ToSchema, SimpleObject)]
#[schema(as = RuleField)]
#[graphql(name = "RuleField")]
pub struct FieldShape {
    field: String,
    kind: KindName,
    /// Unit of a number; empty for a plain one.
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<String>,
    /// What a name may be; `<` and `>` compare places in this list.
    #[serde(skip_serializing_if = "Option::is_none")]
    names: Option<Vec<String>>,
    per: PerName,
}

/// Every field of the model.
#[must_use]
pub fn fields() -> Vec<FieldShape> {
    let fields = Field::all().iter().map(|known| {
        let (kind, unit, names) = match known.kind {
            FieldKind::Number(unit) => (KindName::Number, Some(unit.to_owned()), None),
            FieldKind::Flag => (KindName::Flag, None, None),
            FieldKind::Name(names) => {
                let names = names.iter().map(ToString::to_string);
                (KindName::Name, None, Some(names.collect()))
            }
        };
        FieldShape {
            field: known.name.to_owned(),
            kind,
            unit,
            names,
            per: match known.per {
                Per::Drone => PerName::Drone,
                Per::Battery => PerName::Battery,
                Per::Gnss => PerName::Gnss,
                Per::Fence => PerName::Fence,
            },
        }
    });
    fields.collect()
}

/// The fields whose names are nearest to one that is not there.
pub(super) fn nearest(name: &str) -> Vec<&'static str> {
    // Nobody mistypes more than this; the rest of a long text would only cost time.
    let name: String = name.chars().take(64).collect();
    let mut names: Vec<_> = Field::all().iter().map(|known| known.name).collect();
    names.sort_by_key(|known| {
        // Whoever names a part of it means it; and the last part counts, whatever the group is.
        if known.contains(name.as_str()) {
            return 0;
        }
        let last = known.rsplit('.').next().unwrap_or(known);
        distance(&name, known).min(distance(&name, last) + 2)
    });
    names.truncate(NEAR);
    names
}

/// How many letters must be put in, left out or replaced to make one name of the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (place, letter) in one.chars().enumerate() {
        let mut corner = row[0];
        row[0] = place + 1;
        for (at, known) in other.iter().enumerate() {
            let replaced = corner + usize::from(letter != *known);
            corner = row[at + 1];
            row[at + 1] = replaced.min(row[at] + 1).min(corner + 1);
        }
    }
    row[other.len()]
}
