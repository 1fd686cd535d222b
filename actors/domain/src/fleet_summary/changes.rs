//! What is other in a later summary of the same question.

use std::collections::BTreeMap;

use super::{ArmedCounts, BatteryCounts, Cell, CellCounts, DroneCounts, FleetSummary, Rate};
use crate::sample::{FlightMode, LandedState};
use crate::units::UtcMicros;

/// The parts of a summary that changed; `None` is as it was.
#[derive(Debug, Clone, PartialEq)]
pub struct SummaryChanges {
    pub at: UtcMicros,
    pub drones: Option<DroneCounts>,
    pub armed: Option<ArmedCounts>,
    pub landed: Option<Vec<(Option<LandedState>, u64)>>,
    pub modes: Option<Vec<(Option<FlightMode>, u64)>>,
    pub battery: Option<BatteryCounts>,
    /// Only cells that changed are told, one that is not told any more with 0 drones; the other
    /// numbers are as they are now.
    pub cells: Option<CellCounts>,
    pub rate: Option<Rate>,
}

impl FleetSummary {
    /// What is other here than in an earlier summary.
    #[must_use]
    pub fn changes_since(&self, before: &Self) -> SummaryChanges {
        fn changed<T: Clone + PartialEq>(now: &T, before: &T) -> Option<T> {
            (now != before).then(|| now.clone())
        }
        SummaryChanges {
            at: self.at,
            drones: changed(&self.drones, &before.drones),
            armed: changed(&self.armed, &before.armed),
            landed: changed(&self.landed, &before.landed),
            modes: changed(&self.modes, &before.modes),
            battery: changed(&self.battery, &before.battery),
            cells: (self.cells != before.cells).then(|| CellCounts {
                told: changed_cells(&self.cells.told, &before.cells.told),
                ..self.cells.clone()
            }),
            rate: changed(&self.rate, &before.rate),
        }
    }

    /// Makes this the later summary.
    pub fn apply(&mut self, changes: SummaryChanges) {
        fn replace<T>(now: &mut T, change: Option<T>) {
            if let Some(change) = change {
                *now = change;
            }
        }
        self.at = changes.at;
        replace(&mut self.drones, changes.drones);
        replace(&mut self.armed, changes.armed);
        replace(&mut self.landed, changes.landed);
        replace(&mut self.modes, changes.modes);
        replace(&mut self.battery, changes.battery);
        replace(&mut self.rate, changes.rate);
        if let Some(cells) = changes.cells {
            let mut told = by_place(&self.cells.told);
            told.extend(by_place(&cells.told));
            told.retain(|_, drones| *drones > 0);
            self.cells = CellCounts {
                told: told.into_iter().map(cell).collect(),
                ..cells
            };
        }
    }
}

fn by_place(cells: &[Cell]) -> BTreeMap<(u32, u32), u32> {
    let cells = cells.iter();
    cells
        .map(|cell| ((cell.row, cell.column), cell.drones))
        .collect()
}

fn cell(((row, column), drones): ((u32, u32), u32)) -> Cell {
    Cell {
        row,
        column,
        drones,
    }
}

fn changed_cells(now: &[Cell], before: &[Cell]) -> Vec<Cell> {
    let (now, mut gone) = (by_place(now), by_place(before));
    let mut changed: Vec<Cell> = Vec::new();
    for (place, drones) in now {
        if gone.remove(&place) != Some(drones) {
            changed.push(cell((place, drones)));
        }
    }
    changed.extend(gone.into_keys().map(|place| cell((place, 0))));
    changed.sort_unstable();
    changed
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::fleet_summary::{CellSize, Tally, View};

    #[test]
    fn only_what_changed_is_told() {
        let view = View {
            now: UtcMicros(1),
            within: Duration::from_secs(1),
            cell: CellSize::new(1.0).ok(),
        };
        let cells = |list: &[(u32, u32)]| {
            let told = list.iter().map(|(row, drones)| ((*row, 0), *drones));
            told.map(cell).collect::<Vec<_>>()
        };
        let mut before = Tally::new(view, Duration::ZERO).finish(10);
        before.cells.told = cells(&[(1, 5), (2, 6), (3, 7)]);
        let mut now = before.clone();
        now.at = UtcMicros(9);
        now.drones.heard = 4;
        now.cells.told = cells(&[(1, 5), (3, 8), (4, 1)]);
        let changes = now.changes_since(&before);
        assert_eq!(changes.drones, Some(now.drones));
        assert_eq!(changes.armed, None);
        let told = changes.cells.as_ref().map(|cells| cells.told.clone());
        assert_eq!(told, Some(cells(&[(2, 0), (3, 8), (4, 1)])));
        before.apply(changes);
        assert_eq!(before, now);
        assert_eq!(now.changes_since(&before).cells, None);
    }
}
