//! What a recording makes this process hold does not depend on how long it is, nor on what it says.

#![expect(unsafe_code, reason = "only an allocator can count what is allocated")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use aerostream_replay::recording::Recording;
use aerostream_replay::{Error, Survey};

static LIVE_BYTES: AtomicUsize = AtomicUsize::new(0);
static PEAK_BYTES: AtomicUsize = AtomicUsize::new(0);
/// One reading at a time is counted.
static COUNTED: Mutex<()> = Mutex::new(());

struct Counting;

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE_BYTES.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK_BYTES.fetch_max(live, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        LIVE_BYTES.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Reads a recording made of these parts, and the most bytes that it took at once.
fn survey(parts: impl Iterator<Item = Vec<u8>>) -> (Result<Survey, Error>, usize) {
    let _one = COUNTED
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    for part in parts {
        file.write_all(&part).expect("room on the disk");
    }
    let recording = Recording::open(file.path()).expect("a recording");
    let before = LIVE_BYTES.load(Ordering::Relaxed);
    PEAK_BYTES.store(before, Ordering::Relaxed);
    let survey = Survey::of(&recording);
    (survey, PEAK_BYTES.load(Ordering::Relaxed) - before)
}

fn flight(name: &str) -> Vec<u8> {
    let flights = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/flights");
    std::fs::read(flights.join(name)).expect("a flight")
}

const MIB: usize = 1 << 20;

#[test]
fn a_long_recording_takes_no_more_than_a_short_one() {
    let flight = flight("ardusub-2024-04-22.tlog");
    let (once, short) = survey(std::iter::once(flight.clone()));
    let (often, long) = survey(std::iter::repeat_n(flight, 20));
    assert_eq!(often.unwrap().messages, 20 * once.unwrap().messages);
    println!("once {short} B, 20 times {long} B");
    assert!(long < short + MIB / 4 && long < MIB, "{short} B, {long} B");
}

/// The first whole records of a flight.
fn beginning(flight: &[u8], bytes_max: usize) -> &[u8] {
    let mut end = 0;
    loop {
        let frame = &flight[end + 8..];
        let header = if frame[0] == 0xfe { 6 } else { 10 };
        let record = 8 + header + usize::from(frame[1]) + 2;
        if end + record > bytes_max {
            return &flight[..end];
        }
        end += record;
    }
}

/// A MAVLink record whose message no dialect knows.
fn unknown(id: u32) -> Vec<u8> {
    let [a, b, c, _] = id.to_le_bytes();
    let stamp = 1_700_000_000_000_000_u64.to_be_bytes();
    [&stamp[..], &[0xfd, 0, 0, 0, 0, 1, 1, a, b, c, 0, 0]].concat()
}

#[test]
fn kinds_without_end_are_refused() {
    let begin = flight("ardusub-2024-04-22.tlog");
    let begin = std::iter::once(beginning(&begin, 20_000).to_vec());
    let (survey, peak) = survey(begin.chain((100_000..400_000).map(unknown)));
    let refused = survey.unwrap_err();
    println!("{refused}; {peak} B");
    assert!(matches!(refused, Error::TooManyKinds { .. }), "{refused:?}");
    assert!(peak < 8 * MIB, "{peak} B");
}

/// A message of a log.
fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).expect("short").to_le_bytes();
    [&length[..], &[kind], body].concat()
}

#[test]
fn descriptions_without_end_are_not_kept() {
    let header = [b"ULog\x01\x12\x35\x01", &[0; 8][..]].concat();
    // As many fields as a message can describe, each the shortest there is.
    let fields = "b a;".repeat(16_000);
    let formats = (0..500).map(|number| message(b'F', format!("f{number}:{fields}").as_bytes()));
    let (survey, peak) = survey(std::iter::once(header).chain(formats));
    println!("{peak} B");
    assert!(!survey.unwrap().damage.is_none());
    assert!(peak < 64 * MIB, "{peak} B");
}

#[test]
fn subscriptions_without_end_are_not_kept() {
    let header = [b"ULog\x01\x12\x35\x01", &[0; 8][..]].concat();
    let fields: String = (0..3_000).map(|at| format!("bool f{at:04};")).collect();
    let format = message(b'F', format!("wide:{fields}").as_bytes());
    let subscribe = |id: u16| {
        let [low, high] = id.to_le_bytes();
        message(b'A', &[&[0, low, high], &b"wide"[..]].concat())
    };
    let all = [header, format].into_iter();
    let (survey, peak) = survey(all.chain((0..u16::MAX).map(subscribe)));
    println!("{peak} B");
    assert!(!survey.unwrap().damage.is_none());
    assert!(peak < 64 * MIB, "{peak} B");
}
