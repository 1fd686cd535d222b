//! The bytes of one full value of each kind, so that a renumbered or retyped field fails.
//!
//! Changing a line of `golden.txt` breaks every stored record and every client: a new field adds
//! a field to `examples` and bytes to its line, and nothing else may change.

use std::fmt::Write;

use aerostream_domain::{
    JournalEntry, JournalKind, Offset, ShardMark, StateEntry, StateKind, TelemetryEntry,
};
use prost::Message;

use super::examples;
use crate::{batch_to_wire, v1};

const GOLDEN: &str = include_str!("golden.txt");

fn check(name: &str, message: &impl Message) {
    let bytes = message.encode_to_vec();
    let hex = bytes.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("a String takes any text");
        hex
    });
    let expected = GOLDEN
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    assert_eq!(expected, Some(hex.as_str()), "bytes of {name}");
}

#[test]
fn a_batch_keeps_its_bytes() {
    check("Batch", &batch_to_wire(9, examples::batch()));
}

#[test]
fn telemetry_records_keep_their_bytes() {
    check(
        "TelemetryEvent.batch",
        &v1::TelemetryEvent::from(&examples::record()),
    );
    let claim = TelemetryEntry::Claim {
        epoch: examples::epoch(),
        claim: examples::claim(),
    };
    check("TelemetryEvent.claim", &v1::TelemetryEvent::from(claim));
}

#[test]
fn journal_records_keep_their_bytes() {
    let boot = examples::boot_entry();
    check("JournalRecord.boot", &v1::JournalRecord::from(boot.clone()));
    let claim = JournalEntry {
        kind: JournalKind::Claim(examples::claim()),
        ..boot
    };
    check("JournalRecord.claim", &v1::JournalRecord::from(claim));
}

#[test]
fn state_records_keep_their_bytes() {
    check(
        "StateRecord.drone",
        &v1::StateRecord::from(examples::state()),
    );
    let mark = StateEntry {
        epoch: examples::epoch(),
        kind: StateKind::Mark(ShardMark {
            telemetry: Offset(41),
            journal: Offset(42),
        }),
    };
    check("StateRecord.mark", &v1::StateRecord::from(mark));
}
