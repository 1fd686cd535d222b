//! What MAVLink messages hold: the ardupilotmega dialect and all that it includes.
//!
//! `messages.txt` says it in a line per message; a test holds it against the definitions that the
//! crate `mavlink` brings, and writes it anew when asked to. A table instead of the crate's
//! generated code, since that takes minutes to build and refuses a message with one unknown code.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use crate::message::Value;

static TABLE: LazyLock<HashMap<u32, Definition>> = LazyLock::new(|| {
    let lines = include_str!("mavlink/messages.txt").lines();
    lines.filter_map(Definition::parse).collect()
});

/// `SETUP_SIGNING`: it holds a secret key.
pub const SETUP_SIGNING: u32 = 256;

/// What a message holds.
#[derive(Debug)]
pub struct Definition {
    pub name: Arc<str>,
    /// Goes into the checksum, so that both ends mean the same message.
    pub extra_crc: u8,
    fields: Vec<Field>,
    /// With every extension.
    bytes: usize,
}

#[derive(Debug)]
struct Field {
    name: Arc<str>,
    kind: Kind,
    /// `None` for a single value.
    count: Option<usize>,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    U8,
    U16,
    U32,
    U64,
    I8,
    I16,
    I32,
    I64,
    F32,
    F64,
    Char,
}

/// The message with a number, if the dialect has it.
#[must_use]
pub fn definition(id: u32) -> Option<&'static Definition> {
    TABLE.get(&id)
}

impl Definition {
    /// `id NAME crc field:kind field:kind[count] ...` in wire order; `None` for a comment.
    fn parse(line: &str) -> Option<(u32, Self)> {
        if line.starts_with('#') {
            return None;
        }
        let mut words = line.split(' ');
        let id = words.next()?.parse().ok()?;
        let name = words.next()?.into();
        let extra_crc = words.next()?.parse().ok()?;
        let fields: Vec<Field> = words.map(Field::parse).collect::<Option<_>>()?;
        let bytes = fields.iter().map(Field::bytes).sum();
        let definition = Self {
            name,
            extra_crc,
            fields,
            bytes,
        };
        Some((id, definition))
    }

    /// The fields of a payload; zeros at its end are not sent. True if nothing is left over.
    #[must_use]
    pub fn decode(&self, payload: &[u8]) -> (Vec<(Arc<str>, Value)>, bool) {
        let mut full = [0; 255];
        let known = payload.len().min(self.bytes).min(full.len());
        full[..known].copy_from_slice(&payload[..known]);
        let mut rest = &full[..];
        let fields = self.fields.iter().filter_map(|field| {
            let (bytes, after) = rest.split_at_checked(field.bytes())?;
            rest = after;
            Some((Arc::clone(&field.name), field.value(bytes)))
        });
        (fields.collect(), payload.len() <= self.bytes)
    }
}

impl Field {
    fn parse(word: &str) -> Option<Self> {
        let (name, kind) = word.split_once(':')?;
        let (kind, count) = match kind.split_once('[') {
            Some((kind, count)) => (kind, Some(count.strip_suffix(']')?.parse().ok()?)),
            None => (kind, None),
        };
        Some(Self {
            name: name.into(),
            kind: Kind::parse(kind)?,
            count,
        })
    }

    fn bytes(&self) -> usize {
        self.kind.bytes() * self.count.unwrap_or(1)
    }

    fn value(&self, bytes: &[u8]) -> Value {
        match (self.kind, self.count) {
            (Kind::Char, Some(_)) => characters(bytes),
            (kind, Some(_)) => {
                let each = bytes.chunks_exact(kind.bytes());
                Value::List(each.map(|bytes| kind.value(bytes)).collect())
            }
            (kind, None) => kind.value(bytes),
        }
    }
}

/// Text up to its first NUL; bytes that are no text stay numbers.
#[must_use]
pub fn characters(bytes: &[u8]) -> Value {
    let end = bytes.iter().position(|byte| *byte == 0);
    let (said, beyond) = bytes.split_at(end.unwrap_or(bytes.len()));
    match std::str::from_utf8(said) {
        Ok(text) if beyond.iter().all(|byte| *byte == 0) => Value::Text(text.to_owned()),
        _ => Value::List(
            bytes
                .iter()
                .map(|b| Value::Integer(i64::from(*b)))
                .collect(),
        ),
    }
}

/// Reads `$number` from little-endian bytes of its length.
macro_rules! read {
    ($number:ty, $bytes:expr) => {
        <$number>::from_le_bytes($bytes.try_into().unwrap_or_default())
    };
}
pub(crate) use read;

impl Kind {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "u8" => Self::U8,
            "u16" => Self::U16,
            "u32" => Self::U32,
            "u64" => Self::U64,
            "i8" => Self::I8,
            "i16" => Self::I16,
            "i32" => Self::I32,
            "i64" => Self::I64,
            "f32" => Self::F32,
            "f64" => Self::F64,
            "char" => Self::Char,
            _ => return None,
        })
    }

    fn bytes(self) -> usize {
        match self {
            Self::U8 | Self::I8 | Self::Char => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }

    fn value(self, bytes: &[u8]) -> Value {
        match self {
            Self::U8 | Self::Char => Value::Integer(i64::from(read!(u8, bytes))),
            Self::U16 => Value::Integer(i64::from(read!(u16, bytes))),
            Self::U32 => Value::Integer(i64::from(read!(u32, bytes))),
            Self::U64 => Value::Unsigned(read!(u64, bytes)),
            Self::I8 => Value::Integer(i64::from(read!(i8, bytes))),
            Self::I16 => Value::Integer(i64::from(read!(i16, bytes))),
            Self::I32 => Value::Integer(i64::from(read!(i32, bytes))),
            Self::I64 => Value::Integer(read!(i64, bytes)),
            Self::F32 => Value::Float(read!(f32, bytes)),
            Self::F64 => Value::Double(read!(f64, bytes)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;
    use std::process::Command;

    use mavlink::dialects::dynamic::DynamicDialect;

    /// The definitions that the crate `mavlink` was packed with.
    fn definitions() -> std::path::PathBuf {
        // Crates of other platforms were never fetched.
        let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
        let metadata = Command::new(env!("CARGO"))
            .args(["metadata", "--format-version", "1", "--locked", "--offline"])
            .args(["--filter-platform", &platform])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        let metadata: serde_json::Value = serde_json::from_slice(&metadata.stdout).unwrap();
        let packages = metadata["packages"].as_array().unwrap();
        let mavlink = packages
            .iter()
            .find(|one| one["name"] == "mavlink")
            .unwrap();
        let manifest = std::path::Path::new(mavlink["manifest_path"].as_str().unwrap());
        manifest.with_file_name("mavlink/message_definitions/v1.0/ardupilotmega.xml")
    }

    fn table() -> String {
        let dialect = DynamicDialect::from_xml_file(definitions()).unwrap();
        let mut table = "\
# What MAVLink messages hold: id, name, extra byte of the checksum, fields in wire order.
# Written by the test `the_table_is_what_the_dialect_says` from ardupilotmega.xml of the crate
# `mavlink`; UPDATE_MAVLINK_MESSAGES=1 writes it anew.
"
        .to_owned();
        for message in dialect.message_definitions() {
            let (id, name, crc) = (message.id(), message.name(), message.extra_crc());
            write!(table, "{id} {name} {crc}").unwrap();
            let mut offset = 0;
            for field in message.fields() {
                assert_eq!(field.offset(), offset, "{name}.{}", field.name());
                let (kind, one) = match field.primitive_type() {
                    "uint8_t" => ("u8", 1),
                    "int8_t" => ("i8", 1),
                    "char" => ("char", 1),
                    "uint16_t" => ("u16", 2),
                    "int16_t" => ("i16", 2),
                    "uint32_t" => ("u32", 4),
                    "int32_t" => ("i32", 4),
                    "float" => ("f32", 4),
                    "uint64_t" => ("u64", 8),
                    "int64_t" => ("i64", 8),
                    "double" => ("f64", 8),
                    other => panic!("{name}.{} is a {other}", field.name()),
                };
                // A word of Rust, which the crate gives another name.
                let name = match field.name() {
                    "mavtype" => "type",
                    name => name,
                };
                write!(table, " {name}:{kind}").unwrap();
                if field.encoded_size() != one {
                    write!(table, "[{}]", field.encoded_size() / one).unwrap();
                }
                offset += field.encoded_size();
            }
            table.push('\n');
        }
        table
    }

    #[test]
    fn the_table_is_what_the_dialect_says() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/mavlink/messages.txt");
        let table = table();
        if std::env::var_os("UPDATE_MAVLINK_MESSAGES").is_some() {
            std::fs::write(path, &table).unwrap();
        }
        assert_eq!(include_str!("mavlink/messages.txt"), table);
        let lines = table.lines().filter(|line| !line.starts_with('#'));
        assert_eq!(
            super::TABLE.len(),
            lines.count(),
            "a line is not understood"
        );
    }
}
