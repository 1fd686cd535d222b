//! All that must be kept to go on with a drone elsewhere or later.

use super::boot::Boots;
use super::live::LiveState;
use super::window::{Fingerprint, Window, Windows};
use super::{Drone, Limits, Pulse};
use crate::alert::AlertBook;
use crate::command::Ledger;
use crate::ids::{BootId, DroneId, Offset, Seq};
use crate::sample::BootRecord;

/// A drone at rest. Numbers that were pending are not in it: they count as absent.
#[derive(Debug, Clone, PartialEq)]
pub struct DroneSnapshot {
    pub drone: DroneId,
    /// Ascending by power-up time, then boot id.
    pub boots: Vec<BootRecord>,
    /// True if an older boot was dropped for space.
    pub boots_forgotten: bool,
    pub live: LiveState,
    /// Highest telemetry offset that is in it.
    pub applied: Option<Offset>,
    /// Least recently used first; may be left out, then repeats count as absent.
    pub windows: Vec<WindowSnapshot>,
    pub commands: Ledger,
    /// Decisions that were not read back are in it: an owner that goes on writes them.
    pub alerts: AlertBook,
    pub pulse: Pulse,
}

/// The durable sequence numbers of one boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowSnapshot {
    pub boot: BootId,
    /// The first durable number; those below it count as absent. 0 if there is none.
    pub floor: Seq,
    /// (number, fingerprint), ascending.
    pub durable: Vec<(Seq, u64)>,
}

impl Drone {
    /// All of the drone, for a take-over.
    #[must_use]
    pub fn snapshot(&self) -> DroneSnapshot {
        let windows = self.windows.iter().map(|window| {
            let durable: Vec<_> = window
                .durable()
                .map(|(seq, fingerprint)| (seq, fingerprint.get()))
                .collect();
            WindowSnapshot {
                boot: window.boot,
                floor: durable.first().map_or(Seq(0), |(seq, _)| *seq),
                durable,
            }
        });
        DroneSnapshot {
            windows: windows.collect(),
            ..self.snapshot_compact()
        }
    }

    /// The drone without its windows, for a passive one: a repeat then counts as absent and is
    /// appended again, and the database key drops it.
    #[must_use]
    pub fn snapshot_compact(&self) -> DroneSnapshot {
        DroneSnapshot {
            drone: self.id.clone(),
            boots: self.boots.records().to_vec(),
            boots_forgotten: self.boots.any_forgotten(),
            live: self.live.clone(),
            applied: self.applied,
            windows: Vec::new(),
            commands: self.commands.clone(),
            alerts: self.alerts.clone(),
            pulse: self.pulse,
        }
    }

    /// A drone that goes on from a snapshot.
    #[must_use]
    pub fn restore(snapshot: DroneSnapshot, limits: Limits) -> Self {
        let spare = snapshot.windows.len().saturating_sub(limits.windows_max);
        let windows = snapshot.windows.into_iter().skip(spare).map(|kept| {
            let mut window = Window::new(kept.boot);
            for (seq, fingerprint) in kept.durable {
                window.mark_durable(seq, Fingerprint::new(fingerprint), limits.window);
            }
            window
        });
        let windows = Windows::restore(windows.collect());
        Self {
            id: snapshot.drone,
            limits,
            boots: Boots::restore(snapshot.boots, snapshot.boots_forgotten),
            windows,
            live: snapshot.live,
            applied: snapshot.applied,
            commands: snapshot.commands,
            alerts: snapshot.alerts,
            pulse: snapshot.pulse,
        }
    }
}
