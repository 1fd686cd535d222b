//! Descriptions of a ULog's messages: which fields, where, of which type.

use std::collections::HashMap;
use std::sync::Arc;

use crate::mavlink::{characters, read};
use crate::message::Value;

/// Fields of all nested messages of one, at most: a few hostile lines could ask for billions.
const FIELDS_MAX: usize = 10_000;
/// Messages within messages, at most.
const DEPTH_MAX: usize = 16;
/// Bytes of a log's descriptions, at most; PX4 has about 40 KB. They are held taken apart, which
/// takes some thirty times as much at worst.
const DESCRIPTION_BYTES_MAX: usize = 1 << 20;
/// Bytes of a field's name with those of the messages around it, at most.
const NAME_BYTES_MAX: usize = 512;

/// Lines `name:type field;type[3] field;...` of a log.
#[derive(Debug, Default)]
pub struct Formats {
    by_name: HashMap<String, Vec<(String, String)>>,
    bytes: usize,
}

/// What a data message holds, with nested messages laid out flat.
#[derive(Debug)]
pub struct Layout {
    pub name: Arc<str>,
    fields: Vec<Field>,
}

#[derive(Debug)]
struct Field {
    /// Such as `esc[0].esc_rpm`.
    name: Arc<str>,
    at: usize,
    kind: Kind,
    /// `None` for a single value.
    count: Option<usize>,
}

/// A type that is no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    I8,
    U8,
    I16,
    U16,
    I32,
    U32,
    I64,
    U64,
    F32,
    F64,
    Bool,
    Char,
}

/// `type[count]` taken apart; `None` if the count is no number.
pub fn type_of(text: &str) -> Option<(&str, Option<usize>)> {
    match text.split_once('[') {
        Some((kind, count)) => Some((kind, Some(count.strip_suffix(']')?.parse().ok()?))),
        None => Some((text, None)),
    }
}

impl Formats {
    /// Takes a description; false if it is none, or there are too many.
    pub fn learn(&mut self, line: &[u8]) -> bool {
        if self.bytes + line.len() > DESCRIPTION_BYTES_MAX {
            return false;
        }
        self.bytes += line.len();
        let parts = std::str::from_utf8(line).ok();
        let Some((name, fields)) = parts.and_then(|line| line.split_once(':')) else {
            return false;
        };
        let fields: Option<Vec<_>> = fields
            .split(';')
            .filter(|field| !field.is_empty())
            .map(|field| field.split_once(' '))
            .map(|words| words.map(|(kind, name)| (kind.to_owned(), name.to_owned())))
            .collect();
        match fields {
            Some(fields) => {
                self.by_name.insert(name.to_owned(), fields);
                true
            }
            None => false,
        }
    }

    /// Lays out a message; `None` if a description is missing or asks for too much.
    pub fn layout(&self, name: &str) -> Option<Layout> {
        let mut fields = Vec::new();
        self.lay(name, "", &mut 0, &mut fields, 0)?;
        fields.retain(|field| !is_padding(&field.name));
        Some(Layout {
            name: name.into(),
            fields,
        })
    }

    fn lay(
        &self,
        format: &str,
        prefix: &str,
        at: &mut usize,
        fields: &mut Vec<Field>,
        depth: usize,
    ) -> Option<()> {
        if depth > DEPTH_MAX {
            return None;
        }
        for (kind, name) in self.by_name.get(format)? {
            let (kind, count) = type_of(kind)?;
            let name = format!("{prefix}{name}");
            if name.len() > NAME_BYTES_MAX {
                return None;
            }
            if let Some(kind) = Kind::parse(kind) {
                let bytes = kind.bytes().checked_mul(count.unwrap_or(1))?;
                fields.push(Field {
                    name: name.into(),
                    at: *at,
                    kind,
                    count,
                });
                *at = at.checked_add(bytes)?;
            } else {
                for index in 0..count.unwrap_or(1) {
                    let prefix = match count {
                        Some(_) => format!("{name}[{index}]."),
                        None => format!("{name}."),
                    };
                    let before = fields.len();
                    self.lay(kind, &prefix, at, fields, depth + 1)?;
                    // Any number of nothing would be laid out without an end.
                    if fields.len() == before || fields.len() > FIELDS_MAX {
                        return None;
                    }
                }
            }
            // No message is longer than its 16-bit length.
            if *at > usize::from(u16::MAX) || fields.len() > FIELDS_MAX {
                return None;
            }
        }
        Some(())
    }
}

fn is_padding(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    last.starts_with("_padding")
}

impl Layout {
    /// Fields of a message.
    pub fn fields(&self) -> usize {
        self.fields.len()
    }

    /// The fields of a message; `None` if it is too short. Padding at its end is not logged.
    pub fn decode(&self, data: &[u8]) -> Option<Vec<(Arc<str>, Value)>> {
        let each = self.fields.iter().map(|field| {
            let end = field.at + field.kind.bytes() * field.count.unwrap_or(1);
            let bytes = data.get(field.at..end)?;
            Some((Arc::clone(&field.name), field.kind.read(bytes, field.count)))
        });
        each.collect()
    }
}

impl Kind {
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "int8_t" => Self::I8,
            "uint8_t" => Self::U8,
            "int16_t" => Self::I16,
            "uint16_t" => Self::U16,
            "int32_t" => Self::I32,
            "uint32_t" => Self::U32,
            "int64_t" => Self::I64,
            "uint64_t" => Self::U64,
            "float" => Self::F32,
            "double" => Self::F64,
            "bool" => Self::Bool,
            "char" => Self::Char,
            _ => return None,
        })
    }

    fn bytes(self) -> usize {
        match self {
            Self::I8 | Self::U8 | Self::Bool | Self::Char => 1,
            Self::I16 | Self::U16 => 2,
            Self::I32 | Self::U32 | Self::F32 => 4,
            Self::I64 | Self::U64 | Self::F64 => 8,
        }
    }

    /// A value, or as many as there are bytes for.
    pub fn read(self, bytes: &[u8], count: Option<usize>) -> Value {
        match (self, count) {
            (Self::Char, Some(_)) => characters(bytes),
            (_, Some(_)) => {
                let each = bytes.chunks_exact(self.bytes());
                Value::List(each.map(|bytes| self.one(bytes)).collect())
            }
            (_, None) => self.one(bytes),
        }
    }

    fn one(self, bytes: &[u8]) -> Value {
        match self {
            Self::I8 => Value::Integer(i64::from(read!(i8, bytes))),
            Self::U8 | Self::Char => Value::Integer(i64::from(read!(u8, bytes))),
            Self::I16 => Value::Integer(i64::from(read!(i16, bytes))),
            Self::U16 => Value::Integer(i64::from(read!(u16, bytes))),
            Self::I32 => Value::Integer(i64::from(read!(i32, bytes))),
            Self::U32 => Value::Integer(i64::from(read!(u32, bytes))),
            Self::I64 => Value::Integer(read!(i64, bytes)),
            Self::U64 => Value::Unsigned(read!(u64, bytes)),
            Self::F32 => Value::Float(read!(f32, bytes)),
            Self::F64 => Value::Double(read!(f64, bytes)),
            Self::Bool => match read!(u8, bytes) {
                0 => Value::Flag(false),
                1 => Value::Flag(true),
                other => Value::Integer(i64::from(other)),
            },
        }
    }
}
