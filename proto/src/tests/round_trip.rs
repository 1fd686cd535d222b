//! What goes to the wire comes back, through its bytes.

use aerostream_domain::{
    Batch, BootMicros, Cause, JournalEntry, JournalKind, Offset, Sample, TelemetryEntry, UtcMicros,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use prost::Message;

use super::strategies;
use crate::{batch_from_wire, batch_to_wire, v1};

fn sent<M: Message + Default>(message: &M) -> M {
    M::decode(message.encode_to_vec().as_slice()).expect("what was encoded can be decoded")
}

fn offset() -> impl Strategy<Value = Option<Offset>> {
    option::of(any::<u64>().prop_map(Offset))
}

prop_compose! {
    fn cause()(telemetry in offset(), journal in offset(), registry in offset()) -> Cause {
        Cause { telemetry, journal, registry }
    }
}

fn kind() -> impl Strategy<Value = JournalKind> {
    prop_oneof![
        strategies::claim().prop_map(JournalKind::Claim),
        (strategies::drone(), strategies::boot())
            .prop_map(|(drone, record)| JournalKind::Boot { drone, record }),
        (strategies::drone(), super::commands::record()).prop_map(|(drone, record)| {
            let record = Box::new(record);
            JournalKind::Command { drone, record }
        }),
        (strategies::drone(), super::alerts::record()).prop_map(|(drone, record)| {
            let record = Box::new(record);
            JournalKind::Alert { drone, record }
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn samples(sample in strategies::sample()) {
        let wire = sent(&v1::Sample::from(sample.clone()));
        prop_assert_eq!(Sample::try_from(wire.clone()), Ok(sample.clone()));
        prop_assert_eq!(v1::Sample::from(sample), wire);
    }

    #[test]
    fn extras_in_any_order_are_one_content(
        sample in strategies::sample(),
        seed: u64,
    ) {
        let mut wire = v1::Sample::from(sample.clone());
        let count = wire.extras.len().max(1);
        wire.extras.rotate_left(seed as usize % count);
        prop_assert_eq!(Sample::try_from(wire), Ok(sample));
    }

    #[test]
    fn batches(
        batch_id: u64,
        drone in strategies::drone(),
        boot in strategies::boot_id(),
        sent_at_boot in option::of(any::<u64>().prop_map(BootMicros)),
        samples in vec(strategies::sample(), 1..=3),
    ) {
        let received_identity = false;
        let batch = Batch { drone, boot, sent_at_boot, received_identity, samples };
        let decoded = batch_from_wire(sent(&batch_to_wire(batch_id, batch.clone())))?;
        prop_assert_eq!(decoded.batch_id, batch_id);
        prop_assert_eq!(decoded.drone, batch.drone);
        prop_assert_eq!(decoded.boot, Some(batch.boot));
        prop_assert_eq!(decoded.sent_at_boot, batch.sent_at_boot);
        let samples: Result<Vec<_>, _> = decoded.samples.into_iter().collect();
        prop_assert_eq!(samples?, batch.samples);
    }

    #[test]
    fn telemetry_records(record in strategies::record()) {
        let event = v1::TelemetryEvent::from(&record);
        let mut written = Vec::new();
        crate::write_record(&record, &mut written);
        prop_assert_eq!(written, event.encode_to_vec());
        let wire = sent(&event);
        prop_assert_eq!(TelemetryEntry::try_from(wire), Ok(TelemetryEntry::Batch(record)));
    }

    #[test]
    fn telemetry_claims(epoch in strategies::epoch(), claim in strategies::claim()) {
        let entry = TelemetryEntry::Claim { epoch, claim };
        let wire = sent(&v1::TelemetryEvent::from(entry.clone()));
        prop_assert_eq!(TelemetryEntry::try_from(wire), Ok(entry));
    }

    #[test]
    fn journal_records(
        epoch in option::of(strategies::epoch()),
        at in any::<i64>().prop_map(UtcMicros),
        cause in cause(),
        kind in kind(),
    ) {
        let entry = JournalEntry { epoch, at, cause, kind };
        let wire = sent(&v1::JournalRecord::from(entry.clone()));
        prop_assert_eq!(JournalEntry::try_from(wire), Ok(entry));
    }
}
