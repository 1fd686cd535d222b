//! Live state: the newest of each group within the current boot.

use crate::alert::field::group;
use crate::ids::{BootId, Seq};
use crate::sample::{Battery, Content, Gnss, RecordedSample, TimeBasis};
use crate::units::{BootMicros, UtcMicros};
use crate::validate::{EXTRAS_MAX, INSTANCES_MAX};

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
    /// (receiver, stamp), sorted by receiver; at most [`INSTANCES_MAX`], newest kept.
    pub gnss: Vec<(u8, Stamp)>,
    /// (pack, stamp), sorted by pack; at most [`INSTANCES_MAX`], newest kept.
    pub battery: Vec<(u8, Stamp)>,
    pub link: Option<Stamp>,
    pub home: Option<Stamp>,
    pub mission: Option<Stamp>,
    pub health: Option<Stamp>,
    pub wind: Option<Stamp>,
    pub state: Option<Stamp>,
    pub text: Option<Stamp>,
    /// (name, stamp), sorted by name; at most [`EXTRAS_MAX`], newest kept.
    pub extras: Vec<(String, Stamp)>,
}

impl LiveState {
    /// Begins a boot that is later than the current one. True if the boot is current now, false
    /// if it is history.
    pub(super) fn enter(&mut self, boot: BootId, power_up: UtcMicros) -> bool {
        if self.boot == Some(boot) {
            return true;
        }
        if (Some(power_up), Some(boot)) < (self.power_up, self.boot) {
            return false;
        }
        *self = Self {
            boot: Some(boot),
            power_up: Some(power_up),
            ..Self::default()
        };
        true
    }

    /// Takes each group that is newer, by seq, than what is there, and tells which: bits of
    /// [`group`]. A group that says nothing is no group.
    pub(super) fn merge(&mut self, sample: &RecordedSample) -> u16 {
        let stamp = Stamp {
            seq: sample.seq,
            time: sample.time,
        };
        if self.newest.is_none_or(|newest| newest.seq < sample.seq) {
            self.newest = Some(Newest {
                seq: sample.seq,
                time: sample.time,
                basis: sample.basis,
                since_boot: sample.since_boot,
            });
            self.groups.kind.clone_from(&sample.content.kind);
        }
        let mut changed = self.merge_lists(&sample.content, stamp);
        macro_rules! merge_groups {
            ($($group:ident $bit:ident)*) => {$(
                let is_new = merge_group(
                    &mut self.groups.$group,
                    &mut self.stamps.$group,
                    &sample.content.$group,
                    stamp,
                );
                changed |= if is_new { group::$bit } else { 0 };
            )*};
        }
        merge_groups!(
            position POSITION velocity VELOCITY attitude ATTITUDE link LINK home HOME
            mission MISSION health HEALTH wind WIND state STATE text TEXT
        );
        changed
    }

    fn merge_lists(&mut self, content: &Content, stamp: Stamp) -> u16 {
        let mut changed = 0;
        for gnss in content.gnss.iter().filter(|gnss| says_something_gnss(gnss)) {
            let mut list = Keyed {
                values: &mut self.groups.gnss,
                stamps: &mut self.stamps.gnss,
                max: INSTANCES_MAX,
            };
            if list.merge(&gnss.id, gnss, stamp) {
                changed |= group::GNSS;
            }
        }
        for battery in content
            .battery
            .iter()
            .filter(|pack| says_something_battery(pack))
        {
            let mut list = Keyed {
                values: &mut self.groups.battery,
                stamps: &mut self.stamps.battery,
                max: INSTANCES_MAX,
            };
            if list.merge(&battery.id, battery, stamp) {
                changed |= group::BATTERY;
            }
        }
        for extra in &content.extras {
            let mut list = Keyed {
                values: &mut self.groups.extras,
                stamps: &mut self.stamps.extras,
                max: EXTRAS_MAX,
            };
            if list.merge(&extra.0, extra, stamp) {
                changed |= group::EXTRAS;
            }
        }
        changed
    }
}

fn merge_group<G: Clone + Default + PartialEq>(
    group: &mut Option<G>,
    newest: &mut Option<Stamp>,
    incoming: &Option<G>,
    stamp: Stamp,
) -> bool {
    let Some(incoming) = incoming else {
        return false;
    };
    let is_newer = newest.is_none_or(|newest| newest.seq < stamp.seq);
    let is_taken = is_newer && *incoming != G::default();
    if is_taken {
        *group = Some(incoming.clone());
        *newest = Some(stamp);
    }
    is_taken
}

fn says_something_gnss(gnss: &Gnss) -> bool {
    *gnss
        != Gnss {
            id: gnss.id,
            ..Gnss::default()
        }
}

fn says_something_battery(battery: &Battery) -> bool {
    *battery
        != Battery {
            id: battery.id,
            ..Battery::default()
        }
}

/// Entries in the order of their keys, and beside them where each came from.
struct Keyed<'a, K, V> {
    values: &'a mut Vec<V>,
    stamps: &'a mut Vec<(K, Stamp)>,
    max: usize,
}

impl<K: Ord + Clone, V: Clone> Keyed<'_, K, V> {
    /// True if it was taken.
    fn merge(&mut self, key: &K, value: &V, stamp: Stamp) -> bool {
        match self.stamps.binary_search_by(|(known, _)| known.cmp(key)) {
            Ok(at) if self.stamps[at].1.seq < stamp.seq => {
                self.values[at].clone_from(value);
                self.stamps[at].1 = stamp;
                true
            }
            Ok(_) => false,
            Err(at) => {
                self.values.insert(at, value.clone());
                self.stamps.insert(at, (key.clone(), stamp));
                self.trim();
                true
            }
        }
    }

    /// Drops the oldest entry beyond the limit; of equally old ones the first by key, so that
    /// the order of arrival plays no part.
    fn trim(&mut self) {
        if self.stamps.len() <= self.max {
            return;
        }
        let oldest = self
            .stamps
            .iter()
            .enumerate()
            .min_by_key(|(at, (_, stamp))| (stamp.seq, *at));
        if let Some((at, _)) = oldest {
            self.values.remove(at);
            self.stamps.remove(at);
        }
    }
}
