//! Records of the telemetry topic: `v1::TelemetryEvent` and the domain's [`TelemetryEntry`].

use aerostream_domain::{
    BootId, Claim, Epoch, Offset, RecordedSample, Refusal, ShardId, TelemetryEntry,
    TelemetryRecord, UtcMicros,
};

use crate::refuse::{drone_id, each, narrow, node_id, required, under};
use crate::v1;
use crate::v1::telemetry_event::Kind;

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
            TelemetryEntry::Batch(record) => record.into(),
            TelemetryEntry::Claim { epoch, claim } => Self {
                epoch: Some(epoch.into()),
                kind: Some(Kind::Claim(claim.into())),
            },
        }
    }
}

impl From<TelemetryRecord> for v1::TelemetryEvent {
    fn from(record: TelemetryRecord) -> Self {
        Self {
            epoch: Some(record.epoch.into()),
            kind: Some(Kind::Batch(v1::DroneBatch {
                drone_id: record.drone.as_str().to_owned(),
                boot: record.boot.0,
                power_up_us: record.power_up.0,
                received_us: record.received.0,
                samples: record.samples.into_iter().map(Into::into).collect(),
            })),
        }
    }
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
