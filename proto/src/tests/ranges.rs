//! The ranges that the .proto documents are the ranges that are enforced: the .proto itself is the
//! table. Each documented field is sent at both ends of its range and one step outside.

use aerostream_domain::validate::validate;
use aerostream_domain::{RefusalCode, Sample};
use prost::Message;
use prost::bytes::BufMut;
use prost::encoding::{WireType, encode_key, encode_varint};

use super::examples;
use crate::v1;

const PROTO: &str = include_str!("../../aerostream/v1/telemetry.proto");

/// Numeric fields with a documented range; a new one must be counted here.
const DOCUMENTED: usize = 50;

/// A field line of the .proto, such as `optional float roll_deg = 1; // -180 to 180, ...`.
#[derive(Debug, Clone, PartialEq)]
struct Field<'a> {
    message: &'a str,
    repeated: bool,
    kind: &'a str,
    name: &'a str,
    number: u32,
    comment: &'a str,
}

impl<'a> Field<'a> {
    fn parse(message: &'a str, line: &'a str) -> Option<Self> {
        let (declaration, comment) = line.trim().split_once(';')?;
        let (left, number) = declaration.split_once(" = ")?;
        let mut words = left.split_whitespace().rev();
        let (name, kind) = (words.next()?, words.next()?);
        Some(Self {
            message,
            repeated: words.next() == Some("repeated"),
            kind,
            name,
            number: number.parse().ok()?,
            comment: comment.trim_start_matches([' ', '/']),
        })
    }

    /// The ends of `-90 to 90` and the like anywhere in the comment.
    fn range(&self) -> Option<(f64, f64)> {
        let words: Vec<&str> = self.comment.split([' ', ',']).collect();
        words.windows(3).find_map(|window| match window {
            [low, "to", high] => Some((low.parse().ok()?, high.parse().ok()?)),
            _ => None,
        })
    }

    /// The field alone, as bytes of its message.
    fn encode(&self, value: f64) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self.kind {
            "double" => {
                encode_key(self.number, WireType::SixtyFourBit, &mut bytes);
                bytes.put_f64_le(value);
            }
            "float" if self.repeated => {
                encode_key(self.number, WireType::LengthDelimited, &mut bytes);
                bytes.put_u8(4);
                bytes.put_f32_le(value as f32);
            }
            "float" => {
                encode_key(self.number, WireType::ThirtyTwoBit, &mut bytes);
                bytes.put_f32_le(value as f32);
            }
            "uint32" => {
                encode_key(self.number, WireType::Varint, &mut bytes);
                encode_varint(value as u64, &mut bytes);
            }
            other => panic!("no range test for a field of type {other}"),
        }
        bytes
    }

    /// The values next to the range; `None` where the type has none.
    fn outside(&self, low: f64, high: f64) -> [Option<f64>; 2] {
        match self.kind {
            "uint32" => [(low > 0.0).then_some(low - 1.0), Some(high + 1.0)],
            "float" => [
                Some((low as f32).next_down().into()),
                Some((high as f32).next_up().into()),
            ],
            _ => [Some(low.next_down()), Some(high.next_up())],
        }
    }
}

fn fields() -> Vec<Field<'static>> {
    let mut message = "";
    let mut fields = Vec::new();
    for line in PROTO.lines() {
        match line.strip_prefix("message ") {
            Some(rest) => message = rest.trim_end_matches([' ', '{']),
            None => fields.extend(Field::parse(message, line)),
        }
    }
    fields
}

/// A sample with latitude and longitude in position and home, so that one of them may be replaced
/// alone: protobuf merges what follows into it.
fn base() -> Vec<u8> {
    let mut sample = v1::Sample::from(examples::sample());
    sample.gnss.clear();
    sample.battery.clear();
    sample.encode_to_vec()
}

fn send(group: &Field<'_>, field: &Field<'_>, value: f64) -> Result<Sample, (RefusalCode, String)> {
    let mut bytes = base();
    let inner = field.encode(value);
    encode_key(group.number, WireType::LengthDelimited, &mut bytes);
    encode_varint(inner.len() as u64, &mut bytes);
    bytes.extend(inner);
    let wire = v1::Sample::decode(bytes.as_slice()).expect("legal protobuf");
    Sample::try_from(wire).map_err(|refusal| (refusal.code, refusal.field))
}

#[test]
fn every_documented_range_is_enforced_to_the_last_step() {
    let fields = fields();
    let mut documented = 0;
    for group in fields.iter().filter(|field| field.message == "Sample") {
        for field in fields.iter().filter(|field| field.message == group.kind) {
            let Some((low, high)) = field.range() else {
                continue;
            };
            documented += 1;
            let index = if group.repeated { "[0]" } else { "" };
            let cell = if field.repeated { "[0]" } else { "" };
            let path = format!("{}{index}.{}{cell}", group.name, field.name);
            for inside in [low, high] {
                assert!(
                    send(group, field, inside).is_ok(),
                    "{path} = {inside} is legal"
                );
            }
            let steps = field.outside(low, high).into_iter().flatten();
            let never = [f64::NAN, f64::INFINITY]
                .into_iter()
                .filter(|_| field.kind != "uint32");
            for outside in steps.chain(never) {
                let expected = Err((RefusalCode::OutOfRange, path.clone()));
                assert_eq!(send(group, field, outside), expected, "{path} = {outside}");
            }
        }
    }
    assert_eq!(
        documented, DOCUMENTED,
        "fields with a range in telemetry.proto"
    );
}

#[test]
fn the_example_is_legal() {
    assert_eq!(validate(&examples::sample()), Ok(()));
}
