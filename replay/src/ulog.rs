//! Logs that PX4 writes itself (`.ulg`): a header, then messages of a length, a type and a body.
//!
//! A reader of our own, since damage must be told with its place and read past, and since the
//! logged texts, parameters and dropouts are wanted in their place among the data.

mod layout;

use std::collections::HashMap;
use std::io::{self, Read};
use std::sync::Arc;

use crate::mavlink::{characters, read};
use crate::message::{Damage, Found, Message, Reason, Sender, Value, Vocabulary};
use crate::source::{Source, WINDOW_BYTES};
use layout::{Formats, Kind, Layout, type_of};

/// How every log begins; a version and the clock at its beginning follow.
pub const MAGIC: &[u8] = b"ULog\x01\x12\x35";
const FILE_HEADER_BYTES: usize = 16;
const HEADER_BYTES: usize = 3;
/// Header and body of a sync message: what damage is read past to.
const SYNC: &[u8] = b"\x08\x00S\x2f\x73\x13\x20\x25\x0c\xbb\x12";
const KINDS: &[u8] = b"FDIMPQALCSORB";
/// Flag that data was appended after a crash; any other flag changes what the bytes mean.
const APPENDED: u8 = 1;
/// A clock that stands below this counts from its start, at or above it since 1970: 2020.
const UTC_FROM_US: u64 = 1_577_836_800_000_000;
/// Fields of all messages that a log subscribes to, at most: some megabytes.
const FIELDS_MAX: usize = 100_000;
/// Subscriptions of a log, at most; PX4 has about 200. Each costs the time of laying it out.
const SUBSCRIPTIONS_MAX: usize = 5_000;
/// A year of microseconds: no vehicle is on for longer.
const BOOT_MAX_US: u64 = 365 * 86_400 * 1_000_000;

/// Reads a log from its beginning.
#[derive(Debug)]
pub struct Reader<R> {
    source: Source<R>,
    formats: Formats,
    subscriptions: HashMap<u16, (Arc<Layout>, u8)>,
    /// How many there were, and their fields.
    subscribed: usize,
    fields: usize,
    /// Clock of the last message that had one.
    stamp_us: u64,
    /// Where appended data begins, ascending.
    appended: Vec<u64>,
    /// Bits that say that this reader must not read on.
    forbidden: Option<u8>,
    begun: bool,
}

impl<R: Read> Reader<R> {
    pub fn new(inner: R) -> Self {
        Self {
            source: Source::new(inner),
            formats: Formats::default(),
            subscriptions: HashMap::new(),
            subscribed: 0,
            fields: 0,
            stamp_us: 0,
            appended: Vec::new(),
            forbidden: None,
            begun: false,
        }
    }

    /// Where the next message begins.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.source.offset()
    }

    /// The next message or damage; `None` at the end. Messages that only describe others are not
    /// told.
    ///
    /// # Errors
    /// The log cannot be read, or says that it needs a newer reader.
    pub fn read_next(&mut self) -> io::Result<Option<Found>> {
        if !self.begun {
            self.begun = true;
            let header = self.source.look(FILE_HEADER_BYTES)?;
            let there = header.len();
            match there {
                0 => return Ok(None),
                FILE_HEADER_BYTES.. => {}
                _ => return self.damaged_to(there, Reason::CutOff).map(Some),
            }
            self.stamp_us = read!(u64, &header[8..16]);
            self.source.take(FILE_HEADER_BYTES);
        }
        loop {
            if let Some(bits) = self.forbidden {
                return Err(io::Error::new(
                    io::ErrorKind::Unsupported,
                    format!(
                        "the log needs a newer reader: it sets the incompatible bits {bits:#x}"
                    ),
                ));
            }
            let window = self.source.look(WINDOW_BYTES / 2 + HEADER_BYTES)?;
            let left = window.len();
            if left == 0 {
                return Ok(None);
            }
            let Some(length) = length_of(window) else {
                if left < HEADER_BYTES {
                    return self.damaged_to(left, Reason::CutOff).map(Some);
                }
                return self.resynchronise(Reason::Garbage).map(Some);
            };
            if let Some(part) = self.until_appended(HEADER_BYTES + length) {
                return self.damaged_to(part, Reason::CutOff).map(Some);
            }
            let window = self.source.window();
            if left < HEADER_BYTES + length {
                // A length that damage made up hides what follows.
                if sync_in(&window[1..]).is_some() {
                    return self.resynchronise(Reason::Garbage).map(Some);
                }
                return self.damaged_to(left, Reason::CutOff).map(Some);
            }
            let known = KINDS.contains(&window[2]);
            if !known && !could_begin(&window[HEADER_BYTES + length..]) {
                return self.resynchronise(Reason::Garbage).map(Some);
            }
            let message = window[..HEADER_BYTES + length].to_vec();
            let offset = self.source.offset();
            let taken = self.take(offset, &message);
            if matches!(taken, Err(Malformed))
                && !could_begin(self.source.window_from(message.len()))
            {
                return self.resynchronise(Reason::Malformed).map(Some);
            }
            self.source.take(message.len());
            match taken {
                Ok(Some(found)) => return Ok(Some(found)),
                Ok(None) => {}
                Err(Malformed) => {
                    return Ok(Some(Found::Damage(Damage {
                        offset,
                        bytes: message.len() as u64,
                        reason: Reason::Malformed,
                    })));
                }
            }
        }
    }

    /// Bytes to the next appended part, if a message of this length would run into it.
    fn until_appended(&mut self, length: usize) -> Option<usize> {
        let offset = self.source.offset();
        self.appended.retain(|begin| *begin > offset);
        let room = usize::try_from(self.appended.first()? - offset).ok()?;
        (room < length).then_some(room)
    }

    fn damaged_to(&mut self, bytes: usize, reason: Reason) -> io::Result<Found> {
        let offset = self.source.offset();
        self.source.take(bytes);
        Ok(Found::Damage(Damage {
            offset,
            bytes: bytes as u64,
            reason,
        }))
    }

    /// Skips to the next sync message, or to the end.
    fn resynchronise(&mut self, reason: Reason) -> io::Result<Found> {
        let offset = self.source.offset();
        self.source.take(1);
        loop {
            let window = self.source.look(WINDOW_BYTES / 2)?;
            if let Some(at) = sync_in(window) {
                self.source.take(at);
                break;
            }
            // The end of the window may hold the beginning of one.
            let passed = window.len().saturating_sub(SYNC.len() - 1);
            if passed == 0 {
                let left = window.len();
                self.source.take(left);
                break;
            }
            self.source.take(passed);
        }
        Ok(Found::Damage(Damage {
            offset,
            bytes: self.source.offset() - offset,
            reason,
        }))
    }

    fn take(&mut self, offset: u64, message: &[u8]) -> Result<Option<Found>, Malformed> {
        let (kind, body) = (message[2], &message[HEADER_BYTES..]);
        let said = match kind {
            b'F' => return self.formats.learn(body).then_some(None).ok_or(Malformed),
            b'A' => return self.subscribe(body).map(|()| None).ok_or(Malformed),
            b'R' => {
                let (id, _) = body.split_first_chunk().ok_or(Malformed)?;
                self.subscriptions.remove(&u16::from_le_bytes(*id));
                return Ok(None);
            }
            b'B' => return self.read_flags(body).map(|()| None).ok_or(Malformed),
            b'S' => return Ok(None),
            b'D' => return self.data(offset, body).map(Some).ok_or(Malformed),
            b'O' => body.first_chunk().map(|duration| {
                let duration = Value::Integer(i64::from(u16::from_le_bytes(*duration)));
                ("dropout", vec![field("duration_ms", duration)])
            }),
            b'L' => self.logged(body, None),
            b'C' => body.split_at_checked(3).and_then(|(head, rest)| {
                let tag = i64::from(u16::from_le_bytes([head[1], head[2]]));
                self.logged(&[&head[..1], rest].concat(), Some(tag))
            }),
            b'I' => keyed(body, "value").map(|fields| ("info", fields)),
            b'P' => keyed(body, "value").map(|fields| ("parameter", fields)),
            b'M' => body.split_first().and_then(|(continued, body)| {
                let mut fields = keyed(body, "value")?;
                fields.push(field("is_continued", Value::Flag(*continued != 0)));
                Some(("info_multiple", fields))
            }),
            b'Q' => body.split_first().and_then(|(bits, body)| {
                let mut fields = keyed(body, "value")?;
                fields.push(field("default_types", Value::Integer(i64::from(*bits))));
                Some(("parameter_default", fields))
            }),
            other => {
                let name = format!("unknown.{other}");
                let raw = Some(message.to_vec());
                return Ok(Some(self.found(offset, &name, Vec::new(), raw)));
            }
        };
        let (name, fields) = said.ok_or(Malformed)?;
        Ok(Some(self.found(offset, name, fields, None)))
    }

    fn found(
        &self,
        offset: u64,
        name: &str,
        fields: Vec<(Arc<str>, Value)>,
        raw: Option<Vec<u8>>,
    ) -> Found {
        Found::Message(Message {
            offset,
            sender: Sender::Vehicle,
            stamp_us: i64::try_from(self.stamp_us).unwrap_or(i64::MAX),
            since_boot_us: (self.stamp_us < BOOT_MAX_US).then_some(self.stamp_us),
            name: name.into(),
            vocabulary: Vocabulary::Px4,
            instance: 0,
            fields,
            raw,
        })
    }

    fn subscribe(&mut self, body: &[u8]) -> Option<()> {
        let (head, name) = body.split_first_chunk::<3>()?;
        let name = std::str::from_utf8(name).ok()?;
        self.subscribed += 1;
        if self.subscribed > SUBSCRIPTIONS_MAX || self.fields > FIELDS_MAX {
            return None;
        }
        let layout = Arc::new(self.formats.layout(name)?);
        let id = u16::from_le_bytes([head[1], head[2]]);
        self.fields += layout.fields();
        if self.fields > FIELDS_MAX {
            return None;
        }
        self.subscriptions.insert(id, (layout, head[0]));
        Some(())
    }

    fn read_flags(&mut self, body: &[u8]) -> Option<()> {
        let incompatible = body.get(8..16)?;
        let unknown = incompatible
            .iter()
            .enumerate()
            .map(|(at, bits)| if at == 0 { bits & !APPENDED } else { *bits })
            .find(|bits| *bits != 0);
        self.forbidden = unknown;
        if incompatible[0] & APPENDED != 0 {
            let offsets = body.get(16..40)?.chunks_exact(8);
            self.appended = offsets
                .map(|bytes| read!(u64, bytes))
                .filter(|offset| *offset != 0)
                .collect();
            self.appended.sort_unstable();
        }
        Some(())
    }

    fn data(&mut self, offset: u64, body: &[u8]) -> Option<Found> {
        let (id, data) = body.split_first_chunk()?;
        let id = u16::from_le_bytes(*id);
        let (layout, instance) = self.subscriptions.get(&id)?;
        let (layout, instance) = (Arc::clone(layout), *instance);
        let fields = layout.decode(data)?;
        // A topic that was never published has the time 0: it was logged where it stands.
        let own = fields.iter().find(|(name, _)| &**name == "timestamp");
        let own = own.and_then(|(_, value)| match value {
            Value::Unsigned(stamp) if *stamp != 0 => Some(*stamp),
            _ => None,
        });
        let usable = |stamp: &u64| *stamp < BOOT_MAX_US || *stamp >= UTC_FROM_US;
        if let Some(stamp) = own.filter(usable) {
            self.stamp_us = stamp;
        }
        let found = self.found(offset, &layout.name, fields, None);
        Some(match found {
            Found::Message(message) => Found::Message(Message {
                instance,
                ..message
            }),
            other => other,
        })
    }

    /// `level clock text`; the level is the digit of its severity.
    fn logged(&mut self, body: &[u8], tag: Option<i64>) -> Option<Logged> {
        let (level, body) = body.split_first()?;
        let (stamp, text) = body.split_first_chunk()?;
        let stamp = u64::from_le_bytes(*stamp);
        let mut fields = vec![
            field("level", Value::Integer(i64::from(*level))),
            field("timestamp", Value::Unsigned(stamp)),
            field("text", characters(text)),
        ];
        fields.extend(tag.map(|tag| field("tag", Value::Integer(tag))));
        if stamp != 0 && !(BOOT_MAX_US..UTC_FROM_US).contains(&stamp) {
            self.stamp_us = stamp;
        }
        Some(("logged_message", fields))
    }
}

type Logged = (&'static str, Vec<(Arc<str>, Value)>);

/// A message that does not fit its description.
struct Malformed;

fn field(name: &str, value: Value) -> (Arc<str>, Value) {
    (name.into(), value)
}

/// `length "type name" value`.
fn keyed(body: &[u8], value_name: &str) -> Option<Vec<(Arc<str>, Value)>> {
    let (length, rest) = body.split_first()?;
    let (key, value) = rest.split_at_checked(usize::from(*length))?;
    let (kind, name) = std::str::from_utf8(key).ok()?.split_once(' ')?;
    let (kind, count) = type_of(kind)?;
    let value = Kind::parse(kind)?.read(value, count);
    Some(vec![
        field("name", Value::Text(name.to_owned())),
        field(value_name, value),
    ])
}

/// Length of the body of the message at the beginning of a window, if one can begin there.
fn length_of(window: &[u8]) -> Option<usize> {
    let (length, _) = window.split_first_chunk()?;
    let kind = *window.get(2)?;
    let length = usize::from(u16::from_le_bytes(*length));
    (length > 0 && (kind.is_ascii_uppercase() || KINDS.contains(&kind))).then_some(length)
}

/// Whether a message of a known type could begin here; the end of a log can.
fn could_begin(window: &[u8]) -> bool {
    let kind = window.get(2);
    kind.is_none_or(|kind| KINDS.contains(kind) && window[..2] != [0, 0])
}

fn sync_in(window: &[u8]) -> Option<usize> {
    window.windows(SYNC.len()).position(|part| part == SYNC)
}
