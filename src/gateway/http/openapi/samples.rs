//! Samples as schemas. What a field means, its unit and its range are told once, in
//! `telemetry.proto`; they are read from there.

use std::collections::{BTreeMap, HashMap};

use aerostream_proto::v1;
use utoipa::openapi::schema::{
    AdditionalProperties, ArrayItems, KnownFormat, Object, ObjectBuilder, OneOfBuilder,
    SchemaFormat, Type,
};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{Number, PartialSchema, ToSchema};

use crate::gateway::json::enums::{Code, Lower, Natural, Real32, Real64, Whole};
use crate::gateway::json::shape::{self, Base64, Time};

const PROTO: &str = include_str!("../../../../proto/aerostream/v1/telemetry.proto");

/// What only a lone sample carries itself; else the batch does.
const ENVELOPE: [&str; 4] = ["drone_id", "boot", "sent_at_boot_us", "batch_id"];

/// A sample of a batch, or of an answer.
#[derive(Debug)]
pub struct Sample;

impl PartialSchema for Sample {
    fn schema() -> RefOr<Schema> {
        let mut sample = object(shape::Sample::schema());
        sample
            .properties
            .retain(|name, _| !ENVELOPE.contains(&name.as_str()));
        RefOr::T(sample.into())
    }
}

impl ToSchema for Sample {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        shape::Sample::schemas(schemas);
    }
}

/// A sample of the past: with the boot that it belongs to, and its one time.
#[derive(Debug)]
pub struct RecordedSample;

impl PartialSchema for RecordedSample {
    fn schema() -> RefOr<Schema> {
        let mut sample = object(Sample::schema());
        for (name, schema, about) in [
            (
                "boot",
                String::schema(),
                "The drone's power-up, a 64-bit number.",
            ),
            (
                "time_us",
                i64::schema(),
                "When, microseconds since 1970, UTC.",
            ),
            ("time", Time::schema(), "The same, RFC 3339."),
            (
                "basis",
                code::<v1::TimeBasis>().into(),
                "Which clock this time is of.",
            ),
        ] {
            sample.properties.insert(name.to_owned(), schema);
            about_property(&mut sample, name, about);
            sample.required.push(name.to_owned());
        }
        RefOr::T(sample.into())
    }
}

impl ToSchema for RecordedSample {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        shape::Sample::schemas(schemas);
    }
}

fn object(schema: RefOr<Schema>) -> Object {
    match schema {
        RefOr::T(Schema::Object(object)) => object,
        _ => unreachable!("a struct with named fields is an object"),
    }
}

/// Numbers without sign are no `int32` or `int64`, which end at half of them; there are no names
/// for them.
pub fn unname_unsigned(schema: &mut RefOr<Schema>) {
    let RefOr::T(schema) = schema else {
        return;
    };
    match schema {
        Schema::Object(object) => {
            let is_from_zero = match object.minimum {
                Some(Number::Int(0) | Number::UInt(0)) => true,
                Some(Number::Float(least)) => least == 0.0,
                _ => false,
            };
            let is_named = matches!(
                object.format,
                Some(SchemaFormat::KnownFormat(
                    KnownFormat::Int32 | KnownFormat::Int64
                ))
            );
            if is_named && is_from_zero && object.maximum.is_none() {
                object.format = None;
            }
            object.properties.values_mut().for_each(unname_unsigned);
            if let Some(rest) = &mut object.additional_properties
                && let AdditionalProperties::RefOr(rest) = &mut **rest
            {
                unname_unsigned(rest);
            }
        }
        Schema::Array(array) => {
            if let ArrayItems::RefOrSchema(items) = &mut array.items {
                unname_unsigned(items);
            }
        }
        Schema::OneOf(one) => one.items.iter_mut().for_each(unname_unsigned),
        Schema::AllOf(all) => all.items.iter_mut().for_each(unname_unsigned),
        Schema::AnyOf(any) => any.items.iter_mut().for_each(unname_unsigned),
        _ => {}
    }
}

/// Tells of every field of a sample what `telemetry.proto` tells of it.
pub fn describe(schemas: &mut BTreeMap<String, RefOr<Schema>>) {
    let comments = comments(PROTO);
    for (name, schema) in schemas {
        let message = match name.as_str() {
            "LoneSample" | "RecordedSample" => "Sample",
            name => name,
        };
        let RefOr::T(Schema::Object(object)) = schema else {
            continue;
        };
        for (field, _) in object.properties.clone() {
            if let Some(about) = comments.get(&(message, field.as_str())) {
                about_property(object, &field, about);
            }
        }
    }
}

fn about_property(object: &mut Object, name: &str, about: &str) {
    let Some(property) = object.properties.get_mut(name) else {
        return;
    };
    let (described, bounds) = (Some(about.to_owned()), bounds(about));
    match property {
        RefOr::Ref(reference) => reference.description = about.to_owned(),
        RefOr::T(Schema::Object(object)) => {
            object.description = described;
            if let (Some((least, most)), true) = (bounds, is_number(object)) {
                object.minimum = Some(least.into());
                object.maximum = Some(most.into());
            }
        }
        RefOr::T(Schema::Array(array)) => array.description = described,
        RefOr::T(Schema::OneOf(one)) => {
            one.description = described;
            for item in &mut one.items {
                if let RefOr::T(Schema::Object(object)) = item
                    && is_number(object)
                    && let Some((least, most)) = bounds
                {
                    object.minimum = Some(least.into());
                    object.maximum = Some(most.into());
                }
            }
        }
        RefOr::T(_) => {}
    }
}

fn is_number(object: &Object) -> bool {
    [Type::Number, Type::Integer]
        .into_iter()
        .any(|kind| object.schema_type == kind.into())
}

/// The range in a comment such as `above home, -10000 to 100000`.
fn bounds(about: &str) -> Option<(i64, i64)> {
    let (before, behind) = about.split_once(" to ")?;
    let least = before.rsplit(' ').next()?.parse().ok()?;
    let most: String = behind
        .chars()
        .take_while(|c| c.is_ascii_digit() || *c == '-')
        .collect();
    Some((least, most.parse().ok()?))
}

/// What the comments of a protobuf file say, by message and field: those behind a field, or those
/// on the lines before it.
fn comments(proto: &'static str) -> HashMap<(&'static str, &'static str), String> {
    let mut told = HashMap::new();
    let mut message = "";
    let mut before: Vec<&str> = Vec::new();
    for line in proto.lines().map(str::trim) {
        if let Some(comment) = line.strip_prefix("//") {
            before.push(comment.trim());
            continue;
        }
        let mut words = line.split_whitespace();
        if words.next() == Some("message") {
            message = words.next().unwrap_or_default();
        } else if let Some((declared, behind)) = line.split_once(';') {
            let field = declared.split('=').next().unwrap_or_default().trim();
            let name = field.rsplit(' ').next().unwrap_or_default();
            let about = match behind.split_once("//") {
                Some((_, comment)) => comment.trim().to_owned(),
                None => before.join(" "),
            };
            if !about.is_empty() {
                told.insert((message, name), about);
            }
        }
        before.clear();
    }
    told
}

impl PartialSchema for Whole {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some("^[0-9]{1,19}$"));
        let number = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(0));
        let either = OneOfBuilder::new().item(text).item(number);
        RefOr::T(either.build().into())
    }
}

impl ToSchema for Whole {}

impl PartialSchema for Natural {
    fn schema() -> RefOr<Schema> {
        u32::schema()
    }
}

impl ToSchema for Natural {}

impl PartialSchema for Time {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .into()
    }
}

impl ToSchema for Time {}

impl PartialSchema for Base64 {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .content_encoding("base64")
            .pattern(Some(
                "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$",
            ))
            .into()
    }
}

impl ToSchema for Base64 {}

macro_rules! reals {
    ($($real:ident: $format:ident),*) => {$(
        impl PartialSchema for $real {
            fn schema() -> RefOr<Schema> {
                ObjectBuilder::new()
                    .schema_type(Type::Number)
                    .format(Some(SchemaFormat::KnownFormat(KnownFormat::$format)))
                    .into()
            }
        }

        impl ToSchema for $real {}
    )*};
}

reals! { Real64: Double, Real32: Float }

/// The names of a code.
pub fn code<T: Code>() -> Object {
    let names: Vec<String> = (1..)
        .map_while(Lower::<T>::of)
        .filter_map(|code| serde_json::to_value(code).ok()?.as_str().map(str::to_owned))
        .collect();
    let object = ObjectBuilder::new().schema_type(Type::String);
    object.enum_values(Some(names)).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_read_with_their_ranges() {
        let told = comments(PROTO);
        let of = |message, field| told.get(&(message, field)).map(String::as_str);
        assert_eq!(of("Position", "latitude_deg"), Some("-90 to 90"));
        assert_eq!(
            of("Batch", "boot"),
            Some(
                "The id that the drone gives its power-up, any 64-bit value. Absent together with \
                 every `seq`: the gateway chooses both, and a resend is a new sample."
            )
        );
        assert_eq!(of("Batch", "drone_id"), None);
        assert_eq!(
            bounds("above home, -10000 to 100000"),
            Some((-10_000, 100_000))
        );
        assert_eq!(bounds("0 to 360, from true north"), Some((0, 360)));
        assert_eq!(bounds("up to 5"), None);
    }
}
