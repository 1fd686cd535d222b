//! Damaged recordings: never a panic, always an end, each byte told once; what is whole is read.

use aerostream_replay::content;
use aerostream_replay::message::{Damage, Message, Reason};
use aerostream_replay::recording::{Format, Item, Messages};
use aerostream_replay::survey::Kinds;
use proptest::prelude::*;

const FORMATS: [Format; 2] = [Format::Tlog, Format::Ulog];

/// The beginning of a real flight; of the log, long enough to hold data behind its descriptions.
fn flight(format: Format) -> &'static [u8] {
    match format {
        Format::Tlog => &include_bytes!("../../tests/flights/ardusub-2024-04-22.tlog")[..60_000],
        Format::Ulog => &include_bytes!("../../tests/flights/px4-sitl-events.ulg")[..120_000],
    }
}

/// Reads to the end; what is found is in order and inside the recording.
fn read(format: Format, bytes: &[u8]) -> (Vec<Message>, Vec<Damage>) {
    let mut reader = Messages::new(format, bytes);
    let (mut messages, mut damages) = (Vec::new(), Vec::new());
    let mut behind = 0;
    // A log of a later version is refused, which is an end as well.
    while let Ok(Some(item)) = reader.read_next() {
        match item {
            Item::Message(placed) => {
                assert!(placed.message.offset >= behind, "{placed:?}");
                behind = placed.message.offset;
                // Whatever it holds, it can be said or is left out with a reason.
                let _ = content::of(&placed.message, &Kinds::new());
                messages.push(placed.message);
            }
            Item::Damage(damage) => {
                assert!(damage.offset >= behind && damage.bytes > 0, "{damage:?}");
                behind = damage.offset + damage.bytes;
                damages.push(damage);
            }
            Item::Withheld => {}
        }
    }
    assert!(behind <= bytes.len() as u64, "{behind} of {}", bytes.len());
    (messages, damages)
}

#[test]
fn whole_beginnings_are_read_up_to_the_cut() {
    for format in FORMATS {
        let (messages, damages) = read(format, flight(format));
        assert!(messages.len() > 900, "{format}: {}", messages.len());
        assert!(damages.iter().all(|one| one.reason == Reason::CutOff));
        assert!(damages.len() <= 1, "{format}: {damages:?}");
    }
}

/// A message of a log.
fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).expect("short").to_le_bytes();
    [&length[..], &[kind], body].concat()
}

#[test]
fn descriptions_that_ask_for_too_much_are_refused_at_once() {
    let begin = &flight(Format::Ulog)[..16];
    let hostile: [&[&str]; 3] = [
        // Nothing, a billion times; ten thousand of ten thousand; itself.
        &["none:", "a:none[1000000000] x;"],
        &["c:uint8_t[9999] x;", "b:c[9999] x;", "a:b[9999] x;"],
        &["a:a x;"],
    ];
    for lines in hostile {
        let formats = lines.iter().map(|line| message(b'F', line.as_bytes()));
        let formats: Vec<u8> = formats.flatten().collect();
        let subscribed = message(b'A', b"\0\0\0a");
        let (messages, damages) = read(Format::Ulog, &[begin, &formats, &subscribed].concat());
        assert_eq!((messages.len(), damages.len()), (0, 1), "{lines:?}");
        assert_eq!(damages[0].reason, Reason::Malformed);
        assert_eq!(damages[0].offset, 16 + formats.len() as u64);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_cut_at_any_byte_loses_only_what_is_behind_it(
        format in prop::sample::select(FORMATS.to_vec()),
        share in 0.0..1.0_f64,
    ) {
        let whole = flight(format);
        let cut = (whole.len() as f64 * share) as usize;
        let (all, _) = read(format, whole);
        let (messages, damages) = read(format, &whole[..cut]);
        // What is not a number equals nothing, but reads the same.
        for (one, other) in messages.iter().zip(&all) {
            prop_assert_eq!(format!("{one:?}"), format!("{other:?}"));
        }
        prop_assert!(messages.len() <= all.len());
        for damage in damages {
            prop_assert_eq!(damage.reason, Reason::CutOff);
            prop_assert_eq!(damage.offset + damage.bytes, cut as u64);
        }
    }

    #[test]
    fn wrong_bytes_cost_what_they_touch(
        format in prop::sample::select(FORMATS.to_vec()),
        flips in prop::collection::vec((0.0..1.0_f64, 1_u8..), 1..6),
    ) {
        let mut bytes = flight(format).to_vec();
        let (all, _) = read(format, &bytes);
        for (share, mask) in &flips {
            let at = (bytes.len() as f64 * share) as usize;
            bytes[at] ^= mask;
        }
        let (messages, _) = read(format, &bytes);
        if format == Format::Tlog {
            // Every frame has a checksum, so a wrong byte costs its own; a wrong length may hide
            // as many as fit into it.
            prop_assert!(messages.len() + 8 * flips.len() >= all.len());
        }
    }

    #[test]
    fn any_bytes_come_to_an_end(
        format in prop::sample::select(FORMATS.to_vec()),
        bytes in prop::collection::vec(any::<u8>(), 0..4000),
        begins in 0..400_usize,
    ) {
        let whole = flight(format);
        let mixed = [&whole[..begins], &bytes, &whole[..2000]].concat();
        read(format, &mixed);
        read(format, &bytes);
    }
}
