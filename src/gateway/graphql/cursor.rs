//! Cursors: opaque to clients, and good only for the list that they come from.

use aerostream_domain::{BootId, DroneId, Seq, UtcMicros};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::error::{ErrorCode, Problem};
use crate::gateway::ports::Key;

/// Longest text that is looked at.
const BYTES_MAX: usize = 256;

/// A place in the list of drones.
#[must_use]
pub fn of_drone(drone: &DroneId) -> String {
    URL_SAFE_NO_PAD.encode(format!("d {drone}"))
}

/// The drone that a cursor of the list of drones stands behind.
///
/// # Errors
/// It is no such cursor.
pub fn drone(text: &str) -> Result<DroneId, Problem> {
    let plain = decoded(text)?;
    let id = plain.strip_prefix("d ").ok_or_else(foreign)?;
    DroneId::parse(id).map_err(|_| foreign())
}

/// A place in the telemetry of a drone.
#[must_use]
pub fn of_sample(drone: &DroneId, key: Key) -> String {
    let Key { time, boot, seq } = key;
    URL_SAFE_NO_PAD.encode(format!("t {drone} {} {} {}", time.0, boot.0, seq.0))
}

/// The place that a cursor of this drone's telemetry stands for.
///
/// # Errors
/// It is no such cursor, or one of another drone.
pub fn sample(text: &str, drone: &DroneId) -> Result<Key, Problem> {
    let plain = decoded(text)?;
    let parts: Vec<&str> = plain.split(' ').collect();
    let ["t", of, time, boot, seq] = parts[..] else {
        return Err(foreign());
    };
    if of != drone.as_str() {
        let detail = format!("is a cursor of the telemetry of another drone, not of `{drone}`");
        return Err(Problem::new(ErrorCode::Invalid, detail).at("after"));
    }
    let number = |text: &str| text.parse::<u64>().map_err(|_| foreign());
    Ok(Key {
        time: UtcMicros(time.parse().map_err(|_| foreign())?),
        boot: BootId(number(boot)?),
        seq: Seq(number(seq)?),
    })
}

fn decoded(text: &str) -> Result<String, Problem> {
    if text.len() > BYTES_MAX {
        return Err(foreign());
    }
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| foreign())?;
    String::from_utf8(bytes).map_err(|_| foreign())
}

fn foreign() -> Problem {
    let detail = "must be a cursor that this list gave: the `endCursor` of a page of it";
    Problem::new(ErrorCode::Invalid, detail).at("after")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_back_to_its_place_and_to_no_other_list() {
        let alpha = DroneId::parse("alpha").unwrap();
        let bravo = DroneId::parse("bravo").unwrap();
        let place = Key {
            time: UtcMicros(-5),
            boot: BootId(u64::MAX),
            seq: Seq(7),
        };
        let cursor = of_sample(&alpha, place);
        assert_eq!(sample(&cursor, &alpha), Ok(place));
        let other = sample(&cursor, &bravo).unwrap_err();
        assert!(other.detail.contains("another drone"), "{other}");
        assert_eq!(drone(&of_drone(&alpha)), Ok(alpha.clone()));
        assert!(drone(&cursor).is_err());
        assert!(sample(&of_drone(&alpha), &alpha).is_err());
        for garbage in ["", "alpha", "ZCA", "%%%", "dCBhIDEgMg", &"A".repeat(10_000)] {
            let problem = sample(garbage, &alpha).unwrap_err();
            assert_eq!(problem.field.as_deref(), Some("after"), "{garbage}");
            assert!(drone(garbage).is_err(), "{garbage}");
        }
    }
}
