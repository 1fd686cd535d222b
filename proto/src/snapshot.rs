//! Records of the state topic: `v1::StateRecord` and the domain's [`StateEntry`].

use aerostream_domain::alert::AlertBook;
use aerostream_domain::command::Ledger;
use aerostream_domain::drone::Pulse;
use aerostream_domain::{
    BootId, BootRecord, DroneSnapshot, Offset, Refusal, RefusalCode, Seq, ShardMark, StateEntry,
    StateKind, WindowSnapshot,
};

use crate::refuse::{drone_id, each, required, under};
use crate::v1;
use crate::v1::state_record::Kind;

impl TryFrom<v1::StateRecord> for StateEntry {
    type Error = Refusal;

    fn try_from(wire: v1::StateRecord) -> Result<Self, Refusal> {
        let epoch = required("epoch", wire.epoch)?.into();
        let kind = match required("kind", wire.kind)? {
            Kind::Drone(drone) => {
                let drone = DroneSnapshot::try_from(drone).map_err(under("drone"))?;
                StateKind::Drone(Box::new(drone))
            }
            Kind::Mark(mark) => StateKind::Mark(mark.into()),
        };
        Ok(Self { epoch, kind })
    }
}

impl From<StateEntry> for v1::StateRecord {
    fn from(entry: StateEntry) -> Self {
        Self {
            epoch: Some(entry.epoch.into()),
            kind: Some(match entry.kind {
                StateKind::Drone(drone) => Kind::Drone((*drone).into()),
                StateKind::Mark(mark) => Kind::Mark(mark.into()),
            }),
        }
    }
}

impl From<v1::ShardMark> for ShardMark {
    fn from(wire: v1::ShardMark) -> Self {
        Self {
            telemetry: Offset(wire.telemetry_offset),
            journal: Offset(wire.journal_offset),
        }
    }
}

impl From<ShardMark> for v1::ShardMark {
    fn from(mark: ShardMark) -> Self {
        Self {
            telemetry_offset: mark.telemetry.0,
            journal_offset: mark.journal.0,
        }
    }
}

impl TryFrom<v1::DroneSnapshot> for DroneSnapshot {
    type Error = Refusal;

    fn try_from(wire: v1::DroneSnapshot) -> Result<Self, Refusal> {
        let live = required("live", wire.live)?.try_into();
        Ok(Self {
            drone: drone_id("drone_id", &wire.drone_id)?,
            boots: each("boots", wire.boots, BootRecord::try_from)?,
            boots_forgotten: wire.boots_forgotten,
            live: live.map_err(under("live"))?,
            applied: wire.applied_offset.map(Offset),
            windows: each("windows", wire.windows, WindowSnapshot::try_from)?,
            commands: match wire.commands {
                Some(commands) => commands.try_into().map_err(under("commands"))?,
                None => Ledger::default(),
            },
            alerts: match wire.alerts {
                Some(alerts) => alerts.try_into().map_err(under("alerts"))?,
                None => AlertBook::default(),
            },
            pulse: Pulse {
                interval_ms: wire.interval_ms,
            },
        })
    }
}

impl From<DroneSnapshot> for v1::DroneSnapshot {
    fn from(snapshot: DroneSnapshot) -> Self {
        Self {
            drone_id: snapshot.drone.as_str().to_owned(),
            boots: snapshot.boots.into_iter().map(Into::into).collect(),
            boots_forgotten: snapshot.boots_forgotten,
            live: Some(snapshot.live.into()),
            applied_offset: snapshot.applied.map(|offset| offset.0),
            windows: snapshot.windows.into_iter().map(Into::into).collect(),
            commands: snapshot
                .commands
                .folded()
                .is_some()
                .then(|| snapshot.commands.into()),
            alerts: (!snapshot.alerts.is_empty()).then(|| (&snapshot.alerts).into()),
            interval_ms: snapshot.pulse.interval_ms,
        }
    }
}

impl TryFrom<v1::Window> for WindowSnapshot {
    type Error = Refusal;

    fn try_from(wire: v1::Window) -> Result<Self, Refusal> {
        let (steps, fingerprints) = (wire.steps.len(), wire.fingerprints.len());
        if steps != fingerprints {
            let detail = format!("found {fingerprints}; must be as many as steps, {steps}");
            return Err(Refusal::new(RefusalCode::Malformed, "fingerprints", detail));
        }
        let mut number = wire.floor;
        let mut durable = Vec::with_capacity(steps);
        for (index, (step, print)) in wire.steps.into_iter().zip(wire.fingerprints).enumerate() {
            let next = number.checked_add(step).filter(|_| index == 0 || step > 0);
            number = next.ok_or_else(|| {
                let detail = format!("found {step} behind {number}; numbers must ascend");
                Refusal::new(RefusalCode::Malformed, format!("steps[{index}]"), detail)
            })?;
            durable.push((Seq(number), print));
        }
        Ok(Self {
            boot: BootId(wire.boot),
            floor: Seq(wire.floor),
            durable,
        })
    }
}

impl From<WindowSnapshot> for v1::Window {
    /// A window ascends from its floor; a number that does not would come back refused.
    fn from(window: WindowSnapshot) -> Self {
        let mut last = window.floor.0;
        let step = |(seq, fingerprint): (Seq, u64)| {
            let step = seq.0.wrapping_sub(last);
            last = seq.0;
            (step, fingerprint)
        };
        let (steps, fingerprints) = window.durable.into_iter().map(step).unzip();
        Self {
            boot: window.boot.0,
            floor: window.floor.0,
            steps,
            fingerprints,
        }
    }
}
