//! Bytes that nobody meant: no conversion panics, and what is taken comes back unchanged.

use aerostream_domain::{JournalEntry, StateEntry, TelemetryEntry};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use prost::Message;

use super::examples;
use crate::{batch_from_wire, batch_to_wire, v1};

fn batches(bytes: &[u8]) {
    let Ok(wire) = v1::Batch::decode(bytes) else {
        return;
    };
    let sent = wire.clone();
    match batch_from_wire(wire) {
        Ok(batch) => {
            for (mut sent, judged) in sent.samples.into_iter().zip(batch.samples) {
                let back = match judged {
                    Ok(sample) => {
                        sent.extras.sort_by(|a, b| a.name.cmp(&b.name));
                        sent.seq.get_or_insert(0);
                        v1::Sample::from(sample)
                    }
                    Err(refused) => refused.wire,
                };
                // Bytes are compared since a NaN differs from itself.
                assert_eq!(back.encode_to_vec(), sent.encode_to_vec());
            }
        }
        Err(refused) => assert_eq!(refused.wire.encode_to_vec(), sent.encode_to_vec()),
    }
}

fn telemetry(bytes: &[u8]) {
    let Ok(wire) = v1::TelemetryEvent::decode(bytes) else {
        return;
    };
    if let Ok(entry) = TelemetryEntry::try_from(wire) {
        let again = v1::TelemetryEvent::from(entry.clone());
        let back = TelemetryEntry::try_from(again.clone()).map(v1::TelemetryEvent::from);
        assert_eq!(
            back.map(|wire| wire.encode_to_vec()),
            Ok(again.encode_to_vec())
        );
    }
}

fn journal(bytes: &[u8]) {
    let Ok(wire) = v1::JournalRecord::decode(bytes) else {
        return;
    };
    if let Ok(entry) = JournalEntry::try_from(wire) {
        let again = v1::JournalRecord::from(entry.clone());
        assert_eq!(JournalEntry::try_from(again), Ok(entry));
    }
}

fn state(bytes: &[u8]) {
    let Ok(wire) = v1::StateRecord::decode(bytes) else {
        return;
    };
    if let Ok(entry) = StateEntry::try_from(wire) {
        let again = v1::StateRecord::from(entry);
        let back = StateEntry::try_from(again.clone()).map(v1::StateRecord::from);
        assert_eq!(
            back.map(|wire| wire.encode_to_vec()),
            Ok(again.encode_to_vec())
        );
    }
}

fn all(bytes: &[u8]) {
    batches(bytes);
    telemetry(bytes);
    journal(bytes);
    state(bytes);
}

fn spoiled(mut bytes: Vec<u8>, changes: &[(Index, u8)], cut: Option<Index>) -> Vec<u8> {
    for (place, byte) in changes {
        let place = place.index(bytes.len());
        bytes[place] = *byte;
    }
    if let Some(cut) = cut {
        bytes.truncate(cut.index(bytes.len()));
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn noise(bytes in vec(any::<u8>(), 0..200)) {
        all(&bytes);
    }

    #[test]
    fn spoiled_messages(
        changes in vec((any::<Index>(), any::<u8>()), 0..6),
        cut: Option<Index>,
    ) {
        let batch = batch_to_wire(1, examples::batch()).encode_to_vec();
        batches(&spoiled(batch, &changes, cut));
        let record = v1::TelemetryEvent::from(&examples::record()).encode_to_vec();
        telemetry(&spoiled(record, &changes, cut));
        let boot = v1::JournalRecord::from(examples::boot_entry()).encode_to_vec();
        journal(&spoiled(boot, &changes, cut));
        let snapshot = v1::StateRecord::from(examples::state()).encode_to_vec();
        state(&spoiled(snapshot, &changes, cut));
    }
}
