//! Where a feed of alerts is, as text: opaque to clients.

use aerostream_domain::{Epoch, Offset};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use xxhash_rust::xxh3::xxh3_64;

use crate::error::{ErrorCode, Problem};

/// First byte of every cursor; a drone's feed begins its own with another one.
const VERSION: u8 = 2;
const CHECK_BYTES: usize = 4;

/// Where a feed is in the journal of one shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Reign in which it was told: owners' records of lower ones count for nothing behind it.
    pub epoch: Epoch,
    /// Everything below it was told.
    pub next: Offset,
}

/// Where a feed is: a place in each shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertCursor(pub Vec<Place>);

fn check(content: &[u8]) -> [u8; CHECK_BYTES] {
    (xxh3_64(content) as u32).to_be_bytes()
}

fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

impl AlertCursor {
    /// As text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut bytes = vec![VERSION];
        put(&mut bytes, self.0.len() as u64);
        for place in &self.0 {
            put(&mut bytes, u64::from(place.epoch.generation));
            put(&mut bytes, place.epoch.offset.0);
            put(&mut bytes, place.next.0);
        }
        let check = check(&bytes);
        bytes.extend(check);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads the text form.
    ///
    /// # Errors
    /// It is nothing that a feed ever gave.
    pub fn from_text(text: &str) -> Result<Self, Problem> {
        Self::parse(text).ok_or_else(|| {
            let detail = "must be the `cursor` of a frame of a feed of alerts, as it was given";
            Problem::new(ErrorCode::Invalid, detail).at("from")
        })
    }

    fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (content, given) = bytes.split_last_chunk::<CHECK_BYTES>()?;
        let (&version, mut rest) = content.split_first()?;
        if version != VERSION || *given != check(content) {
            return None;
        }
        let count = take(&mut rest)?;
        let mut places = Vec::new();
        for _ in 0..count {
            places.push(Place {
                epoch: Epoch {
                    generation: u32::try_from(take(&mut rest)?).ok()?,
                    offset: Offset(take(&mut rest)?),
                },
                next: Offset(take(&mut rest)?),
            });
        }
        rest.is_empty().then_some(Self(places))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_given_is_taken_back_and_nothing_else(
            places: Vec<(u32, u64, u64)>, flipped: prop::sample::Index,
        ) {
            let places = places.into_iter().map(|(generation, epoch, next)| Place {
                epoch: Epoch { generation, offset: Offset(epoch) },
                next: Offset(next),
            });
            let cursor = AlertCursor(places.collect());
            let text = cursor.to_text();
            prop_assert_eq!(AlertCursor::from_text(&text), Ok(cursor));
            let mut bytes = URL_SAFE_NO_PAD.decode(text).expect("base64");
            let flipped = flipped.index(bytes.len());
            bytes[flipped] ^= 1;
            prop_assert!(AlertCursor::from_text(&URL_SAFE_NO_PAD.encode(bytes)).is_err());
        }
    }
}
