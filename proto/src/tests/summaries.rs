//! Summaries of fleets survive the wire, and lists that do not fit together are refused.

use std::time::Duration;

use aerostream_domain::fleet_summary::changes::SummaryChanges;
use aerostream_domain::fleet_summary::{
    ArmedCounts, BatteryCounts, CellCounts, DroneCounts, FleetSummary, Rate,
};
use aerostream_domain::sample::{FlightMode, LandedState};
use aerostream_domain::{Cell, CellSize, UtcMicros};
use proptest::prelude::*;

use crate::v1;

fn cells() -> impl Strategy<Value = CellCounts> {
    let cell = any::<(u32, u32, u32)>().prop_map(|(row, column, drones)| Cell {
        row,
        column,
        drones,
    });
    let size = prop::option::of(0.001..=90.0);
    let told = prop::collection::vec(cell, 0..5);
    (size, told, any::<[u64; 3]>()).prop_map(|(size, told, counts)| CellCounts {
        size: size.map(|degrees| CellSize::new(degrees).unwrap()),
        told,
        left_out: counts[0],
        drones_left_out: counts[1],
        without_position: counts[2],
    })
}

fn summary() -> impl Strategy<Value = FleetSummary> {
    let counts = any::<[u64; 12]>();
    let buckets = any::<[u64; 10]>();
    (any::<i64>(), any::<u32>(), counts, buckets, cells()).prop_map(
        |(at, within_s, counts, buckets, cells)| FleetSummary {
            at: UtcMicros(at),
            within: Duration::from_secs(within_s.into()),
            drones: DroneCounts {
                heard: counts[0],
                silent: counts[1],
                hot: counts[2],
                passive: counts[3],
                failed: counts[4],
            },
            armed: ArmedCounts {
                armed: counts[5],
                disarmed: counts[6],
                unknown: counts[7],
            },
            landed: vec![(Some(LandedState::InAir), counts[8]), (None, counts[9])],
            modes: vec![(Some(FlightMode::Orbit), counts[9]), (None, counts[8])],
            battery: BatteryCounts {
                buckets,
                unknown: counts[10],
            },
            cells,
            rate: Rate {
                samples: counts[10],
                over_ms: counts[11],
            },
        },
    )
}

proptest! {
    #[test]
    fn a_summary_and_its_changes_survive_the_wire(before in summary(), now in summary()) {
        let back = FleetSummary::try_from(v1::FleetSummary::from(now.clone()));
        prop_assert_eq!(back.as_ref(), Ok(&now));
        let changes = now.changes_since(&before);
        let back = SummaryChanges::try_from(v1::SummaryChanges::from(changes.clone()));
        prop_assert_eq!(back, Ok(changes));
    }
}

#[test]
fn lists_that_do_not_fit_are_refused() {
    let check = |cells: v1::CellCounts, field: &str| {
        let changes = v1::SummaryChanges {
            cells: Some(cells),
            ..v1::SummaryChanges::default()
        };
        let refusal = SummaryChanges::try_from(changes).unwrap_err();
        assert_eq!(refusal.field, field);
    };
    let uneven = v1::CellCounts {
        row: vec![1],
        ..v1::CellCounts::default()
    };
    check(uneven, "cells.row");
    let size = v1::CellCounts {
        cell_deg: Some(f64::NAN),
        ..v1::CellCounts::default()
    };
    check(size, "cells.cell_deg");
    let empty = FleetSummary::try_from(v1::FleetSummary::default());
    assert_eq!(empty.unwrap_err().field, "cells");
}
