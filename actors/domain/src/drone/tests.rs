//! One drone's behaviour, case by case.

mod admission;
mod boots;
mod live_state;
mod times;

use super::*;
use crate::ids::Seq;
use crate::sample::{Batch, Content, Health, PowerUpBasis, RecordedSample, Sample, TimeBasis};
use crate::units::BootMicros;
use crate::validate::RefusalCode;

/// 2026-06-01T00:00:00Z, the gateway's clock.
const NOW: UtcMicros = UtcMicros(1_780_272_000_000_000);
const BOOT: BootId = BootId(7);

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn boot_clock(seconds: u64) -> BootMicros {
    BootMicros(seconds * 1_000_000)
}

fn drone() -> Drone {
    Drone::new(
        DroneId::parse("alpha").expect("a legal id"),
        Limits::default(),
    )
}

/// A content that differs with its number.
fn content(number: u32) -> Content {
    Content {
        health: Some(Health {
            estimator_flags: Some(number),
            ..Health::default()
        }),
        ..Content::default()
    }
}

/// A sample with UTC alone, a second before [`NOW`].
fn sample(seq: u64, number: u32) -> Sample {
    Sample {
        seq,
        utc: Some(NOW - s(1)),
        since_boot: None,
        content: content(number),
    }
}

fn batch(boot: BootId, samples: Vec<Sample>) -> Batch {
    Batch {
        drone: DroneId::parse("alpha").expect("a legal id"),
        boot,
        sent_at_boot: None,
        received_identity: false,
        samples,
    }
}

fn receipt(append: u64) -> Receipt {
    Receipt {
        at: NOW,
        epoch: Epoch {
            generation: 1,
            offset: Offset(9),
        },
        append: AppendId(append),
    }
}

fn record_of(boot: BootId, power_up: UtcMicros, samples: Vec<RecordedSample>) -> TelemetryRecord {
    TelemetryRecord {
        epoch: receipt(0).epoch,
        drone: DroneId::parse("alpha").expect("a legal id"),
        boot,
        power_up,
        received: NOW,
        samples,
    }
}

fn boot_record(boot: BootId, power_up: UtcMicros, basis: PowerUpBasis) -> BootRecord {
    BootRecord {
        boot,
        power_up,
        basis,
    }
}
