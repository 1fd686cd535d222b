//! `v1::FleetSummary`, `v1::SummaryChanges` and the domain's.

use std::time::Duration;

use aerostream_domain::fleet_summary::changes::SummaryChanges;
use aerostream_domain::fleet_summary::{
    ArmedCounts, BatteryCounts, CellCounts, DroneCounts, FleetSummary, Rate,
};
use aerostream_domain::{Cell, CellSize, Refusal, RefusalCode, UtcMicros};

use crate::refuse::{known, required, under};
use crate::v1;

impl From<FleetSummary> for v1::FleetSummary {
    fn from(summary: FleetSummary) -> Self {
        Self {
            at_us: summary.at.0,
            within_s: summary.within.as_secs(),
            drones: Some(summary.drones.into()),
            armed: Some(summary.armed.into()),
            landed: Some(landed_to_wire(summary.landed)),
            modes: Some(modes_to_wire(summary.modes)),
            battery: Some(summary.battery.into()),
            cells: Some(summary.cells.into()),
            rate: Some(summary.rate.into()),
        }
    }
}

impl TryFrom<v1::FleetSummary> for FleetSummary {
    type Error = Refusal;

    fn try_from(wire: v1::FleetSummary) -> Result<Self, Refusal> {
        let cells = required("cells", wire.cells)?;
        Ok(Self {
            at: UtcMicros(wire.at_us),
            within: Duration::from_secs(wire.within_s),
            drones: required("drones", wire.drones)?.into(),
            armed: required("armed", wire.armed)?.into(),
            landed: landed_from_wire(required("landed", wire.landed)?)?,
            modes: modes_from_wire(required("modes", wire.modes)?)?,
            battery: required("battery", wire.battery)?.try_into()?,
            cells: CellCounts::try_from(cells).map_err(under("cells"))?,
            rate: required("rate", wire.rate)?.into(),
        })
    }
}

impl From<SummaryChanges> for v1::SummaryChanges {
    fn from(changes: SummaryChanges) -> Self {
        Self {
            at_us: changes.at.0,
            drones: changes.drones.map(Into::into),
            armed: changes.armed.map(Into::into),
            landed: changes.landed.map(landed_to_wire),
            modes: changes.modes.map(modes_to_wire),
            battery: changes.battery.map(Into::into),
            cells: changes.cells.map(Into::into),
            rate: changes.rate.map(Into::into),
        }
    }
}

impl TryFrom<v1::SummaryChanges> for SummaryChanges {
    type Error = Refusal;

    fn try_from(wire: v1::SummaryChanges) -> Result<Self, Refusal> {
        let cells = wire.cells.map(CellCounts::try_from).transpose();
        Ok(Self {
            at: UtcMicros(wire.at_us),
            drones: wire.drones.map(Into::into),
            armed: wire.armed.map(Into::into),
            landed: wire.landed.map(landed_from_wire).transpose()?,
            modes: wire.modes.map(modes_from_wire).transpose()?,
            battery: wire.battery.map(TryInto::try_into).transpose()?,
            cells: cells.map_err(under("cells"))?,
            rate: wire.rate.map(Into::into),
        })
    }
}

macro_rules! same_fields {
    ($($domain:ident = $wire:ident { $($field:ident)+ })+) => {$(
        impl From<$domain> for v1::$wire {
            fn from(counts: $domain) -> Self {
                Self { $($field: counts.$field,)+ }
            }
        }

        impl From<v1::$wire> for $domain {
            fn from(wire: v1::$wire) -> Self {
                Self { $($field: wire.$field,)+ }
            }
        }
    )+};
}

same_fields! {
    DroneCounts = DroneCounts { heard silent hot passive failed }
    ArmedCounts = ArmedCounts { armed disarmed unknown }
    Rate = SampleRate { samples over_ms }
}

fn uneven(field: &str) -> Refusal {
    let detail = "its lists have not one length; they must have";
    Refusal::new(RefusalCode::Malformed, field, detail)
}

type Counts<Code> = Vec<(Option<Code>, u64)>;

fn landed_to_wire(counts: Counts<aerostream_domain::sample::LandedState>) -> v1::LandedCounts {
    let mut wire = v1::LandedCounts::default();
    for (state, drones) in counts {
        let state = state.map_or(v1::LandedState::Unspecified, Into::into);
        wire.state.push(state.into());
        wire.drones.push(drones);
    }
    wire
}

fn landed_from_wire(
    wire: v1::LandedCounts,
) -> Result<Counts<aerostream_domain::sample::LandedState>, Refusal> {
    if wire.state.len() != wire.drones.len() {
        return Err(uneven("landed"));
    }
    let counts = wire.state.into_iter().zip(wire.drones);
    counts
        .map(|(state, drones)| Ok((known::<v1::LandedState, _>("landed.state", state)?, drones)))
        .collect()
}

fn modes_to_wire(counts: Counts<aerostream_domain::sample::FlightMode>) -> v1::ModeCounts {
    let mut wire = v1::ModeCounts::default();
    for (mode, drones) in counts {
        let mode = mode.map_or(v1::FlightMode::Unspecified, Into::into);
        wire.mode.push(mode.into());
        wire.drones.push(drones);
    }
    wire
}

fn modes_from_wire(
    wire: v1::ModeCounts,
) -> Result<Counts<aerostream_domain::sample::FlightMode>, Refusal> {
    if wire.mode.len() != wire.drones.len() {
        return Err(uneven("modes"));
    }
    let counts = wire.mode.into_iter().zip(wire.drones);
    counts
        .map(|(mode, drones)| Ok((known::<v1::FlightMode, _>("modes.mode", mode)?, drones)))
        .collect()
}

impl From<BatteryCounts> for v1::BatteryCounts {
    fn from(counts: BatteryCounts) -> Self {
        Self {
            buckets: counts.buckets.to_vec(),
            unknown: counts.unknown,
        }
    }
}

impl TryFrom<v1::BatteryCounts> for BatteryCounts {
    type Error = Refusal;

    fn try_from(wire: v1::BatteryCounts) -> Result<Self, Refusal> {
        let unknown = wire.unknown;
        let buckets = wire.buckets.try_into().map_err(|buckets: Vec<u64>| {
            let detail = format!("found {}; must be 10", buckets.len());
            Refusal::new(RefusalCode::Malformed, "battery.buckets", detail)
        })?;
        Ok(Self { buckets, unknown })
    }
}

impl From<CellCounts> for v1::CellCounts {
    fn from(cells: CellCounts) -> Self {
        let list = |of: fn(&Cell) -> u32| cells.told.iter().map(of).collect();
        Self {
            cell_deg: cells.size.map(CellSize::degrees),
            row: list(|cell| cell.row),
            column: list(|cell| cell.column),
            drones: list(|cell| cell.drones),
            left_out: cells.left_out,
            drones_left_out: cells.drones_left_out,
            without_position: cells.without_position,
        }
    }
}

impl TryFrom<v1::CellCounts> for CellCounts {
    type Error = Refusal;

    fn try_from(wire: v1::CellCounts) -> Result<Self, Refusal> {
        if wire.row.len() != wire.column.len() || wire.row.len() != wire.drones.len() {
            return Err(uneven("row"));
        }
        let size = wire.cell_deg.map(CellSize::new).transpose();
        let size = size.map_err(|error| {
            Refusal::new(RefusalCode::OutOfRange, "cell_deg", error.to_string())
        })?;
        let places = wire.row.into_iter().zip(wire.column).zip(wire.drones);
        let told = places.map(|((row, column), drones)| Cell {
            row,
            column,
            drones,
        });
        Ok(Self {
            size,
            told: told.collect(),
            left_out: wire.left_out,
            drones_left_out: wire.drones_left_out,
            without_position: wire.without_position,
        })
    }
}
