//! Records of the telemetry topic: `v1::TelemetryEvent` and the domain's [`TelemetryEntry`].

use aerostream_domain::{
    BootId, Claim, Epoch, Offset, RecordedSample, Refusal, ShardId, TelemetryEntry,
    TelemetryRecord, UtcMicros,
};

use bytes::BufMut;
use prost::Message;

use crate::refuse::{drone_id, each, narrow, node_id, required, under};
use crate::v1;
use crate::v1::telemetry_event::Kind;

/// More than the bytes of an everyday sample.
const SAMPLE_BYTES: usize = 256;

impl TryFrom<v1::TelemetryEvent> for TelemetryEntry {
    type Error = Refusal;

    /// Takes a record of the event log: its shape is judged, its ranges were before.
    fn try_from(wire: v1::TelemetryEvent) -> Result<Self, Refusal> {
        let epoch = required("epoch", wire.epoch)?.into();
        match required("kind", wire.kind)? {
            Kind::Batch(batch) => record_from_wire(epoch, batch)
                .map(Self::Batch)
                .map_err(under("batch")),
            Kind::Claim(claim) => {
                let claim = Claim::try_from(claim).map_err(under("claim"))?;
                Ok(Self::Claim { epoch, claim })
            }
        }
    }
}

impl From<TelemetryEntry> for v1::TelemetryEvent {
    fn from(entry: TelemetryEntry) -> Self {
        match entry {
            TelemetryEntry::Batch(record) => (&record).into(),
            TelemetryEntry::Claim { epoch, claim } => Self {
                epoch: Some(epoch.into()),
                kind: Some(Kind::Claim(claim.into())),
            },
        }
    }
}

impl From<&TelemetryRecord> for v1::TelemetryEvent {
    fn from(record: &TelemetryRecord) -> Self {
        Self {
            epoch: Some(record.epoch.into()),
            kind: Some(Kind::Batch(v1::DroneBatch {
                drone_id: record.drone.as_str().to_owned(),
                boot: record.boot.0,
                power_up_us: record.power_up.0,
                received_us: record.received.0,
                samples: record.samples.iter().map(Into::into).collect(),
            })),
        }
    }
}

/// Writes the bytes of `v1::TelemetryEvent::from(record)` sample by sample, so that no record is
/// ever there twice.
pub fn write_record(record: &TelemetryRecord, out: &mut Vec<u8>) {
    const BATCH: u8 = (2 << 3) | LENGTH_DELIMITED;
    const SAMPLES: u8 = (5 << 3) | LENGTH_DELIMITED;
    const LENGTH_DELIMITED: u8 = 2;
    let mut batch = Vec::with_capacity(SAMPLE_BYTES * (1 + record.samples.len()));
    let head = v1::DroneBatch {
        drone_id: record.drone.as_str().to_owned(),
        boot: record.boot.0,
        power_up_us: record.power_up.0,
        received_us: record.received.0,
        samples: Vec::new(),
    };
    head.encode_raw(&mut batch);
    for sample in &record.samples {
        let sample = v1::RecordedSample::from(sample);
        let length = sample.encoded_len();
        batch.put_u8(SAMPLES);
        prost::encoding::encode_varint(length as u64, &mut batch);
        sample.encode_raw(&mut batch);
    }
    let event = v1::TelemetryEvent {
        epoch: Some(record.epoch.into()),
        kind: None,
    };
    event.encode_raw(out);
    out.reserve(batch.len() + 16);
    out.put_u8(BATCH);
    prost::encoding::encode_varint(batch.len() as u64, out);
    out.extend_from_slice(&batch);
}

impl From<v1::Epoch> for Epoch {
    fn from(wire: v1::Epoch) -> Self {
        Self {
            generation: wire.generation,
            offset: Offset(wire.offset),
        }
    }
}

impl From<Epoch> for v1::Epoch {
    fn from(epoch: Epoch) -> Self {
        Self {
            generation: epoch.generation,
            offset: epoch.offset.0,
        }
    }
}

impl TryFrom<v1::Claim> for Claim {
    type Error = Refusal;

    fn try_from(wire: v1::Claim) -> Result<Self, Refusal> {
        Ok(Self {
            shard: ShardId(narrow("shard", wire.shard, "between 0 and 65535")?),
            node: node_id("node", &wire.node)?,
        })
    }
}

impl From<Claim> for v1::Claim {
    fn from(claim: Claim) -> Self {
        Self {
            shard: claim.shard.0.into(),
            node: claim.node.as_str().to_owned(),
        }
    }
}

fn record_from_wire(epoch: Epoch, wire: v1::DroneBatch) -> Result<TelemetryRecord, Refusal> {
    Ok(TelemetryRecord {
        epoch,
        drone: drone_id("drone_id", &wire.drone_id)?,
        boot: BootId(wire.boot),
        power_up: UtcMicros(wire.power_up_us),
        received: UtcMicros(wire.received_us),
        samples: each("samples", wire.samples, RecordedSample::try_from)?,
    })
}
