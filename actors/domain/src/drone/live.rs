//! Live state: the newest of each group within the current boot.

use crate::ids::{BootId, Seq};
use crate::sample::{Content, TimeBasis};
use crate::units::{BootMicros, UtcMicros};

/// Which sample a group came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    pub seq: Seq,
    pub time: UtcMicros,
}

/// What the drone's current boot has told, merged per group: the higher seq wins, clocks never
/// decide, and a battery message never wipes a position.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LiveState {
    /// The boot with the latest power-up time; `None` before the first record.
    pub boot: Option<BootId>,
    pub power_up: Option<UtcMicros>,
    /// Newest sample of the boot by seq.
    pub newest: Option<Newest>,
    /// Merged groups. `gnss` and `battery` are merged per instance and sorted by id; `extras` per
    /// name and sorted; `kind` is the newest sample's; `raw` is never kept.
    pub groups: Content,
    pub stamps: Stamps,
    /// Receipt of the newest record of the boot.
    pub received: Option<UtcMicros>,
    /// Samples applied in this boot, repeats not counted as far as the window tells.
    pub samples: u64,
}

/// The newest sample's identity and clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Newest {
    pub seq: Seq,
    pub time: UtcMicros,
    pub basis: TimeBasis,
    pub since_boot: Option<BootMicros>,
}

/// Where each present group of [`LiveState::groups`] came from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stamps {
    pub position: Option<Stamp>,
    pub velocity: Option<Stamp>,
    pub attitude: Option<Stamp>,
    /// (receiver, stamp), sorted by receiver.
    pub gnss: Vec<(u8, Stamp)>,
    /// (pack, stamp), sorted by pack.
    pub battery: Vec<(u8, Stamp)>,
    pub link: Option<Stamp>,
    pub home: Option<Stamp>,
    pub mission: Option<Stamp>,
    pub health: Option<Stamp>,
    pub wind: Option<Stamp>,
    pub state: Option<Stamp>,
    pub text: Option<Stamp>,
    /// (name, stamp), sorted by name; at most [`crate::validate::EXTRAS_MAX`], newest kept.
    pub extras: Vec<(String, Stamp)>,
}
