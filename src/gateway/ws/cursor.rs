//! Cursors as text: opaque to clients, and bound to their drone.

use aerostream_actors::Cursor;
use aerostream_domain::{DroneId, Epoch, Offset};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use xxhash_rust::xxh3::xxh3_64;

use crate::error::{ErrorCode, Problem};

/// First byte of every cursor, so that another layout can be told from this one.
const VERSION: u8 = 1;
/// Version, drone, generation, epoch's offset, telemetry, journal.
const CONTENT_BYTES: usize = 1 + 8 + 4 + 8 + 8 + 8;
const CHECK_BYTES: usize = 4;

/// A cursor that a client brought back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Brought {
    pub cursor: Cursor,
    drone: u64,
}

impl Brought {
    pub fn is_of(&self, drone: &DroneId) -> bool {
        self.drone == xxh3_64(drone.as_str().as_bytes())
    }
}

fn check(content: &[u8]) -> [u8; CHECK_BYTES] {
    (xxh3_64(content) as u32).to_be_bytes()
}

pub(super) fn to_text(drone: &DroneId, cursor: Cursor) -> String {
    let mut bytes = Vec::with_capacity(CONTENT_BYTES + CHECK_BYTES);
    bytes.push(VERSION);
    bytes.extend(xxh3_64(drone.as_str().as_bytes()).to_be_bytes());
    bytes.extend(cursor.epoch.generation.to_be_bytes());
    bytes.extend(cursor.epoch.offset.0.to_be_bytes());
    bytes.extend(cursor.telemetry.0.to_be_bytes());
    bytes.extend(cursor.journal.0.to_be_bytes());
    let check = check(&bytes);
    bytes.extend(check);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// # Errors
/// It is nothing that a feed ever gave.
pub(super) fn from_text(text: &str) -> Result<Brought, Problem> {
    parse(text).ok_or_else(|| {
        let detail = "must be the `cursor` of a frame of this drone's feed, as it was given";
        Problem::new(ErrorCode::Invalid, detail).at("from")
    })
}

fn parse(text: &str) -> Option<Brought> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (content, given) = bytes.split_last_chunk::<CHECK_BYTES>()?;
    if content.len() != CONTENT_BYTES || content[0] != VERSION || *given != check(content) {
        return None;
    }
    let (drone, rest) = content[1..].split_first_chunk()?;
    let (generation, rest) = rest.split_first_chunk()?;
    let (epoch, rest) = rest.split_first_chunk()?;
    let (telemetry, rest) = rest.split_first_chunk()?;
    let (journal, _) = rest.split_first_chunk()?;
    let offset = |bytes: &[u8; 8]| Offset(u64::from_be_bytes(*bytes));
    Some(Brought {
        drone: u64::from_be_bytes(*drone),
        cursor: Cursor {
            epoch: Epoch {
                generation: u32::from_be_bytes(*generation),
                offset: offset(epoch),
            },
            telemetry: offset(telemetry),
            journal: offset(journal),
        },
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_given_is_taken_back_and_belongs_to_its_drone(
            generation: u32, epoch: u64, telemetry: u64, journal: u64,
        ) {
            let epoch = Epoch { generation, offset: Offset(epoch) };
            let (telemetry, journal) = (Offset(telemetry), Offset(journal));
            let cursor = Cursor { epoch, telemetry, journal };
            let drone = DroneId::parse("a").expect("an id");
            let brought = from_text(&to_text(&drone, cursor)).expect("it was given");
            prop_assert_eq!(brought.cursor, cursor);
            prop_assert!(brought.is_of(&drone));
            prop_assert!(!brought.is_of(&DroneId::parse("b").expect("an id")));
        }

        #[test]
        fn what_was_not_given_is_refused(text in "\\PC{0,80}", flipped in 0..41_usize) {
            prop_assert!(from_text(&text).is_err());
            let epoch = Epoch { generation: 1, offset: Offset(2) };
            let (telemetry, journal) = (Offset(3), Offset(4));
            let cursor = Cursor { epoch, telemetry, journal };
            let drone = DroneId::parse("a").expect("an id");
            let given = to_text(&drone, cursor);
            let mut bytes = URL_SAFE_NO_PAD.decode(given).expect("base64");
            bytes[flipped] ^= 1;
            prop_assert!(from_text(&URL_SAFE_NO_PAD.encode(bytes)).is_err());
        }
    }
}
