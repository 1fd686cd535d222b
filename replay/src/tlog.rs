//! MAVLink recordings of a ground station (`.tlog`): eight bytes of its clock (big-endian
//! microseconds since 1970), then a frame as it came, again and again.
//!
//! Nothing marks where a record begins, so after damage the next one is found by its checksum.

use std::io::{self, Read};

use mavlink_core::calculate_crc;

use crate::mavlink::{self, Definition};
use crate::message::{Damage, Found, Message, Reason, Sender, Vocabulary};
use crate::source::Source;

/// The clock before each frame.
const STAMP_BYTES: usize = 8;
/// The longest record: clock, header, payload, checksum, signature.
const RECORD_BYTES_MAX: usize = STAMP_BYTES + 10 + 255 + 2 + SIGNATURE_BYTES;
const SIGNATURE_BYTES: usize = 13;
/// First byte of a frame of either version.
const V1: u8 = 0xfe;
const V2: u8 = 0xfd;
/// Flag of a frame with a signature; a frame with any other flag has a shape that nobody knows.
const SIGNED: u8 = 1;

/// Reads a recording from its beginning.
#[derive(Debug)]
pub struct Reader<R> {
    source: Source<R>,
    /// Where damage began that has not been told yet.
    damage: Option<(u64, Reason)>,
    waiting: Option<Found>,
}

/// A record as its first bytes have it.
#[derive(Debug, Clone, Copy)]
struct Frame<'a> {
    stamp_us: u64,
    /// Without signature.
    bytes: &'a [u8],
    header: usize,
    signed: bool,
    sender: Sender,
    id: u32,
    /// With the clock and the signature.
    record: usize,
}

enum Judged {
    Right,
    WrongChecksum,
}

impl<R: Read> Reader<R> {
    pub fn new(inner: R) -> Self {
        Self {
            source: Source::new(inner),
            damage: None,
            waiting: None,
        }
    }

    /// Where the next record begins.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.source.offset()
    }

    /// The next message or damage; `None` at the end.
    ///
    /// # Errors
    /// The recording cannot be read.
    pub fn read_next(&mut self) -> io::Result<Option<Found>> {
        if let Some(found) = self.waiting.take() {
            return Ok(Some(found));
        }
        loop {
            let offset = self.source.offset();
            // The beginning of the next record tells how sure this one is.
            let window = self.source.look(2 * RECORD_BYTES_MAX)?;
            if window.is_empty() {
                return Ok(self.end_of_damage(offset));
            }
            let Some(frame) = Frame::read(window) else {
                let reason = if could_begin(window) {
                    Reason::CutOff
                } else {
                    Reason::Garbage
                };
                self.damage.get_or_insert((offset, reason));
                self.source.take(1);
                continue;
            };
            let (record, followed) = (frame.record, could_begin(&window[frame.record..]));
            let judged = match mavlink::definition(frame.id) {
                Some(definition) => Some((frame.judge(definition), Some(definition))),
                // Without a definition no checksum can be checked: it counts only in its place.
                None if followed && self.damage.is_none() => Some((Judged::Right, None)),
                None => None,
            };
            match judged {
                Some((Judged::Right, definition)) => {
                    let found = frame.found(offset, definition);
                    self.source.take(record);
                    return Ok(Some(match self.end_of_damage(offset) {
                        Some(damage) => {
                            self.waiting = Some(found);
                            damage
                        }
                        None => found,
                    }));
                }
                Some((Judged::WrongChecksum, _)) if followed && self.damage.is_none() => {
                    self.source.take(record);
                    return Ok(Some(Found::Damage(Damage {
                        offset,
                        bytes: record as u64,
                        reason: Reason::Checksum,
                    })));
                }
                _ => {
                    self.damage.get_or_insert((offset, Reason::Garbage));
                    self.source.take(1);
                }
            }
        }
    }

    fn end_of_damage(&mut self, end: u64) -> Option<Found> {
        let (offset, reason) = self.damage.take()?;
        Some(Found::Damage(Damage {
            offset,
            bytes: end - offset,
            reason,
        }))
    }
}

/// Whether a record could begin here, as far as there are bytes; the end of a recording can.
fn could_begin(window: &[u8]) -> bool {
    window
        .get(STAMP_BYTES)
        .is_none_or(|first| [V1, V2].contains(first))
}

impl<'a> Frame<'a> {
    /// The whole record at the beginning of a window.
    fn read(window: &'a [u8]) -> Option<Self> {
        let (stamp, frame) = window.split_first_chunk::<STAMP_BYTES>()?;
        let (header, flags) = match *frame.first()? {
            V1 => (6, 0),
            V2 => (10, *frame.get(2)?),
            _ => return None,
        };
        if flags & !SIGNED != 0 {
            return None;
        }
        let signed = flags & SIGNED != 0;
        let bytes = header + usize::from(*frame.get(1)?) + 2;
        let signature = if signed { SIGNATURE_BYTES } else { 0 };
        if frame.len() < bytes + signature {
            return None;
        }
        let (system, component, id) = match header {
            6 => (frame[3], frame[4], u32::from(frame[5])),
            _ => {
                let id = u32::from_le_bytes([frame[7], frame[8], frame[9], 0]);
                (frame[5], frame[6], id)
            }
        };
        Some(Self {
            stamp_us: u64::from_be_bytes(*stamp),
            bytes: &frame[..bytes],
            header,
            signed,
            sender: Sender::System(u32::from(system), component),
            id,
            record: STAMP_BYTES + bytes + signature,
        })
    }

    fn payload(&self) -> &'a [u8] {
        &self.bytes[self.header..self.bytes.len() - 2]
    }

    fn judge(&self, definition: &Definition) -> Judged {
        let (checked, checksum) = self.bytes.split_at(self.bytes.len() - 2);
        let right = calculate_crc(&checked[1..], definition.extra_crc).to_le_bytes();
        if checksum == right {
            Judged::Right
        } else {
            Judged::WrongChecksum
        }
    }

    fn found(&self, offset: u64, definition: Option<&Definition>) -> Found {
        if self.id == mavlink::SETUP_SIGNING {
            return Found::Withheld;
        }
        let (name, (fields, whole)) = match definition {
            Some(known) => (known.name.clone(), known.decode(self.payload())),
            None => (format!("unknown.{}", self.id).into(), (Vec::new(), false)),
        };
        let since_boot_us = fields.iter().find_map(|(name, value)| match &**name {
            "time_boot_ms" => value.integer()?.cast_unsigned().checked_mul(1000),
            _ => None,
        });
        Found::Message(Message {
            offset,
            sender: self.sender,
            stamp_us: i64::try_from(self.stamp_us).unwrap_or(i64::MAX),
            since_boot_us,
            name,
            vocabulary: Vocabulary::Mavlink,
            instance: 0,
            raw: (!whole).then(|| self.unsigned()),
            fields,
        })
    }

    /// The frame without its signature and without the flag that promises one.
    fn unsigned(&self) -> Vec<u8> {
        let mut bytes = self.bytes.to_vec();
        if self.signed {
            bytes[2] &= !SIGNED;
        }
        bytes
    }
}

/// Whether a beginning holds a record whose checksum is right.
#[must_use]
pub fn is_one(beginning: &[u8]) -> bool {
    (0..beginning.len()).any(|at| {
        let frame = Frame::read(&beginning[at..]);
        let known = frame.and_then(|frame| Some((frame, mavlink::definition(frame.id)?)));
        known.is_some_and(|(frame, known)| matches!(frame.judge(known), Judged::Right))
    })
}
